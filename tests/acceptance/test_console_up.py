"""`dicom-node up` as a user runs it: it starts again what dies, shares its database, and leaves nothing behind."""

import json
import os
import pty
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from roles.door import DOOR
from roles.reload import UP, last_pid
from roles.run_files import running
from tests.support.counterparts import ROOT
from tests.support.node import PROGRAM, Node, own_folder
from tests.support.processes import alive, children, free_port, postmasters

pytestmark = pytest.mark.slow

# What `status` says of a node that has received nothing.
NO_STUDY = {"studies": [], "more": 0, "quarantined": 0, "corrections": 0, "index_trouble": "", "paused": []}


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    with own_folder() as folder, Node(folder / "data", models=folder / "models", impressions=True) as node:
        yield node


def dicom_node(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [*PROGRAM, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


def test_the_banner_says_where_to_send_and_how_to_look(node: Node) -> None:
    # It is written line by line; what it ends with says that it is whole.
    node.wait_for(lambda: f"dicom-node status --data {node.data}" in node.log.read_text(), 60, "the whole banner")
    banner = node.log.read_text().partition("The node is up")[2]
    for fact in (node.address, str(node.data), "results go to", "/health/ready"):
        assert fact in banner


def test_a_start_ends_with_what_does_not_work_yet(node: Node) -> None:
    end = node.wait_for(lambda: node.log.read_text().partition("Does not work yet:\n")[2], 60, "the last words")
    assert end.startswith("  - ")
    assert "results stay in the data folder" in end.partition("\n\n")[0]


def test_one_door_has_the_health_and_the_figures_of_all_roles(node: Node) -> None:
    ready = json.loads(node.get("door", "/health/ready"))
    assert ready == {"ready": True, "waiting_for": [], "dicom_port": node.port, "aet": node.aet}
    assert json.loads(node.get("door", "/health/live")) == {"alive": True}
    families = {one.name: one for one in text_string_to_metric_families(node.get("door", "/metrics"))}
    roles = {sample.labels["role"] for sample in families["dicom_node_role_ready"].samples if sample.value == 1}
    assert roles == set(node.roles)
    (backlog,) = families["dicom_node_spool_backlog_bytes"].samples
    assert backlog.labels == {"role": "index"}


def test_the_one_door_names_the_role_that_does_not_answer_and_goes_on(node: Node) -> None:
    node.pause("write")
    try:
        said = str(node.wait_for(lambda: node.unready("door").get("door"), 60, "the door to miss a role"))
        assert json.loads(said.partition(": ")[2])["waiting_for"] == ["write: its health door"]
        assert 'dicom_node_role_ready{role="write"} 0.0' in node.get("door", "/metrics")
    finally:
        node.resume("write")
    node.wait_ready("door")


def test_status_asks_the_running_nodes_database(node: Node) -> None:
    assert node.cli("status") == NO_STUDY


def test_start_and_configuration_of_every_role_are_on_the_trail(node: Node) -> None:
    entries = node.cli("audit", "show")["entries"]
    for role in ("index", "assemble", "work", "summarise", "write", "deliver", "retain"):
        assert {one["action"] for one in entries if one["by"]["role"] == role} >= {"started", "configuration loaded"}
    assert node.cli("audit", "verify")["intact"]


def test_a_second_node_on_the_same_folder_is_refused(node: Node) -> None:
    second = dicom_node("up", "--data", str(node.data), "--port", str(free_port()))
    assert second.returncode == 2
    assert f"another node runs on {node.data}, process {last_pid(node.data, UP)}: " in second.stderr
    assert not node.unready()


def test_a_port_that_somebody_has_is_said_before_anything_starts(node: Node, tmp_path: Path) -> None:
    second = dicom_node("up", "--data", str(tmp_path / "data"), "--port", str(node.port))
    assert second.returncode == 2
    assert f"{node.port} cannot be opened" in second.stderr


def test_a_port_of_health_that_somebody_has_is_said_with_the_setting(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        ports = ("--port", str(free_port()), "--http-port", str(taken))
        refused = dicom_node("up", "--data", str(tmp_path / "data"), *ports)
    assert refused.returncode == 2
    assert f"http.port: 127.0.0.1:{taken} cannot be opened" in refused.stderr


@pytest.mark.parametrize("role", ["listen", "assemble", "database"])
def test_whatever_is_killed_is_started_again(node: Node, role: str) -> None:
    dead = node.kill(role)
    node.wait_restarted(role, dead)
    node.wait_ready()
    assert node.cli("status") == NO_STUDY


def test_a_database_server_that_ends_by_itself_is_started_again(node: Node) -> None:
    keeper, before = node.pid("database"), postmaster(node)
    os.kill(before, signal.SIGINT)
    node.wait_for(lambda: keeper_of(node) not in {0, keeper}, 60, "the database to be started again")
    assert postmaster(node) != before
    node.wait_ready()


def test_a_killed_supervisor_takes_everything_along_and_the_next_one_goes_on(node: Node) -> None:
    processes = [*children(node.pid("up")), postmaster(node)]
    node.process.kill()
    node.wait_for(lambda: not any(map(alive, processes)), 60, "every process to be gone")
    assert node.cli("status") == NO_STUDY, "a command starts the database for itself"
    assert not list(node.data.rglob("postmaster.pid")), "and stops it again"
    node.start()
    assert node.cli("audit", "verify")["intact"]


def test_a_stop_is_orderly_and_on_the_trail(node: Node) -> None:
    assert node.terminate() == 0
    # Nine at the most: the index records the listener's stop beside its own, and whose comes first is open.
    stopped = [one for one in node.cli("audit", "show")["entries"] if one["action"] == "stopped"]
    assert {one["by"]["role"] for one in stopped[-9:]} == {
        "index",
        "assemble",
        "work",
        "summarise",
        "write",
        "deliver",
        "retain",
        "seal",
    }
    assert "Traceback" not in node.log.read_text()
    node.start()


def keeper_of(node: Node) -> int:
    """The process of the database's keeper; 0 while there is none."""
    said = running(node.data, "database")
    return said.pid if said else 0


def postmaster(node: Node) -> int:
    """The database server's process."""
    (pid,) = node.wait_for(lambda: postmasters(node.data), 60, "a database server")
    return pid


@pytest.mark.parametrize("moment", ["WARNING", "started", "The node is up"])
def test_control_c_at_any_moment_leaves_no_process_and_no_traceback(moment: str) -> None:
    """At once, while the roles start, and when all are up; in a terminal of its own, as a person would."""
    with own_folder() as folder:
        data, log = folder / "data", folder / "log"
        options = ["--data", str(data), "--models", str(folder / "models"), "--port", str(free_port())]
        pid = in_a_terminal([*PROGRAM, "up", *options], log, moment)
        assert not alive(pid)
        assert "Traceback" not in log.read_text(), log.read_text()
        assert not list(data.rglob("postmaster.pid"))
        assert not list((data / "run").glob("*.json"))


def in_a_terminal(command: list[str], log: Path, moment: str) -> int:
    """Run `command` in a terminal, type Control-C when `moment` shows on it, and read on to the end. Its process id."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(ROOT)
        os.execv(command[0], command)
    shown, typed = b"", False
    while chunk := _read(terminal):
        shown += chunk
        log.write_bytes(shown)
        if moment.encode() in shown and not typed:
            os.write(terminal, b"\x03")
            typed = True
    os.close(terminal)
    os.waitpid(pid, 0)
    assert typed, shown.decode()
    return pid


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux says so when the last process of a terminal has ended
        return b""


def test_what_a_running_node_has_itself_is_no_fault_of_its_settings(node: Node, tmp_path: Path) -> None:
    file = tmp_path / "node.toml"
    said_of_door = running(node.data, DOOR)
    assert said_of_door is not None
    door = said_of_door.port
    file.write_text(f'data = "{node.data}"\n[listener]\nport = {node.port}\n[http]\nport = {door}\n')
    assert dicom_node("config", "check", str(file)).stdout.endswith("OK\n")
    file.write_text(f'data = "{tmp_path / "data"}"\n[listener]\nport = {node.port}\n[http]\nport = {door}\n')
    said = dicom_node("config", "check", str(file)).stderr
    assert f"{file}:3: listener.port: 127.0.0.1:{node.port} cannot be opened: Address already in use. Another" in said
    assert f"{file}:5: http.port: 127.0.0.1:{door} cannot be opened" in said
