"""Whatever a document tells a reader to type is taken as it stands: every word of it, and nothing lacks."""

from pathlib import Path
from typing import Any

import pytest
import typer

from console.cli.app import app
from tests.support.counterparts import ROOT
from tests.support.documented import DOCUMENTS, typed

# What a reader puts a number of their own in the place of.
NUMBERS = {"ID": "7", "GROUP": "1", "N": "5"}
# Files that a reader has before.
FILES = ("STUDY-FOLDER", "study", "net.onnx")


@pytest.fixture(autouse=True)
def _a_folder_as_the_readers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in FILES:
        (tmp_path / name).touch()


def taken(words: list[str]) -> None:
    """Have the command take the words as it would to run; raises what it would say of them."""
    command: Any = typer.main.get_command(app)
    context = typer.Context(command, info_name="dicom-node")
    words = [NUMBERS.get(word, word) for word in words]
    while hasattr(command, "get_command"):
        name, command, words = command.resolve_command(context, words)
    command.make_context(name, words, parent=context).close()


@pytest.mark.parametrize(
    "document", [one for one in DOCUMENTS if any(typed(one))], ids=lambda path: str(path.relative_to(ROOT))
)
def test_each_line_is_a_whole_command_that_is_taken_as_it_stands(document: Path) -> None:
    for words in typed(document):
        try:
            taken(list(words))
        except Exception as error:
            pytest.fail(f"dicom-node {' '.join(words)}: {error}")


@pytest.mark.parametrize("words", ["explain", "status A B", "conflicts adopt x", "models sign DIR", "echo nowhere"])
def test_a_line_that_lacks_something_or_has_too_much_is_found(words: str) -> None:
    with pytest.raises(Exception, match=r"."):
        taken(words.split())


def test_lines_are_read_where_they_stand() -> None:
    lines = [" ".join(words) for one in DOCUMENTS for words in typed(one)]
    for line in ("status --data trial", "service install", "audit verify", "retry STUDY", "models sign DIR --key FILE"):
        assert line in lines
    assert len(lines) > 60
