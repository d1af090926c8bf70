"""The trail as the node writes and reads it: an entry in the same transaction as the change that it records.

`Ledger.transaction` is the only way in which the node changes state. A transaction that announces an event and records
nothing is refused: no entry, no change.
"""

import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from datetime import datetime

from audit.actions import Action
from audit.canonical import canonical
from audit.chain import GENESIS, Row, link
from config import metrics
from domain.clock import Clock, SystemClock
from domain.errors import IntegrityError
from domain.ids import StudyId
from domain.json_records import JsonObject, json_object, record
from domain.records import Listed
from store import trail
from store.database import Connection, Database
from store.trail import EntryFilter, TrailRow
from store.unit_of_work import UnitOfWork

EVERY = EntryFilter()
#: Stands for the action of what is no entry, as somebody wrote it past the node.
NO_ENTRY = "(no entry of the node)"
#: Nobody asked for it: the node did it by itself.
NOBODY: Mapping[str, str] = {}


@dataclass(frozen=True)
class Actor:
    """Who writes: the role of the process, and the host that it runs on."""

    role: str
    host: str = platform.node()


@dataclass(frozen=True)
class Entry:
    """What one entry says: `at` is ISO 8601, `action` in the words of the release that wrote it, or NO_ENTRY."""

    at: str
    by: Actor
    study: str | None
    action: str
    number: int
    details: Mapping[str, object]


class Transaction(UnitOfWork):
    """A unit of work that also appends to the trail. `person` stands in the details of each of its entries."""

    def __init__(self, connection: Connection, actor: Actor, clock: Clock, person: Mapping[str, str] = NOBODY) -> None:
        super().__init__(connection)
        self._actor = actor
        self._clock = clock
        self._person = person
        self._entries: list[dict[str, object]] = []

    def record(self, action: Action, study: StudyId | None = None, /, **details: object) -> None:
        """Append an entry when this transaction commits. `details` are text, whole numbers, lists and objects."""
        said = {**self._person, **details}
        self._entries.append({"action": action.value, "study": str(study) if study else None, "details": said})

    def flush(self) -> None:
        if self._rows and not self._entries:
            raise IntegrityError("a change was announced that the trail does not record")
        if self._entries:
            self._take_order()
            self._append()
        super().flush()

    def _append(self) -> None:
        number, head = trail.last(self.connection) or (0, GENESIS)
        rows = []
        for fields in self._entries:
            number += 1
            entry = canonical({**fields, "number": number, "at": self._at(), "by": vars(self._actor)})
            head = link(head, entry)
            rows.append(TrailRow(number, entry, head))
            metrics.audit_entries.labels(fields["action"]).inc()
        trail.add(self.connection, rows)

    def _at(self) -> str:
        return self._clock.now().isoformat(timespec="microseconds")


class Ledger:
    """Hands out transactions that change state and record it."""

    def __init__(self, database: Database, role: str, clock: Clock | None = None) -> None:
        self.database = database
        self._actor = Actor(role)
        self._clock = clock or SystemClock()
        self._person = NOBODY

    @property
    def role(self) -> str:
        """Whose entries they are."""
        return self._actor.role

    def on_behalf_of(self, user: str, request: str = "", address: str = "") -> "Ledger":
        """The same for what `user` does, by the API in `request` from `address`: each of its entries says so."""
        other = copy(self)
        by = {"request": request, "address": address}
        other._person = {"user": user, **{name: said for name, said in by.items() if said}}
        return other

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Change, events and entries, committed together; rolled back together on any exception."""
        with self.database.transaction() as connection:
            transaction = Transaction(connection, self._actor, self._clock, self._person)
            yield transaction
            transaction.flush()

    def record(self, action: Action, study: StudyId | None = None, /, **details: object) -> None:
        """One entry by itself, for what changes no state of a study: start, stop, configuration, a reading."""
        with self.transaction() as transaction:
            transaction.record(action, study, **details)


def rows(database: Database, batch: int = 5000) -> Iterator[Row]:
    """The whole trail in order, read in batches, so that its length does not matter."""
    last = 0
    while True:
        with database.transaction() as connection:
            found = trail.after(connection, last, batch)
        yield from (Row(row.number, row.entry, row.hash) for row in found)
        if len(found) < batch:
            return
        last = found[-1].number


def newest_entries(database: Database, count: int, wanted: EntryFilter = EVERY) -> Listed[Entry]:
    """The newest of the entries that are wanted, oldest first, and how many are older."""
    with database.transaction() as connection:
        found = trail.newest(connection, count, wanted)
        more = trail.size(connection, wanted) - len(found) if len(found) == count else 0
    return Listed(tuple(entry_of(row.number, row.entry) for row in found), more)


def entries_before(database: Database, number: int | None, count: int, wanted: EntryFilter) -> tuple[Entry, ...]:
    """The newest of the entries that are wanted, the newest first; of those before `number`, where it is given."""
    with database.transaction() as connection:
        found = trail.newest(connection, count, wanted, number)
    return tuple(entry_of(row.number, row.entry) for row in reversed(found))


def entry_at(database: Database, number: int) -> Entry | None:
    """The entry of this number, None where the database has none."""
    with database.transaction() as connection:
        found = trail.after(connection, number - 1, 1)
    return entry_of(number, found[0].entry) if found and found[0].number == number else None


def entries(database: Database, wanted: EntryFilter, batch: int = 2000) -> Iterator[Entry]:
    """Every entry that is wanted, in order, read in batches."""
    with database.transaction() as connection:
        first, last = trail.extent(connection, wanted) or (1, 0)
    number = first - 1
    while number < last:
        with database.transaction() as connection:
            found = trail.matching(connection, wanted, number, batch, last)
        yield from (entry_of(row.number, row.entry) for row in found)
        if len(found) < batch:
            return
        number = found[-1].number


def entry_of(number: int, text: str) -> Entry:
    """Whoever may append may have written anything that follows: it is shown as what it is, and the next one too."""
    try:
        return _read(json_object(text), number)
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return Entry("", Actor("", ""), None, NO_ENTRY, number, {})


def _read(said: JsonObject, number: int) -> Entry:
    at, study, action, details = said["at"], said["study"], said["action"], said["details"]
    if not (isinstance(at, str) and isinstance(action, str) and isinstance(details, Mapping)):
        raise TypeError("its fields are of other types")
    if not (study is None or isinstance(study, str)):
        raise TypeError("its study is no text")
    datetime.fromisoformat(at).astimezone()
    return Entry(at, record(Actor, said["by"]), study, action, number, details)
