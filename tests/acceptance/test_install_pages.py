"""Each command of the pages on installing, upgrading, going back and removing, typed on a machine of its own.

What packs and unpacks the bundle is typed by tests/contract/test_bundle.py; here lies what it lays.
"""

import json
import re
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from console.cli.service_files import DATA, SETTINGS
from tests.support import packages
from tests.support.counterparts import ROOT
from tests.support.machine import NEWER, Machine
from tests.support.phantoms import write
from tests.support.processes import wait_for
from tests.support.trial import small

pytestmark = pytest.mark.slow

READY = "all roles are ready"
OLDER = version("dicom-node")
# What follows the page's own settings: a study that waits until somebody lets it go.
MORE = """
[spool]
capacity = 1409286144
disk_floor = 1

[models]
folder = "/srv/models"

[assembly]
settle = 3600
"""
PACKING = re.compile(r"^make |^sha256sum |^tar |/install$|pip ", re.MULTILINE)


def blocks(page: str, heading: str = "") -> list[str]:
    """What the page has one type below a heading, but for what packs and unpacks."""
    text = (ROOT / "docs" / page).read_text()
    text = text.partition(f"\n{heading}")[2].partition("\n## ")[0] if heading else text
    return [one for one in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) if not PACKING.search(one)]


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    with TemporaryDirectory(dir="/var/tmp") as place:
        study, models = Path(place) / "study", Path(place) / "models"
        study.mkdir()
        write(small("as it is installed").datasets(), study)
        packages.write_package(models)
        with Machine(Path(place) / "machine", study, models, newer=True) as booted:
            yield booted


def typed(machine: Machine, block: str, **names: str) -> str:
    """What a block prints; fails where a command of it does. Root needs no sudo."""
    for name, value in names.items():
        block = block.replace(name, value)
    done = machine.run("sh", "-ec", f'sudo() {{ env "$@"; }}\ncd /srv\n{block}')
    assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}\n{machine.said()}"
    return done.stdout


def test_from_an_installed_program_to_a_service_that_takes_studies(machine: Machine) -> None:
    for block in blocks("install.md", "## 2."):
        typed(machine, block.replace("dicom-node doctor", "dicom-node doctor || true"))  # the machine's disk is small
    assert machine.run("test", "-e", "/usr/local/share/man/man1/dicom-node-status.1").returncode == 0
    for block in blocks("install.md", "## 3."):
        typed(machine, block)
        await_ready(machine)
    (toml,) = re.findall(r"```toml\n(.*?)```", (ROOT / "docs/install.md").read_text(), re.DOTALL)
    toml = toml.replace("[listener]\n", "[listener]\nmax_instance = 268435456\n")
    machine.run("tee", SETTINGS, stdin=f'data = "{DATA}"\n{toml}{MORE}')
    check_and_restart, reload, *looks = blocks("install.md", "## 4.")
    typed(machine, check_and_restart)
    await_ready(machine)
    typed(machine, reload)
    assert "PACS" in "".join(typed(machine, block) for block in looks)


def test_an_upgrade_keeps_the_study_that_is_on_its_way_and_so_does_the_way_back(machine: Machine) -> None:
    typed(machine, "dicom-node send /srv/study --to DICOM_NODE@127.0.0.1:11112")
    wait_for(lambda: state(machine) == "receiving", 60, "the study", machine.said, interval=0.3)
    for block in blocks("upgrade.md", "## Before"):
        typed(machine, block)
    await_ready(machine)
    typed(machine, f"ln -sfn dicom-node-{NEWER} /opt/dicom-node")  # as the bundle's `install` does
    service, looks = blocks("upgrade.md", "## Upgrade\n")
    assert f"dicom-node {NEWER} " in typed(machine, service)
    await_ready(machine)
    typed(machine, looks)
    assert state(machine) == "receiving"
    machine.run("sed", "-i", "s/settle = 3600/settle = 1/", SETTINGS)
    typed(machine, blocks("install.md", "## 4.")[1])
    wait_for(lambda: state(machine) == "complete", 180, "its models", machine.said, interval=0.3)
    back, _ = blocks("upgrade.md", "## Go back")
    assert f"dicom-node {OLDER} " in typed(machine, back, OLD=OLDER)
    await_ready(machine)
    assert state(machine) == "complete"


def test_the_copy_from_before_is_what_it_was(machine: Machine) -> None:
    _, restore = blocks("upgrade.md", "## Go back")
    machine.run("sed", "-i", "s/settle = 1/settle = 3600/", SETTINGS)
    typed(machine, restore.replace("sudo dicom-node audit", "sleep 0; #"), OLD=OLDER)
    await_ready(machine)
    assert state(machine) == "receiving"
    typed(machine, restore.splitlines()[-1])


def test_taken_away_nothing_is_left(machine: Machine) -> None:
    for block in blocks("remove.md"):
        typed(machine, block)
    left = "find /etc /opt /usr/local /var/lib -xdev -iname '*dicom-node*'"
    assert machine.run("sh", "-c", left).stdout == ""


def test_every_block_of_the_pages_is_typed_by_some_test() -> None:
    below = {"install.md": ("## 2.", "## 3.", "## 4."), "upgrade.md": ("## Before", "## Upgrade\n", "## Go back")}
    for page, headings in below.items():
        assert blocks(page) == [one for heading in headings for one in blocks(page, heading)]


def await_ready(machine: Machine) -> None:
    def said() -> str:
        return machine.run("systemctl", "show", "--property", "StatusText", "--value", "dicom-node").stdout.strip()

    wait_for(lambda: said() == READY, 240, "the service's roles", machine.said, interval=0.3)


def state(machine: Machine) -> str:
    """Of the one study that it knows."""
    said = machine.node("status", "--json", "--config", str(SETTINGS)).stdout
    (study,) = json.loads(said)["studies"] if said else ({"state": ""},)
    return str(study["state"])
