"""The data folder is closed to other users when it is made, and closed again where an earlier version left it open."""

import os
import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner

from console.cli.app import app
from console.cli.commands import service
from roles.data_folder import open_to_others, prepare

# Whom root's database runs as must pass.
CLOSED = 0o711 if os.geteuid() == 0 else 0o700


def mode(place: Path) -> int:
    return stat.S_IMODE(place.stat().st_mode)


def left_open(data: Path) -> Path:
    """A data folder as an earlier version made it."""
    for name in ("run", "spool", "objects/ab", "work", "engines"):
        (data / name).mkdir(parents=True)
    for place in (data, *data.rglob("*")):
        place.chmod(0o755)
    return data


def test_a_data_folder_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    prepare(tmp_path / "new" / "data")
    assert mode(tmp_path / "new" / "data") == 0o700


def test_what_an_earlier_version_left_open_is_closed_two_levels_deep(tmp_path: Path) -> None:
    data = left_open(tmp_path / "data")
    prepare(data)
    assert mode(data) == CLOSED
    assert {mode(one) for one in data.iterdir()} == {0o700}
    assert mode(data / "objects" / "ab") != 0o700, "of what lies deeper there may be a million"
    assert not list(open_to_others(data))


def test_a_folder_that_others_use_as_well_stays_open_and_what_is_the_nodes_in_it_does_not(tmp_path: Path) -> None:
    data = left_open(tmp_path / "srv")
    (data / "www").mkdir()
    (data / "www").chmod(0o755)
    prepare(data)
    assert (mode(data), mode(data / "www"), mode(data / "objects")) == (0o755, 0o755, 0o700)
    assert list(open_to_others(data)) == [data, data / "www"]


def test_nothing_is_closed_by_way_of_a_link(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs").chmod(0o755)
    (tmp_path / "data").mkdir(mode=0o700)
    (tmp_path / "data" / "objects").symlink_to(tmp_path / "theirs")
    prepare(tmp_path / "data")
    assert mode(tmp_path / "theirs") == 0o755
    assert list(open_to_others(tmp_path / "data")) == [tmp_path / "data" / "objects"], "but it is told"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives folders away")
def test_another_users_folder_is_left_as_it_is(tmp_path: Path) -> None:
    data = left_open(tmp_path / "data")
    os.chown(data / "objects", 65534, 65534)
    prepare(data)
    assert (mode(data / "objects"), mode(data / "spool")) == (0o755, 0o700)
    os.chown(data, 65534, 65534)
    data.chmod(0o755)
    prepare(data)
    assert mode(data) == 0o755
    assert data in open_to_others(data)


@pytest.mark.parametrize("place", ["/etc", "/srv", "/usr/share", "kept"])
def test_no_command_is_told_for_a_folder_that_is_not_the_nodes_alone(place: str, tmp_path: Path) -> None:
    (tmp_path / "kept" / "letters").mkdir(parents=True)
    (tmp_path / "kept").chmod(0o755)
    folder = tmp_path / place
    said = CliRunner().invoke(app, ["doctor", "--json", "--data", str(folder)]).stdout
    assert f"{folder} is open to other users and is not the node's alone" in said and "chmod" not in said
    assert "chown" not in service._of_somebody_else(folder, "dicom-node")
    for made in ("spool", "identity.key", "database"):
        (tmp_path / "own" / made).mkdir(parents=True)
    assert f"chown -R dicom-node: {tmp_path}/own" in service._of_somebody_else(tmp_path / "own", "dicom-node")


def test_doctor_names_what_is_open_and_the_command_that_closes_it(tmp_path: Path) -> None:
    data = left_open(tmp_path / "it's data")
    said = CliRunner().invoke(app, ["doctor", "--json", "--data", str(data)]).stdout
    assert "open to other users of this machine; chmod go= " in said
    prepare(data)
    assert "chmod go= " not in CliRunner().invoke(app, ["doctor", "--json", "--data", str(data)]).stdout
