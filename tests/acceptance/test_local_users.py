"""Another user of the machine gets at nothing of a node that works: no object, result, run file, key or socket."""

import os
import shutil
import stat
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from roles.data_folder import open_to_others
from tests.support import packages
from tests.support.node import PROGRAM, Node, own_folder
from tests.support.phantoms import Phantom
from tests.support.senders import acknowledged, instance, paced
from tests.support.trial import QUICK, small
from tests.support.users import become, libraries, python_for, reached_by, system_user

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def mallory() -> Iterator[str]:
    with system_user() as name:
        yield name


@pytest.fixture(scope="module", params=["root", "an ordinary user"])
def node(request: pytest.FixtureRequest, mallory: str) -> Iterator[Node]:
    """A node that has written results; nobody before it has set a umask, and its folder lies where all may pass."""
    assert mallory
    with ExitStack() as stack:
        program, env = PROGRAM, {**QUICK}
        folder = stack.enter_context(own_folder())
        packages.write_package(folder / "models")
        folder.chmod(0o755)
        if request.param != "root":
            user = stack.enter_context(system_user())
            shutil.chown(folder, user)
            program = (*become(user), python_for(user), *PROGRAM[1:])
            env["PYTHONPATH"] = libraries()
        umask = os.umask(0o022)
        stack.callback(os.umask, umask)
        node = stack.enter_context(Node(folder / "data", models=folder / "models", program=program, env=env))
        find_something(node, small("local users"))
        yield node


def find_something(node: Node, phantom: Phantom) -> None:
    sent = acknowledged(paced(node, [instance(one) for one in phantom.datasets()]))
    assert len(sent) == phantom.slices
    node.wait_for(lambda: "results" in node.run("status", phantom.uid("study")), 120, "results")


def made(node: Node) -> list[Path]:
    return sorted([node.data, *node.data.rglob("*")])


def test_another_user_reads_lists_and_calls_nothing_that_the_node_made(node: Node, mallory: str) -> None:
    places = made(node)
    kinds = {one.relative_to(node.data).parts[0] for one in places[1:]}
    assert {"run", "spool", "objects", "work", "database", "identity.key"} <= kinds
    assert any(stat.S_ISSOCK(one.stat().st_mode) for one in places), "the database's socket"
    assert reached_by(mallory, places) == []


def test_no_file_of_the_node_is_meant_for_others_even_if_its_folder_were_open(node: Node) -> None:
    postgresql = node.data / "database"
    own = [one for one in made(node)[1:] if not one.is_relative_to(postgresql) or one == postgresql]
    assert [one for one in own if one.lstat().st_mode & 0o077 and not one.is_symlink()] == []


def test_what_doctor_looks_for_is_not_there(node: Node) -> None:
    assert list(open_to_others(node.data)) == []


@pytest.mark.parametrize("command", ["status", "doctor", "reload", "status --data DATA"])
def test_another_user_who_asks_the_node_is_told_whose_it_is(node: Node, mallory: str, command: str) -> None:
    words = [*become(mallory), python_for(mallory), *PROGRAM[1:], *command.replace("DATA", str(node.data)).split()]
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": libraries(), "DICOM_NODE_DATA": str(node.data)}
    done = subprocess.run(words, cwd="/", env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    # A table breaks its lines where it likes.
    said = " ".join((done.stdout + done.stderr).split())
    assert any(one in said for one in ("its owner's alone", "belongs to", "cannot be looked at"))
