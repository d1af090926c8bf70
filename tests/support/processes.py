"""Real processes for tests: started, paused, killed by their id, and never left behind."""

import contextlib
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar
from weakref import WeakSet

T = TypeVar("T")

# Below the ports that the kernel gives to outgoing connections, so that a server finds its port again after a stop.
_PORTS = range(20_000, 32_000)


def free_port() -> int:
    """A loopback TCP port that nobody listens on."""
    for port in random.sample(_PORTS, 200):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no free port among 200 tried")


def answers(port: int) -> bool:
    """Whether something accepts connections on a loopback port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_for(
    predicate: Callable[[], T], timeout: float, what: str, report: Callable[[], str] = str, interval: float = 0.05
) -> T:
    """The first true value of `predicate`, asked every `interval` s; after `timeout` s an error with `report()`."""
    deadline = time.monotonic() + timeout
    while not (value := predicate()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout:g} s in vain for {what}\n{report()}")
        time.sleep(interval)
    return value


def alive(pid: int) -> bool:
    """Whether a process runs (a dead one that nobody has waited for does not)."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in {"Z", "X"}


def kill_pid(pid: int, number: int = signal.SIGKILL) -> None:
    """Send a signal to a process that may be gone already."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def children(pid: int) -> list[int]:
    """The processes that a process has started and that still run."""
    listing = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in listing.read_text().split()] if listing.exists() else []


def the_child(pid: int, timeout: float = 60) -> int:
    """The one child of a process, once it has one.

    Whoever needs its number twice keeps it: a second question may be answered with the next child, or with none.
    """
    return wait_for(lambda: children(pid), timeout, f"a child of {pid}")[0]


def tagged(tag: str) -> list[int]:
    """Live processes that were started with `tag` (NAME=VALUE) in their environment, by whatever way of parents.

    The environment of a role is root's to read; whoever is not root knows it by VALUE among its arguments.
    """
    found, value = [], tag.partition("=")[2].encode()
    for folder in Path("/proc").glob("[0-9]*"):
        # Another user's processes cannot be read, and any may end while we look.
        with contextlib.suppress(OSError):
            if value in (folder / "cmdline").read_bytes().split(b"\0") or (
                tag.encode() in (folder / "environ").read_bytes().split(b"\0")
            ):
                found.append(int(folder.name))
    return [pid for pid in found if alive(pid)]


def postmasters(folder: Path) -> list[int]:
    """The PostgreSQL servers that run on folders beneath: they write over their environment, their own files name them.

    A file may be half written, and may outlive its server, whose number another process may have by now.
    """
    found = []
    # A walk passes over folders that go meanwhile, which rglob does not.
    there = (Path(where, "postmaster.pid") for where, _, names in os.walk(folder) if "postmaster.pid" in names)
    for file in there:
        with contextlib.suppress(OSError, ValueError, IndexError):
            pid = int(file.read_text().split()[0])
            if os.fsencode(file.parent) in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(pid)
    return [pid for pid in found if alive(pid)]


def tail(path: Path, lines: int = 40) -> str:
    """The last lines of a log."""
    if not path.exists():
        return f"(no {path})"
    return f"--- {path}\n" + "\n".join(path.read_text(errors="replace").splitlines()[-lines:])


_STARTED: "WeakSet[Process]" = WeakSet()


class Process:
    """A program with a log file.

    The kernel sends it `orphaned` when the thread that started it ends, so that nothing outlives a test run that was
    itself killed; start it from the test's main thread. It leads a process group of its own.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        log: Path,
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        user: str | None = None,
        orphaned: signal.Signals = signal.SIGKILL,
    ) -> None:
        self.log = log
        _STARTED.add(self)
        with log.open("ab") as out:
            self._popen = subprocess.Popen(
                [*_leash(orphaned, user), *map(str, command)],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=None if env is None else {**os.environ, **env},
                cwd=cwd,
                start_new_session=True,
            )

    @staticmethod
    def logs() -> list[Path]:
        """The logs of the programs that somebody still has in hand."""
        return sorted({process.log for process in _STARTED})

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def running(self) -> bool:
        return self._popen.poll() is None

    @property
    def code(self) -> int | None:
        """The exit status once it has ended; negative for a signal."""
        return self._popen.poll()

    def send(self, number: int) -> None:
        """Send a signal to the program alone."""
        self._popen.send_signal(number)

    def wait(self, timeout: float) -> int:
        """Wait for it to end by itself; one that takes longer is killed. The exit status."""
        try:
            return self._popen.wait(timeout)
        except subprocess.TimeoutExpired:
            return self.kill()

    def stop(self, number: int = signal.SIGTERM, timeout: float = 60) -> int:
        """Ask it to end and wait; one that does not is killed. The exit status."""
        self.resume()
        self.send(number)
        return self.wait(timeout)

    def kill(self) -> int:
        """kill -9, and wait. The exit status."""
        self._popen.kill()
        return self._popen.wait()

    def pause(self) -> None:
        """Freeze it: connections stay open and nothing answers."""
        self.send(signal.SIGSTOP)

    def resume(self) -> None:
        """End a pause."""
        self.send(signal.SIGCONT)


def _leash(orphaned: signal.Signals, user: str | None) -> list[str]:
    """The command in front of the command: it sets what must be set between fork and exec, then becomes the program."""
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise AssertionError("setpriv (Debian util-linux) is needed to start servers that cannot be left behind")
    identity = [f"--reuid={user}", f"--regid={_group(user)}", "--clear-groups"] if user else []
    return [setpriv, f"--pdeathsig={orphaned.name.removeprefix('SIG')}", *identity]


def _group(user: str) -> int:
    return pwd.getpwnam(user).pw_gid
