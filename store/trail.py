"""The rows of the trail: added at its end, read in order. What an entry says is `audit`'s matter."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Row, TextClause, func, select, text

from domain.ids import StudyId
from store.tables import audit_entries

# In psycopg's binary form (%b): as text every quotation mark of an entry in an array is escaped, which took longer than
# all the rest.
_APPEND = "SELECT dicom_node.append_to_trail(%(numbers)b::bigint[], %(entries)b::text[], %(hashes)b::bytea[])"


@dataclass(frozen=True)
class TrailRow:
    """One row as it stands in the table."""

    number: int
    entry: str
    hash: bytes


def last(connection: Connection) -> tuple[int, bytes] | None:
    """Number and hash of the newest row: all of the trail that who appends may read.

    To be asked under the lock that orders the log, when something is about to follow.
    """
    link = select(audit_entries.c.number, audit_entries.c.hash).order_by(audit_entries.c.number.desc()).limit(1)
    found = connection.execute(link).one_or_none()
    return (found.number, bytes(found.hash)) if found else None


def add(connection: Connection, rows: Sequence[TrailRow]) -> None:
    """Add rows at the end, by the owner's function: the node's role may insert none by itself."""
    given = {
        "numbers": [row.number for row in rows],
        "entries": [row.entry for row in rows],
        "hashes": [row.hash for row in rows],
    }
    connection.exec_driver_sql(_APPEND, given)


def after(connection: Connection, number: int, limit: int) -> list[TrailRow]:
    """At most `limit` rows behind `number`, in order."""
    behind = select(audit_entries).where(audit_entries.c.number > number).order_by(audit_entries.c.number).limit(limit)
    return [_row(row) for row in connection.execute(behind)]


def newest(connection: Connection, count: int) -> list[TrailRow]:
    """The last `count` rows, in order."""
    found = connection.execute(select(audit_entries).order_by(audit_entries.c.number.desc()).limit(count)).all()
    return [_row(row) for row in reversed(found)]


def newest_of_study(connection: Connection, study: StudyId, count: int) -> list[TrailRow]:
    """The last `count` rows of one study, in order."""
    its_own = select(audit_entries).where(_of(study)).order_by(audit_entries.c.number.desc()).limit(count)
    return [_row(row) for row in reversed(connection.execute(its_own).all())]


def size(connection: Connection, study: StudyId | None) -> int:
    """How many rows there are, of one study or of all."""
    counted = select(func.count()).select_from(audit_entries)
    return connection.scalar(counted.where(_of(study)) if study else counted) or 0


def _of(study: StudyId) -> TextClause:
    return text("((entry::jsonb) ->> 'study') = :study").bindparams(study=str(study))  # as the index has it


def _row(row: Row[tuple[int, str, bytes]]) -> TrailRow:
    return TrailRow(row.number, row.entry, bytes(row.hash))
