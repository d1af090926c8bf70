"""A running node with planted passwords: no process, log, door, file or view of it tells one."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.counterparts import ROOT
from tests.support.node import PROGRAM, Node
from tests.support.packages import write_package
from tests.support.processes import children
from tests.support.servers import Postgres

BY_FILE, BY_VARIABLE = "hushhush-in-a-file", "hushhush-in-a-variable-of-32-letters"


@pytest.fixture
def node(tmp_path: Path, postgres: Postgres) -> Iterator[Node]:
    """A node whose database's password is in a file, and whose key of digests in a variable."""
    url = postgres.url(dbname=postgres.fresh_database())
    file = tmp_path / "url"
    file.write_text(url.replace("postgres@", f"postgres:{BY_FILE}@"))
    assert BY_FILE in file.read_text()
    file.chmod(0o600)
    write_package(tmp_path / "models")
    given = {
        "DICOM_NODE_DATABASE__URL_FILE": str(file),
        "DICOM_NODE_DATABASE__TRAIL_MAY_BE_ALTERED": "true",  # for it is a superuser's
        "DICOM_NODE_IDENTITY__KEY": BY_VARIABLE,
    }
    with Node(tmp_path / "data", models=tmp_path / "models", owner=url, env=given) as made:
        yield made


def _family(pid: int) -> Iterator[int]:
    yield pid
    for child in children(pid):
        yield from _family(child)


def _proc(pid: int, name: str) -> bytes:
    return Path(f"/proc/{pid}/{name}").read_bytes()


def test_no_process_of_a_running_node_tells_a_secret_and_nothing_that_it_writes_does(node: Node) -> None:
    family = list(_family(node.pid("up")))
    lines = {pid: _proc(pid, "cmdline") for pid in family}
    assert [line for line in lines.values() if b"inference_worker.model_server" in line]
    assert not [line for line in lines.values() if b"hushhush" in line]
    for pid in family:
        environment = _proc(pid, "environ")
        assert BY_FILE.encode() not in environment, lines[pid]
        # A copy of the supervisor has the block that this began with, which is root's alone to read (conceal).
        copied = environment == _proc(node.pid("up"), "environ")
        assert copied or BY_VARIABLE.encode() not in environment, lines[pid]
    assert "hushhush" not in node.log.read_text()
    for file in (node.data / "run").rglob("*.json"):
        assert "hushhush" not in file.read_text()
    for role in node.roles:
        assert not [
            door for door in ("/metrics", "/health/ready", "/health/live") if "hushhush" in node.get(role, door)
        ]
    data = ["--data", str(node.data)]
    for command in (["config", "show"], ["config", "show", "--json"], ["doctor", *data], ["audit", "show", *data]):
        done = subprocess.run([*PROGRAM, *command], cwd=ROOT, env=node.env, capture_output=True, check=False, text=True)
        assert "***" in done.stdout or command[0] != "config"
        assert "hushhush" not in done.stdout + done.stderr
