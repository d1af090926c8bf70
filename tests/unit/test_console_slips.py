"""Slips of whoever types: what is empty, the wrong kind of thing or there twice is refused with what would be right."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from config.settings import Settings
from console.cli import main as entry
from console.cli.app import app
from console.cli.commands import service as command
from console.cli.commands.up import _sending
from roles import database
from roles.run_files import RunFile, publish


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["status", "--data", ""], "--data"),
        (["status", "--data="], "--data"),
        (["config", "check", ""], "an argument"),
        (["config", "show", "--config", ""], "--config"),
        (["up", "--models", "", "--port", "0"], "--models"),
        (["models", "verify", ""], "an argument"),
    ],
)
def test_a_word_that_is_empty_is_no_current_folder(words: Sequence[str], named: str) -> None:
    done = run(*words)
    assert done.exit_code == 2
    assert f"{named} is given nothing" in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("status --last abc", "must be a whole number"),
        ("status --last 0", "must be 1 or more"),
        ("viewer --port 99999", "must be 65535 or less"),
        ("echo A@b:104 --timeout x", "must be a number"),
        ("echo A@b:99999", "must be 65535 or less, not 99999"),
        ("status --state stcuk", "Invalid value for '--state': 'stcuk' is not one of 'receiving'"),
        ("statsu", "No such command 'statsu'. Did you mean status?"),
        ("config chek", "Did you mean 'check'?"),
    ],
)
def test_what_is_wrong_with_an_argument_is_said_in_words_of_commands(words: str, said: str) -> None:
    done = run(*words.split())
    assert done.exit_code == 2
    assert said in done.stderr
    assert "Input should" not in done.stderr


@pytest.mark.parametrize("words", ["config check", "service show --config", "config show --config"])
def test_a_folder_in_the_place_of_a_settings_file_is_called_one(words: str, tmp_path: Path) -> None:
    done = run(*words.split(), tmp_path)
    assert done.exit_code == 1
    assert f"{tmp_path}: is a folder, and a file is needed" in done.stderr


def test_a_file_in_the_place_of_a_data_folder_is_called_one(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    assert f"no database in {file}: it is a file" in run("status", "--data", file).stderr
    refused = {file / "sub": f"{file} is a file", Path("/proc/x"): "the file system of /proc takes no folders"}
    for data, said in refused.items():
        done = run("up", "--data", data, "--port", "0")
        assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
        assert said in done.stderr


def test_where_no_node_is_named_and_the_service_is_here_its_settings_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(database, "SERVICE_SETTINGS", tmp_path / "etc" / "node.toml")
    assert "--config" not in run("status").stderr
    (tmp_path / "etc").mkdir()
    assert f"; of the service: --config {tmp_path}/etc/node.toml" in run("status").stderr
    assert "of the service" not in run("status", "--data", tmp_path).stderr


def test_a_reload_of_a_folder_that_is_not_there_promises_nothing(tmp_path: Path) -> None:
    done = run("reload", "--data", tmp_path / "none")
    assert (done.exit_code, "there is no folder" in done.stderr, "count from" in done.stderr) == (1, True, False)
    assert "the settings are right, and count from its next start" in run("reload", "--data", tmp_path).stderr


@pytest.mark.parametrize("slip", ["[listener]\nprot = 1", "[listener\n"])
def test_while_the_settings_are_wrong_it_is_said_how_a_node_that_runs_is_asked(tmp_path: Path, slip: str) -> None:
    data, file = tmp_path / "data", tmp_path / "node.toml"
    file.write_text(f'data = "{data}"\n{slip}\n')
    said = f"--data {data} in its place"
    assert said not in run("status", "--config", file).stderr
    held = publish(data, database.KEEPER, RunFile(1, "127.0.0.1", 1, "database", "now"))
    try:
        for words in (["status"], ["audit", "verify"], ["doctor"]):
            done = run(*words, "--config", file)
            assert (done.exit_code, said in done.stderr, str(file) in done.stderr) == (1, True, True)
    finally:
        os.close(held)


@pytest.mark.parametrize(
    ("listener", "said"),
    [
        ({}, ["dicom-node send FOLDER --to A@h:1"]),
        ({"trust_loopback": False, "callers": [{"aet": "CT", "address": "10.1.2.3"}]}, []),
        (
            {"trust_loopback": False, "callers": [{"aet": "CT", "address": "127.0.0.0/8"}]},
            ["dicom-node send FOLDER --to A@h:1 --aet CT"],
        ),
    ],
)
def test_up_tells_nobody_to_send_what_it_would_refuse(listener: Any, said: Sequence[str]) -> None:
    assert _sending(Settings(listener=listener), "A@h:1") == said


@pytest.mark.parametrize("words", ["models list", "models test", "models verify --files", "config check"])
def test_a_package_whose_manifest_is_none_is_never_passed_over(words: str, tmp_path: Path) -> None:
    manifest = tmp_path / "models" / "broken" / "manifest.toml"
    manifest.parent.mkdir(parents=True)
    manifest.write_text("[identity\n")
    settings = tmp_path / "node.toml"
    settings.write_text('[models]\nfolder = "models"\n')
    option = "" if words.startswith("config") else " --config"
    done = run(*f"{words}{option}".split(), settings)
    assert done.exit_code == 1
    assert "manifest.toml:1:notTOML" in "".join(done.output.split())


@pytest.mark.parametrize("command", ["test", "verify"])
def test_what_finds_no_package_proves_nothing(command: str, tmp_path: Path) -> None:
    done = run("models", command, "--models", tmp_path)
    assert done.exit_code == 1
    assert f"no packages in {tmp_path}: nothing was" in done.stderr


def test_a_role_that_is_named_twice_is_one_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "_program", lambda: Path("/usr/bin/true"))
    done = run("service", "show", "--role", "listen", "--role", "listen", "--config", tmp_path / "none.toml")
    assert done.stdout.count("[Unit]") == 1


def test_a_wrong_address_of_an_archive_is_said_before_its_pages_are_looked_for() -> None:
    assert "is not the root of DICOMweb services" in run("viewer", "--archive", "foo").stderr


@pytest.mark.parametrize(("words", "traced"), [(["status"], False), (["--debug", "status"], True), (["up"], True)])
def test_a_defect_is_a_line_to_report_and_a_traceback_where_it_was_asked_for(
    words: list[str], traced: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words_of_a_library = "a patient's name"

    def failing() -> None:
        raise ZeroDivisionError(words_of_a_library)

    monkeypatch.setattr("sys.argv", ["dicom-node", *words])
    monkeypatch.setattr("console.cli.app.app", failing)
    monkeypatch.setattr("config.logs.log_to", lambda *_a, **_k: None)
    with pytest.raises(SystemExit):
        entry.main()
    said = capsys.readouterr().err
    assert ("Traceback" in said) is traced
    assert "ZeroDivisionError" in said and "patient's" not in said


@pytest.mark.parametrize(
    "words",
    [
        "stauts --json",
        "status --no-such-option --json",
        "status --last many --json",
        "audit sow --json",
        "--json status",
    ],
)
def test_a_wrong_usage_is_one_document_too_where_json_is_asked_for(words: str) -> None:
    done = CliRunner().invoke(app, words.split())
    assert done.exit_code == 2
    assert list(json.loads(done.stdout)) == ["error"]
    assert "Usage: " in done.stderr
