"""The unit that systemd gets: whole, closed, and only as open as the settings make it."""

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from config.loading import load_settings
from console.cli.app import app
from console.cli.commands import service as command
from console.cli.service_files import DATA, SETTINGS, Service, first_settings, user_line
from domain.errors import ConfigurationError
from tests.support.counterparts import require

ONE = Service(program=Path("/usr/bin/true"), config=SETTINGS, data=DATA, ports=(11112,))


def lines(service: Service) -> list[str]:
    return service.unit().splitlines()


@pytest.mark.parametrize("service", [ONE, replace(ONE, role="listen", ports=(104,)), replace(ONE, gpu=True)])
def test_systemd_finds_nothing_wrong_with_a_unit(tmp_path: Path, service: Service) -> None:
    unit = tmp_path / service.name
    unit.write_text(service.unit())
    checked = [require("systemd-analyze"), "verify", "--man=no", str(unit)]
    done = subprocess.run(checked, capture_output=True, text=True, check=False)
    assert not [line for line in done.stderr.splitlines() if service.name in line or "Unknown" in line], done.stderr


def test_only_a_port_below_1024_gives_a_right_of_roots_and_that_one_alone() -> None:
    assert "CapabilityBoundingSet=" in lines(ONE)
    assert "AmbientCapabilities=" in lines(ONE)
    assert "CapabilityBoundingSet=CAP_NET_BIND_SERVICE" in lines(replace(ONE, ports=(104,)))
    assert "CapabilityBoundingSet=" in lines(replace(ONE, ports=()))


def test_only_a_data_folder_of_its_own_place_is_writable() -> None:
    assert "StateDirectory=dicom-node" in lines(ONE)
    elsewhere = lines(replace(ONE, data=Path("/srv/ai")))
    assert "ReadWritePaths=/srv/ai" in elsewhere
    assert not [line for line in elsewhere if line.startswith("StateDirectory")]


def test_a_role_by_itself_has_a_unit_of_its_name() -> None:
    one = replace(ONE, role="deliver")
    assert one.name == "dicom-node-deliver.service"
    assert f"ExecStart=/usr/bin/true deliver --config {SETTINGS}" in lines(one)


def test_the_first_settings_are_right_and_let_nobody_in_but_this_machine(tmp_path: Path) -> None:
    file = tmp_path / "node.toml"
    file.write_text(first_settings(file, DATA))
    settings = load_settings(file)
    assert (settings.data, settings.listener.host, settings.destinations) == (DATA, "127.0.0.1", ())
    file.write_text(re.sub(r"(?m)^# (?=\[|\w+ = )", "", file.read_text()))
    opened = load_settings(file)
    assert (opened.listener.callers[0].aet, opened.destinations[0].name) == ("CT_SCANNER", "PACS")


def test_the_user_is_made_without_a_shell() -> None:
    assert user_line("dicom-node", DATA) == 'u dicom-node - "dicom-node" /var/lib/dicom-node\n'


def test_a_command_that_the_services_user_could_not_read_is_refused_with_where_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hidden = tmp_path / "closed" / "dicom-node"
    hidden.parent.mkdir(mode=0o700)
    shutil.copy("/usr/bin/true", hidden)
    monkeypatch.setattr("sys.argv", [str(hidden)])
    with pytest.raises(ConfigurationError, match=r"cannot read .*closed/dicom-node(?s:.*)sudo dicom-node-\*/install"):
        command._program()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("/home/me/data", "a service sees no home"),
        ("/srv/my data", "letters, digits"),
        ("/srv/100%i", "letters, digits"),
        ("/srv/a\\nUser=root", "letters, digits"),
    ],
)
def test_a_place_that_a_unit_cannot_name_or_the_service_would_not_see_is_refused(
    tmp_path: Path, data: str, said: str
) -> None:
    file = tmp_path / "node.toml"
    file.write_text(f'data = "{data}"\n')
    with pytest.raises(ConfigurationError, match=said):
        list(command._services(file, "dicom-node", None))


@pytest.mark.parametrize("user", ["", "0", "root", "a b", "-x", "a\nUser=root"])
def test_whom_it_may_not_run_as_is_refused(user: str) -> None:
    with pytest.raises(ConfigurationError, match="--user"):
        list(command._services(SETTINGS, user, None))


def test_what_is_shown_is_the_unit_line_by_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "_program", lambda: Path("/usr/bin/true"))
    shown = CliRunner().invoke(app, ["service", "show"])
    assert shown.stdout == f"# /etc/systemd/system/{ONE.name}\n{ONE.unit()}"


def test_a_data_folder_without_its_whole_path_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "node.toml"
    file.write_text('[listener]\naet = "NODE"\n')
    with pytest.raises(ConfigurationError, match="a service has no current folder"):
        list(command._services(file, "dicom-node", None))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--role", "lissten"], "there is no role lissten"),
        (["--data", "relative"], "--data relative: a service has no current folder"),
        (["--data", "/home/me/data"], "a service sees no home"),
        (["--data", "/etc"], "/etc belongs to another user than nobody, and is not the node's alone"),
    ],
)
def test_an_install_that_is_refused_has_made_nothing(
    options: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "_refuse_what_cannot_be", lambda user: None)
    monkeypatch.setattr(command, "_program", lambda: Path("/usr/bin/true"))
    file = tmp_path / "etc" / "node.toml"
    done = CliRunner().invoke(app, ["service", "install", "--config", str(file), "--user", "nobody", *options])
    assert (done.exit_code, file.parent.exists()) == (1, False)
    assert said in done.stderr and "chown" not in done.stderr


def test_a_data_folder_beside_settings_that_name_another_one_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "node.toml"
    file.write_text('data = "/srv/one"\n')
    with pytest.raises(ConfigurationError, match=f"--data /srv/two: `data` in {file} says /srv/one; change it there"):
        list(command._services(file, "dicom-node", None, Path("/srv/two")))
