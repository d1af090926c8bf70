"""The rows of the trail: added at its end, read in order. What an entry says is `audit`'s matter."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Row, insert, select, text

from domain.ids import StudyId
from store.tables import audit_entries


@dataclass(frozen=True)
class TrailRow:
    """One row as it stands in the table."""

    number: int
    entry: str
    hash: bytes


def last(connection: Connection) -> TrailRow | None:
    """The newest row; to be asked under the lock that orders the log, when something is about to follow."""
    found = connection.execute(select(audit_entries).order_by(audit_entries.c.number.desc()).limit(1)).one_or_none()
    return _row(found) if found else None


def add(connection: Connection, rows: Sequence[TrailRow]) -> None:
    """Add rows at the end."""
    connection.execute(insert(audit_entries), [vars(row) for row in rows])


def after(connection: Connection, number: int, limit: int) -> list[TrailRow]:
    """At most `limit` rows behind `number`, in order."""
    behind = select(audit_entries).where(audit_entries.c.number > number).order_by(audit_entries.c.number).limit(limit)
    return [_row(row) for row in connection.execute(behind)]


def newest(connection: Connection, count: int) -> list[TrailRow]:
    """The last `count` rows, in order."""
    found = connection.execute(select(audit_entries).order_by(audit_entries.c.number.desc()).limit(count)).all()
    return [_row(row) for row in reversed(found)]


def of_study(connection: Connection, study: StudyId) -> list[TrailRow]:
    """The rows of one study, in order."""
    its_own = text("((entry::jsonb) ->> 'study') = :study").bindparams(study=str(study))  # as the index has it
    return [_row(row) for row in connection.execute(select(audit_entries).where(its_own).order_by("number"))]


def _row(row: Row[tuple[int, str, bytes]]) -> TrailRow:
    return TrailRow(row.number, row.entry, bytes(row.hash))
