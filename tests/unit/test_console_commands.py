"""The command line without a node: help, usage, configuration, packages, and errors as one line."""

import json
import os
import platform
import shutil
import subprocess
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from console.cli.app import app
from console.cli.loaded import command as loaded
from console.cli.table import COMMANDS, ROLE_PANEL
from roles.table import ROLES
from tests.support.counterparts import ROOT
from tests.support.node import PROGRAM
from tests.support.processes import free_port


@pytest.fixture(autouse=True)
def _no_settings_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("DICOM_NODE_")]:
        monkeypatch.delenv(name)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(one) for one in arguments])


def test_every_command_explains_itself() -> None:
    for name in COMMANDS:
        result = run(name, "--help")
        assert result.exit_code == 0, name
        assert "Usage" in result.stdout


def test_the_first_help_lists_the_commands_of_people_and_not_those_of_the_supervisor() -> None:
    shown = run("--help").stdout
    assert all(name in shown for name in COMMANDS if name != "keep-database")
    assert "keep-database" not in shown


def test_the_first_help_says_each_command_in_whole_sentences_and_the_trial_in_lines_of_their_own() -> None:
    shown = run("--help").stdout
    words = " ".join(shown.split())
    assert all(f"{name} {one.about}" in words for name, one in COMMANDS.items() if not one.hidden)
    assert f"\n\n{ROLE_PANEL}:\n  listen " in shown
    assert "\n  then  dicom-node send STUDY-FOLDER --to DICOM_NODE@127.0.0.1:11112  and  " in shown


@pytest.mark.parametrize("arguments", [["--version"], ["--debug", "--version"]])
def test_the_version_is_said_with_the_python_that_runs_it(arguments: list[str]) -> None:
    done = subprocess.run([*PROGRAM, *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == f"dicom-node {version('dicom-node')} (Python {platform.python_version()})\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_the_first_help_says_of_a_command_what_its_own_help_begins_with(name: str) -> None:
    command, shown = loaded(name), COMMANDS[name]
    assert (str(command.help).splitlines()[0], command.hidden) == (shown.about, shown.hidden)
    panel = getattr(command, "rich_help_panel", None)
    assert (panel if isinstance(panel, str) else None) == shown.panel


@pytest.mark.parametrize("arguments", [["nothing"], ["echo"], ["echo", "nonsense"], ["status", "--last", "0"]])
def test_a_wrong_usage_ends_with_code_2(arguments: list[str]) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert "Usage" in result.stderr


def parameters(command: Any) -> Iterator[tuple[str, Any]]:
    """Every parameter of a command and of those below it, with the command's name."""
    for below in getattr(command, "commands", {}).values():
        yield from parameters(below)
    for one in command.params:
        yield f"{command.name} {one.name}", one


# Checked as settings are.
SETTINGS = {"port", "http_port", "settle"}


def test_every_number_that_a_command_takes_has_bounds() -> None:
    numbers = [
        (name, one)
        for command in COMMANDS
        for name, one in parameters(loaded(command))
        if one.type_descriptor.annotation in (int, float)
    ]
    assert len(numbers) > 20
    unbounded = {
        name
        for name, one in numbers
        if (one.min is None or one.max is None)
        and one.callback is None
        and (one.name not in SETTINGS or name.split()[0] not in {"up", *ROLES})
    }
    assert unbounded == set()


@pytest.mark.parametrize("seconds", ["nan", "inf", "1e300", "0"])
def test_a_time_that_nobody_can_wait_is_a_wrong_usage(seconds: str) -> None:
    assert run("echo", "NOBODY@127.0.0.1:1", "--timeout", seconds).exit_code == 2


@pytest.mark.parametrize("option", ["--port", "--http-port", "--settle"])
def test_a_number_that_is_a_setting_is_bounded_as_the_setting_is(option: str, tmp_path: Path) -> None:
    result = run("up", "--data", tmp_path, option, 10**20)
    assert result.exit_code == 2
    assert result.stderr.count("\n") <= 3


def test_a_peer_that_is_not_there_is_one_line_and_code_1() -> None:
    result = run("echo", f"NOBODY@127.0.0.1:{free_port()}")
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert "Connection refused" in result.stderr


def test_debug_keeps_the_exception() -> None:
    result = run("--debug", "echo", f"NOBODY@127.0.0.1:{free_port()}")
    assert "Connection refused" in str(result.exception)
    assert not result.stderr


def test_an_ae_title_that_is_too_long_is_wrong_usage() -> None:
    assert run("echo", "SEVENTEEN_LETTERS@127.0.0.1:104").exit_code == 2
    assert run("echo", "A@127.0.0.1:104", "--aet", "SEVENTEEN_LETTERS").exit_code == 2


def test_a_folder_where_no_node_has_run_has_no_status(tmp_path: Path) -> None:
    result = run("status", "--data", tmp_path)
    assert result.exit_code == 1
    assert "no node has run there" in result.stderr


def test_sending_what_is_no_dicom_counts_it_and_fails(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    result = run("send", tmp_path, "--to", "X@127.0.0.1:104", "--json")
    assert result.exit_code == 1
    said = json.loads(result.stdout)
    assert said["skipped"] == 1
    (skipped,) = said["skipped_files"]
    assert skipped["file"] == str(tmp_path / "notes.txt")
    assert "no file meta information" in skipped["reason"]


def test_the_first_files_that_are_skipped_are_named_with_the_reason(tmp_path: Path) -> None:
    for number in range(5):
        (tmp_path / f"{number}.txt").write_text("hello")
    said = run("send", tmp_path, "--to", "X@127.0.0.1:104").output
    assert said.startswith("nothing to send: there is no DICOM file; 5 files left out")
    assert "0.txt: it is not a DICOM Part 10 file: it has no file meta information" in " ".join(said.split())
    assert "3.txt" not in said and "and 2 more were left out" in said


def test_what_was_not_sent_is_told_once_for_each_reason_and_without_a_rate(tmp_path: Path) -> None:
    for number in range(5):
        shutil.copy(ROOT / "docs" / "samples" / "report-as-text.dcm", tmp_path / f"{number}.dcm")
    result = run("send", tmp_path, "--to", f"X@127.0.0.1:{free_port()}")
    assert result.stdout == "stored 0 of 5 instances\n"
    first, *files, rest = result.stderr.splitlines()
    assert first.startswith("5 instances not stored, to be sent again: no connection to 127.0.0.1:")
    assert [one.strip() for one in files] == [str(tmp_path / f"{number}.dcm") for number in range(3)]
    assert rest == "  and 2 more; --json names them all"


def test_a_right_configuration_is_ok_by_its_name_and_show_has_each_setting_with_its_meaning(tmp_path: Path) -> None:
    file = tmp_path / "node.toml"
    models = tmp_path / "models"
    models.mkdir()
    file.write_text(f'[listener]\naet = "OURS"\n[models]\nfolder = "{models}"\n')
    assert run("config", "check", file).stdout == f"{file}: OK\n"
    shown = run("config", "show", "--config", file).stdout
    assert "OURS" in shown and "our AE title" in shown


def test_a_check_of_no_file_says_so_and_names_the_services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DICOM_NODE_CONFIG", raising=False)
    monkeypatch.setattr("console.cli.commands.configuration.SETTINGS", tmp_path / "node.toml")
    said = "NOTE: no settings file was given: these are the defaults and the variables DICOM_NODE_*"
    assert said in run("config", "check").stderr.splitlines()
    (tmp_path / "node.toml").touch()
    note = f"{said}; {tmp_path}/node.toml is there: --config {tmp_path}/node.toml"
    assert note in run("config", "check").stderr.splitlines()


def test_every_mistake_is_named_with_file_and_line(tmp_path: Path) -> None:
    file = tmp_path / "node.toml"
    file.write_text('[listener]\naett = "OURS"\nport = 99999\n\n[assembly]\nsettle = -1\n')
    result = run("config", "check", file)
    assert result.exit_code == 1
    for line in (2, 3, 6):
        assert f"{file}:{line}: " in result.stderr


def test_rules_and_models_are_checked_with_the_settings(tmp_path: Path) -> None:
    rules, models = tmp_path / "rules.toml", tmp_path / "models"
    models.mkdir()
    rules.write_text('[[rule]]\nname = "a"\nmodel = "unknown"\n[rule.when]\nmodality = ["CT"]\n')
    file = tmp_path / "node.toml"
    file.write_text(f'[models]\nfolder = "{models}"\nrules = "{rules}"\n')
    result = run("config", "check", file, "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["complaints"] == [f"{rules}:3: rule.a.model: there is no model package 'unknown'"]
    rules.write_text('[[rule]]\nname = "a"\nmodel = "unknown"\n[rule.when]\nmodalities = ["CT"]\n')
    assert f"{rules}:5: " in run("config", "check", file).stderr
    file.write_text(f'[models]\nfolder = "{tmp_path / "gone"}"\n')
    assert f"{file}:2: models.folder: {tmp_path / 'gone'} is not there" in run("config", "check", file).stderr


def test_a_variable_that_sets_nothing_is_most_likely_a_typing_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DICOM_NODE_LISTENNER__PORT", "104")
    result = run("config", "check")
    assert result.exit_code == 1
    assert "DICOM_NODE_LISTENNER__PORT is not a setting; did you mean DICOM_NODE_LISTENER__PORT?" in result.stderr


@pytest.mark.parametrize(
    "url", ["mysql://node:hush@db/node", "postgresql://node:hush@db:port/node", "postgre://node:hush@db/node", "hush"]
)
@pytest.mark.parametrize("command", [("config", "check"), ("status",), ("doctor",)])
def test_what_is_no_url_of_postgresql_is_said_in_one_line_without_what_stood_there(
    command: tuple[str, ...], url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DICOM_NODE_DATABASE__URL", url)
    monkeypatch.setenv("DICOM_NODE_DATA", str(tmp_path))
    result = run(*command)
    assert result.exit_code == 1
    said = " ".join(result.output.split())
    assert "is not of the form postgresql://" in said
    assert "hush" not in said


def test_settings_are_shown_without_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DICOM_NODE_DATABASE__URL", "postgresql://node:secret@db/node")
    assert "node:secret" not in run("config", "show").stdout
    assert json.loads(run("config", "show", "--json").stdout)["database"]["url"] == "postgresql://node:***@db/node"


def test_up_with_wrong_settings_names_all_of_them_and_starts_nothing(tmp_path: Path) -> None:
    data = tmp_path / "data"
    result = run("up", "--data", data, "--aet", "SEVENTEEN_LETTERS", "--destination", "nonsense", "--port", "70000")
    assert result.exit_code == 2
    assert result.stderr.count("command line: ") == 3
    assert not data.exists()


def test_a_folder_without_packages_lists_none(tmp_path: Path) -> None:
    assert json.loads(run("models", "list", "--models", tmp_path, "--json").stdout) == {"models": [], "broken": []}
