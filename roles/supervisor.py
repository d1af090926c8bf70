"""`dicom-node up`: every role as a child process on one machine, started again when it dies, stopped in order.

The listeners come first: they need a disk and nothing else, so a scanner is answered while the database still starts.
After them comes the door of health and metrics, which tells what the others wait for.
The others are copies of this process (roles.fork), each made once it has imported what that role needs (roles.shared).
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec

from config import logs
from config.places import needed_places
from config.reloading import taken_over
from config.secret_urls import SecretUrl
from config.settings import Http, Settings
from config.sources import Fault
from dicom_node.listener import LONGEST_STOP
from domain.errors import NodeError, Unavailable
from domain.stopping import loop_until
from roles.children import Child, buried
from roles.database import KEEPER, fits, has_database
from roles.devices import devices, spread, usable_asked_elsewhere
from roles.door import DOOR, serve_door
from roles.fork import Fork
from roles.keeper import keep
from roles.process import die_with, process_name, run_role
from roles.reload import UP, Answer, answered, hand_over, publish, refused, reread, say
from roles.reports import Report, ask
from roles.run_files import RunFile, running
from roles.shared import least_first, load, load_role, role_of
from roles.table import ROLES
from roles.told_waits import Wait
from roles.unusable import unusable

_log = logging.getLogger(__name__)
_TICK = 0.05  # s between two looks at the children
# s that the roles have to stop. The listener takes the longest: it lets associations end, then aborts them.
_GRACE = LONGEST_STOP + 3.0
_DATABASE_GRACE = 20.0  # s for PostgreSQL's checkpoint
_BETWEEN_LOOKS = 5.0  # s
_DATABASE_PAUSE = 1.5  # s between two attempts to reach a database


@dataclass
class Supervisor:
    """Runs roles until `stop`. `say` gets a line while something holds up the start, then `ready` all reports.

    `begun` is called once the listeners have been started: what takes time and is no reason to let a scanner wait.
    Whenever `asked` is set, what `read` gives is taken over as far as it needs no restart. `look` is called every few
    seconds once all were ready, for they may wait again. `doubts` are what a person has to know of settings that were
    taken over all the same; they are looked for in a copy of this process, for that takes time.
    """

    settings: Settings
    stop: threading.Event
    ready: Callable[[Mapping[str, Report]], None]
    say: Callable[[str], None]
    begun: Callable[[], None]
    asked: threading.Event = field(default_factory=threading.Event)
    read: Callable[[], Settings] | None = None
    look: Callable[[], None] = lambda: None
    doubts: Callable[[], Iterable[str]] = tuple
    _in_force: Settings = field(init=False)
    _answer: Answer = field(default_factory=lambda: Answer(os.getpid()), init=False)
    _listeners: list[Child] = field(default_factory=list, init=False)
    _door: Child | None = field(default=None, init=False)
    _keeper: Child | None = field(default=None, init=False)
    _imports: Iterator[str] = field(default_factory=lambda: iter(()), init=False)
    _roles: list[Child] = field(default_factory=list, init=False)
    _retired: list[Child] = field(default_factory=list, init=False)
    _checks: list[Fork] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        self._in_force = self.settings

    def run(self) -> None:
        """The listeners, the database, its schema, the roles; at the end all in reverse.

        Raises NodeError where it cannot start.
        """
        publish(self.settings.data, UP, self._answer)
        try:
            self._start_listeners()
            self._in_force = spread(self.settings, usable_asked_elsewhere)
            self._start_door()
            self._start_keeper(self._in_force)
            self.begun()
            if self._reach_database():
                self._start_roles(self._in_force)
                self._look_after()
        finally:
            self._wind_down()

    def _start_listeners(self) -> None:
        self._listeners = [self._role(name) for name in _listeners(self.settings)]
        self._start_what_is_due()

    def _start_door(self) -> None:
        own = self._in_force.model_copy(update={"data": self.settings.data.absolute()})
        self._door = self._child(DOOR, lambda: serve_door(own, role_processes(self._in_force)))
        self._start_what_is_due()

    def _start_keeper(self, settings: Settings) -> None:
        if settings.database.url is None:
            self._imports = load(_others(settings), first_start=not has_database(settings))
            own = role_settings(settings)
            self._keeper = self._child(KEEPER, lambda: keep(own))
            self._start_what_is_due()

    def _reach_database(self) -> bool:
        """Go by the URL of a database whose schema is up to date; False when asked to stop before that."""
        owner_url = _revealed(self._in_force.database.owner_url)
        if self._keeper is not None:
            kept = self._await_keeper(self._keeper)
            if kept is None:
                return False
            owner_url = kept.facts.owner_url
            database = self._in_force.database.model_copy(update={"url": SecretUrl(kept.facts.url)})
            self._in_force = self._in_force.model_copy(update={"database": database})
        return self._bring_up_to_date(self._in_force, owner_url)

    def _await_keeper(self, keeper: Child) -> RunFile | None:
        """What the keeper says once its server runs; None when asked to stop before that. Imports meanwhile."""
        wait = Wait(self.say)
        for _ in loop_until(self.stop):
            kept = running(self.settings.data, KEEPER)
            if kept is not None and kept.pid == keeper.pid:
                return kept
            if next(self._imports, None) is None:
                self._tick()
            else:
                self._start_what_is_due()
            wait.goes_on(lambda: "waiting: the data folder's own PostgreSQL starts")
        return None

    def _start_roles(self, settings: Settings) -> None:
        """Each begins while what the next one needs is imported."""
        names, wait = _others(settings), Wait(self.say)
        for name in least_first(names):
            if self.stop.is_set():
                return
            wait.goes_on(partial("waiting: {} is loaded".format, name))
            load_role(role_of(name))
            self._roles.append(self._role(name))
            self._start_what_is_due()
        self._roles.sort(key=lambda child: names.index(child.name))

    def _bring_up_to_date(self, settings: Settings, owner_url: str | None) -> bool:
        """Migrate, waiting for the server as long as it takes; False when asked to stop before that.

        A schema that fits is left alone, and so is every one where no owner's URL is given: the node's own role may
        not touch it.
        """
        url, wait = _revealed(settings.database.url) or "", Wait(self.say, at_once=True)
        for _ in loop_until(self.stop):
            try:
                if owner_url and not _owner_finds_it_fit(owner_url):
                    _upgrade(owner_url)
                elif not owner_url and not fits(url):
                    _upgrade(url)
                _refuse_alterable(settings, url)
                return True
            except Unavailable as error:
                wait.goes_on(partial("waiting: {}".format, error))
                self._tick_for(_DATABASE_PAUSE)
        return False

    def _role(self, name: str) -> Child:
        """By the settings that are in force whenever it begins."""
        role, _, index = name.partition("-")
        return self._child(name, lambda: run_role(role, ROLES[role], role_settings(self._in_force), int(index or 0)))

    def _child(self, name: str, main: Callable[[], int]) -> Child:
        supervisor = os.getpid()

        def bound() -> int:
            die_with(supervisor)
            return main()

        return Child(name, lambda: Fork(name, bound))

    def _look_after(self) -> None:
        wait, due = Wait(self.say), 0.0
        awaited = self._processes()
        for _ in loop_until(self.stop):
            self._tick()
            if awaited:
                awaited = self._still_awaited(awaited)
                if awaited:
                    wait.goes_on(lambda: missing(self._reports()))
            elif time.monotonic() >= due:
                due = time.monotonic() + _BETWEEN_LOOKS
                self.look()

    def _still_awaited(self, awaited: Sequence[Child]) -> Sequence[Child]:
        """Those of `awaited` that are not ready yet; once there is none, all are asked, and all ready is announced.

        One is asked a turn, until it is ready: on few processors the answers would hold up what they are about.
        """
        if not _report(self.settings, awaited[0]).ready:
            return awaited
        if awaited[1:]:
            return self._still_awaited(awaited[1:])
        reports = self._reports()
        late = [child for child in self._processes() if not reports[child.name].ready]
        if not late:
            self.ready(reports)
        return late

    def _reports(self) -> dict[str, Report]:
        return {child.name: _report(self.settings, child) for child in self._processes()}

    def _tick_for(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        for _ in loop_until(self.stop):
            if time.monotonic() >= end:
                return
            self._tick()

    def _tick(self) -> None:
        """Start what is due, and wait a moment."""
        if self.asked.is_set():
            self.asked.clear()
            self._reload()
        self._start_what_is_due()
        self.stop.wait(_TICK)

    def _reload(self) -> None:
        """Take over what needs no restart: all of it, or nothing where anything is wrong."""
        try:
            change = reread(self.settings, self.read or (lambda: self.settings), _unusable)
        except NodeError as error:
            self._answer = refused(self._answer, error)
            publish(self.settings.data, UP, self._answer)
            return
        self.settings = change.settings
        self._in_force = taken_over(self._in_force, change.settings, change.taken)
        logs.set_level(self.settings.logging)
        hand_over(self.settings.data, self.settings)
        self._begin_and_end_roles()
        for child in self._processes():
            if role_of(child.name) in change.anew:
                child.renew(_GRACE)
            elif child in self._listeners or "logging.level" in change.taken:
                child.hang_up()
        say(change)
        self._answer = answered(self._answer, change)
        publish(self.settings.data, UP, self._answer)
        self._checks.append(Fork("check", partial(_say_doubts, self.doubts, os.getpid())))

    def _begin_and_end_roles(self) -> None:
        """Where the settings want another role, or one no longer; before the start of all of them nothing is to do."""
        names = _others(self._in_force)
        if not self._roles or sorted(names) == sorted(child.name for child in self._roles):
            return
        leaving = [child for child in self._roles if child.name not in names]
        for child in leaving:
            child.retire(_GRACE)
        self._retired += leaving
        self._roles = [child for child in self._roles if child not in leaving]
        for name in set(names) - {child.name for child in self._roles}:
            load_role(role_of(name))
            self._roles.append(self._role(name))
        self._roles.sort(key=lambda child: names.index(child.name))
        if self._door:
            self._door.renew(_GRACE)  # it answers for those that there are

    def _start_what_is_due(self) -> None:
        for child in self._children():
            child.look_after()
        self._retired = [child for child in self._retired if child.pid]
        self._checks = [one for one in self._checks if not buried(one)]

    def _processes(self) -> Sequence[Child]:
        return [*self._listeners, *self._roles]

    def _children(self) -> Sequence[Child]:
        return [*self._processes(), *self._retired, *(child for child in (self._door, self._keeper) if child)]

    def _wind_down(self) -> None:
        """Roles first, so that each can still record its stop; then the database."""
        roles = [*self._processes(), *self._retired, *([self._door] if self._door else [])]
        keeper = [self._keeper] if self._keeper else []
        for group, grace in ((roles, _GRACE), (keeper, _DATABASE_GRACE)):
            for child in group:
                child.ask_to_stop()
            deadline = time.monotonic() + grace
            for child in group:
                child.await_end(deadline)


def role_processes(settings: Settings) -> list[str]:
    """The names of the processes that `up` runs, in the order of a study's way."""
    workers = [process_name("work", index) for index, _ in enumerate(devices(settings))]
    relay = ["relay"] if settings.bus.kafka else []
    summarise = ["summarise"] if settings.summary.enabled else []
    follow = ["follow"] if any(one.changes for one in settings.sources) else []
    forward = ["forward"] if settings.audit.receivers else []
    serve = ["serve"] if is_served(settings) else []
    ends = [*summarise, "write", "deliver", *forward, "retain", "seal", *serve]
    return [*_listeners(settings), *follow, "index", "assemble", *relay, *workers, *ends]


def is_served(settings: Settings) -> bool:
    """Whether `up` runs the API: as a setting says, by default where what it needs is installed."""
    wanted = settings.console.enabled
    return find_spec("fastapi") is not None if wanted is None else wanted


def _others(settings: Settings) -> list[str]:
    """All but the listeners and the door for HTTP."""
    return role_processes(settings)[len(_listeners(settings)) :]


def role_settings(settings: Settings) -> Settings:
    """What the processes of `up` are to go by.

    No role uses the owner's URL, for none needs the right to change the schema. What the supervisor was given in its
    environment or has in its memory is not taken from its copies: roles that are to be apart run by themselves.
    """
    return settings.model_copy(
        update={
            "data": settings.data.absolute(),
            "database": settings.database.model_copy(update={"owner_url": None}),
            "http": Http(),  # on loopback, at a port that is free: what is asked from outside is asked at the one door
        }
    )


def _unusable(settings: Settings) -> Iterator[Fault]:
    """What `up` would not start with, asked of settings that it is to take over."""
    yield from (one for one in needed_places(settings) if one.certain)
    yield from unusable(settings)


def _say_doubts(doubts: Callable[[], Iterable[str]], supervisor: int) -> int:
    die_with(supervisor)
    with suppress(NodeError):  # the file was right a moment ago: whoever changes it meanwhile asks anew
        for line in doubts():
            _log.warning("taken over, and most likely not meant: %s", line)
    return 0


def missing(reports: Mapping[str, Report]) -> str:
    """Which process waits, and for what."""
    waits = (f"{name} waits for {', '.join(one.waiting_for)}" for name, one in reports.items() if not one.ready)
    return "; ".join(waits)


def _listeners(settings: Settings) -> list[str]:
    """Those that take instances: they need a disk and nothing else."""
    web = ["web"] if settings.web.enabled else []
    return [*(process_name("listen", index) for index in range(settings.listener.processes)), *web]


def _revealed(url: SecretUrl | None) -> str | None:
    return url.get_secret_value() if url else None


def _owner_finds_it_fit(owner_url: str) -> bool:
    """Before the first migration there is no role that the node works as, which looks like a server that is away."""
    try:
        return fits(owner_url)
    except Unavailable:
        return False


def _upgrade(owner_url: str) -> None:
    # Most starts find a schema that fits, and Alembic takes half a second.
    from roles.schema_upgrade import upgrade_schema  # noqa: PLC0415

    upgrade_schema(owner_url)


def _refuse_alterable(settings: Settings, url: str) -> None:
    """What no role would start with is told once, here."""
    from roles.trail_guards import refuse_alterable  # noqa: PLC0415 - no listener waits for what talks to a database
    from store.database import Database  # noqa: PLC0415

    with closing(Database(url, pool_size=1)) as database:
        refuse_alterable(database, settings)


def _report(settings: Settings, child: Child) -> Report:
    """What a child says of itself; what it waits for is itself until it is another one that answers."""
    return ask(settings.data, child.name, child.pid)
