"""The door for health and figures that every process has: /metrics, /health/live, /health/ready, and run/ROLE.json.

`live` answers 200 while the role's main loop beats and every thread that does its work gives signs of life, `ready`
while nothing that the role needs is missing; otherwise 503, with what hangs or what is waited for.
"""

import json
import os
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from config import metrics
from config.settings import Http
from domain.errors import ConfigurationError
from domain.json_records import JsonObject
from roles.http_door import HttpDoor
from roles.http_heads import Refused
from roles.http_messages import asks_for_no_body, read_path, response
from roles.reports import Report, got
from roles.run_files import Facts, RunFile, all_running, publish, run_file, running

# A main loop that has not come round for this long (s) hangs; the longest wait of any loop is far below it.
HEARTBEAT_LIMIT = 60.0
# A thread whose turns may be long (a report of many pictures is written in one) and that gives no sign for this long.
THREAD_LIMIT = 600.0
_MAIN_LOOP = "its main loop"

#: Status, content type and body.
Answer = tuple[int, str, bytes]


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
        # Why, by what is waited for; a dict keeps the order in which waits began.
        self._waiting: dict[str, str] = {_MAIN_LOOP: ""}
        self._signs = {_MAIN_LOOP: _Sign(now(), limit)}
        self._dicom_port: int | None = None
        self._aet: str | None = None
        self._language_models: Callable[[], Mapping[str, str]] | None = None
        self._certificates: Callable[[], Mapping[str, str]] | None = None

    def waiting(self, what: str, why: str = "") -> None:
        """The role cannot work until it has `what` ("PostgreSQL"), `why` says why not. Counts as a sign of life."""
        with self._lock:
            self._waiting[what] = why
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

    def publish(self, dicom_port: int, aet: str) -> None:
        """Add what others look for, the listener's port and AE title, to what `ready` answers."""
        with self._lock:
            self._dicom_port, self._aet = dicom_port, aet

    def tell_language_models(self, how: Callable[[], Mapping[str, str]]) -> None:
        """Add how each language model is to what `ready` answers, whatever the role waits for."""
        with self._lock:
            self._language_models = how

    def tell_certificates(self, how: Callable[[], Mapping[str, str]]) -> None:
        """Add which certificates have to be renewed to what `ready` answers: whoever needs none of them is served."""
        with self._lock:
            self._certificates = how

    def report(self) -> Report:
        """The answer of /health/ready."""
        with self._lock:
            waits = tuple(why if why.startswith(what) else f"{what}: {why}" for what, why in self._named())
            told = self._language_models() if self._language_models else None
            renew = (self._certificates() if self._certificates else None) or None
            return Report(not waits, waits, self._dicom_port, self._aet, told, renew)

    def _named(self) -> Iterable[tuple[str, str]]:
        return ((what, why or what) for what, why in self._waiting.items())

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

    With `answer` that is what a path gets, in place of the role's own health and figures.
    Raises ConfigurationError where the address cannot be bound.
    """

    def __init__(
        self,
        health: Health,
        settings: Http,
        data: Path,
        name: str,
        facts: Facts | None = None,
        answer: Callable[[str], Answer] | None = None,
    ) -> None:
        names = {one.lower().removesuffix(".") for one in (settings.host, *settings.names)}
        self._respond = partial(_respond, answer or partial(_answer_to, health, name), names)
        self._facts = facts or Facts()
        self._settings = settings
        self._name = name
        self._data = data

    def __enter__(self) -> Self:
        try:
            self._door = HttpDoor(self._settings.host, self._settings.port, self._respond)
        except OSError as error:
            where = f"{self._settings.host}:{self._settings.port}"
            said = f"http.port: {where}, of {self._name}, cannot be opened: {error.strerror}"
            raise ConfigurationError(f"{said}{self._holder()}") from error
        self._held = self._publish()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        run_file(self._data, self._name).unlink(missing_ok=True)
        os.close(self._held)
        self._door.close()

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self._door.port

    def _holder(self) -> str:
        """The process of this very data folder that has the port."""
        for name, said in all_running(self._data).items():
            if said.port == self._settings.port:
                return f". {name} of this data folder has it: stop it (kill {said.pid})"
        return ""

    def _publish(self) -> int:
        said = RunFile(
            pid=os.getpid(),
            host=self._settings.host,
            port=self.port,
            role=self._name,
            started=datetime.now(UTC).isoformat(timespec="seconds"),
            facts=self._facts,
        )
        try:
            return publish(self._data, self._name, said)
        except OSError as error:
            raise ConfigurationError(f"{self._data / 'run'} cannot be written: {error.strerror}") from error


def ask_metric(data: Path, name: str, metric: str) -> Mapping[str, float]:
    """The values of a metric of one label that the process `name` serves, by that label; none where it says nothing."""
    said = running(data, name)
    try:
        text = got(said.host, said.port, "/metrics").decode() if said else ""
        return metrics.read_values(text, metric)
    except (OSError, ValueError):
        return {}


def _respond(answer: Callable[[str], Answer], names: Collection[str], head: bytes | None) -> bytes:
    """The answer to a request's line and fields."""
    try:
        status, kind, body = answer(read_path(head, names))
    except Refused as refused:
        status, kind, body = _json(refused.status, {"error": refused.reason})
    return response(status, kind, body, with_body=not asks_for_no_body(head))


def _answer_to(health: Health, name: str, path: str) -> Answer:
    if path == "/metrics":
        metrics.role_ready.labels(name).set(health.report().ready)
        return 200, metrics.CONTENT_TYPE, metrics.exposition(name)
    if path == "/health/live":
        hanging = health.hanging()
        return _json(503 if hanging else 200, {"alive": False, "hanging": hanging} if hanging else {"alive": True})
    if path == "/health/ready":
        report = health.report()
        return _json(200 if report.ready else 503, report.as_json())
    raise Refused(404, "there are /metrics, /health/live and /health/ready")


def _json(status: int, body: JsonObject) -> Answer:
    return status, "application/json", json.dumps(body).encode()
