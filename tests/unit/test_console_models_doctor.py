"""`doctor` says what is lacking and how to get it, and by its exit code whether that matters."""

import json
import os
import socket
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from importlib import metadata
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from config.loading import load_settings
from config.peers import Destination
from config.settings import Settings
from console.cli import database_looks, diagnostics, service_units
from console.cli.app import app
from console.cli.commands import doctor as command
from console.cli.installation import here
from console.cli.looks import Mark
from console.cli.service_files import DATA, Service
from console.cli.source_looks import sources
from consumers.destinations import profiled_destinations
from models.signing import generate_key
from roles.run_files import RunFile, publish
from store.destinations import SeenDestination
from tests.support.model_packages import write_package
from tests.support.node import let_others_pass
from tests.support.orthanc import answering
from tests.support.records import BEGUN


@pytest.fixture(autouse=True)
def _no_settings_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("DICOM_NODE_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Settings with which nothing is lacking on a machine that has every extra."""
    write_package(tmp_path / "packages")
    let_others_pass(tmp_path / "data")
    file = tmp_path / "node.toml"
    file.write_text(
        f'data = "{tmp_path / "data"}"\n[listener]\nport = 0\nmax_associations = 1\nmax_instance = 1048576\n'
        "[spool]\ndisk_floor = 0\ncapacity = 100663296\n"
        f'[models]\nfolder = "{tmp_path / "packages"}"\n'
    )
    return file


def looks(config: Path, code: int) -> dict[str, dict[str, Any]]:
    result = CliRunner().invoke(app, ["doctor", "--config", str(config), "--json"])
    assert result.exit_code == code, result.output
    said = json.loads(result.stdout)
    assert said["ok"] is (code == 0)
    return {one["what"]: one for one in said["looks"]}


def test_a_machine_that_has_what_is_needed_is_told_so(config: Path) -> None:
    found = looks(config, 0)
    assert found["DICOM port"]["mark"] == "ok"
    assert found["disk"]["mark"] == "ok"
    assert found["database"]["said"].startswith("embedded")
    assert found["engine openvino"]["mark"] == "ok"
    assert found["model toy"] == {
        "what": "model toy",
        "mark": "noted",
        "said": "whole, unsigned; has no golden sample to test it with",
    }


def test_people_get_a_table(config: Path) -> None:
    result = CliRunner().invoke(app, ["doctor", "--config", str(config)])
    assert result.exit_code == 0
    assert "embedded" in result.stdout


def test_a_free_port_is_not_all_that_is_said_of_it_while_this_nodes_listener_runs_on_another(config: Path) -> None:
    settings = load_settings(config)
    with ExitStack() as stack:
        stack.callback(os.close, publish(settings.data, "listen", RunFile(os.getpid(), "127.0.0.1", 1, "listen", "")))
        (found,) = diagnostics._port(settings)
    assert found.said.endswith(
        "is free; this node's listener runs on another: its settings file is not the one read here (--config), or was"
        " changed since it began"
    )


def test_a_port_that_the_units_variable_sets_is_not_blamed_on_the_settings_file(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_units, "UNITS", tmp_path / "units")
    settings = load_settings(config)
    unit = tmp_path / "units" / "dicom-node.service"
    unit.parent.mkdir()
    one = Service(program=Path("/usr/bin/true"), config=config, data=settings.data)
    unit.write_text(f"{one.unit()}\n[Service]\nEnvironment=DICOM_NODE_LISTENER__PORT=11113\n")
    with ExitStack() as stack:
        stack.callback(os.close, publish(settings.data, "listen", RunFile(os.getpid(), "127.0.0.1", 1, "listen", "")))
        (found,) = diagnostics._port(settings)
    assert "dicom-node.service sets DICOM_NODE_LISTENER__PORT, which stands above the settings file" in found.said


def test_before_there_is_a_service_the_machine_is_looked_at_as_the_service_would_have_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    installed = replace(here(), in_repository=False)
    for name, there in (("here", lambda: installed), ("_BOOTED", tmp_path), ("SETTINGS", tmp_path / "none")):
        monkeypatch.setattr(command, name, there)
    assert command._as_a_service(Settings()).data == DATA
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    look = diagnostics._embedded(Settings(data=DATA))
    assert (look.mark, "service install` makes the user" in look.said) == (Mark.OK, True)
    (tmp_path / "dicom-node-data").mkdir()
    assert command._as_a_service(Settings()) == Settings()
    assert command._as_a_service(Settings(data=tmp_path)).data == tmp_path


@pytest.mark.parametrize(
    ("seen_at", "said"),
    [(None, "has never answered; last asked "), (BEGUN, "has not answered since ")],
)
def test_a_destination_that_does_not_answer_is_told_with_since_when_and_how_to_ask_it(
    seen_at: datetime | None, said: str
) -> None:
    (one,) = profiled_destinations(Settings(destinations=(Destination.model_validate("PACS@10.1.0.9:104"),)))
    silent = SeenDestination("PACS", one.destination.address, None, "", seen_at, None, BEGUN, "No route to host", None)
    (look,) = database_looks._silent(one, silent)
    assert (look.what, look.mark) == ("results to PACS", Mark.NOTED)
    assert look.said.startswith(said)
    assert look.said.endswith(": No route to host; its results wait; dicom-node destinations probe PACS asks again")
    assert not [*database_looks._silent(one, replace(silent, error=""))]
    assert not [*database_looks._silent(one, None)]


def test_a_port_that_somebody_else_has_is_lacking(config: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        config.write_text(config.read_text().replace("port = 0", f"port = {port}"))
        found = looks(config, 1)["DICOM port"]
    assert found["mark"] == "lacking"
    assert f"127.0.0.1:{port} is taken: Address already in use" in found["said"]


@pytest.mark.parametrize(
    ("host", "mark", "said"),
    [
        ("127.0.0.1", "ok", "at 127.0.0.1"),
        ("0.0.0.0", "noted", "whoever reaches it reads /metrics. Set http.host to "),
        ("::", "noted", "every network of this machine"),
        ("192.0.2.1", "lacking", "no address of this machine"),  # TEST-NET-1
    ],
)
def test_a_health_door_that_is_open_to_all_networks_or_none_is_told_with_what_to_do(
    config: Path, host: str, mark: str, said: str
) -> None:
    config.write_text(f'{config.read_text()}[http]\nhost = "{host}"\n')
    found = looks(config, int(mark == "lacking"))["health door"]
    assert found["mark"] == mark
    assert said in found["said"]


def test_a_broker_that_does_not_answer_is_lacking_and_without_one_nothing_is_said_of_it(config: Path) -> None:
    assert "broker" not in looks(config, 0)
    config.write_text(f'{config.read_text()}[bus]\nkafka = "127.0.0.1:9"\n')
    found = looks(config, 1)["broker"]
    assert found["mark"] == "lacking"
    assert "no Kafka broker answers at 127.0.0.1:9" in found["said"]


def test_a_full_disk_is_lacking(config: Path) -> None:
    config.write_text(config.read_text().replace("disk_floor = 0", f"disk_floor = {1 << 46}"))
    assert looks(config, 1)["disk"]["mark"] == "lacking"


def test_a_database_that_does_not_answer_is_lacking(config: Path) -> None:
    config.write_text(config.read_text() + '[database]\nurl = "postgresql+psycopg://nobody@127.0.0.1:9/none"\n')
    found = looks(config, 1)["database"]
    assert found["mark"] == "lacking"
    assert "PostgreSQL does not answer" in found["said"]


def test_a_changed_package_and_an_unsigned_one_where_signatures_are_required_are_lacking(config: Path) -> None:
    (config.parent / "packages" / "toy" / "card.md").write_text("other words")
    assert "card.md: is not the file" in looks(config, 1)["model toy"]["said"]
    generate_key(config.parent / "us.pem")
    trusted = f'trusted_keys = ["{config.parent / "us.pub.pem"}"]\n'
    config.write_text(config.read_text() + "require_signature = true\n" + trusted)
    assert "the package is unsigned" in looks(config, 1)["model toy"]["said"]


def test_a_manifest_that_is_wrong_is_named_with_its_line(config: Path) -> None:
    manifest = config.parent / "packages" / "toy" / "manifest.toml"
    manifest.write_text(manifest.read_text().replace('version = "1.2.3"', "version = 3"))
    assert "manifest.toml:3: identity.version: must be a text" in looks(config, 1)["model toy"]["said"]


def test_an_extra_that_is_missing_says_how_to_get_it(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = metadata.version

    def version(name: str) -> str:
        if name in {"captum", "highdicom"}:
            raise PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(diagnostics, "version", version)
    found = looks(config, 1)
    assert found["extra explain"]["mark"] == "noted"
    assert found["extra results"]["mark"] == "lacking"
    assert "make setup" in found["extra results"]["said"]


def test_a_source_that_cannot_be_called_as_the_settings_say_is_noted_with_the_reason() -> None:
    with answering(lambda method, path: 404) as url:
        peers = [
            {"kind": "orthanc", "name": "wrong", "url": f"{url}/dicom-web", "changes": True},
            {"name": "away", "aet": "AWAY", "host": "127.0.0.1", "port": 1},
        ]
        wrong, away = sources(Settings.model_validate({"sources": peers}))
    assert (wrong.what, wrong.mark, away.mark) == ("source wrong", Mark.NOTED, Mark.NOTED)
    assert "check the URL" in wrong.said
    assert "what is new there waits" in wrong.said
    assert "Connection refused" in away.said
    assert "dicom-node echo AWAY@127.0.0.1:1 asks again" in away.said


def test_a_source_that_answers_is_well() -> None:
    with answering(lambda method, path: {"Version": "1.12.1", "ApiVersion": 20}) as url:
        (look,) = sources(Settings.model_validate({"sources": [{"kind": "orthanc", "name": "o", "url": url}]}))
    assert (look.mark, look.said) == (Mark.OK, f"{url} answers")
