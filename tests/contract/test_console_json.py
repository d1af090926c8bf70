"""What scripts read is kept: the keys of each answer in JSON and the sort of each value, as once written down.

`console_json.json` is mended by hand, for whoever reads these answers has to mend theirs.
"""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from console.cli.app import app
from roles.table import ROLES
from store.database import Database
from store.grants import WHOEVER
from tests.support.counterparts import ROOT
from tests.support.delivered import FACTS, STUDY, fill
from tests.support.documented import DOCUMENTS, typed
from tests.support.processes import free_port

KEPT: dict[str, Any] = json.loads((Path(__file__).parent / "console_json.json").read_text("utf-8"))
DESTINATION = {"DICOM_NODE_DESTINATIONS": '["PACS@127.0.0.1:104"]'}


@pytest.fixture(scope="module")
def delivered_url(postgres: Any) -> Iterator[str]:
    url = postgres.url(dbname=postgres.fresh_schema())
    database = Database(url, role=WHOEVER)
    fill(database)
    yield url
    database.close()


@pytest.mark.parametrize("command", KEPT)
def test_the_keys_of_an_answer_and_the_sorts_of_its_values_stay(command: str, delivered_url: str) -> None:
    words = command.replace("STUDY", str(STUDY)).split()
    result = CliRunner().invoke(app, [*words, "--database", delivered_url, "--json"], env=DESTINATION)
    assert result.exit_code == 0, result.stderr
    assert shape(json.loads(result.stdout)) == KEPT[command]


# What goes on until it is stopped says what it does in its log.
SERVING = {"up", "viewer", "keep-database", *ROLES}
# What writes out a file that has a form of its own.
WRITING = {"audit export", "audit verifier"}
# What a person decides, on rows that a test of its own makes; `--json` is held below.
DECIDING = {
    "audit archive",
    "audit keys rotate",
    "audit restore",
    "hold",
    "release",
    "restore",
    "accept",
    "cancel",
    "conflicts adopt",
    "conflicts set-aside",
    "dead-letters replay",
    "destinations forget",
    "destinations pause",
    "destinations resume",
    "hosts forget",
    "models pause",
    "models resume",
    "patients catch-up",
    "patients forget-key",
    "patients keep",
    "patients same",
    "export",
    "privacy clear-descriptions",
    "reload",
    "reprocess",
    "results withdraw",
    "retry",
    "service install",
    "service remove",
    "summary again",
    "access first-administrator",
    "access signing-key",
    "keys make",
    "keys revoke",
    "users add",
    "users bind",
    "users disable",
    "users enable",
    "users reset",
    "users roles",
}
# What speaks to another server, runs a network or makes a package: its words are held where that is there.
ELSEWHERE = {
    "audit receivers test",
    "backup",
    "destinations probe",
    "echo",
    "kafka grant",
    "models bench",
    "models golden",
    "models import",
    "models new",
    "models test",
    "tls init",
    "tls node",
    "tls partner",
    "tls passcode",
    "tls renew",
    "tls show",
    "web-secret",
}
LOOKING = {
    "audit receivers list": "",
    "audit checkpoint": "",
    "audit keys list": "",
    "audit prove": "1",
    "audit witnesses": "",
    "audit report": "--study STUDY",
    "audit show": "",
    "audit verify": "",
    "callers": "",
    "config check": "",
    "config show": "",
    "conflicts list": "",
    "database check": "",
    "database grant": "",
    "database upgrade": "",
    "dead-letters list": "",
    "destinations list": "",
    "destinations profiles": "",
    "destinations show": "PACS",
    "disk": "",
    "commitments list": "",
    "doctor": "",
    "explain": "STUDY",
    "hosts list": "",
    "kafka acls": "",
    "keys list": "",
    "man": "--to FOLDER/man",
    "models digest": "PACKAGE",
    "models keygen": "FOLDER/ours.pem",
    "models list": "",
    "models pull": "--list",
    "models show": "ct_lung",
    "models sign": "PACKAGE --key FOLDER/ours.pem",
    "models verify": "--files",
    "patients list": "STUDY",
    "quarantine list": "",
    "retention plan": "",
    "send": "FOLDER --to A@127.0.0.1:104",
    "summary show": "STUDY",
    "summary try": "--facts FOLDER/facts.json",
    "summary providers": "",
    "service show": "--config FOLDER/none.toml",
    "status": "",
    "users list": "",
}


def test_every_command_that_ends_takes_json() -> None:
    known = dict(every_command())
    told = {*SERVING, *WRITING, *DECIDING, *ELSEWHERE, *LOOKING}
    assert set(known) == told, "a new command belongs into one of these"
    lacking = {name for name, command in known.items() if "--json" not in _options(command)}
    assert lacking - {"viewer"} == (SERVING | WRITING) - {"viewer"}


def test_what_a_command_says_is_one_document_and_nothing_else(delivered_url: str, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "models" / "ct_lung", tmp_path / "ct_lung")
    (tmp_path / "facts.json").write_text(json.dumps(FACTS.to_json()))
    places = {"STUDY": str(STUDY), "PACKAGE": str(tmp_path / "ct_lung"), "FOLDER": str(tmp_path)}
    # A key is made before it signs.
    for name in sorted(LOOKING):
        words = [*name.split(), *LOOKING[name].split()]
        for place, value in places.items():
            words = [one.replace(place, value) for one in words]
        options = _options(dict(every_command())[name])
        words += ["--database", delivered_url] if "--database" in options else []
        words += ["--data", str(tmp_path / "data")] if "--data" in options else []
        result = CliRunner().invoke(app, [*words, "--json"], env=DESTINATION)
        if name == "service show" and "installed command" in result.stderr:
            continue  # it is shown for an installed command alone; tests/acceptance/test_service.py has that
        assert result.exit_code in {0, 1}, f"{name}: {result.stderr}"
        try:
            assert isinstance(json.loads(result.stdout), dict)
        except ValueError:
            pytest.fail(f"{name} says {result.stdout[:200]!r}, and {result.stderr[:300]!r}")


@pytest.mark.parametrize(
    "words",
    [
        "status zzz",
        "retry zzz",
        "cancel zzz --reason x",
        "destinations pause PACX --reason x",
        "dead-letters replay 99",
        "echo PACS@127.0.0.1:PORT",
        "disk --data NONE",
    ],
)
def test_what_fails_is_one_document_too(words: str, delivered_url: str, tmp_path: Path) -> None:
    of_node = [] if words.startswith(("echo", "disk")) else ["--database", delivered_url, "--data", str(tmp_path)]
    typed_words = [*words.replace("PORT", str(free_port())).split(), *of_node]
    plain = CliRunner().invoke(app, typed_words)
    result = CliRunner().invoke(app, [*typed_words, "--json"])
    assert (plain.exit_code, plain.stdout, result.exit_code) == (1, "", 1)
    (said,) = json.loads(result.stdout).values()
    assert json.loads(result.stdout) == {"error": said}
    assert said.split()[0] == result.stderr.split()[0] == plain.stderr.split()[0]


# Of these a document's own words are run; the others make files, or look at what a reader has.
SHOWN = set(LOOKING) - {"man", "models digest", "models keygen", "models sign", "send", "service show", "summary try"}


def test_what_a_document_tells_to_type_to_look_runs_as_it_stands(
    delivered_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    known, places = dict(every_command()), {"STUDY": str(STUDY), "2.25.": str(STUDY), "ARCHIVE": "PACS"}
    lines = {tuple(words) for document in DOCUMENTS for words in typed(document)}
    ran = set()
    for words in sorted(lines):
        name = next((one for one in (" ".join(words[:2]), words[0]) if one in SHOWN), None)
        if name is None or {"--watch", "--config"} & set(words):
            continue
        line = [places.get(word, word) for word in words]
        line += ["--database", delivered_url] if "--database" in _options(known[name]) else []
        line += ["--files"] if name == "models verify" else []
        result = CliRunner().invoke(app, line, env=DESTINATION)
        assert isinstance(result.exception, SystemExit | None), f"{line}: {result.exception!r}"
        assert result.exit_code in {0, 1}, f"{line}: {result.stderr}"
        assert result.output.strip(), line
        ran.add(name)
    assert {"audit verify", "destinations show", "doctor", "explain", "models show", "status"} <= ran


def every_command(command: Any = None, path: str = "") -> Iterator[tuple[str, Any]]:
    """Each command by the words that lead to it."""
    command = command or typer.main.get_command(app)
    if not hasattr(command, "get_command"):
        yield path, command
        return
    context = typer.Context(command)
    for name in command.list_commands(context):
        _, found, _ = command.resolve_command(context, [name])
        yield from every_command(found, f"{path} {name}".strip())


def _options(command: Any) -> set[str]:
    return {option for parameter in command.params for option in parameter.opts}


def shape(value: Any) -> Any:
    """An object by its keys, a list by the shapes of its members, each once, anything else by its type."""
    if isinstance(value, dict):
        return {key: shape(one) for key, one in value.items()}
    if isinstance(value, list):
        shapes = [shape(one) for one in value]
        return [one for number, one in enumerate(shapes) if one not in shapes[:number]]
    return type(value).__name__
