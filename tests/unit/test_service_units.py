"""What the units of this machine say, held against settings that have changed since they were written."""

import os
import socket
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from config.settings import Settings
from console.cli import service_units
from console.cli.app import app
from console.cli.commands import service as command
from console.cli.service_files import Service
from console.cli.settings_check import check
from roles.run_files import RunFile, publish
from tests.support.processes import free_port


@pytest.fixture
def one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Service:
    """A service that was installed, and its node in its folder."""
    for module in (service_units, command):
        monkeypatch.setattr(module, "UNITS", tmp_path / "units")
    made = Service(program=Path("/usr/bin/true"), config=tmp_path / "node.toml", data=tmp_path / "old", ports=(11112,))
    (made.data / "database").mkdir(parents=True)
    write(made)
    return made


def units(service: Service) -> Path:
    return service.config.with_name("units")


def write(service: Service, added: str = "") -> None:
    unit = units(service) / service.name
    unit.parent.mkdir(exist_ok=True)
    unit.write_text(service.unit())
    unit.with_name(f"{service.name}.d").mkdir(exist_ok=True)
    (unit.with_name(f"{service.name}.d") / "override.conf").write_text(f"[Service]\n{added}\n")


def faults(service: Service, **settings: object) -> list[str]:
    read = Settings.model_validate({"data": service.data, **settings})
    return [fault.said for fault in service_units.behind(read, service_units.of_settings(service.config))]


def test_a_unit_is_read_with_what_was_added_to_it(one: Service) -> None:
    write(one, 'Environment=LANG=C "DICOM_NODE_LISTENER__PORT=11113"\nEnvironment=DICOM_NODE_LOGGING__LEVEL=debug')
    (found,) = service_units.of_settings(one.config)
    assert (found.data, found.role, found.low_ports) == (one.data, "up", False)
    assert found.variables == ("DICOM_NODE_LISTENER__PORT", "DICOM_NODE_LOGGING__LEVEL")
    assert not service_units.of_settings(Path("/another.toml"))
    (units(one) / "dicom-node-own.service").write_text("[Service]\nExecStart=/usr/bin/true\n")
    assert len(service_units.installed()) == 1


@pytest.mark.parametrize("added", ["", "AmbientCapabilities=CAP_NET_BIND_SERVICE\nAmbientCapabilities="])
def test_a_port_that_the_unit_does_not_allow_is_told_before_a_restart_ends_the_service(
    one: Service, added: str
) -> None:
    write(one, added)
    (said,) = faults(one, listener={"port": 104})
    assert said.startswith(
        "listener.port: dicom-node.service may open no port below 1024, and a restart would end it: `sudo"
    )
    assert not faults(one, listener={"port": 11112})
    write(one, "AmbientCapabilities=CAP_NET_BIND_SERVICE")
    assert not faults(one, listener={"port": 104})


def test_a_role_that_opens_no_port_needs_no_right_for_one(one: Service) -> None:
    (units(one) / one.name).unlink()
    write(replace(one, role="deliver"))
    assert not faults(one, listener={"port": 104})
    write(replace(one, role="listen"))
    assert len(faults(one, listener={"port": 104})) == 1


def test_config_check_of_another_data_folder_knows_the_node_that_runs_by_its_unit(one: Service, tmp_path: Path) -> None:
    port, new = free_port(), tmp_path / "new"
    one.config.write_text(f'data = "{new}"\n[http]\nport = {port}\n[listener]\nport = 0\n')
    held = publish(one.data, "door", RunFile(1, "127.0.0.1", port, "door", "now"))
    try:
        with socket.create_server(("127.0.0.1", port)):
            said = check(one.config).complaints
            (units(one) / one.name).unlink()
            alone = check(one.config).complaints
    finally:
        os.close(held)
    (line,) = [line for line in said if "may write to" in line]
    assert line.startswith(
        f"{one.config}:1: data: {one.name} may write to {one.data} alone, and a restart would end it"
    )
    assert line.endswith(f"`sudo dicom-node service install --config {one.config}` writes the unit anew")
    assert not [line for line in said if "cannot be opened" in line]
    assert [line for line in alone if "cannot be opened" in line]


def test_a_variable_of_the_unit_is_told_as_standing_above_the_file(one: Service) -> None:
    write(one, "Environment=DICOM_NODE_LISTENER__PORT=11113")
    one.config.write_text(f'data = "{one.data}"\n')
    assert f"DICOM_NODE_LISTENER__PORT of {one.name} stands above this file: sudo systemctl cat {one.name}" in (
        check(one.config).remarks
    )


def install(one: Service, monkeypatch: pytest.MonkeyPatch, *options: str) -> Result:
    """Install it as far as nothing of this machine is changed by it."""
    monkeypatch.setattr(command, "_refuse_what_cannot_be", lambda user: None)
    monkeypatch.setattr(command, "_program", lambda: Path("/usr/bin/true"))
    monkeypatch.setattr(command, "_run", lambda *words: None)
    monkeypatch.setattr(command, "_hand_over", lambda *places: None)
    monkeypatch.setattr(command, "USERS", one.config.with_name("users.conf"))
    monkeypatch.setattr(command, "_refuse_of_somebody_else", lambda *places: None)
    return CliRunner().invoke(app, ["service", "install", "--config", str(one.config), *options])


def test_a_service_whose_data_folder_changed_begins_no_empty_node_without_a_word(
    one: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new, unit = tmp_path / "new", units(one) / one.name
    one.config.write_text(f'data = "{new}"\n')
    before = unit.read_text()
    refused = install(one, monkeypatch)
    assert (refused.exit_code, unit.read_text()) == (1, before)
    assert f"the service has its node in {one.data}, and there is none in {new}: " in refused.stderr
    assert f"  sudo systemctl stop {one.name}\n  sudo mkdir -p {new} && sudo cp -a {one.data}/. {new}" in refused.stderr
    (new / "database").mkdir(parents=True)
    held = publish(one.data, "listen", RunFile(1, "127.0.0.1", 1, "listen", "now"))
    refused = install(one, monkeypatch)
    os.close(held)
    assert (refused.exit_code, f"the service still runs in {one.data}: " in refused.stderr) == (1, True)
    assert install(one, monkeypatch).exit_code == 0
    assert f"WorkingDirectory={new}\n" in unit.read_text()


def test_a_service_begins_an_empty_node_where_that_is_asked_for(
    one: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one.config.write_text(f'data = "{tmp_path / "new"}"\n')
    done = install(one, monkeypatch, "--empty")
    assert done.exit_code == 0, done.stderr
    assert "systemctl reload dicom-node; its log says what was taken over" in done.stdout
