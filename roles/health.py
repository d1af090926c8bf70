"""The door for health and figures that every role has: /metrics, /health/live, /health/ready, and run/ROLE.json.

`live` answers 200 while the role's main loop beats, `ready` while nothing that the role needs is missing; otherwise
503, with what is waited for.
"""

import json
import os
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from http.client import HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from config import metrics
from config.settings import Http
from domain.errors import ConfigurationError

# A main loop that has not come round for this long (s) hangs; the longest wait of any loop is far below it.
HEARTBEAT_LIMIT = 60.0
_MAIN_LOOP = "its main loop"
_ANSWER = 5.0  # s for a process to say how it is

# What /health/ready of a process says: whether it is ready, what it waits for, and the facts that it published.
Report = Mapping[str, Any]


class Health:
    """What a role says of itself; every method may be called from any thread."""

    def __init__(self, limit: float = HEARTBEAT_LIMIT, now: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._now = now
        self._lock = threading.Lock()
        self._waiting: dict[str, None] = {_MAIN_LOOP: None}  # a dict keeps the order in which waits began
        self._last = now()
        self._facts: dict[str, Any] = {}

    def waiting(self, what: str) -> None:
        """The role cannot work until it has `what` ("PostgreSQL"). Counts as a sign of life."""
        with self._lock:
            self._waiting[what] = None
            self._last = self._now()

    def ready(self, what: str) -> None:
        """`what` is there (again)."""
        with self._lock:
            self._waiting.pop(what, None)
            self._last = self._now()

    def beat(self) -> None:
        """The main loop came round. The first beat says that the role has started its work."""
        self.ready(_MAIN_LOOP)

    def pulse(self) -> None:
        """A sign of life that says nothing of readiness."""
        with self._lock:
            self._last = self._now()

    def publish(self, **facts: str | int) -> None:
        """Add facts that others look for (the listener's port) to what `ready` answers."""
        with self._lock:
            self._facts |= facts

    def report(self) -> dict[str, Any]:
        """The answer of /health/ready: whether ready, what is missing (oldest wait first), and published facts."""
        with self._lock:
            return {"ready": not self._waiting, "waiting_for": list(self._waiting), **self._facts}

    def alive(self) -> bool:
        """Whether the last sign of life is recent enough."""
        with self._lock:
            return self._now() - self._last < self._limit


class HealthServer:
    """Serves a role's health while its `with` block lasts, and says in DATA/run/NAME.json where, beside `facts`.

    Raises ConfigurationError where the address cannot be bound.
    """

    def __init__(
        self, health: Health, settings: Http, data: Path, name: str, facts: Mapping[str, object] | None = None
    ) -> None:
        self._health = health
        self._facts = facts or {}
        self._settings = settings
        self._name = name
        self._file = run_file(data, name)

    def __enter__(self) -> Self:
        try:
            self._server = _Server((self._settings.host, self._settings.port), self._health)
        except OSError as error:
            where = f"{self._settings.host}:{self._settings.port}"
            raise ConfigurationError(f"the health door {where} cannot be opened: {error.strerror}") from error
        threading.Thread(target=self._server.serve_forever, name="health", daemon=True).start()
        self._write()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.unlink(missing_ok=True)
        self._server.shutdown()
        self._server.server_close()

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self._server.server_address[1])

    def _write(self) -> None:
        facts = {
            "pid": os.getpid(),
            "host": self._settings.host,
            "port": self.port,
            "role": self._name,
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
            **self._facts,
        }
        draft = self._file.with_suffix(f".{os.getpid()}")
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            draft.write_text(json.dumps(facts))
            draft.replace(self._file)
        except OSError as error:
            raise ConfigurationError(f"{self._file.parent} cannot be written: {error.strerror}") from error


def run_file(data: Path, name: str) -> Path:
    """Where a running role says its process and its port."""
    return data / "run" / f"{name}.json"


def running(data: Path, name: str) -> dict[str, Any] | None:
    """What the process `name` said of itself; None where it does not run (its file may outlive a kill)."""
    try:
        facts = dict(json.loads(run_file(data, name).read_text()))
        os.kill(facts["pid"], 0)
    except PermissionError:
        return facts  # it runs as somebody else
    except (OSError, ValueError, KeyError):
        return None
    return facts


def ask(data: Path, name: str, pid: int | None = None) -> Report:
    """What the process `name` says of itself; until it answers, it is itself what is waited for.

    With `pid`, what another process of that name says does not count: it may be the one before.
    """
    facts = running(data, name)
    if facts is None or pid not in {None, facts["pid"]}:
        return {"ready": False, "waiting_for": ["its process"]}
    address = f"http://{facts['host']}:{facts['port']}"
    try:
        return {**_answer(f"{address}/health/ready"), "address": address}
    except (OSError, HTTPException, ValueError):  # it may end in the middle of its answer
        return {"ready": False, "waiting_for": ["its health door"]}


def _answer(url: str) -> dict[str, Any]:
    try:
        with urllib.request.urlopen(url, timeout=_ANSWER) as answer:
            return dict(json.load(answer))
    except urllib.error.HTTPError as refusal:
        with refusal:
            return dict(json.load(refusal))


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], health: Health) -> None:
        self.health = health
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        # HTTPServer's own asks the name service for this machine's name, which can take seconds.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        if self.path == "/metrics":
            self._answer(200, metrics.CONTENT_TYPE, metrics.exposition())
        elif self.path == "/health/live":
            alive = self.server.health.alive()
            self._json(200 if alive else 503, {"alive": alive})
        elif self.path == "/health/ready":
            report = self.server.health.report()
            self._json(200 if report["ready"] else 503, report)
        else:
            self._json(404, {"error": "there are /metrics, /health/live and /health/ready"})

    def _json(self, status: int, body: dict[str, Any]) -> None:
        self._answer(status, "application/json", json.dumps(body).encode())

    def _answer(self, status: int, kind: str, body: bytes) -> None:
        with suppress(ConnectionError):
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name that the base class gives it
        """A probe every few seconds is no news."""
