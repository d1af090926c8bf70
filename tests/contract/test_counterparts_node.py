"""The harness that runs the node, tried on a stand-in: acceptance tests are worth what it is worth."""

import sys
from pathlib import Path

import pytest

from tests.support.node import Node
from tests.support.processes import alive

# Supervises one process a role, as `dicom-node up` does: each serves /health and writes its run file.
STAND_IN = """
import http.server, json, os, pathlib, signal, subprocess, sys, time

words = sys.argv[1:]
data = pathlib.Path(words[words.index("--data") + 1])

def serve(role):
    class Door(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            ready = role not in os.environ.get("STUCK", "").split()
            body = b"ready" if ready else b"waits for the broker"
            self.send_response(200 if ready else 503)
            self.end_headers()
            self.wfile.write(body)
        def log_message(self, *words):
            pass
    server = http.server.HTTPServer(("127.0.0.1", 0), Door)
    file = data / "run" / f"{role}.json"
    part = file.with_suffix(".part")
    part.write_text(json.dumps({"pid": os.getpid(), "port": server.server_port}))
    part.replace(file)
    server.serve_forever()

def up():
    (data / "run").mkdir(parents=True, exist_ok=True)
    command = lambda role: [sys.executable, __file__, "serve", role, "--data", str(data)]
    names = ("listen", "index", "assemble", "work", "summarise", "write", "deliver", "retain", "seal")
    roles = {role: subprocess.Popen(command(role)) for role in names}
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print("a line of the log", flush=True)
    try:
        while True:
            for role, process in roles.items():
                if process.poll() is not None:
                    roles[role] = subprocess.Popen(command(role))
            time.sleep(0.05)
    finally:
        for process in roles.values():
            if os.environ.get("LEAVES") is None:
                process.kill()
                process.wait()

match words[0]:
    case "up": up()
    case "serve": serve(words[1])
    case "status": print(json.dumps({"words": words}))
    case "nonsense": sys.exit("no such command")
"""


@pytest.fixture
def program(tmp_path: Path) -> list[str]:
    script = tmp_path / "stand_in.py"
    script.write_text(STAND_IN)
    return [sys.executable, str(script)]


def test_a_node_is_ready_when_every_role_is_and_leaves_nothing_behind(tmp_path: Path, program: list[str]) -> None:
    with Node(tmp_path / "data", program=program) as node:
        pids = [node.pid(role) for role in ("up", *node.roles)]
        assert len(set(pids)) == 9
        assert node.unready() == {}
    assert not any(map(alive, pids))


def test_a_killed_role_is_another_process_after_its_restart(tmp_path: Path, program: list[str]) -> None:
    with Node(tmp_path / "data", program=program) as node:
        dead = node.kill("work")
        node.wait_restarted("work", dead)
        assert node.pid("work") != dead


def test_a_node_starts_again_after_a_power_cut(tmp_path: Path, program: list[str]) -> None:
    with Node(tmp_path / "data", program=program) as node:
        pids = [node.pid(role) for role in node.roles]
        node.kill_all()
        assert not any(map(alive, pids))
        node.start()
        assert node.terminate() == 0


def test_an_unready_role_is_named_with_its_reason_and_the_log(tmp_path: Path, program: list[str]) -> None:
    node = Node(tmp_path / "data", program=program, env={"STUCK": "work"})
    with pytest.raises(AssertionError, match=r"(?s)'work': '503: waits for the broker'.*a line of the log"):
        node.start(timeout=3)
    node.terminate()


def test_a_role_that_outlives_the_node_is_a_failure(tmp_path: Path, program: list[str]) -> None:
    with Node(tmp_path / "data", program=program, env={"LEAVES": "1"}) as node:
        pids = [node.pid(role) for role in node.roles]
        with pytest.raises(AssertionError, match="outlived the node"):
            node.terminate()
    assert not any(map(alive, pids))


def test_the_command_line_answers_in_json_about_the_same_data(tmp_path: Path, program: list[str]) -> None:
    node = Node(tmp_path / "data", program=program)
    assert node.cli("status", "x") == {"words": ["status", "x", "--json", "--data", str(tmp_path / "data")]}


def test_a_command_that_fails_shows_what_it_said(tmp_path: Path, program: list[str]) -> None:
    node = Node(tmp_path / "data", program=program)
    with pytest.raises(AssertionError, match="no such command"):
        node.cli("nonsense")
