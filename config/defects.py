"""What may be shown of an exception or a warning: types and places, and words only where they are the node's own.

A library's words may quote what it was given: the parameters of a statement, a value of a data set, what a peer said.
That may be a patient's name, and a log is read by people who must not see one.
"""

import os
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

from domain.errors import NodeError
from domain.visible import visible


def trace(error: BaseException) -> str:
    """The traceback of `error` and of what led to it: frames and types, and the words of the node's own errors."""
    told = "\n".join(
        f"Traceback (most recent call last):\n{''.join(traceback.format_tb(one.__traceback__))}{named(one)}"
        for one in reversed(list(_chain(error)))
    )
    return "\n".join(map(visible, told.split("\n")))


def in_short(error: BaseException) -> str:
    """Its type and its place, for whoever can do nothing about it but report it."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{named(error)} at {place(frames[-1].filename, frames[-1].lineno or 0)}" if frames else named(error)


def named(error: BaseException) -> str:
    """An exception's type, and what may be said of it."""
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    said = str(error) if isinstance(error, NodeError) else _coded(error)
    return f"{name}: {said}" if said else name


def place(file: str, line: int) -> str:
    """A line of code by its module's file and the folder of that."""
    return f"{'/'.join(Path(file).parts[-2:])}:{line}"


def say_by(say: Callable[[BaseException], None], warn: Callable[[type[Warning], str], None]) -> None:
    """Have `say` told of whatever ends a thread or this process, and `warn` of warnings: their category and place.

    A place warns once, in whatever words.
    """
    places: set[str] = set()

    def warned(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        where = place(filename, lineno)
        if where not in places:
            places.add(where)
            warn(category, where)

    warnings.showwarning = warned
    sys.excepthook = lambda _kind, error, _at: say(error)
    threading.excepthook = lambda ended: say(ended.exc_value) if ended.exc_value else None
    sys.unraisablehook = lambda ignored: say(ignored.exc_value) if ignored.exc_value else None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """`error`, then what it was raised from or beside, each once."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _coded(error: BaseException) -> str:
    """The code of the operating system's or PostgreSQL's errors, which says what happened and quotes nothing."""
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    state = getattr(error, "sqlstate", None)
    return f"SQLSTATE {state}" if isinstance(state, str) else ""
