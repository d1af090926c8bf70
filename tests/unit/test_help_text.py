"""A command's help reads well on any terminal: no line ends where the source happened to."""

from collections.abc import Iterator

import pytest
from typer.core import TyperCommand, TyperGroup

from console.cli.help_text import flowing
from console.cli.loaded import command
from console.cli.table import COMMANDS


def test_a_paragraph_is_one_line_and_examples_are_a_line_each() -> None:
    text = """First.

    A sentence that
    goes on.

    Examples:  one --data a     two
    three
    """
    assert flowing(text) == "First.\n\nA sentence that goes on.\n\nExamples:\n  one --data a\n  two\n  three"


def test_what_is_marked_stays_as_it_is() -> None:
    assert flowing("First.\n\n\b\na\n b") == "First.\n\n\b\na\n b"


def helps(name: str, one: TyperCommand | TyperGroup) -> Iterator[tuple[str, str]]:
    yield name, one.help or ""
    for below, inner in getattr(one, "commands", {}).items():
        yield from helps(f"{name} {below}", inner)


@pytest.mark.parametrize("name", [name for name, one in COMMANDS.items() if not one.hidden])
def test_no_help_breaks_a_line_but_between_examples(name: str) -> None:
    broken = [
        (of, paragraph)
        for of, text in helps(name, command(name))
        for paragraph in text.split("\n\n")
        if "\n" in paragraph.strip() and not paragraph.startswith(("Example", "\b"))
    ]
    assert broken == []
