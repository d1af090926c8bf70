"""What was received and cannot be read: how much of it, and of which study."""

import uuid
from collections.abc import Collection

from sqlalchemy import Connection, and_, func, select

from store.tables import instances, quarantine


def unreadable_by_study(connection: Connection, studies: Collection[uuid.UUID]) -> dict[uuid.UUID, int]:
    """How many instances of each study are unreadable; one that came again and could be read is none of them.

    Another study's instance of the same UID is no such one.
    """
    same = and_(instances.c.sop_uid == quarantine.c.sop_uid, instances.c.study_id == quarantine.c.study_id)
    came_again = select(instances.c.sop_uid).where(same).exists()
    counts = (
        select(quarantine.c.study_id, func.count(quarantine.c.sop_uid.distinct()))
        .where(quarantine.c.study_id.in_(studies), ~quarantine.c.set_aside, ~came_again)
        .group_by(quarantine.c.study_id)
    )
    return {row[0]: int(row[1]) for row in connection.execute(counts)}
