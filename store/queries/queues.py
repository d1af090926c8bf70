"""What waits to be read by a model or to be sent to a destination: how much, for how long, and each piece of it."""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Select, and_, func, literal, select, tuple_, union_all

from domain.ids import StudyId
from domain.pauses import Held, Pause
from store.commitment_requests import REQUESTS
from store.database import Database
from store.deliveries import DELIVERIES
from store.jobs import JOBS
from store.leases import Condition, LeaseTable
from store.pauses import all_paused
from store.queries.records import read
from store.queries.studies import Bound, may_be_seen
from store.rejections import REJECTIONS
from store.tables import delivery_objects, results


@dataclass(frozen=True)
class Waiting:
    """Work of one kind that is not done.

    `waiting` are to be taken up, `tried` of these were tried before and failed, `working` are under way. `oldest` is
    when the oldest of all was first asked for, `next_attempt` when the first that waits may be taken up; null where
    there is none. `size` is bytes of results that are still to be sent, null of other work.
    """

    what: str
    waiting: int
    tried: int
    working: int
    oldest: datetime | None
    next_attempt: datetime | None
    size: int | None


@dataclass(frozen=True)
class QueueRecord:
    """What waits for a model or a destination (`kind`) of this name, and the pause where it is paused."""

    kind: Held
    name: str
    paused: Pause | None
    work: tuple[Waiting, ...]


@dataclass(frozen=True)
class WaitingRecord:
    """One piece of work that is not done, with how it stands, in the words that a study's own path has."""

    id: uuid.UUID
    what: str
    study_id: StudyId
    state: str
    reason: str
    since: datetime
    attempts: int
    not_before: datetime
    asked_at: datetime


# What each kind of queue holds, by its word; each table's rows name the model or the destination in this column.
_HELD: Mapping[Held, Sequence[tuple[str, LeaseTable, str]]] = {
    Held.MODEL: (("inferences", JOBS, "model"),),
    Held.DESTINATION: (
        ("results", DELIVERIES, "destination"),
        ("rejection notes", REJECTIONS, "destination"),
        ("storage commitments", REQUESTS, "destination"),
    ),
}


def queues(
    database: Database, kind: Held, names: Sequence[str], seen_by: Bound | None = None
) -> tuple[QueueRecord, ...]:
    """Those of `names`, and those for which something waits or that are paused; of studies that may be seen."""
    with database.transaction() as connection:
        paused = {one.name: one for one in all_paused(connection) if one.kind == kind}
        counted = {
            (what, name): one
            for what, table, column in _HELD[kind]
            for name, one in _counted(connection, what, table, column, seen_by)
        }
    every = sorted({*names, *paused, *(name for _, name in counted)})
    return tuple(QueueRecord(kind, name, paused.get(name), _all_work(kind, name, counted)) for name in every)


def waiting_in(
    database: Database,
    kind: Held,
    name: str,
    limit: int,
    after: tuple[datetime, uuid.UUID] | None = None,
    seen_by: Bound | None = None,
) -> tuple[WaitingRecord, ...]:
    """What is not done of one queue, the oldest first; behind the piece that `after` names, which may be done by now.

    When a piece was asked for is seldom set anew, and then to a later moment: it may come twice, and none is lost.
    """
    rows = union_all(*(_pieces(what, table, column, name, seen_by) for what, table, column in _HELD[kind])).subquery()
    query = select(rows).order_by(rows.c.asked_at, rows.c.id).limit(limit)
    if after is not None:
        query = query.where(tuple_(rows.c.asked_at, rows.c.id) > tuple_(*map(literal, after)))
    with database.transaction() as connection:
        return read(connection, query, WaitingRecord)


def _all_work(kind: Held, name: str, counted: Mapping[tuple[str, str], Waiting]) -> tuple[Waiting, ...]:
    return tuple(
        counted.get((what, name), Waiting(what, 0, 0, 0, None, None, 0 if table is DELIVERIES else None))
        for what, table, _ in _HELD[kind]
    )


def _counted(
    connection: Connection, what: str, of: LeaseTable, column: str, seen_by: Bound | None
) -> Iterator[tuple[str, Waiting]]:
    row = of.table.c
    waits = row.state == of.waits
    name = row[column]
    found = connection.execute(
        select(
            name,
            func.count().filter(waits),
            func.count().filter(waits, row.attempts > 0),
            func.count().filter(~waits),
            func.min(of.asked_at),
            func.min(row.not_before).filter(waits),
        )
        .where(_undone(of, seen_by))
        .group_by(name)
    ).all()
    sizes = _sizes(connection, seen_by) if of is DELIVERIES and found else {}
    for each in found:
        size = sizes.get(each[0], 0) if of is DELIVERIES else None
        yield each[0], Waiting(what, *each[1:], size)


def _sizes(connection: Connection, seen_by: Bound | None) -> dict[str, int]:
    """Bytes that are still to be sent to each destination; what is not chosen yet counts nothing."""
    of, name = DELIVERIES.table.c, DELIVERIES.table.c.destination
    unsent = and_(~delivery_objects.c.stored, ~delivery_objects.c.dropped)
    query = (
        select(name, func.sum(results.c.size))
        .join(delivery_objects, delivery_objects.c.delivery_id == of.id)
        .join(results, results.c.sop_uid == delivery_objects.c.sop_uid)
        .where(_undone(DELIVERIES, seen_by), unsent)
        .group_by(name)
    )
    return {destination: int(size) for destination, size in connection.execute(query)}


def _pieces(what: str, of: LeaseTable, column: str, name: str, seen_by: Bound | None) -> Select[*tuple[object, ...]]:
    row = of.table.c
    asked: ColumnElement[datetime] = of.asked_at.label("asked_at")
    columns = (row.id, literal(what).label("what"), row.study_id, row.state, row.reason, row.since)
    query = select(*columns, row.attempts, row.not_before, asked)
    return query.where(row[column] == name, _undone(of, seen_by))


def _undone(of: LeaseTable, seen_by: Bound | None) -> Condition:
    """The rows that a backlog counts, of studies that may be seen."""
    row = of.table.c
    return and_(row.state.in_((of.waits, *of.held)), *(~one for one in of.last), may_be_seen(row.study_id, seen_by))
