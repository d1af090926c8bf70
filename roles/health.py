"""The door for health and figures that every role has: /metrics, /health/live, /health/ready, and run/ROLE.json.

`live` answers 200 while the role's main loop beats and every thread that does its work gives signs of life, `ready`
while nothing that the role needs is missing; otherwise 503, with what hangs or what is waited for.
"""

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from config import metrics
from config.settings import Http
from domain.errors import ConfigurationError
from roles.run_files import began, run_file, running

# A main loop that has not come round for this long (s) hangs; the longest wait of any loop is far below it.
HEARTBEAT_LIMIT = 60.0
# A thread whose turns may be long (a report of many pictures is written in one) and that gives no sign for this long.
THREAD_LIMIT = 600.0
_MAIN_LOOP = "its main loop"
_ANSWER = 5.0  # s for a process to say how it is
# Connections that are served at once; the descriptors of the process are for those who send images.
_AT_ONCE = 16

# What /health/ready of a process says: whether it is ready, what it waits for, and the facts that it published.
Report = Mapping[str, Any]


@dataclass
class _Sign:
    """When a thread last gave a sign of life, and for how long (s) that is enough."""

    last: float
    limit: float


class Health:
    """What a role says of itself; every method may be called from any thread."""

    def __init__(self, limit: float = HEARTBEAT_LIMIT, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._waiting: dict[str, None] = {_MAIN_LOOP: None}  # a dict keeps the order in which waits began
        self._signs = {_MAIN_LOOP: _Sign(now(), limit)}
        self._facts: dict[str, Any] = {}

    def waiting(self, what: str) -> None:
        """The role cannot work until it has `what` ("PostgreSQL"). Counts as a sign of life."""
        with self._lock:
            self._waiting[what] = None
            self._signs[_MAIN_LOOP].last = self._now()

    def ready(self, what: str) -> None:
        """`what` is there (again)."""
        with self._lock:
            self._waiting.pop(what, None)
            self._signs[_MAIN_LOOP].last = self._now()

    def beat(self) -> None:
        """The main loop came round. The first beat says that the role has started its work."""
        self.ready(_MAIN_LOOP)

    def pulse(self) -> None:
        """A sign of life that says nothing of readiness."""
        with self._lock:
            self._signs[_MAIN_LOOP].last = self._now()

    def expect(self, thread: str, limit: float = THREAD_LIMIT) -> Callable[[], None]:
        """The role does not live where the thread of this name gives no sign of life for `limit` s.

        What is returned gives one, and is called by that very thread, or by one that knows that it works.
        """
        sign = _Sign(self._now(), limit)
        with self._lock:
            self._signs[thread] = sign

        def give() -> None:
            with self._lock:
                sign.last = self._now()

        return give

    def dismiss(self, thread: str) -> None:
        """No sign of this thread is expected any more: it has ended."""
        with self._lock:
            self._signs.pop(thread, None)

    def publish(self, **facts: str | int) -> None:
        """Add facts that others look for (the listener's port) to what `ready` answers."""
        with self._lock:
            self._facts |= facts

    def report(self) -> dict[str, Any]:
        """The answer of /health/ready: whether ready, what is missing (oldest wait first), and published facts."""
        with self._lock:
            return {"ready": not self._waiting, "waiting_for": list(self._waiting), **self._facts}

    def hanging(self) -> list[str]:
        """The threads whose last sign of life is not recent enough."""
        with self._lock:
            now = self._now()
            return [thread for thread, sign in self._signs.items() if now - sign.last >= sign.limit]

    def alive(self) -> bool:
        """Whether nothing hangs."""
        return not self.hanging()


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
            raise ConfigurationError(
                f"http.port: {where}, of {self._name}, cannot be opened: {error.strerror}"
            ) from error
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
            "began": began(os.getpid()),
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


def ask(data: Path, name: str, pid: int | None = None) -> Report:
    """What the process `name` says of itself; until it answers, it is itself what is waited for.

    With `pid`, what another process of that name says does not count: it may be the one before.
    """
    facts = running(data, name)
    if facts is None or pid not in {None, facts["pid"]}:
        return {"ready": False, "waiting_for": ["its process"]}
    where = f"{facts['host']}:{facts['port']}"
    try:
        return {**_answer(where), "address": f"http://{where}"}
    except (OSError, HTTPException, ValueError):  # it may end in the middle of its answer
        return {"ready": False, "waiting_for": ["its health door"]}


def _answer(where: str) -> dict[str, Any]:
    with closing(HTTPConnection(where, timeout=_ANSWER)) as connection:
        connection.request("GET", "/health/ready")
        return dict(json.load(connection.getresponse()))


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # a queue costs no descriptors

    def __init__(self, address: tuple[str, int], health: Health) -> None:
        self.health = health
        self._places = threading.BoundedSemaphore(_AT_ONCE)
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        # HTTPServer's own asks the name service for this machine's name, which can take seconds.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._places.acquire(blocking=False):
            self._serve(request, client_address)
        else:
            self.shutdown_request(request)

    def _serve(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # no thread can be started
            self._places.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = _ANSWER  # s without a byte, after which a connection is closed

    def handle(self) -> None:
        with suppress(ConnectionError):
            super().handle()

    def do_GET(self) -> None:
        if self.path == "/metrics":
            self._answer(200, metrics.CONTENT_TYPE, metrics.exposition())
        elif self.path == "/health/live":
            hanging = self.server.health.hanging()
            self._json(503 if hanging else 200, {"alive": False, "hanging": hanging} if hanging else {"alive": True})
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
