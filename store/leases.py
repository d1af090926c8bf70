"""Leased rows: who works on what, until when. One mechanism for every table whose rows are work.

Such a table has the columns state, reason, since, attempts, not_before, owner, lease_until, lease_epoch, sender, turn
and served. Senders take turns, as `domain.turns` says, so that nobody's work waits for all that somebody else sent. A
lease is a row and the epoch in which it was claimed; whoever holds another epoch has lost the row and may write nothing
of it (`fence`). Every moment is the database's: a host's clock decides nothing.
"""

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from operator import attrgetter
from typing import Generic, TypeAlias, TypeVar

from sqlalchemy import (
    ColumnElement,
    Connection,
    DateTime,
    Table,
    and_,
    extract,
    func,
    literal,
    or_,
    select,
    true,
    update,
)

from domain.ids import StudyId
from domain.states import advance
from store.locks import locked

S = TypeVar("S", bound=StrEnum)
E = TypeVar("E", bound=StrEnum)

Condition: TypeAlias = ColumnElement[bool]

# The statement's moment by the database's clock; an index can be searched with it.
NOW: ColumnElement[datetime] = func.statement_timestamp(type_=DateTime(timezone=True))
_TOLD_TO_STOP = ", which was told to stop"
_MOST_ATTEMPTS = 2**31 - 2  # of an integer's: another role may have written what no count reaches


def moment(connection: Connection) -> datetime:
    """The database's present moment: what is kept to be compared with what another host wrote is no host's own."""
    found: datetime = connection.execute(select(NOW)).scalar_one()
    return found


@dataclass(frozen=True)
class Lease:
    """The right to write the outcome of a row, for as long as nobody has claimed it since."""

    row: uuid.UUID
    epoch: int


@dataclass(frozen=True)
class Backlog:
    """How many rows are not done, and how many seconds ago the oldest of them was asked for.

    That does not fall while a row is worked on or tried again.
    """

    count: int
    age: float


@dataclass(frozen=True)
class LeaseTable(Generic[S, E]):
    """A table of leased rows and the part of its state machine that leases need.

    `waits` is the state in which a row may be claimed, `claimed` the events that lead from there to the last of `held`,
    `give_up` ends one for good.
    `asked_at` is when the work of a row was first wanted; `at_claim` are columns that a claim sets besides.
    Rows for which `last` holds are claimed after all others, whosever turn it is, and are no backlog.
    """

    table: Table
    states: type[S]
    transitions: Mapping[tuple[S, E], S]
    waits: S
    claimed: Sequence[E]
    held: Sequence[S]
    lost: E
    retry: E
    cancel: E
    give_up: E
    asked_at: ColumnElement[datetime]
    at_claim: Mapping[str, ColumnElement[object]] = field(default_factory=dict)
    last: Sequence[ColumnElement[bool]] = ()

    def bound_for(self, destination: str) -> Condition:
        """The rows for one destination, of a table whose rows are for one each."""
        return self.table.c.destination == destination

    def bound_elsewhere(self, destinations: Sequence[str]) -> Condition:
        """The rows for none of `destinations`."""
        return self.table.c.destination.not_in(destinations) if destinations else true()

    def claim(self, connection: Connection, owner: str, seconds: float, *conditions: Condition) -> Lease | None:
        """Take the row that is due and whose turn it is; None where none is due. Counts as an attempt."""
        columns = self.table.c
        due = select(columns.id, columns.state, columns.lease_epoch).where(self._due(), *conditions)
        first = due.order_by(*self._order()).limit(1)
        found = connection.execute(locked(first, self.table, skip=True)).one_or_none()
        if found is None:
            return None
        lease = Lease(found.id, found.lease_epoch + 1)
        self._set(
            connection,
            lease.row,
            state=self._after(self.states(found.state), self.claimed),
            reason=f"is worked on by {owner}",
            since=NOW,
            owner=owner,
            lease_until=NOW + timedelta(seconds=seconds),
            lease_epoch=lease.epoch,
            served=columns.turn,
            attempts=func.least(columns.attempts, _MOST_ATTEMPTS) + 1,
            **self.at_claim,
        )
        return lease

    def peek(self, connection: Connection, *conditions: Condition) -> uuid.UUID | None:
        """The row that is due next, left where it is."""
        columns = self.table.c
        statement = select(columns.id).where(self._due(), *conditions).order_by(*self._order())
        return connection.execute(statement.limit(1)).scalar_one_or_none()

    def renew(self, connection: Connection, leases: Iterable[Lease], seconds: float) -> None:
        """Prolong those of the leases that are not lost."""
        for lease in sorted(leases, key=attrgetter("row")):
            statement = update(self.table).where(self._held_by(lease))
            connection.execute(statement.values(lease_until=NOW + timedelta(seconds=seconds)))

    def note_stop(self, connection: Connection, leases: Iterable[Lease]) -> None:
        """Say of those that are not lost that their holder was told to stop, and may end before their work does."""
        reason = self.table.c.reason
        for lease in sorted(leases, key=attrgetter("row")):
            noted = update(self.table).where(self._held_by(lease), ~reason.endswith(_TOLD_TO_STOP))
            connection.execute(noted.values(reason=reason + _TOLD_TO_STOP))

    def was_told_to_stop(self, connection: Connection, row: uuid.UUID) -> bool:
        """Whether the holder of the row was, as far as it could say so."""
        told = select(self.table.c.reason.endswith(_TOLD_TO_STOP)).where(self.table.c.id == row)
        return bool(connection.scalar(told))

    def fence(self, connection: Connection, lease: Lease) -> bool:
        """Lock the row for an outcome; False where the lease is lost, and then nothing may be written."""
        statement = select(self.table.c.id).where(self._held_by(lease))
        return connection.execute(locked(statement, self.table)).one_or_none() is not None

    def move(
        self, connection: Connection, row: uuid.UUID, *events: E, reason: str, delay: float = 0.0, **values: object
    ) -> S:
        """Take a row through `events`, end its lease and let nobody claim it for `delay` s; the state that it has then.

        Raises IllegalTransition where its state knows no such event.
        """
        columns = self.table.c
        before = locked(select(columns.state).where(columns.id == row), self.table)
        state = self._after(self.states(connection.execute(before).scalar_one()), events)
        lease = {"owner": None, "lease_until": None, "not_before": NOW + timedelta(seconds=delay)}
        if state == self.waits:
            values["turn"] = self.turn(columns.sender)
        self._set(connection, row, state=state, reason=reason, since=NOW, **lease, **values)
        return state

    def turn(self, sender: ColumnElement[str]) -> ColumnElement[int]:
        """The turn of a row of `sender` that begins to wait: behind its own, and not behind what others sent."""
        others = self.table.alias("others").c
        served = select(func.max(others.served)).scalar_subquery()
        own = select(func.max(others.served) + 1).where(others.sender == sender)
        waiting = select(func.max(others.turn) + 1).where(others.sender == sender, others.state == self.waits)
        its = (one.correlate(self.table).scalar_subquery() for one in (own, waiting))
        return func.greatest(0, served, *its)

    def ahead(
        self, connection: Connection, rows: Collection[uuid.UUID], *conditions: Condition
    ) -> dict[uuid.UUID, int]:
        """Of each of `rows` that is due, how many that are due and for which `conditions` hold are before it."""
        columns = self.table.c
        mine = func.row_number().over(order_by=self._order()) - 1
        due = select(columns.id, mine.label("ahead")).where(self._due(), *conditions).subquery()
        found = connection.execute(select(due).where(due.c.id.in_(rows)))
        return {row.id: row.ahead for row in found}

    def abandon(self, connection: Connection, lease: Lease, reason: str) -> StudyId | None:
        """End a row that nobody can work on, held by `lease` or about to be; its study, None where that is lost."""
        columns = self.table.c
        about_to = and_(columns.id == lease.row, columns.lease_epoch == lease.epoch - 1, columns.state == self.waits)
        its_row = select(columns.study_id, columns.state).where(or_(self._held_by(lease), about_to))
        found = connection.execute(locked(its_row, self.table)).one_or_none()
        if found is None:
            return None
        before = self.claimed if found.state == self.waits else ()
        self.move(connection, lease.row, *before, self.give_up, reason=reason)
        return StudyId(found.study_id)

    def outcome(self, event: E) -> S:
        """The state that `event` leads a held row to."""
        return self._after(self.held[-1], [event])

    def owner(self, connection: Connection, row: uuid.UUID) -> str | None:
        """Who holds the row, or held it last."""
        return connection.scalar(select(self.table.c.owner).where(self.table.c.id == row))

    def owners(self, connection: Connection) -> Collection[str]:
        """Everybody who holds a row."""
        held = select(self.table.c.owner).where(self._is_held(), self.table.c.owner.is_not(None)).distinct()
        return connection.execute(held).scalars().all()

    def pick_lost(self, connection: Connection, gone: Collection[str], *conditions: Condition) -> Lease | None:
        """A row whose lease has run out, or whose owner is one of `gone`; locked."""
        columns = self.table.c
        lost = or_(columns.lease_until < NOW, columns.owner.in_(gone))
        held = select(columns.id, columns.lease_epoch).where(self._is_held(), lost, *conditions)
        first = locked(held.order_by(columns.id).limit(1), self.table, skip=True)
        found = connection.execute(first).one_or_none()
        return Lease(found.id, found.lease_epoch) if found else None

    def seconds_until_due(self, connection: Connection, *conditions: Condition) -> float | None:
        """How soon the next row may be claimed, 0 where one may now; None where none waits."""
        columns = self.table.c
        soonest = extract("epoch", func.min(columns.not_before) - NOW)
        seconds = connection.execute(select(soonest).where(columns.state == self.waits, *conditions)).scalar_one()
        return None if seconds is None else max(0.0, float(seconds))

    def backlog(self, connection: Connection) -> Backlog:
        """The rows that are not done."""
        return self.backlogs(connection, literal("all")).get("all", Backlog(0, 0.0))

    def backlogs(self, connection: Connection, by: ColumnElement[str]) -> Mapping[str, Backlog]:
        """The rows that are not done, for each value of `by` that one has."""
        oldest = extract("epoch", NOW - func.min(self.asked_at))
        found = connection.execute(select(by, func.count(), oldest).where(self.undone()).group_by(by))
        return {key: Backlog(count, max(0.0, float(seconds or 0.0))) for key, count, seconds in found}

    def undone(self) -> Condition:
        """The rows of the backlog."""
        return and_(self.table.c.state.in_((self.waits, *self.held)), *(~one for one in self.last))

    def _order(self) -> Sequence[ColumnElement[object]]:
        return *self.last, self.table.c.turn, self.table.c.not_before, self.table.c.id

    def _due(self) -> Condition:
        return and_(self.table.c.state == self.waits, self.table.c.not_before <= NOW)

    def _is_held(self) -> Condition:
        return self.table.c.state.in_(self.held)

    def _held_by(self, lease: Lease) -> Condition:
        columns = self.table.c
        return and_(columns.id == lease.row, columns.lease_epoch == lease.epoch, self._is_held())

    def _after(self, state: S, events: Sequence[E]) -> S:
        for event in events:
            state = advance(self.transitions, state, event)
        return state

    def _set(self, connection: Connection, row: uuid.UUID, **values: object) -> None:
        connection.execute(update(self.table).where(self.table.c.id == row).values(**values))
