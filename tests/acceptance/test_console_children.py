"""Child processes under a supervisor, as real processes: started again when they die, gone when it goes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from roles.children import Child
from tests.support.counterparts import ROOT
from tests.support.node import PROGRAM
from tests.support.processes import Process, alive, answers, children, free_port, kill_pid, the_child, wait_for

SLEEPER = "import time; time.sleep(600)"
PARENT_OF_ONE = (
    "import signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    f"subprocess.Popen([sys.executable, '-c', {SLEEPER!r}]); time.sleep(600)"
)
# A supervisor whose child asks the kernel for a signal at its death, as every role does.
SUPERVISOR = """
import os, subprocess, sys, time
child = "from roles.process import die_with; die_with({}); print('bound', flush=True); import time; time.sleep(600)"
subprocess.Popen([sys.executable, "-c", child.format(os.getpid())])
time.sleep(600)
"""
# A supervisor whose listener never gets that signal.
DEAF_LISTENER = """
import ctypes, os, time
from pathlib import Path
from config.settings import Listener, Settings
from roles.fork import Fork
from roles.process import die_with, run_role
from roles.table import ROLES

supervisor = os.getpid()

def main():
    die_with(supervisor)
    ctypes.CDLL(None).prctl(1, 0)
    return run_role("listen", ROLES["listen"], Settings(data=Path({data!r}), listener=Listener(port={port})))

Fork("listen", main)
time.sleep(600)
"""


def python(program: str) -> list[str]:
    return [sys.executable, "-c", program]


def started(program: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(python(program), stdin=subprocess.DEVNULL, process_group=0)


@pytest.fixture
def _ended() -> Iterator[list[Child]]:
    started: list[Child] = []
    yield started
    for one in started:
        one.await_end(0)


def a_child(program: str, ended: list[Child]) -> Child:
    child = Child("test", lambda: started(program))
    ended.append(child)
    return child


def pid_of(child: Child) -> int:
    assert child.pid is not None
    return child.pid


def test_a_child_that_was_killed_is_started_again(_ended: list[Child]) -> None:
    child = a_child(SLEEPER, _ended)
    child.look_after()
    first = pid_of(child)
    kill_pid(first)

    def another_runs() -> bool:
        child.look_after()
        return child.pid not in {None, first}

    wait_for(another_runs, 60, "the child to be started again")


class Seconds:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_child_that_keeps_dying_is_started_ever_more_slowly(_ended: list[Child]) -> None:
    seconds = Seconds()
    child = Child("test", lambda: started(SLEEPER), seconds)
    _ended.append(child)
    for pause in (0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10, 10):
        die(child)
        seconds.now += pause - 0.01
        child.look_after()
        assert child.pid is None, pause
        seconds.now += 0.02
    seconds.now += 10
    die(child, after=lambda: setattr(seconds, "now", seconds.now + 31))
    seconds.now += 0.21
    child.look_after()
    assert child.pid is not None, "thirty sound seconds make up for the past"


def die(child: Child, after: Callable[[], None] = lambda: None) -> None:
    """Start the child, let `after` pass, and kill it."""
    child.look_after()
    pid = pid_of(child)
    after()
    kill_pid(pid)

    def noticed() -> bool:
        child.look_after()
        return child.pid is None

    wait_for(noticed, 60, "the death to be noticed")


def test_a_child_that_obeys_is_not_killed(_ended: list[Child], caplog: pytest.LogCaptureFixture) -> None:
    child = a_child(SLEEPER, _ended)
    child.look_after()
    pid = pid_of(child)
    child.ask_to_stop()
    child.await_end(time.monotonic() + 60)
    assert not alive(pid)
    assert not caplog.records


def test_a_child_that_died_just_before_the_stop_is_no_trouble(_ended: list[Child]) -> None:
    child = a_child(SLEEPER, _ended)
    child.look_after()
    pid = pid_of(child)
    kill_pid(pid)
    wait_for(lambda: not alive(pid), 60, "the child to be dead")
    child.ask_to_stop()
    child.await_end(time.monotonic() + 60)
    assert child.pid is None


def test_a_child_that_does_not_stop_is_killed_with_all_that_it_started(_ended: list[Child]) -> None:
    child = a_child(PARENT_OF_ONE, _ended)
    child.look_after()
    pid = pid_of(child)
    (inner,) = wait_for(lambda: children(pid), 60, "the child's own child")
    child.ask_to_stop()
    child.await_end(time.monotonic() + 0.2)
    wait_for(lambda: not alive(pid) and not alive(inner), 60, "both to be gone")


def test_what_a_dead_child_leaves_behind_is_cleared_away(_ended: list[Child]) -> None:
    child = a_child(PARENT_OF_ONE, _ended)
    child.look_after()
    (inner,) = wait_for(lambda: children(pid_of(child)), 60, "the child's own child")
    kill_pid(pid_of(child))

    def gone() -> bool:
        child.look_after()
        return not alive(inner)

    wait_for(gone, 60, "the orphan to be gone")


def test_a_terminals_interrupt_does_not_reach_a_child_by_itself(_ended: list[Child]) -> None:
    child = a_child(SLEEPER, _ended)
    child.look_after()
    assert os.getpgid(pid_of(child)) == pid_of(child)


def test_a_child_dies_with_a_supervisor_that_was_killed(tmp_path: Path) -> None:
    supervisor = Process(python(SUPERVISOR), tmp_path / "log", cwd=ROOT)
    wait_for(lambda: "bound" in (tmp_path / "log").read_text(), 60, "the child to be bound")
    child = the_child(supervisor.pid)
    supervisor.kill()
    wait_for(lambda: not alive(child), 60, "the child to be gone")


def test_a_child_that_no_signal_tells_of_its_supervisors_death_ends_by_itself(tmp_path: Path) -> None:
    """A listener, which would go on to take studies for a spool that nobody reads; `up` names it meanwhile."""
    port = free_port()
    supervisor = Process(
        python(DEAF_LISTENER.format(data=str(tmp_path / "data"), port=port)), tmp_path / "log", cwd=ROOT
    )
    wait_for(lambda: answers(port), 60, "the listener")
    child = the_child(supervisor.pid)
    second = [sys.executable, "-m", "console.cli.main", "up", "--data", str(tmp_path / "data"), "--port", str(port)]
    said = subprocess.run(second, cwd=ROOT, check=False, timeout=120, capture_output=True, text=True).stderr
    assert f"{port} cannot be opened: Address already in use. listen of this data folder runs" in said
    assert f"(kill {child})" in said
    supervisor.kill()
    wait_for(lambda: not alive(child), 60, "the child to be gone")
    assert "stopped" in (tmp_path / "log").read_text()


def test_a_child_whose_supervisor_is_gone_already_does_not_start() -> None:
    program = "from roles.process import die_with; die_with(1234567)"
    assert subprocess.run(python(program), cwd=ROOT, check=False, timeout=120).returncode == 1


@pytest.mark.parametrize("role", ["index", "relay", "deliver"])
def test_a_role_without_a_database_says_how_to_give_one(tmp_path: Path, role: str) -> None:
    command = [*PROGRAM, role, "--data", str(tmp_path)]
    ended = subprocess.run(command, cwd=ROOT, check=False, timeout=120, capture_output=True, text=True)
    assert ended.returncode == 2
    assert "--database URL" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_role_that_is_interrupted_while_it_waits_for_its_database_stops_in_silence(tmp_path: Path) -> None:
    url = "postgresql+psycopg://nobody@127.0.0.1:1/none"
    command = [*PROGRAM, "index", "--data", str(tmp_path), "--database", url]
    role = Process(command, tmp_path / "log", cwd=ROOT)
    wait_for((tmp_path / "run" / "index.json").exists, 60, "the role to begin")
    assert role.stop(signal.SIGINT) == 0
    assert "Traceback" not in (tmp_path / "log").read_text()
    assert not (tmp_path / "run" / "index.json").exists()
