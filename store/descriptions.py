"""What people wrote of studies and series, where the database keeps it: taken out of its rows."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, or_, select, update

from domain.ids import StudyId
from store.procedure_tables import requested_procedures
from store.studies import lock
from store.tables import instances, series

_SERIES = or_(series.c.series_description != "", series.c.study_description != "")
_REQUESTED = or_(requested_procedures.c.description != "", requested_procedures.c.reason != "")


@dataclass(frozen=True)
class Cleared:
    """How many rows had a description and have none now."""

    studies: int = 0
    series: int = 0
    instances: int = 0


def described(connection: Connection, most: int) -> Sequence[StudyId]:
    """At most `most` studies with a description in any row of theirs."""
    of_series = select(series.c.study_id).where(_SERIES)
    of_images = select(instances.c.study_id).where(instances.c.series_description != "")
    found = connection.execute(of_series.union(of_images).limit(most)).scalars()
    return [StudyId(one) for one in found]


def clear_requests(connection: Connection) -> int:
    """Take them out of what was requested, be it of studies that never came; of how many requests."""
    rows = update(requested_procedures).where(_REQUESTED)
    return connection.execute(rows.values(description="", reason="")).rowcount


def clear(connection: Connection, studies: Sequence[StudyId]) -> Cleared:
    """Take the descriptions out of these studies' rows, which it locks."""
    lock(connection, studies)
    mine = (instances.c.study_id.in_(studies), instances.c.series_description != "")
    images = connection.execute(update(instances).where(*mine).values(series_description="")).rowcount
    rows = update(series).where(series.c.study_id.in_(studies), _SERIES)
    cleared = connection.execute(rows.values(series_description="", study_description="")).rowcount
    return Cleared(len(studies), cleared, images)
