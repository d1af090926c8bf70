"""The one door of `dicom-node up` for health and metrics: what all its roles say, at one port.

A process of its own, so that a hanging role or database holds up no answer for long. Each role keeps a door on loopback
(roles.health) at a port that nobody has to know; here its answers are gathered, each figure marked with its role.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from config import logs, metrics
from config.settings import Settings
from domain.errors import NodeError, exit_code
from domain.json_records import Json, JsonObject, json_object, record
from roles.exposition import merged
from roles.health import Answer, Health, HealthServer
from roles.http_ask import ask_door
from roles.http_heads import Refused
from roles.process import log_end, stopped_by_signals
from roles.reports import Report
from roles.run_files import running

DOOR = "door"
_ANSWER = 2.0  # s for all roles together; one that takes longer does not answer
_GONE, _SILENT = "its process", "its health door"
_FRESH = 0.3  # s for which an answer is given again: a flood of questions is none to the roles

#: Status and body of a role's answer; None where it gives none, "" where it does not run.
Said = Mapping[str, tuple[int, str] | None]


def serve_door(settings: Settings, names: Sequence[str]) -> int:
    """Answer for the processes `names` until SIGTERM or SIGINT; the exit code."""
    logs.set_up(settings.logging, DOOR)
    stop = stopped_by_signals()
    try:
        with ThreadPoolExecutor(len(names)) as threads:
            gathered = Gathered(names, partial(_ask_all, settings.data, threads))
            with HealthServer(Health(), settings.http, settings.data, DOOR, answer=gathered.answer):
                stop.wait()
    except NodeError as error:
        log_end(error)
        return exit_code(error)
    return 0


class Gathered:
    """Answers by what `ask` finds the processes `names` to answer at a path; for one thread."""

    def __init__(
        self, names: Sequence[str], ask: Callable[[Sequence[str], str], Said], now: Callable[[], float] = time.monotonic
    ) -> None:
        self._names = names
        self._ask = ask
        self._now = now
        self._kept: dict[str, tuple[float, Answer]] = {}
        self._ways: Mapping[str, Callable[[], Answer]] = {
            "/metrics": self._metrics,
            "/health/live": self._live,
            "/health/ready": self._ready,
        }

    def answer(self, path: str) -> Answer:
        """Status, content type and body; raises Refused for another path."""
        if path not in self._ways:
            raise Refused(404, "there are /metrics, /health/live and /health/ready")
        at, kept = self._kept.get(path, (0.0, None))
        if kept is None or self._now() - at >= _FRESH:
            kept = self._ways[path]()
            self._kept[path] = self._now(), kept
        return kept

    def _metrics(self) -> Answer:
        said = self._ask(self._names, "/metrics")
        texts = {name: one[1] for name, one in said.items() if one and one[0] == 200}
        silent = [name for name in self._names if name not in texts]
        return 200, metrics.CONTENT_TYPE, merged(texts, silent).encode()

    def _live(self) -> Answer:
        """What has ended is started again by the supervisor, so that it hangs in nothing."""
        said = self._ask(self._names, "/health/live").items()
        hanging = {name: _hanging(one[1]) for name, one in said if one and one[0] != 200}
        return _json(not hanging, {"alive": False, "hanging": hanging} if hanging else {"alive": True})

    def _ready(self) -> Answer:
        reports = {name: _report(one) for name, one in self._ask(self._names, "/health/ready").items()}
        waits = [f"{name}: {what}" for name, one in reports.items() for what in one.waiting_for]
        listening = next((one for one in reports.values() if one.aet), Report(ready=False))
        told = next((one.language_models for one in reports.values() if one.language_models), None)
        renew = next((one.certificates for one in reports.values() if one.certificates), None)
        whole = Report(not waits, tuple(waits), listening.dicom_port, listening.aet, told, renew)
        return _json(whole.ready, whole.as_json())


def _hanging(body: str) -> Json:
    return json_object(body)["hanging"] if body else [_SILENT]


def _report(said: tuple[int, str] | None) -> Report:
    if said is None:
        return Report(ready=False, waiting_for=(_GONE,))
    return record(Report, json_object(said[1])) if said[1] else Report(ready=False, waiting_for=(_SILENT,))


def _json(good: bool, body: JsonObject) -> Answer:
    return 200 if good else 503, "application/json", json.dumps(body).encode()


def _ask_all(data: Path, threads: ThreadPoolExecutor, names: Sequence[str], path: str) -> Said:
    """What each answers: None where it does not run, (503, "") where it gives no answer in time."""
    asked = {name: threads.submit(_ask_one, data, name, path) for name in names}
    until = time.monotonic() + _ANSWER
    found: dict[str, tuple[int, str] | None] = {}
    for name, future in asked.items():
        try:
            found[name] = future.result(max(0.0, until - time.monotonic()))
        except (OSError, ValueError):  # a time-out of either kind is an OSError
            found[name] = 503, ""
    return found


def _ask_one(data: Path, name: str, path: str) -> tuple[int, str] | None:
    said = running(data, name)
    if said is None:
        return None
    status, body = ask_door(said.host, said.port, path, _ANSWER)
    return status, body.decode()
