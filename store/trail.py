"""The rows of the trail: added at its end, read in order. What an entry says is `audit`'s matter."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Connection,
    FromClause,
    Row,
    Text,
    TextClause,
    bindparam,
    func,
    select,
    text,
)

from domain.ids import StudyId
from store.tables import audit_entries
from store.trail_words import ACTION, HAS_USER, HOST, HOUR, ROLE, STUDY, USER

_LAST = text("SELECT number, hash FROM dicom_node.trail_end() WHERE number IS NOT NULL")
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


def newest(connection: Connection, count: int, wanted: EntryFilter, before: int | None = None) -> list[TrailRow]:
    """The last `count` rows of these, in order; of those before the number `before`, where one is given.

    The planner takes it for granted that what is looked for is spread evenly, and so reads the trail from its end until
    it has found enough: all of it, where the study or the day is of long ago, or the user did little. There the rows
    are found first.
    """
    conditions: list[ColumnElement[bool] | TextClause] = [*_conditions(connection, wanted)]
    if before is not None:
        conditions.append(audit_entries.c.number < before)
    if wanted.study or wanted.until or (wanted.actor and not _is_process(connection, wanted.actor)):
        found: FromClause = select(audit_entries).where(*conditions).cte("found").prefix_with("MATERIALIZED")
    else:
        found = select(audit_entries).where(*conditions).subquery("found")
    its_own = select(found).order_by(found.c.number.desc()).limit(count)
    return [_row(row) for row in reversed(connection.execute(its_own).all())]


def extent(connection: Connection, wanted: EntryFilter) -> tuple[int, int] | None:
    """The first and the last number of these rows; None where there is none. Found as `newest` finds long ago ones."""
    its_own = select(audit_entries.c.number).where(*_conditions(connection, wanted))
    found = its_own.cte("found").prefix_with("MATERIALIZED")
    first, last = connection.execute(select(func.min(found.c.number), func.max(found.c.number))).one()
    return None if first is None else (first, last)


def matching(
    connection: Connection, wanted: EntryFilter, number: int, limit: int, last: int | None = None
) -> list[TrailRow]:
    """At most `limit` of these rows behind `number`, in order, and none behind `last`."""
    behind = select(audit_entries).where(audit_entries.c.number > number, *_conditions(connection, wanted))
    if last is not None:
        behind = behind.where(audit_entries.c.number <= last)
    return [_row(row) for row in connection.execute(behind.order_by(audit_entries.c.number).limit(limit))]


def size(connection: Connection, wanted: EntryFilter) -> int:
    """How many rows there are of these."""
    counted = select(func.count()).select_from(audit_entries).where(*_conditions(connection, wanted))
    return connection.scalar(counted) or 0


# In UTC with microseconds, as each entry has its moment, the order of texts is that of time.
_MOMENT = 'substr(entry, strpos(entry, \'"at":"\') + 6, 32)'
_HOUR = len("2026-11-30T09")
_LAST_LETTER = chr(0x10FFFF)
# Each user once, from one place of the index to the next: there are few, and entries of each are many.
_USERS = text(
    f"""
    WITH RECURSIVE users (name) AS (
        (SELECT {USER} FROM dicom_node.audit_entries WHERE {HAS_USER} AND {USER} IS NOT NULL ORDER BY {USER} LIMIT 1)
        UNION ALL
        SELECT (
            SELECT {USER} FROM dicom_node.audit_entries
            WHERE {HAS_USER} AND {USER} > users.name ORDER BY {USER} LIMIT 1
        ) FROM users WHERE users.name IS NOT NULL
    )
    SELECT name FROM users WHERE strpos(lower(name), lower(:part)) > 0
    """
)


# By the first place of the index at or behind the word: for a word that is not there the planner may read all rows.
_FIRST = "(SELECT {0} FROM dicom_node.audit_entries WHERE {0} >= :actor ORDER BY {0} LIMIT 1) = :actor"
_PROCESS = text(f"SELECT coalesce({_FIRST.format(ROLE)}, false) OR coalesce({_FIRST.format(HOST)}, false)")


def _conditions(connection: Connection, wanted: EntryFilter) -> Iterator[TextClause]:
    """By what an index has (store.trail_words), then by what the parsed entry says, which is exact."""
    if wanted.study:
        yield text(f"{STUDY} = :study").bindparams(study=str(wanted.study))
    if wanted.action:
        words = _written(wanted.action)
        yield text(f"{ACTION} BETWEEN :words AND :end").bindparams(words=words, end=words + _LAST_LETTER)
        yield text("starts_with((entry::jsonb) ->> 'action', :action)").bindparams(action=wanted.action)
    if wanted.actor:
        users = list(connection.execute(_USERS, {"part": wanted.actor}).scalars())
        user = f"({HAS_USER} AND {USER} = ANY(:users))"
        if _is_process(connection, wanted.actor):
            either = text(f"({ROLE} = :actor OR {HOST} = :actor OR {user})").bindparams(actor=_written(wanted.actor))
        else:
            either = text(user)
        yield either.bindparams(bindparam("users", users, type_=ARRAY(Text)))
    if wanted.since:
        since = _as_entries_have_it(wanted.since)
        yield text(f"{HOUR} >= :since_hour AND {_MOMENT} >= :since").bindparams(since_hour=since[:_HOUR], since=since)
    if wanted.until:
        until = _as_entries_have_it(wanted.until)
        yield text(f"{HOUR} <= :until_hour AND {_MOMENT} < :until").bindparams(until_hour=until[:_HOUR], until=until)


def _is_process(connection: Connection, actor: str) -> bool:
    """Whether a role or a host of this name has ever written an entry."""
    return bool(connection.scalar(_PROCESS, {"actor": _written(actor)}))


def _written(words: str) -> str:
    """As they stand within a text of JSON."""
    return json.dumps(words, ensure_ascii=False)[1:-1]


def _as_entries_have_it(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _row(row: Row[tuple[int, str, bytes]]) -> TrailRow:
    return TrailRow(row.number, row.entry, bytes(row.hash))
