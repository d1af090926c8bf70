"""The outbox read as a log, and what its readers remember: their place, the events they handled, dead letters.

A reader is a name. One session at a time holds it by an advisory lock, and that same session writes the reader's place,
so nobody who has lost the lock can move it. When the session ends, however it ends, the next one goes on from there.
"""

import uuid
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

import psycopg
from sqlalchemy import Connection, Text, and_, case, cast, delete, exists, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError, OperationalError

from domain.errors import Permanent, Retryable, Unavailable
from domain.ids import StudyId
from domain.records import DeadLetter, Listed
from store.database import Database, translated
from store.leases import NOW
from store.locks import locked
from store.queries.records import last_of
from store.tables import dead_letters, inbox, offsets, outbox
from store.unit_of_work import EVENTS_CHANNEL, EVENTS_TOPIC

# Bytes of an envelope at the most, below a broker's limit for a message; the node's own have some thousands, a dead
# letter's copy 200,000. What is longer somebody else put there: it points to nothing, and is read by nobody.
LONGEST = 900_000
_LONGEST_KEY = 100
_READER_LOCKS = 0x72656164  # "read": seeds the readers' lock keys, apart from every other advisory lock
# A lock of this kind is anybody's who may log in, and who only waits for it looks as if another did the work.
_HELD_BY_STRANGER = text(
    """
    SELECT a.usename, a.pid FROM pg_locks l JOIN pg_stat_activity a USING (pid)
    WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND l.granted
      AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND ((l.classid::bigint << 32) | l.objid::bigint) = hashtextextended(:name, :seed)
      AND NOT pg_has_role(a.usesysid, current_user, 'MEMBER')
    """
)

_LENGTH = func.octet_length(cast(outbox.c.envelope, Text))
_BOUNDED = case((_LENGTH > LONGEST, "{}"), else_=cast(outbox.c.envelope, Text))


@dataclass(frozen=True)
class OutboxEntry:
    """One row of the outbox; `envelope` is JSON text, that of an empty object where it is longer than LONGEST."""

    seq: int
    topic: str
    key: str
    envelope: str


class OutboxReader:
    """The place of the reader `name` in the topics that it reads. Connects at the first read."""

    def __init__(self, database: Database, name: str, topics: Collection[str]) -> None:
        self._database = database
        self._name = name
        self._topics = tuple(topics)
        self._session: Connection | None = None
        self._last: int | None = None  # the last number that was given out; None while another session is the reader

    def read(self, seconds: float, limit: int = 200) -> Sequence[OutboxEntry]:
        """The entries after those given before, or after the reader's place at first; each once, in order.

        Waits up to `seconds` s for one, also for the lock while another session is the reader. Raises Unavailable where
        the server does not answer; the next read then starts at the reader's place.
        """
        with self._translated():
            if not self._is_ours(seconds):
                return []
            return self._entries(limit) or (self._entries(limit) if self._notified(seconds) else [])

    def commit(self, seq: int) -> bool:
        """Move the reader's place to `seq`; False where this is no longer the reader. Raises Unavailable."""
        if self._session is None or self._last is None:
            return False
        row = insert(offsets).values(reader=self._name, seq=seq)
        with self._translated():
            self._session.execute(
                row.on_conflict_do_update(index_elements=[offsets.c.reader], set_={"seq": row.excluded.seq})
            )
        return True

    def close(self) -> None:
        """End the session, so that the next reader of this name goes on."""
        session, self._session, self._last = self._session, None, None
        if session is not None:
            with suppress(DBAPIError):
                session.close()

    def _is_ours(self, seconds: float) -> bool:
        if self._session is None:
            self._session = self._connect()
        if self._last is None:
            if not self._locked(self._session, seconds):
                self._refuse_stranger(self._session)
                return False
            place = select(offsets.c.seq).where(offsets.c.reader == self._name)
            self._last = self._session.scalar(place) or 0
        return True

    def _refuse_stranger(self, session: Connection) -> None:
        """Raise Unavailable where who holds the lock could not do this reader's work."""
        for login, process in session.execute(_HELD_BY_STRANGER, {"name": self._name, "seed": _READER_LOCKS}):
            raise Unavailable(
                f"the login {login}, which is not for that, keeps everybody from the place of {self._name} in the log: "
                f"end its session (SELECT pg_terminate_backend({process})), and find out who has its password"
            )

    def _connect(self) -> Connection:
        session = self._database.session()
        session.execute(text(f"LISTEN {EVENTS_CHANNEL}"))
        # A place that a crash sets back only repeats what the inbox knows, so its commits need not wait for the disk.
        session.execute(text("SET synchronous_commit = off"))
        return session

    def _locked(self, session: Connection, seconds: float) -> bool:
        session.execute(select(func.set_config("lock_timeout", f"{max(1, int(seconds * 1000))}ms", False)))
        try:
            session.execute(select(func.pg_advisory_lock(func.hashtextextended(self._name, _READER_LOCKS))))
        except OperationalError as error:
            if isinstance(error.orig, psycopg.errors.LockNotAvailable):
                return False
            raise
        return True

    def _entries(self, limit: int) -> Sequence[OutboxEntry]:
        assert self._session is not None
        found = self._session.execute(
            select(outbox.c.seq, outbox.c.topic, func.left(outbox.c.key, _LONGEST_KEY), _BOUNDED)
            .where(outbox.c.seq > self._last, outbox.c.topic.in_(self._topics))
            .order_by(outbox.c.seq)
            .limit(limit)
        )
        entries = [OutboxEntry(*row) for row in found]
        if entries:
            self._last = entries[-1].seq
        return entries

    def _notified(self, seconds: float) -> bool:
        assert self._session is not None
        # Detached from its pool, where SQLAlchemy knows it by this name alone.
        connection = self._session.connection.dbapi_connection
        assert isinstance(connection, psycopg.Connection)
        return any(True for _ in connection.notifies(timeout=seconds, stop_after=1))

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.close()
            raise Unavailable(f"PostgreSQL does not answer: {error}") from error
        except (DBAPIError, psycopg.Error) as error:
            self.close()
            if (known := translated(error)) is None:
                raise
            # The place in the log is the database's: whatever passes, reading on from there is all that can be done.
            raise Unavailable(str(known)) if isinstance(known, Retryable) else known from error


def announced(connection: Connection, event_id: uuid.UUID) -> object:
    """The envelope, as JSON has it, of the event that the node announced under this id; None where it announced none.

    Nothing removes a row: a message whose row were gone would count for nothing. Who comes to clear the outbox clears
    what every group has handled, and may clear the inbox of it in the same transaction.
    """
    ours = and_(outbox.c.event_id == event_id, outbox.c.topic == EVENTS_TOPIC, _LENGTH <= LONGEST)
    return connection.scalar(select(outbox.c.envelope).where(ours).order_by(outbox.c.seq).limit(1))


def mark_handled(connection: Connection, reader: str, event_id: uuid.UUID, at: datetime) -> bool:
    """Note that `reader` handles this event now; False where it has done so before. Waits for one who is at it."""
    row = insert(inbox).values(reader=reader, event_id=event_id, handled_at=at).on_conflict_do_nothing()
    return connection.scalar(row.returning(inbox.c.event_id)) is not None


def unhandled(connection: Connection, reader: str, event_ids: Collection[uuid.UUID]) -> set[uuid.UUID]:
    """Those of these announced events that `reader` has not handled, nor made a dead letter of."""
    marked = exists().where(inbox.c.reader == reader, inbox.c.event_id == outbox.c.event_id)
    waiting = select(outbox.c.event_id).where(outbox.c.event_id == func.any(list(event_ids)), ~marked)
    return set(connection.execute(waiting).scalars())


def forget_handled(connection: Connection, reader: str, event_id: uuid.UUID) -> None:
    """Take the mark away, so that `reader` handles the event when it comes again."""
    connection.execute(delete(inbox).where(inbox.c.reader == reader, inbox.c.event_id == event_id))


def add_dead_letter(connection: Connection, **fields: object) -> int:
    """Keep a message that could not be handled; the number by which it can be replayed."""
    return int(connection.scalar(insert(dead_letters).values(**fields, at=NOW).returning(dead_letters.c.id)) or 0)


def recent_dead_letters(connection: Connection, reader: str, window: timedelta) -> int:
    """How many dead letters of `reader` nobody has replayed were made within `window`, by the database's clock."""
    letters = dead_letters.c
    recent = and_(letters.reader == reader, letters.at > NOW - window, letters.replayed_at.is_(None))
    return connection.scalar(select(func.count()).where(recent)) or 0


def all_dead_letters(connection: Connection) -> list[DeadLetter]:
    """Every dead letter, the oldest first."""
    return [DeadLetter(*row) for row in connection.execute(select(*_LETTER).order_by(dead_letters.c.id))]


def newest_dead_letters(connection: Connection, most: int) -> Listed[DeadLetter]:
    """The newest dead letters, the oldest of them first, and how many are older."""
    return last_of(connection, select(*_LETTER), DeadLetter, (dead_letters.c.id,), most)


def take_dead_letter(connection: Connection, number: int) -> DeadLetter:
    """One dead letter, locked until the transaction ends; raises Permanent where there is none of this number."""
    letter = locked(select(*_LETTER).where(dead_letters.c.id == number), dead_letters)
    row = connection.execute(letter).one_or_none()
    if row is None:
        raise Permanent(f"there is no dead letter {number}: dicom-node dead-letters list")
    return DeadLetter(*row)


def mark_replayed(connection: Connection, number: int, at: datetime) -> None:
    """Note when a dead letter was replayed."""
    connection.execute(update(dead_letters).where(dead_letters.c.id == number).values(replayed_at=at))


def open_letters(connection: Connection, study: StudyId) -> list[int]:
    """The numbers of a study's dead letters that were not replayed, the oldest first."""
    letters = dead_letters.c
    waiting = select(letters.id).where(letters.study_id == study, letters.replayed_at.is_(None))
    return list(connection.execute(waiting.order_by(letters.id)).scalars())


_LETTER = tuple(dead_letters.c)
