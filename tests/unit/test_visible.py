"""Words from outside on a terminal, in a log and in an error: shown, never obeyed, never a line of their own."""

import ast
import json
import logging
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text
from typer.testing import CliRunner

from config import logs
from config.settings import Logging
from console.cli.app import app
from console.cli.output import Screen, as_json, stacked, styled, table
from domain.errors import ConfigurationError, NodeError
from domain.visible import on_a_line, visible
from tests.support.counterparts import ROOT
from tests.support.hostile import FORGED, HOSTILE, SHORT, forged, obeyed
from tests.support.logged import hooks_kept
from tests.support.packages import write_package

ANY_TEXT = st.text(alphabet=st.characters(codec=None), max_size=80)


@given(ANY_TEXT)
def test_any_text_becomes_one_line_of_letters_that_can_be_seen(text: str) -> None:
    for shown in (visible(text), on_a_line(text)):
        assert obeyed(shown) == set()
        assert len(shown.splitlines()) <= 1
        assert visible(shown) == shown


@given(ANY_TEXT)
def test_of_a_text_nothing_is_dropped(text: str) -> None:
    shown = visible(text)
    for letter in text:
        assert letter in shown or f"<U+{ord(letter):04X}>" in shown
    assert len(shown) >= len(text)


@pytest.mark.parametrize(
    "text", ["", "CT Thorax", "Müller^Jörg", "胸部　単純", "שלום", "50 % \\ [red] <b>", "a\u00a0b"]
)
def test_what_can_be_seen_stays_as_it_is(text: str) -> None:
    assert visible(text) == on_a_line(text) == text


def test_what_parts_lines_is_a_space_where_a_word_is_kept() -> None:
    assert on_a_line("chest\r\nCT\x1b[2J") == "chest  CT<U+001B>[2J"


def _drawn(*renderables: object, terminal: bool = False) -> str:
    stream = StringIO()
    screen = Screen(file=stream, width=200, force_terminal=terminal, color_system=None, soft_wrap=not terminal)
    for one in renderables:
        screen.print(one)
    return stream.getvalue()


@pytest.mark.parametrize("terminal", [False, True])
def test_nothing_that_is_drawn_is_obeyed(terminal: bool) -> None:
    cells = [(HOSTILE, [HOSTILE, HOSTILE], styled(HOSTILE)), (Path(HOSTILE), None, 7)]
    drawn = _drawn(
        HOSTILE, styled(HOSTILE), stacked([HOSTILE]), table(HOSTILE, [HOSTILE, "", ""], cells), terminal=terminal
    )
    assert obeyed(drawn) == set()
    assert forged(drawn) == []
    assert "[red]<U+001B>[31m" in drawn  # not as markup either


def test_behind_what_makes_words_visible_stands_a_wall() -> None:
    assert obeyed(_drawn(Text(HOSTILE), Text("a").append(HOSTILE), terminal=True)) == set()


def test_json_is_printed_in_ascii_without_a_control_character() -> None:
    printed = as_json({HOSTILE: [HOSTILE]})
    assert printed.isascii() and obeyed(printed) == set()
    assert json.loads(printed) == {HOSTILE: [HOSTILE]}


# Who writes to a stream, and why no word of others passes there.
WRITES = {
    "console/cli/output.py": "the one place",
    "console/cli/main.py": "the version; defects, which config.defects makes visible",
    "console/cli/app.py": "the version",
    "roles/fork.py": "defects, which config.defects makes visible",
    "roles/devices.py": "a number, to the parent",
    "models/schema.py": "JSON",
    "audit/trail_verifier.py": "a program by itself, which makes its lines visible",
    "console/api/document.py": "JSON",
    "config/journal.py": "a record as its formatter made it visible",
    "config/log_files.py": "a record as its formatter made it visible",
}
PRINTING = {"print", "typer.echo", "typer.secho", "rich.print", "rich.console.Console", "Text"}
PRINTING |= {f"{stream}.write" for stream in ("stdout", "stderr")}
NOT_THE_NODE = {"benchmarks", "tests", "training"}


def test_all_that_is_printed_goes_through_one_place() -> None:
    rooms = {one.parent for one in ROOT.glob("*/__init__.py")}
    files = [file for room in rooms if room.name not in NOT_THE_NODE for file in room.rglob("*.py")]
    assert {file.relative_to(ROOT).as_posix() for file in files if PRINTING & _named(file)} == WRITES.keys()


def _named(file: Path) -> set[str]:
    """What a module imports and calls, by its name and that of whose it is; types alone are not called."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{one.name}" for one in node.names}
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            found.add(".".join(ast.unparse(node.func).split(".")[-2:]))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            found.add(node.func.id)
    return found


@pytest.fixture(params=["text", "json"])
def log(request: pytest.FixtureRequest) -> Iterator[tuple[logging.Logger, StringIO]]:
    stream = StringIO()
    with hooks_kept():
        logs.set_up(Logging(format=request.param), "index", stream)
        yield logging.getLogger("consumers.test"), stream


def test_no_word_in_a_log_is_obeyed_or_begins_a_record(log: tuple[logging.Logger, StringIO]) -> None:
    log[0].error("refused: %s", HOSTILE, extra={"caller": HOSTILE, "file": Path(HOSTILE), "many": [HOSTILE]})
    try:
        raise ConfigurationError(HOSTILE, f"second line {HOSTILE}")
    except NodeError as error:
        log[0].exception("%s", error)
    written = log[1].getvalue()
    assert obeyed(written) == set()
    records = [line for line in written.splitlines() if not line.startswith("    ")]
    assert [line for line in records if FORGED in line and "index" not in line] == []
    assert len(records) == 2


def test_a_word_in_a_readable_log_is_not_taken_for_another_key() -> None:
    stream = StringIO()
    with hooks_kept():
        logs.set_up(Logging(format="text"), "index", stream)
        logging.getLogger("consumers.test").warning("refused", extra={"calling": "A study=1", "reason": "two words"})
    assert stream.getvalue().endswith(' calling="A study=1" reason=two words\n')


def test_an_error_quotes_words_so_that_they_can_be_seen_and_keeps_its_own_lines() -> None:
    error = ConfigurationError(f"{HOSTILE}: is no package", "and more")
    assert len(str(error).splitlines()) == 2 and forged(str(error)) == []
    assert obeyed(error.sentence) == set() and "; and more" in error.sentence


@pytest.mark.parametrize(
    "arguments",
    [
        [HOSTILE],
        [f"--{HOSTILE}"],
        ["echo", HOSTILE],
        ["echo", "A@b:1", HOSTILE],
        ["status", f"--{HOSTILE}"],
        ["status", "--last", HOSTILE],
        ["status", "--data", HOSTILE],
        ["send", HOSTILE, "--to", "X@h:1"],
        ["config", "check", HOSTILE],
        ["models", "show", HOSTILE],
        ["destinations", "probe", HOSTILE],
    ],
)
def test_a_complaint_about_the_arguments_shows_what_it_quotes(arguments: list[str]) -> None:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code in (1, 2)
    assert obeyed(result.output) == set()
    assert forged(result.output) == []


def test_names_of_files_are_shown_where_they_are_skipped(tmp_path: Path) -> None:
    (tmp_path / HOSTILE.replace("/", "")).write_text("no DICOM")
    for extra in ([], ["--json"]):
        result = CliRunner().invoke(app, ["send", str(tmp_path), "--to", "X@127.0.0.1:1", *extra])
        assert "00:00:00.000" in result.output
        assert obeyed(result.output) == set()
        assert forged(result.output) == []


@pytest.mark.parametrize(
    "command", [["list"], ["show", "MODEL"], ["verify", "--files"], ["verify", "--files", "MODEL"]]
)
def test_words_of_a_package_are_shown(command: list[str], tmp_path: Path) -> None:
    written = write_package(tmp_path)
    manifest = written / "manifest.toml"
    escaped = json.dumps(SHORT)[1:-1]
    text = manifest.read_text()
    manifest.write_text(text.replace("Body and bone by attenuation", escaped).replace("Phantom Works", escaped))
    (written / "MODEL_CARD.md").write_text(HOSTILE)
    (written / HOSTILE.replace("/", "")).write_text("a file that is not listed")
    broken = tmp_path / HOSTILE.replace("/", "")
    broken.mkdir()
    (broken / "manifest.toml").write_text("nothing")
    words = [written.name if one == "MODEL" else one for one in command]
    for extra in ([], ["--json"]):
        result = CliRunner().invoke(app, ["models", *words, "--models", str(tmp_path), *extra])
        assert "forged" in result.output, result.output
        assert obeyed(result.output) == set()
        assert forged(result.output) == []


def test_words_of_the_settings_are_shown(tmp_path: Path) -> None:
    file = tmp_path / "node.toml"
    file.write_text(f"data = {json.dumps(HOSTILE)}\n[models]\nfolder = {json.dumps(str(tmp_path / HOSTILE))}\n")
    for arguments in (["config", "show", "--config", file], ["config", "check", file], ["doctor", "--config", file]):
        result = CliRunner().invoke(app, [str(one) for one in arguments])
        assert "forged" in result.output
        assert obeyed(result.output) == set()
        assert forged(result.output) == []
