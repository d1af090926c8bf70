"""Instances that came with other bytes under a UID that the index has: one is kept as the instance, the others wait.

A row names the other bytes and where they lie, and which bytes are kept in their stead.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, select, update

from domain.records import ConflictRecord, Listed
from store.database import Database
from store.queries.records import first_of, read, rows_of
from store.tables import conflicts, instances, studies


def latest(database: Database, limit: int) -> Listed[ConflictRecord]:
    """The newest ones, newest first."""
    order = (conflicts.c.received_at, conflicts.c.id)
    with database.transaction() as connection:
        return first_of(connection, rows_of(ConflictRecord, conflicts), ConflictRecord, order, limit)


def lock(connection: Connection, number: int) -> tuple[ConflictRecord, str] | None:
    """The conflict, locked, and the Study Instance UID of its study; None where there is none of that number."""
    query = rows_of(ConflictRecord, conflicts).where(conflicts.c.id == number).with_for_update()
    found = read(connection, query, ConflictRecord)
    if not found:
        return None
    uid = connection.scalar(select(studies.c.study_uid).where(studies.c.id == found[0].study_id))
    return found[0], str(uid)


def swap(connection: Connection, conflict: ConflictRecord, row: Mapping[str, Any]) -> None:
    """Make the instance's row `row`, of the conflict's bytes; the conflict's row names those that were kept so far."""
    kept = (instances.c.digest, instances.c.object_key, instances.c.association_id, instances.c.received_at)
    former = connection.execute(select(*kept).where(instances.c.sop_uid == conflict.sop_uid).with_for_update()).one()
    connection.execute(update(instances).where(instances.c.sop_uid == conflict.sop_uid).values(row))
    connection.execute(update(conflicts).where(conflicts.c.id == conflict.id).values(**former._mapping))
    same = conflicts.c.sop_uid == conflict.sop_uid
    connection.execute(update(conflicts).where(same).values(kept_digest=conflict.digest))
