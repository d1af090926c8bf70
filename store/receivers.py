"""Rows of the receivers of the trail's entries: how far each is, and whether it takes what it is sent."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, select, update
from sqlalchemy.dialects.postgresql import insert

from store.receiver_tables import trail_receivers
from store.tables import audit_entries, studies


@dataclass(frozen=True)
class ReceiverRow:
    """One receiver. `number` is the last entry that it has for good; `at` when that was noted."""

    name: str
    number: int
    at: datetime
    refused: int
    last_refused: int | None
    away_since: datetime | None
    reason: str


def known(connection: Connection) -> dict[str, ReceiverRow]:
    """All of them, by name; those that the settings name no more stay."""
    found = connection.execute(select(trail_receivers).order_by(trail_receivers.c.name))
    return {row.name: ReceiverRow(**row._mapping) for row in found}


def begin(connection: Connection, name: str, number: int, now: datetime) -> int:
    """Where to go on with this receiver: behind the entry that is returned; `number` where it is a new one."""
    fresh = insert(trail_receivers).values(name=name, number=number, at=now).on_conflict_do_nothing()
    connection.execute(fresh)
    kept = select(trail_receivers.c.number).where(trail_receivers.c.name == name)
    return int(connection.execute(kept).scalar_one())


def advance(connection: Connection, name: str, number: int, now: datetime) -> None:
    """It has all up to `number` for good; a place never goes back."""
    its_own = (trail_receivers.c.name == name) & (trail_receivers.c.number < number)
    connection.execute(update(trail_receivers).where(its_own).values(number=number, at=now))


def note_away(connection: Connection, name: str, reason: str, now: datetime) -> None:
    """It takes nothing, and why; since when is kept of the first time."""
    row = trail_receivers
    connection.execute(
        update(row).where(row.c.name == name, row.c.away_since.is_(None)).values(away_since=now, reason=reason)
    )
    connection.execute(update(row).where(row.c.name == name, row.c.reason != reason).values(reason=reason))


def note_back(connection: Connection, name: str) -> None:
    """It takes what it is sent."""
    row = trail_receivers
    connection.execute(
        update(row).where(row.c.name == name, row.c.away_since.is_not(None)).values(away_since=None, reason="")
    )


def note_refused(connection: Connection, name: str, number: int) -> None:
    """It will never take this entry."""
    row = trail_receivers
    counted = {"refused": row.c.refused + 1, "last_refused": number}
    connection.execute(update(row).where(row.c.name == name).values(counted))


def newest(connection: Connection) -> int:
    """The number of the trail's last entry; 0 where there is none."""
    last = select(audit_entries.c.number).order_by(audit_entries.c.number.desc()).limit(1)
    return connection.execute(last).scalar_one_or_none() or 0


def study_uids(connection: Connection, ids: Iterable[str]) -> Mapping[str, str]:
    """Study Instance UIDs by internal id, of those that there are; what is no such id is left out."""
    wanted: Sequence[UUID] = [one for text in set(ids) if (one := _uuid(text)) is not None]
    if not wanted:
        return {}
    found = connection.execute(select(studies.c.id, studies.c.study_uid).where(studies.c.id.in_(wanted)))
    return {str(row.id): row.study_uid for row in found}


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
