"""`dicom-node up`: every role as a child process on one machine, started again when it dies, stopped in order."""

import json
import logging
import os
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any

from config.settings import Settings
from domain.errors import Unavailable
from roles.children import Child
from roles.database import KEEPER
from roles.devices import devices
from roles.health import running
from roles.process import process_name
from store.database import Database
from store.queries.schema import schema_is_ready
from store.schema import upgrade

_log = logging.getLogger(__name__)
_TICK = 0.1  # s between two looks at the children
_GRACE = 10.0  # s that the roles have to stop
_DATABASE_GRACE = 20.0  # s for PostgreSQL's checkpoint
_DATABASE_PAUSE = 2.0  # s between two attempts to reach a database
_REPORT_EVERY = 15.0  # s after which somebody who waits for the start is told what it waits for

Report = Mapping[str, Any]


@dataclass
class Supervisor:
    """Runs roles until `stop`. `say` gets a line while something holds up the start, then `ready` all reports."""

    settings: Settings
    stop: threading.Event
    ready: Callable[[Mapping[str, Report]], None]
    say: Callable[[str], None]
    _keeper: Child | None = field(default=None, init=False)
    _roles: list[Child] = field(default_factory=list, init=False)

    def run(self) -> None:
        """The database, its schema, the roles; at the end all in reverse. Raises NodeError where it cannot start."""
        try:
            settings = self._with_database()
            if settings is not None:
                self._roles = [self._role(name, settings) for name in role_processes(settings)]
                self._look_after()
        finally:
            self._wind_down()

    def _with_database(self) -> Settings | None:
        """The settings with a URL of a database whose schema is up to date; None when asked to stop before that."""
        settings, owner_url = self.settings, self.settings.database.owner_url
        if settings.database.url is None:
            self._keeper = Child(KEEPER, _command("keep-database"), environment(settings))
            kept = self._await_keeper(self._keeper)
            if kept is None:
                return None
            owner_url = kept["owner_url"]
            settings = settings.model_copy(
                update={"database": settings.database.model_copy(update={"url": kept["url"]})}
            )
        return settings if self._bring_up_to_date(settings, owner_url) else None

    def _bring_up_to_date(self, settings: Settings, owner_url: str | None) -> bool:
        """Migrate, waiting for the server as long as it takes; False when asked to stop before that.

        Without an owner's URL a schema that fits is left alone: the node's own role may not touch it.
        """
        url = settings.database.url or ""
        while not self.stop.is_set():
            try:
                if owner_url or not _fits(url):
                    upgrade(owner_url or url)
                return True
            except Unavailable as error:
                self.say(f"waiting: {error}")
                self.stop.wait(_DATABASE_PAUSE)
        return False

    def _await_keeper(self, keeper: Child) -> Report | None:
        while not self.stop.is_set():
            keeper.look_after()
            kept = running(self.settings.data, KEEPER)
            if kept is not None and kept["pid"] == keeper.pid:
                return kept
            self.stop.wait(_TICK)
        return None

    def _role(self, name: str, settings: Settings) -> Child:
        role, _, index = name.partition("-")
        return Child(name, _command(role, *(["--index", index] if index else [])), environment(settings, name))

    def _look_after(self) -> None:
        announced, report_at = False, time.monotonic() + _REPORT_EVERY
        while not self.stop.is_set():
            for child in self._children():
                child.look_after()
            if not announced:
                reports = {child.name: _report(self.settings, child) for child in self._roles}
                announced = all(report["ready"] for report in reports.values())
                if announced:
                    self.ready(reports)
                elif time.monotonic() > report_at:
                    report_at = time.monotonic() + _REPORT_EVERY
                    self.say(_missing(reports))
            self.stop.wait(_TICK)

    def _children(self) -> Sequence[Child]:
        return [*([self._keeper] if self._keeper else []), *self._roles]

    def _wind_down(self) -> None:
        """Roles first, so that each can still record its stop; then the database."""
        for group, grace in ((self._roles, _GRACE), ([self._keeper] if self._keeper else [], _DATABASE_GRACE)):
            for child in group:
                child.ask_to_stop()
            deadline = time.monotonic() + grace
            for child in group:
                child.await_end(deadline)


def role_processes(settings: Settings) -> list[str]:
    """The names of the processes that `up` runs, in the order of a study's way."""
    listeners = [process_name("listen", index) for index in range(settings.listener.processes)]
    workers = [process_name("work", index) for index, _ in enumerate(devices(settings))]
    relay = ["relay"] if settings.bus.kafka else []
    return [*listeners, "index", "assemble", *relay, *workers, "write", "deliver"]


def environment(settings: Settings, name: str = "") -> dict[str, str]:
    """Variables that give a child exactly `settings`, whatever file and variables they came from.

    The owner's URL stays here: no role needs the right to change the schema.
    """
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("DICOM_NODE_")}
    fields = settings.model_dump(mode="json")
    fields["data"] = str(settings.data.absolute())
    fields["database"]["owner_url"] = None
    if fields["http"]["port"]:
        fields["http"]["port"] += _position(settings, name)
    own = {key: value if isinstance(value, str) else json.dumps(value) for key, value in fields.items()}
    return inherited | {f"DICOM_NODE_{key.upper()}": value for key, value in own.items()}


def _position(settings: Settings, name: str) -> int:
    """The roles' health doors follow one another; the database's keeper comes last."""
    names = role_processes(settings)
    return names.index(name) if name in names else len(names)


def _fits(url: str) -> bool:
    database = Database(url, pool_size=1)
    try:
        return schema_is_ready(database)
    finally:
        database.close()


def _command(role: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "console.cli.main", role, *arguments, "--supervisor", str(os.getpid())]


def _report(settings: Settings, child: Child) -> Report:
    """What /health/ready of a child says; what it waits for is itself until it answers."""
    facts = running(settings.data, child.name)
    if facts is None or facts["pid"] != child.pid:
        return {"ready": False, "waiting_for": ["its process"]}
    address = f"http://{facts['host']}:{facts['port']}"
    try:
        with urllib.request.urlopen(f"{address}/health/ready", timeout=2) as answer:
            return {**json.load(answer), "address": address}
    except urllib.error.HTTPError as error:
        with error:
            return {**json.load(error), "address": address}
    except (OSError, HTTPException, ValueError):  # it may end in the middle of its answer
        return {"ready": False, "waiting_for": ["its health door"]}


def _missing(reports: Mapping[str, Report]) -> str:
    waits = (f"{name} waits for {', '.join(one['waiting_for'])}" for name, one in reports.items() if not one["ready"])
    return "; ".join(waits)
