"""A node's start: the listener waits for nobody, and a role is a clean copy of its supervisor."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dicom_node.listener import LONGEST_STOP
from roles import supervisor
from tests.support.counterparts import ROOT
from tests.support.listening import RawPeer
from tests.support.node import PROGRAM
from tests.support.processes import Process, answers, free_port, tail, wait_for

# A process that is copied. It has a lock, a handler for signals and unwritten output, as `up` may have.
PARENT = """
import fcntl, json, os, signal, sys, threading, time
from roles.fork import Fork
lock = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
fcntl.flock(lock, fcntl.LOCK_EX)
signal.signal(signal.SIGTERM, lambda *_: None)
print("said once")
def sound():
    open_files = [name for name in os.listdir("/proc/self/fd") if int(name) > 2]
    facts = {
        "group": os.getpgrp() == os.getpid(),
        "files": len(open_files) - 1,  # the listing's own
        "input": sys.stdin.read() if os.isatty(0) else os.readlink("/proc/self/fd/0"),
        "name": open("/proc/self/comm").read().strip(),
        "handler": signal.getsignal(signal.SIGTERM) == signal.SIG_DFL,
    }
    print(json.dumps(facts))
    return 7
def killed():
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(600)
def faulty():
    raise RuntimeError("a defect")
def leaves():
    raise SystemExit(3)
print(json.dumps([Fork("copy", main).wait() for main in (sound, killed, faulty, leaves)]))
"""


def test_a_copy_has_nothing_open_of_its_parent_and_ends_as_its_work_does(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PARENT, str(tmp_path / "lock")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL)
    said, facts, codes = done.stdout.splitlines()
    assert said == "said once"
    assert json.loads(facts) == {"group": True, "files": 0, "input": "/dev/null", "name": "copy", "handler": True}
    assert json.loads(codes) == [7, -signal.SIGTERM, 1, 3]
    assert "RuntimeError" in done.stderr


@pytest.fixture
def without_a_database(tmp_path: Path) -> list[str]:
    """`up` with the URL of a database that is not there."""
    url = f"postgresql+psycopg://nobody@127.0.0.1:{free_port()}/none"
    return [*PROGRAM, "up", "--data", str(tmp_path / "data"), "--database", url]


def test_a_scanner_is_answered_while_the_database_is_still_away(without_a_database: list[str], tmp_path: Path) -> None:
    port = free_port()
    node = Process([*without_a_database, "--port", str(port)], tmp_path / "log", cwd=ROOT, orphaned=signal.SIGTERM)
    try:
        wait_for(lambda: answers(port), 120, "the listener", lambda: tail(node.log))
        with RawPeer(port) as peer:
            assert peer.associate(called="DICOM_NODE").store("1.2.3", b"data") == 0
            assert peer.echo() == 0
            peer.release()
        wait_for(lambda: "waiting: PostgreSQL" in node.log.read_text(), 120, "the reason", lambda: tail(node.log))
        assert node.stop() == 0
        assert "Traceback" not in node.log.read_text()
    finally:
        node.kill()


def test_the_supervisor_waits_longer_than_its_slowest_role_takes_to_stop() -> None:
    assert supervisor._GRACE > LONGEST_STOP
