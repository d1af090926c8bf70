"""Numbers of the node's work as a page shows them: how many studies, runs, results and deliveries stand how."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Table, func, or_, select

from domain.states import DeliveryState, JobState, StudyState
from store.arrival_tables import callers
from store.database import Database
from store.queries.studies import Bound, StudyFilter, conditions, may_be_seen
from store.tables import dead_letters, deliveries, jobs, quarantine, results, studies

_JOBS_GO_ON = (JobState.REQUESTED, JobState.LEASED, JobState.RUNNING, JobState.FOUND_EARLY)
_DELIVERIES_GO_ON = (DeliveryState.PENDING, DeliveryState.SENDING)


@dataclass(frozen=True)
class Refusals:
    """What was not let in: callers whose association was refused, and instances that could not be read."""

    callers: int
    instances: int


@dataclass(frozen=True)
class NodeFigures:
    """How the node's work stands, of studies that may be seen.

    `studies` are all, by state, and `received` those that first came since `since`. `runs` of models, by model and
    state, and `deliveries`, by destination and state, are what goes on and what has ended since then; `results` were
    written since then, by kind. `dead_letters` wait for a person. `refusals` are since then, None for who may see some
    studies alone: what was refused is of none.
    """

    since: datetime
    studies: Mapping[str, int]
    received: int
    runs: Mapping[str, Mapping[str, int]]
    results: Mapping[str, int]
    deliveries: Mapping[str, Mapping[str, int]]
    dead_letters: int
    refusals: Refusals | None


def figures(database: Database, since: datetime, seen_by: Bound | None = None) -> NodeFigures:
    """As they are at this moment, all of them of one."""
    with database.transaction() as connection:
        return NodeFigures(
            since=since,
            studies=_studies(connection, seen_by),
            received=_count(connection, studies, studies.c.first_received >= since, *_of_studies(seen_by)),
            runs=_states(connection, jobs, jobs.c.model, _JOBS_GO_ON, since, seen_by),
            results=_results(connection, since, seen_by),
            deliveries=_states(connection, deliveries, deliveries.c.destination, _DELIVERIES_GO_ON, since, seen_by),
            dead_letters=_dead_letters(connection, seen_by),
            refusals=_refusals(connection, since) if seen_by is None else None,
        )


def _studies(connection: Connection, seen_by: Bound | None) -> Mapping[str, int]:
    query = select(studies.c.state, func.count()).where(*_of_studies(seen_by)).group_by(studies.c.state)
    return {state.value: 0 for state in StudyState} | {state: int(count) for state, count in connection.execute(query)}


def _states(
    connection: Connection,
    table: Table,
    name: ColumnElement[str],
    goes_on: Collection[str],
    since: datetime,
    seen_by: Bound | None,
) -> Mapping[str, Mapping[str, int]]:
    counts = or_(table.c.state.in_(goes_on), table.c.since >= since)
    query = select(name, table.c.state, func.count()).where(counts, may_be_seen(table.c.study_id, seen_by))
    found: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for each, state, count in connection.execute(query.group_by(name, table.c.state).order_by(name, table.c.state)):
        found[each][state] = count
    return dict(found)


def _results(connection: Connection, since: datetime, seen_by: Bound | None) -> Mapping[str, int]:
    written = (results.c.written_at >= since, may_be_seen(results.c.study_id, seen_by))
    query = select(results.c.kind, func.count()).where(*written).group_by(results.c.kind).order_by(results.c.kind)
    return {kind: int(count) for kind, count in connection.execute(query)}


def _dead_letters(connection: Connection, seen_by: Bound | None) -> int:
    waits = dead_letters.c.replayed_at.is_(None)
    return _count(connection, dead_letters, waits, may_be_seen(dead_letters.c.study_id, seen_by))


def _refusals(connection: Connection, since: datetime) -> Refusals:
    return Refusals(
        callers=_count(connection, callers, callers.c.last_refused >= since),
        instances=_count(connection, quarantine, quarantine.c.received_at >= since),
    )


def _of_studies(seen_by: Bound | None) -> Collection[ColumnElement[bool]]:
    return tuple(conditions(StudyFilter(seen_by=seen_by)))


def _count(connection: Connection, table: Table, *where: ColumnElement[bool]) -> int:
    return connection.scalar(select(func.count()).select_from(table).where(*where)) or 0
