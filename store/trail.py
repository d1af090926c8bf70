"""The rows of the trail: added at its end, read in order. What an entry says is `audit`'s matter."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, Row, TextClause, func, select, text

from domain.ids import StudyId
from store.tables import audit_entries

_LAST = select(audit_entries.c.number, audit_entries.c.hash).order_by(audit_entries.c.number.desc()).limit(1)
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
    found = connection.execute(_LAST).one_or_none()
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


@dataclass(frozen=True)
class EntryFilter:
    """What is true of the entries that are asked for; None and "" ask for no more.

    `action` is the words of one, or their beginning; `actor` a role, a host, or part of a user's name; `since` and
    `until` are of the entry's own moment.
    """

    study: StudyId | None = None
    action: str = ""
    actor: str = ""
    since: datetime | None = None
    until: datetime | None = None


def newest(connection: Connection, count: int, wanted: EntryFilter) -> list[TrailRow]:
    """The last `count` rows of these, in order."""
    its_own = select(audit_entries).where(*_conditions(wanted)).order_by(audit_entries.c.number.desc()).limit(count)
    return [_row(row) for row in reversed(connection.execute(its_own).all())]


def matching(connection: Connection, wanted: EntryFilter, number: int, limit: int) -> list[TrailRow]:
    """At most `limit` of these rows behind `number`, in order."""
    behind = select(audit_entries).where(audit_entries.c.number > number, *_conditions(wanted))
    return [_row(row) for row in connection.execute(behind.order_by(audit_entries.c.number).limit(limit))]


def size(connection: Connection, wanted: EntryFilter) -> int:
    """How many rows there are of these."""
    counted = select(func.count()).select_from(audit_entries).where(*_conditions(wanted))
    return connection.scalar(counted) or 0


# Of an entry's text, which is canonical (RFC 8785): no blank, members in the order of their names, and none before `at`
# that may hold more than a text. In UTC with microseconds, as each has it, the order of texts is that of time.
_MOMENT = 'substr(entry, strpos(entry, \'"at":"\') + 6, 32)'


def _conditions(wanted: EntryFilter) -> Iterator[TextClause]:
    """What is looked for in the text first, which PostgreSQL does as it costs less, need not be parsed in most rows."""
    if wanted.study:
        yield text("((entry::jsonb) ->> 'study') = :study").bindparams(study=str(wanted.study))  # as the index has it
    if wanted.action:
        yield text("strpos(entry, :words) > 0").bindparams(words=f'"action":"{_written(wanted.action)}')
        yield text("starts_with((entry::jsonb) ->> 'action', :action)").bindparams(action=wanted.action)
    if wanted.actor:
        whole = "(entry::jsonb) -> 'by' ->> 'role' = :actor OR (entry::jsonb) -> 'by' ->> 'host' = :actor"
        user = "strpos(lower((entry::jsonb) -> 'details' ->> 'user'), lower(:actor)) > 0"
        yield text("strpos(lower(entry), lower(:name)) > 0").bindparams(name=_written(wanted.actor))
        yield text(f"({whole} OR {user})").bindparams(actor=wanted.actor)
    if wanted.since:
        yield text(f"{_MOMENT} >= :since").bindparams(since=_as_entries_have_it(wanted.since))
    if wanted.until:
        yield text(f"{_MOMENT} < :until").bindparams(until=_as_entries_have_it(wanted.until))


def _written(words: str) -> str:
    """As they stand within a text of JSON."""
    return json.dumps(words, ensure_ascii=False)[1:-1]


def _as_entries_have_it(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _row(row: Row[tuple[int, str, bytes]]) -> TrailRow:
    return TrailRow(row.number, row.entry, bytes(row.hash))
