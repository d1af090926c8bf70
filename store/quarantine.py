"""What was received and cannot be read: how much of it, and of which study."""

import uuid
from collections.abc import Collection

from sqlalchemy import Connection, and_, func, or_, select

from domain.ids import StudyId
from store.tables import instances, quarantine, series

_SAME = and_(instances.c.sop_uid == quarantine.c.sop_uid, instances.c.study_id == quarantine.c.study_id)
_CAME_AGAIN = select(instances.c.sop_uid).where(_SAME).exists()


def unreadable_of_series(connection: Connection, study: StudyId, ids: Collection[uuid.UUID]) -> int:
    """How many instances that are unreadable the study has in these series, or where nobody can tell in which.

    One that came again and could be read, or that a person set aside, is none of them.
    """
    uids = select(series.c.series_uid).where(series.c.id.in_(ids))
    mine = or_(quarantine.c.series_uid.in_(uids), quarantine.c.series_uid == "")
    query = select(func.count(quarantine.c.sop_uid.distinct())).where(
        quarantine.c.study_id == study, mine, ~quarantine.c.set_aside, ~_CAME_AGAIN
    )
    return connection.scalar(query) or 0


def unreadable_by_study(connection: Connection, studies: Collection[uuid.UUID]) -> dict[uuid.UUID, int]:
    """How many instances of each study are unreadable; one that came again and could be read is none of them.

    Another study's instance of the same UID is no such one.
    """
    counts = (
        select(quarantine.c.study_id, func.count(quarantine.c.sop_uid.distinct()))
        .where(quarantine.c.study_id.in_(studies), ~quarantine.c.set_aside, ~_CAME_AGAIN)
        .group_by(quarantine.c.study_id)
    )
    return {row[0]: int(row[1]) for row in connection.execute(counts)}
