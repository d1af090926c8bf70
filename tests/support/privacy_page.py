"""docs/privacy.md as its tests read it."""

import re

from tests.support.counterparts import ROOT

TELLS, TELLS_NOT = "What tells of a person", "What holds nothing of a person"
_PAGE = (ROOT / "docs" / "privacy.md").read_text("utf-8")
_COLUMN = re.compile(r"`([a-z_]+\.[a-z_]+)`")


def rows(heading: str) -> list[list[str]]:
    """The cells of the table under a heading, a list for each of its rows."""
    section = _PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def columns(row: list[str]) -> list[str]:
    """The columns, as `table.column`, that a row is about."""
    return _COLUMN.findall(row[0])


def left_out_by(setting: str) -> set[str]:
    """The columns that a setting leaves out, such as `privacy.descriptions`."""
    return {one for row in rows(TELLS) if row[4].startswith(f"`{setting} = ") for one in columns(row)}
