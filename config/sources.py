"""Where a setting was given, so that a complaint about it names the file and line, the variable or the command line."""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from config.toml_lines import KeyPath, dotted, locate, within

PREFIX = "DICOM_NODE_"
_PLACED = re.compile(r"(.+?):(\d+): ")


@dataclass(frozen=True)
class Fault:
    """What is wrong with the settings at `paths`, of which the first that was given says where.

    `said` is whole without the setting's name in front. One that is not `certain` is a remark: the node runs with it.
    """

    said: str
    paths: tuple[KeyPath, ...]
    certain: bool = True


@dataclass(frozen=True)
class Sources:
    """What the file, its text, and the command line gave; variables are looked up."""

    file: Path | None = None
    text: str = ""
    beneath: Mapping[str, object] = field(default_factory=dict)
    above: Mapping[str, object] = field(default_factory=dict)

    def named(self, path: KeyPath) -> str:
        """The setting's name, elements of lists by theirs."""
        held = next((one for one in (self.above, self.beneath) if _holds(one, path[:2])), {})
        return dotted(held, path)

    def place(self, path: KeyPath) -> str:
        """`command line`, the variable, or `file:line` of the setting, or "" where nobody gave it."""
        if _holds(self.above, path):
            return "command line"
        if variable := next(_variables(path), None):
            return f"environment: {variable}"
        if self.file and _holds(self.beneath, path):
            return f"{self.file}:{locate(self.text, path)}"
        return ""

    def order(self, line: str) -> tuple[bool, str, int]:
        """What complaints are sorted by: those about no line, those about the file by its lines, then other files'."""
        found = _PLACED.match(line)
        file, number = (found[1], int(found[2])) if found else ("", 0)
        return file not in {"", str(self.file)}, file, number

    def line(self, fault: Fault) -> str:
        """The complaint, with its place in front."""
        place = next(filter(None, map(self.place, fault.paths)), "")
        return f"{place or self.file or 'settings'}: {fault.said}"


def _holds(tree: object, path: KeyPath) -> bool:
    try:
        within(tree, path)
    except LookupError:
        return False
    return bool(path)


def _variables(path: KeyPath) -> Iterator[str]:
    for depth in range(len(path), 0, -1):
        name = PREFIX + "__".join(str(part) for part in path[:depth]).upper()
        if name in os.environ:
            yield name
