"""What waits to be read by a model or to be sent to a destination: how much, for how long, and each piece of it."""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Column, ColumnElement, Connection, Select, Table, func, literal, select, tuple_, union_all

from domain.ids import StudyId
from domain.pauses import Held, Pause
from store.commitment_requests import REQUESTS
from store.database import Database
from store.deliveries import DELIVERIES
from store.jobs import JOBS
from store.leases import Condition, E, LeaseTable, S
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


@dataclass(frozen=True)
class _Work:
    """A kind of work: its table, the column that names whom they wait for, and what its leases say of them."""

    what: str
    table: Table
    name: Column[str]
    waits: Condition
    undone: Condition
    asked_at: ColumnElement[datetime]


def _work(what: str, of: LeaseTable[S, E], column: str) -> _Work:
    row = of.table.c
    return _Work(what, of.table, row[column], row.state == of.waits, of.undone(), of.asked_at)


_RESULTS = _work("results", DELIVERIES, "destination")
_OF: Mapping[Held, Sequence[_Work]] = {
    Held.MODEL: (_work("inferences", JOBS, "model"),),
    Held.DESTINATION: (
        _RESULTS,
        _work("rejection notes", REJECTIONS, "destination"),
        _work("storage commitments", REQUESTS, "destination"),
    ),
}


def queues(
    database: Database, kind: Held, names: Sequence[str], seen_by: Bound | None = None
) -> tuple[QueueRecord, ...]:
    """Those of `names`, and those for which something waits or that are paused; of studies that may be seen."""
    with database.transaction() as connection:
        paused = {one.name: one for one in all_paused(connection) if one.kind == kind}
        counted = {(work.what, name): one for work in _OF[kind] for name, one in _counted(connection, work, seen_by)}
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
    rows = union_all(*(_pieces(work, name, seen_by) for work in _OF[kind])).subquery()
    query = select(rows).order_by(rows.c.asked_at, rows.c.id).limit(limit)
    if after is not None:
        query = query.where(tuple_(rows.c.asked_at, rows.c.id) > tuple_(*map(literal, after)))
    with database.transaction() as connection:
        return read(connection, query, WaitingRecord)


def _all_work(kind: Held, name: str, counted: Mapping[tuple[str, str], Waiting]) -> tuple[Waiting, ...]:
    return tuple(
        counted.get((one.what, name), Waiting(one.what, 0, 0, 0, None, None, 0 if one is _RESULTS else None))
        for one in _OF[kind]
    )


def _counted(connection: Connection, work: _Work, seen_by: Bound | None) -> Iterator[tuple[str, Waiting]]:
    row = work.table.c
    query = select(
        work.name,
        func.count().filter(work.waits),
        func.count().filter(work.waits, row.attempts > 0),
        func.count().filter(~work.waits),
        func.min(work.asked_at),
        func.min(row.not_before).filter(work.waits),
    )
    found = connection.execute(query.where(*_wanted(work, seen_by)).group_by(work.name)).all()
    sizes = _sizes(connection, seen_by) if work is _RESULTS and found else {}
    for name, waiting, tried, working, oldest, next_attempt in found:
        size = sizes.get(name, 0) if work is _RESULTS else None
        yield name, Waiting(work.what, waiting, tried, working, oldest, next_attempt, size)


def _sizes(connection: Connection, seen_by: Bound | None) -> dict[str, int]:
    """Bytes that are still to be sent to each destination; what is not chosen yet counts nothing."""
    unsent = (~delivery_objects.c.stored, ~delivery_objects.c.dropped)
    query = (
        select(_RESULTS.name, func.sum(results.c.size))
        .join(delivery_objects, delivery_objects.c.delivery_id == _RESULTS.table.c.id)
        .join(results, results.c.sop_uid == delivery_objects.c.sop_uid)
        .where(*_wanted(_RESULTS, seen_by), *unsent)
        .group_by(_RESULTS.name)
    )
    return {destination: int(size) for destination, size in connection.execute(query)}


def _pieces(work: _Work, name: str, seen_by: Bound | None) -> Select[*tuple[object, ...]]:
    row = work.table.c
    columns = (row.id, literal(work.what).label("what"), row.study_id, row.state, row.reason, row.since)
    query = select(*columns, row.attempts, row.not_before, work.asked_at.label("asked_at"))
    return query.where(work.name == name, *_wanted(work, seen_by))


def _wanted(work: _Work, seen_by: Bound | None) -> tuple[Condition, Condition]:
    """What is not done, of studies that may be seen."""
    return work.undone, may_be_seen(work.table.c.study_id, seen_by)
