"""The node as a user runs it: `dicom-node up` as a real process, its roles by name, its command line."""

import contextlib
import json
import os
import signal
import stat
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import psycopg

from config.programs import program
from tests.support.counterparts import ROOT
from tests.support.events import objections_to_outbox
from tests.support.processes import Process, alive, free_port, kill_pid, postmasters, tagged, tail, wait_for

T = TypeVar("T")

PROGRAM = tuple(program("console.cli.main"))
ROLES = ("listen", "index", "assemble", "work", "write", "deliver", "retain", "seal")


class Node:
    """`dicom-node up` on a data folder that outlives it, so that `start` after `kill_all` is a restart."""

    def __init__(
        self,
        data: Path,
        *,
        destinations: Sequence[str] = (),
        kafka: str | None = None,
        database: str | None = None,
        owner: str | None = None,
        models: Path | None = None,
        aet: str = "NODE",
        env: Mapping[str, str] | None = None,
        program: Sequence[str] = PROGRAM,
        cwd: Path = ROOT,
        impressions: bool | None = False,
    ) -> None:
        self.data, self.aet, self.port = data, aet, free_port()
        self.roles = (*ROLES, *(["relay"] if kafka else []), *(["summarise"] if impressions else []))
        self.log = data.parent / f"{data.name}.log"
        # Not by option: `status` and the other commands are to find the database too.
        urls = {"URL": database, "OWNER_URL": owner}
        self._env = {f"DICOM_NODE_DATABASE__{name}": url for name, url in urls.items() if url}
        # A result more for each study, when all others are there: for tests that are about it.
        if impressions is not None:  # else as its settings say
            self._env["DICOM_NODE_SUMMARY__ENABLED"] = str(impressions).lower()
        # Several nodes of the tests run at once, and a port is one's.
        self._env |= {"DICOM_NODE_CONSOLE__ENABLED": "false", "TEST_NODE": str(data), **(env or {})}
        self._owner = owner
        self._program = tuple(program)
        self._cwd = cwd
        self._options = self._up_options(destinations, {"--kafka": kafka, "--models": models})
        self._process: Process | None = None

    @property
    def address(self) -> str:
        """AET@HOST:PORT, as senders take it."""
        return f"{self.aet}@127.0.0.1:{self.port}"

    def start(self, timeout: float = 180) -> Self:
        """Start every role and wait until all of them are ready."""
        self.begin()
        self.wait_ready(timeout=timeout)
        return self

    def begin(self) -> None:
        """Start, and wait for nothing."""
        let_others_pass(self.data)
        # Supervisor, not kernel, winds down the roles: it gets the chance to when the test run dies.
        command = [*self._program, "up", *self._options]
        self._process = Process(command, self.log, env=self._env, cwd=self._cwd, orphaned=signal.SIGTERM)

    def wait_ready(self, *roles: str, timeout: float = 180) -> None:
        """Wait until these roles (all of them by default) say that they are ready."""
        self.wait_for(lambda: not self.unready(*roles), timeout, "the node to be ready", lambda: self.unready(*roles))

    def unready(self, *roles: str) -> dict[str, str]:
        """Roles that are not ready, and what each waits for."""
        if self._process is not None and not self._process.running:
            raise AssertionError(f"the node ended by itself with status {self._process.code}\n{tail(self.log)}")
        answers = {role: self._waits_for(role) for role in roles or self.roles}
        return {role: answer for role, answer in answers.items() if answer}

    def pid(self, role: str) -> int:
        """The process of a role, or of the supervisor for `up`."""
        if role == "up":
            return self.process.pid
        return int(self._run_file(role)["pid"])

    def pause(self, role: str) -> None:
        """Freeze one role's process where it stands."""
        os.kill(self.pid(role), signal.SIGSTOP)

    def resume(self, role: str) -> None:
        """End a pause."""
        os.kill(self.pid(role), signal.SIGCONT)

    def kill(self, role: str) -> int:
        """kill -9 one role's process (or the supervisor's, for `up`) and wait until it is dead. Its pid."""
        pid = self.pid(role)
        kill_pid(pid)
        self.wait_for(lambda: not alive(pid), 60, f"{role} to be dead")
        return pid

    def wait_restarted(self, role: str, dead: int, timeout: float = 180) -> None:
        """Wait until another process than `dead` has taken up the role and is ready."""

        def renewed() -> bool:
            if self.unready(role):
                return False
            return self.pid(role) != dead

        self.wait_for(renewed, timeout, f"{role} to be started again")

    def kill_all(self) -> None:
        """kill -9 everything at once, as at a power cut; an embedded database too."""
        self.process.kill()
        wait_for(self._kill_what_lives, 60, "the node's processes to be dead")

    def terminate(self, timeout: float = 120) -> int:
        """Ask the supervisor to wind down and wait; fails where it leaves a process behind. The exit status."""
        code = self.process.stop(signal.SIGTERM, timeout)
        left = self._living()
        assert not left, f"processes {left} outlived the node\n{tail(self.log)}"
        return code

    def run(self, *arguments: str, code: int = 0, timeout: float = 120) -> str:
        """What `dicom-node ARGUMENTS` prints; fails on another exit status than `code`."""
        done = subprocess.run(
            [*self._program, *arguments, "--data", str(self.data)],
            cwd=self._cwd,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert done.returncode == code, f"{' '.join(arguments)}: status {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def cli(self, *arguments: str, code: int = 0, timeout: float = 120) -> Any:
        """What `dicom-node ARGUMENTS --json` prints, parsed; fails on another exit status than `code`."""
        said = self.run(*arguments, "--json", code=code, timeout=timeout)
        try:
            return json.loads(said)
        except json.JSONDecodeError as error:
            raise AssertionError(f"{' '.join(arguments)} printed no JSON: {said}") from error

    def get(self, role: str, path: str) -> str:
        """What a role's HTTP door gives, such as `/metrics`."""
        with urllib.request.urlopen(self._url(role, path), timeout=10) as answer:
            return str(answer.read().decode())

    def wait_for(self, predicate: Callable[[], T], timeout: float, what: str, report: Callable[[], object] = str) -> T:
        """The first true value of `predicate`; after `timeout` s an error with the end of the node's log."""
        return wait_for(predicate, timeout, what, lambda: f"{report()}\n{tail(self.log, 60)}", interval=0.1)

    @property
    def env(self) -> dict[str, str]:
        """The environment of its processes and commands."""
        return {**os.environ, **self._env}

    @property
    def superuser_url(self) -> str:
        """SQLAlchemy URL of the database for one who may do everything: the owner's, or the embedded one's."""
        return self._owner or str(self._run_file("database")["owner_url"])

    @property
    def process(self) -> Process:
        """The supervisor."""
        if self._process is None:
            raise AssertionError("the node was not started")
        return self._process

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self._end()
            raise

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            if kind is None and self._process is not None and self._process.running:
                self._assert_events_as_published()
                self._assert_no_right_was_missing()
        finally:
            self._end()

    def _assert_events_as_published(self) -> None:
        """Whatever the run was for, all that it announced keeps the published schemas."""
        with contextlib.suppress(FileNotFoundError, psycopg.OperationalError):  # a node whose database is gone
            objections = objections_to_outbox(self.superuser_url.replace("+psycopg", ""))
            assert objections == [], "\n".join(objections)

    def _assert_no_right_was_missing(self) -> None:
        """Whatever the run was for, each of its roles had the rights in the database that it asked for."""
        lines = self.log.read_text("utf-8", "replace").splitlines() if self.log.exists() else []
        refused = [line for line in lines if "PostgreSQL refuses" in line or "does not let the login" in line]
        assert refused == [], "\n".join(refused[:5])

    def _end(self) -> None:
        """Leave no process behind, in whatever state the test has left the node."""
        if self._process is not None and self._process.running:
            self._process.stop(signal.SIGTERM, timeout=60)
        if self._process is not None:
            self.kill_all()

    def _up_options(self, destinations: Sequence[str], optional: Mapping[str, object]) -> list[str]:
        given = [(name, str(value)) for name, value in optional.items() if value is not None]
        always = [("--data", str(self.data)), ("--aet", self.aet), ("--port", str(self.port))]
        pairs = [*always, *(("--destination", one) for one in destinations), *given]
        return [word for pair in pairs for word in pair]

    def _run_file(self, role: str) -> dict[str, Any]:
        return dict(json.loads((self.data / "run" / f"{role}.json").read_text()))

    def _url(self, role: str, path: str) -> str:
        return f"http://127.0.0.1:{self._run_file(role)['port']}{path}"

    def _waits_for(self, role: str) -> str:
        """What a role waits for, "" when it is ready."""
        try:
            self.get(role, "/health/ready")
        except FileNotFoundError:
            return "has not written its run file"
        except urllib.error.HTTPError as refusal:
            return _said(refusal)
        except (OSError, HTTPException) as error:  # it may end in the middle of its answer
            return str(error) or type(error).__name__
        return ""

    def _kill_what_lives(self) -> bool:
        living = self._living()
        for pid in living:
            kill_pid(pid)
        return not living

    def _living(self) -> list[int]:
        """Every process of the node."""
        return [*tagged(f"TEST_NODE={self.data}"), *postmasters(self.data)]


@contextmanager
def own_folder() -> Iterator[Path]:
    """Not pytest's: PostgreSQL runs as another user, and every session of pytest closes that one to others again."""
    with tempfile.TemporaryDirectory(prefix="dicom-node-") as name:
        (Path(name) / "models").mkdir()
        let_others_pass(Path(name) / "data")
        yield Path(name)


def let_others_pass(data: Path) -> None:
    """Where the tests run as root, another user runs the database of the node on `data`: open the folders above it."""
    for folder in data.absolute().parents:
        mine = os.geteuid() == 0 and folder != Path.home() and folder.exists() and folder.stat().st_uid == 0
        if mine and not folder.stat().st_mode & stat.S_IXOTH:
            folder.chmod(stat.S_IMODE(folder.stat().st_mode) | 0o011)


def _said(refusal: urllib.error.HTTPError) -> str:
    """A refusal in words. It holds the connection's socket, which is closed here and not when it is forgotten."""
    with refusal:
        try:
            return f"{refusal.code}: {refusal.read().decode(errors='replace')}"
        except (OSError, HTTPException) as error:
            return f"{refusal.code}: {error}"
