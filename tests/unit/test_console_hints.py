"""Commands that a printed text names can be pasted: they say which node, as the reader did."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from console.cli import hints
from console.cli.app import app
from console.cli.loaded import named_command
from console.cli.output import complain, say, styled
from console.cli.table import COMMANDS
from tests.support.sources import modules

PRINTS = ("print", "typer.echo", "sys.stdout.write", "Console")
# The product's name where no command follows.
NO_COMMAND = {"at each", "demonstration", "needs", "phantom", "policy", "trail"}


@pytest.fixture(autouse=True)
def _nothing_typed() -> Iterator[None]:
    hints.begin()
    yield
    hints.begin()


def type_options(**values: str) -> None:
    for name, value in values.items():
        hints.typed(f"--{name}")(value)


def texts() -> Iterator[tuple[str, str]]:
    """Every text of the product that names one of its commands, and the file it is in; what is put in is N."""
    for module in modules():
        descriptions = {id(node.value) for node in ast.walk(module.tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(module.tree):
            if id(node) in descriptions:
                continue
            if isinstance(node, ast.JoinedStr):
                text = "".join(str(part.value) if isinstance(part, ast.Constant) else "N" for part in node.values)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                text = node.value
            else:
                continue
            if re.search(r"\bdicom-node [a-z]", text):
                yield module.path, text


def named(text: str) -> Iterator[tuple[str, str | None]]:
    for found in re.finditer(r"\bdicom-node ([a-z][a-z-]*)(?: ([a-z][a-z-]*))?", text):
        yield found[1], found[2]


def test_every_command_that_a_text_of_ours_names_is_one() -> None:
    found = list(texts())
    assert len(found) > 30
    unknown = {
        (path, " ".join(filter(None, words)))
        for path, text in found
        for words in named(text)
        if named_command(*words)[0] is None and words[0] not in COMMANDS
    }
    assert {words for _, words in unknown} <= NO_COMMAND


def test_every_command_in_a_text_of_ours_gets_what_was_typed_of_the_options_that_it_takes() -> None:
    type_options(data="my trial", config="node.toml", database="postgresql://db/node")
    for path, text in texts():
        completed = hints.completed(text)
        for words in named(text):
            asked, length = named_command(*words)
            name = " ".join(("dicom-node", *[word for word in words if word][:length]))
            taken = {name for one in asked.params for name in one.opts} if asked else set()
            said = " ".join(re.findall(rf"{name}\b[^\n`]*", completed))
            lacks = [one for one in ("--data", "--config", "--database") if one in taken and f"{one} " not in said]
            assert lacks == [], (path, text)


def test_what_was_typed_stands_behind_the_name_and_is_a_word_of_a_shell() -> None:
    type_options(data="my trial")
    assert hints.completed("see dicom-node status 3f2a") == "see dicom-node status --data 'my trial' 3f2a"
    assert (
        hints.completed("dicom-node conflicts list, then go") == "dicom-node conflicts list --data 'my trial', then go"
    )


def test_of_two_commands_in_one_text_each_gets_what_it_lacks_and_no_other() -> None:
    type_options(data="trial", config="node.toml")
    said = "dicom-node status --data trial, or dicom-node config show, or dicom-node send FOLDER"
    assert hints.completed(said) == (
        "dicom-node status --config node.toml --data trial, or dicom-node config show --config node.toml, "
        "or dicom-node send FOLDER"
    )


def test_a_text_that_was_completed_is_not_completed_again() -> None:
    type_options(data="trial", database="postgresql://db/node")
    once = hints.completed("first dicom-node conflicts adopt 7, then dicom-node retry 3f2a")
    assert hints.completed(once) == once


def test_what_the_environment_says_is_not_repeated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DICOM_NODE_DATA", str(tmp_path))
    result = CliRunner().invoke(app, ["conflicts", "adopt", "0"])
    assert result.stderr == "there is no conflict 0: dicom-node conflicts list\n"


def test_an_argument_that_is_refused_before_the_options_behind_it_are_read_says_them_all_the_same() -> None:
    result = CliRunner().invoke(app, ["conflicts", "adopt", "0", "--data", "trial"])
    assert result.stderr == "there is no conflict 0: dicom-node conflicts list --data trial\n"
    assert CliRunner().invoke(app, ["conflicts", "adopt", "0"]).stderr.endswith("conflicts list\n")


def test_however_a_text_is_printed_it_is_completed(capsys: pytest.CaptureFixture[str]) -> None:
    type_options(data="trial")
    say("dicom-node doctor")
    complain("dicom-node doctor")
    out, err = capsys.readouterr()
    assert out == err == f"{styled('dicom-node doctor')}\n" == "dicom-node doctor --data trial\n"


def test_nothing_reaches_a_terminal_but_by_the_module_that_completes_it() -> None:
    """The version has no commands in it; a defect is shown as it is."""
    printing = {
        module.path
        for module in modules()
        if module.path.startswith("console/")
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in PRINTS
    }
    assert printing - {"console/api/document.py"} == {
        "console/cli/output.py",
        "console/cli/app.py",
        "console/cli/main.py",
    }
