"""The parts of the trail: each a range of its numbers, begun when a month has turned (migration 0033).

Numbers and not moments part them: the primary key stays one for the whole trail, and a clock that is set back puts no
entry into a part of before. The newest part is open to the end; entries are appended to none but that one.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select, text

from store.columns import SCHEMA
from store.database import Database
from store.tables import audit_entries
from store.trail_tables import audit_parts

# By the database's clock, as the function that divides looks at it again under the lock.
_DUE = text(
    """
    SELECT coalesce(date_trunc('month', now(), 'UTC') > date_trunc('month', max(p.opened_at), 'UTC'), true)
    FROM dicom_node.audit_parts p
    """
)
_DIVIDE = text("SELECT dicom_node.open_trail_part()")
TRAIL = f"{SCHEMA}.audit_entries"
_TABLES = text(f"SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = '{TRAIL}'::regclass")


@dataclass(frozen=True)
class TrailPart:
    """The entries from `first` to `last`, None of the part that is open; begun at `opened_at`."""

    first: int
    last: int | None
    opened_at: datetime


def is_due(database: Database) -> bool:
    """Whether no part is told of yet, or the month has turned since the newest was begun."""
    with database.transaction() as connection:
        return bool(connection.scalar(_DUE))


def begin_next(connection: Connection) -> int | None:
    """End the open part and begin the next, where that is due; the number that its first entry will have.

    To be done in the transaction of the entry that says so. A trail of which no part was told of is told to be one.
    """
    begun: int | None = connection.scalar(_DIVIDE)
    return begun


def parts(connection: Connection) -> list[TrailPart]:
    """All that were ever begun, oldest first: also those whose entries are archived."""
    rows = connection.execute(select(audit_parts).order_by(audit_parts.c.first)).all()
    behind = (*rows[1:], None)
    return [
        TrailPart(row.first, following.first - 1 if following else None, row.opened_at)
        for row, following in zip(rows, behind, strict=False)
    ]


def now(connection: Connection) -> datetime:
    """The database's clock, by which parts begin."""
    return connection.execute(select(func.now())).scalar_one()


def end_of_part(connection: Connection, number: int) -> int | None:
    """The last number of the part that entry `number` is in; None where that is open."""
    following = select(func.min(audit_parts.c.first)).where(audit_parts.c.first > number)
    first = connection.scalar(following)
    return None if first is None else first - 1


def divide_as_told(connection: Connection) -> None:
    """Divide a trail whose rows were loaded into one part, as its owner: a backup has rows, and no tables."""
    least = connection.scalar(select(func.min(audit_entries.c.number)))
    told = [one for one in parts(connection) if one.last is None or (least and one.last >= least)]
    loaded = list(connection.execute(_TABLES).scalars())
    if len(loaded) != 1 or len(told) < 2:
        return
    connection.execute(text(f"ALTER TABLE {TRAIL} DETACH PARTITION {loaded[0]}"))
    connection.execute(text(f"ALTER TABLE {loaded[0]} RENAME TO audit_loaded"))
    for one in told:
        upper = "MAXVALUE" if one.last is None else str(one.last + 1)
        made, bounds = f"{TRAIL}_{one.first}", f"FROM ({one.first}) TO ({upper})"
        connection.execute(text(f"CREATE TABLE {made} PARTITION OF {TRAIL} FOR VALUES {bounds}"))
        connection.execute(text("SELECT dicom_node.guard_trail_part(CAST(:part AS regclass))"), {"part": made})
    connection.execute(text(f"INSERT INTO {TRAIL} SELECT * FROM {SCHEMA}.audit_loaded ORDER BY number"))
    connection.execute(text(f"DROP TABLE {SCHEMA}.audit_loaded"))
