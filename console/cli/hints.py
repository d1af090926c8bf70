"""Commands that a printed text names, completed by what the reader typed to say which node is meant.

Rooms that know no command line say `dicom-node conflicts list`; whoever typed `--data trial` can paste what is printed
only with that in it. What the environment says holds for the next command as well, and is not repeated.
"""

import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from shlex import quote
from typing import TypeVar

from console.cli.loaded import named_command

V = TypeVar("V", str, Path)

_NAMED = re.compile(r"\bdicom-node ([a-z][a-z-]*)(?: ([a-z][a-z-]*))?")
_typed: dict[str, str] = {}


def begin() -> None:
    """A command line is about to be read."""
    _typed.clear()


def typed(option: str) -> Callable[[V | None], V | None]:
    """A callback for `option` that keeps what is given for it."""

    def keep(value: V | None) -> V | None:
        if value is not None:
            _typed[option] = str(value)
        return value

    return keep


def completed(text: str) -> str:
    """`text` in which each command that it names has the options that were typed and that it takes, once each."""
    if not _typed or "dicom-node " not in text:
        return text
    starts = [0, *(one.start() for one in _NAMED.finditer(text)), len(text)]
    return "".join(_completed(text[start:end]) for start, end in pairwise(starts))


def _completed(said: str) -> str:
    """`said` with the options behind the name of the command that it begins with, where it begins with one."""
    named = _NAMED.match(said)
    asked, words = named_command(*named.groups()) if named else (None, 0)
    if named is None or asked is None:
        return said
    end = named.end(words)
    taken = {name for one in asked.params for name in one.opts}
    added = (f" {name} {quote(value)}" for name, value in _typed.items() if name in taken and f"{name} " not in said)
    return said[:end] + "".join(added) + said[end:]
