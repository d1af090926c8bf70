"""Studies: how many are in which state, the latest ones, and which one is meant."""

from collections.abc import Collection

from sqlalchemy import Connection, Text, cast, func, select

from domain.errors import Permanent
from domain.ids import StudyId
from domain.records import StudyRecord, StudySummary
from domain.states import StudyState
from store.database import Database
from store.quarantine import unreadable_by_study
from store.queries.current import work_of
from store.queries.records import read, rows_of
from store.tables import instances, studies


def studies_by_state(database: Database) -> dict[str, int]:
    """How many studies are in each state; a state that none is in counts 0, so that its figure falls back."""
    with database.transaction() as connection:
        found = connection.execute(select(studies.c.state, func.count()).group_by(studies.c.state))
        return {state.value: 0 for state in StudyState} | {row[0]: int(row[1]) for row in found}


def latest_studies(database: Database, limit: int, *states: StudyState) -> tuple[StudySummary, ...]:
    """The studies that last received something, newest first, with what holds up their results where anything does.

    Those in one of `states` alone, where any is given.
    """
    among = rows_of(StudyRecord, studies).where(studies.c.state.in_(states or StudyState))
    newest = among.order_by(studies.c.last_received.desc()).limit(limit)
    with database.transaction() as connection:
        found = read(connection, newest, StudyRecord)
        ids = [one.id for one in found]
        counts, work = _counts(connection, ids), work_of(connection, ids)
        unreadable = unreadable_by_study(connection, ids)
    return tuple(
        StudySummary(one, images, series, **vars(work[one.id]), unreadable=unreadable.get(one.id, 0))
        for one in found
        for images, series in (counts.get(one.id, (None, None)),)
    )


def how_many_studies(database: Database, *states: StudyState) -> int:
    """All there are, or those in one of `states`."""
    among = select(func.count()).select_from(studies).where(studies.c.state.in_(states or StudyState))
    with database.transaction() as connection:
        return connection.scalar(among) or 0


def find_study(database: Database, wanted: str) -> StudyId:
    """The study whose internal id or StudyInstanceUID is `wanted` or begins with it; raises Permanent otherwise."""
    # The prefix is data, so its wildcards are escaped by `autoescape`.
    as_text = cast(studies.c.id, Text)
    exact = select(studies.c.id, studies.c.study_uid).where(
        (as_text == wanted.lower()) | (studies.c.study_uid == wanted)
    )
    begins = select(studies.c.id, studies.c.study_uid).where(
        as_text.startswith(wanted.lower(), autoescape=True) | studies.c.study_uid.startswith(wanted, autoescape=True)
    )
    with database.transaction() as connection:
        found = connection.execute(exact).all() or connection.execute(begins.limit(6)).all()
    if not found:
        raise Permanent(f"no study {wanted}: give its id or StudyInstanceUID, or the beginning of either")
    if len(found) > 1:
        shown = ", ".join(str(row.id)[:8] for row in found[:5])
        raise Permanent(f"{wanted} is the beginning of several studies ({shown}, ...): give more of it")
    return StudyId(found[0].id)


def _counts(connection: Connection, ids: Collection[StudyId]) -> dict[StudyId, tuple[int, int]]:
    """How many instances and series of each study are indexed; a study that has none is not among them."""
    counted = select(instances.c.study_id, func.count(), func.count(instances.c.series_id.distinct()))
    query = counted.where(instances.c.study_id.in_(ids)).group_by(instances.c.study_id)
    return {study: (images, series) for study, images, series in connection.execute(query)}
