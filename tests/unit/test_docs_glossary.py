"""The glossary's words are the code's, and the words that it replaces are gone from the code."""

import ast
import re
from collections.abc import Iterator

import pytest

from tests.support.counterparts import ROOT
from tests.unit.test_lists import ROOMS

GLOSSARY = (ROOT / "docs" / "glossary.md").read_text("utf-8")
OWN, REPLACED = GLOSSARY.split("## Words that are not used")
SOURCES = {path: path.read_text("utf-8") for room in sorted(ROOMS) for path in (ROOT / room).rglob("*.py")}


def first_cells(text: str) -> list[str]:
    """The first cell of each row, without the table's head."""
    rows = [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("|")]
    return rows[2:]


def defined(source: str) -> Iterator[str]:
    """The names of the classes, functions, arguments and variables that a module makes."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


DEFINED = {(name.strip("_"), str(path.relative_to(ROOT))) for path, text in SOURCES.items() for name in defined(text)}


@pytest.mark.parametrize("word", first_cells(OWN))
def test_every_word_of_the_glossary_is_used(word: str) -> None:
    spelled = re.compile(rf"\b{word.replace(' ', '[ _]')}", re.IGNORECASE)
    assert any(spelled.search(text) for text in SOURCES.values()) or word in {"room", "counterpart"}


@pytest.mark.parametrize("word", re.findall(r"`(\w+)`", "\n".join(first_cells(REPLACED))))
def test_a_word_that_was_replaced_names_nothing(word: str) -> None:
    assert [place for name, place in DEFINED if name == word] == []


@pytest.mark.parametrize(
    "name",
    re.findall(r"`([A-Z]\w+)`", "".join(row.split("|")[2] for row in REPLACED.splitlines() if row.startswith("| `"))),
)
def test_what_stands_instead_is_there(name: str) -> None:
    assert any(name == one for one, _ in DEFINED)
