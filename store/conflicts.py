"""Instances that came with other bytes under a UID that the index has: one is kept as the instance, the others wait.

A row names the other bytes and where they lie, and which bytes are kept in their stead.
"""

from sqlalchemy import Connection, select, update

from domain.records import ConflictRecord, Listed
from store.database import Database
from store.index_rows import InstanceRow
from store.locks import locked
from store.queries.records import first_of, read, rows_of
from store.tables import conflicts, instances, studies


def latest(database: Database, limit: int) -> Listed[ConflictRecord]:
    """The newest ones, newest first."""
    order = (conflicts.c.received_at, conflicts.c.id)
    with database.transaction() as connection:
        return first_of(connection, rows_of(ConflictRecord, conflicts), ConflictRecord, order, limit)


def study_of(connection: Connection, number: int) -> str | None:
    """The Study Instance UID of a conflict's study; None where there is no conflict of that number."""
    query = select(studies.c.study_uid).join(conflicts, conflicts.c.study_id == studies.c.id)
    return connection.scalar(query.where(conflicts.c.id == number))


def get(connection: Connection, number: int) -> ConflictRecord:
    """The conflict of that number. Whoever changes one has locked its study."""
    return read(connection, rows_of(ConflictRecord, conflicts).where(conflicts.c.id == number), ConflictRecord)[0]


def swap(connection: Connection, conflict: ConflictRecord, row: InstanceRow) -> None:
    """Make the instance's row `row`, of the conflict's bytes; the conflict's row names those that were kept so far."""
    kept = (instances.c.digest, instances.c.object_key, instances.c.association_id, instances.c.received_at)
    former = connection.execute(locked(select(*kept).where(instances.c.sop_uid == conflict.sop_uid), instances)).one()
    connection.execute(update(instances).where(instances.c.sop_uid == conflict.sop_uid).values(row))
    connection.execute(update(conflicts).where(conflicts.c.id == conflict.id).values(**former._mapping))
    same = conflicts.c.sop_uid == conflict.sop_uid
    connection.execute(update(conflicts).where(same).values(kept_digest=conflict.digest))
