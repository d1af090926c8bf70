"""Only the node's own code answers to the names of its rooms: no current folder's, no other distribution's."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from tests.support import packages, wheel
from tests.support.node import Node, own_folder
from tests.support.phantoms import Phantom
from tests.support.processes import Process, wait_for
from tests.support.senders import acknowledged, instance, paced
from tests.support.trial import QUICK, small

pytestmark = pytest.mark.slow

# Names that PyPI and people's folders have as well.
LIBRARIES = ("json", "typer", "pydantic", "psycopg", "sqlalchemy", "numpy", "pydicom", "openvino", "runpy")
PLANTED = "import pathlib, sys\npathlib.Path({marker!r}).write_text(f'{{__name__}} in {{sys.argv}}')\n"


class Attack:
    """An installed node, a current folder full of other people's modules, and a distribution with the rooms' names."""

    def __init__(self, place: Path) -> None:
        self.place, self.marker, self.folder = place, place / "marker", place / "folder"
        site = wheel.install(place)
        self.program = (sys.executable, str(wheel.command(site)))
        rooms = sorted(one.name for one in (site / "dicom_node_rooms").iterdir())
        assert {"config", "models", "store"} <= set(rooms)
        for room in rooms:
            self._plant(site / room / "__init__.py")
            self._plant(self.folder / room / "__init__.py")
        for library in LIBRARIES:
            self._plant(self.folder / f"{library}.py")
        self.env = {"PYTHONPATH": str(site), "PYTHONDONTWRITEBYTECODE": "1"}

    def _plant(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(PLANTED.format(marker=str(self.marker)))

    def run(self, *words: str) -> str:
        done = subprocess.run(
            [*self.program, *words],
            cwd=self.folder,
            env={**os.environ, **self.env},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout + done.stderr

    def succeeded(self) -> str:
        """What of the attacker's ran, "" while nothing did."""
        return self.marker.read_text() if self.marker.exists() else ""


@pytest.fixture(scope="module")
def attack() -> Iterator[Attack]:
    with own_folder() as place:
        yield Attack(place)


def test_what_is_planted_runs_where_python_is_asked_for_it(attack: Attack) -> None:
    """Or else the rest would prove nothing."""
    for words, env in ((["-m", "config"], {}), (["-P", "-c", "import store"], attack.env)):
        command = [sys.executable, *words]
        subprocess.run(command, cwd=attack.folder, env={**os.environ, **env}, check=False, capture_output=True)
        assert attack.succeeded()
        attack.marker.unlink()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--version"], "dicom-node"),
        (["status"], "no database in"),
        (["doctor"], "DICOM port"),
        (["config", "show"], "listener"),
        (["models", "list"], "ct_lung"),
    ],
)
def test_a_command_runs_the_nodes_own_code(attack: Attack, words: Sequence[str], said: str) -> None:
    assert said in attack.run(*words)
    assert attack.succeeded() == ""


def test_a_role_by_itself_runs_the_nodes_own_code(attack: Attack) -> None:
    data = attack.place / "listener"
    command = [*attack.program, "listen", "--port", "0", "--data", str(data)]
    process = Process(command, attack.place / "listen.log", env=attack.env, cwd=attack.folder)
    try:
        wait_for((data / "run" / "listen.json").exists, 60, "the listener", process.log.read_text)
    finally:
        process.stop()
    assert attack.succeeded() == ""


def test_a_whole_node_with_its_database_and_its_models_process_runs_the_nodes_own_code(attack: Attack) -> None:
    packages.write_package(attack.place / "models")
    env: Mapping[str, str] = {**QUICK, **attack.env}
    node = Node(
        attack.place / "data", models=attack.place / "models", program=attack.program, cwd=attack.folder, env=env
    )
    with node:
        phantom: Phantom = small("hostile imports")
        assert len(acknowledged(paced(node, [instance(one) for one in phantom.datasets()]))) == phantom.slices
        node.wait_for(lambda: "results" in node.run("status", phantom.uid("study")), 120, "results")
    assert attack.succeeded() == ""
