"""The rows of the trail: added at its end, read in order. What an entry says is `audit`'s matter."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, insert, select, text

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
    return TrailRow(found.number, found.entry, bytes(found.hash)) if found else None


def add(connection: Connection, rows: Sequence[TrailRow]) -> None:
    """Add rows at the end."""
    connection.execute(insert(audit_entries), [vars(row) for row in rows])


def after(connection: Connection, number: int, limit: int) -> list[TrailRow]:
    """At most `limit` rows behind `number`, in order."""
    behind = select(audit_entries).where(audit_entries.c.number > number).order_by(audit_entries.c.number).limit(limit)
    return [TrailRow(row.number, row.entry, bytes(row.hash)) for row in connection.execute(behind)]


def of_study(connection: Connection, study: uuid.UUID) -> list[Mapping[str, Any]]:
    """The entries of one study, oldest first, as parsed JSON."""
    found = connection.execute(
        text(
            "SELECT entry::jsonb AS body FROM dicom_node.audit_entries"
            " WHERE (entry::jsonb) ->> 'study' = :study ORDER BY number"
        ),
        {"study": str(study)},
    )
    return [row.body for row in found]
