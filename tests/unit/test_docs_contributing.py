"""Whoever follows CONTRIBUTING or the page on architecture finds the files that they name."""

import re
from pathlib import Path

import pytest

from tests.support.counterparts import ROOT
from tests.unit.test_lists import ROOMS, runs

PAGES = ("CONTRIBUTING.md", "docs/architecture.md", "docs/glossary.md")
TABLE = (ROOT / "CONTRIBUTING.md").read_text("utf-8").partition("## Where do I change ...")[2].partition("## Code")[0]
PLACES = {*ROOMS, "benchmarks", "deploy", "docs", "scripts", "tests"}


def paths(text: str) -> set[str]:
    """Every path of the project that stands in code."""
    named = {name for name in re.findall(r"`([\w./-]+)`", text) if "/" in name}
    return {name for name in named if name.partition("/")[0] in PLACES}


def rows() -> list[list[str]]:
    """The rows of the table, a cell each."""
    lines = [line for line in TABLE.partition("What is made")[0].splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


@pytest.mark.parametrize("page", PAGES)
def test_every_path_that_a_page_names_is_there(page: str) -> None:
    assert [name for name in sorted(paths((ROOT / page).read_text("utf-8"))) if not (ROOT / name).exists()] == []


def test_each_of_twenty_wishes_leads_to_one_file_and_to_a_test() -> None:
    assert len(rows()) >= 20
    for wish, first, follows, test in rows():
        assert wish
        assert follows
        assert (ROOT / first.strip("`")).is_file(), first
        assert Path(test.strip("`")).name.startswith("test_"), test


def test_every_command_that_renews_a_made_file_can_be_run() -> None:
    made = TABLE.partition("What is made")[2]
    commands = re.findall(r"python -m ([\w.]+)", made)
    assert len(commands) >= 3
    assert [name for name in commands if name != "pytest" and not runs(name)] == []


def test_every_room_is_described() -> None:
    described = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    assert [room for room in sorted(ROOMS) if f"| `{room}/` |" not in described] == []


def test_the_layers_of_the_page_are_those_of_the_contract() -> None:
    contract = (ROOT / ".importlinter").read_text("utf-8").partition("layers =\n")[2].partition("\n\n")[0]
    drawn = (ROOT / "docs" / "architecture.md").read_text("utf-8").partition("```\nconsole\n")[2].partition("```")[0]
    assert ["console", *drawn.splitlines()] == [line.strip() for line in contract.splitlines() if line.strip()]
