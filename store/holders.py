"""Who holds leases: a name for each life of a process, and whether a life still goes on.

A life holds an advisory lock in a session of its own. PostgreSQL lets go of it when the session ends, however the
process ended, so that what an earlier life of a process held can be told from what a live twin holds.
"""

import secrets
import threading
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, func, select, text
from sqlalchemy.exc import DBAPIError

from store.database import Database, translated

_LIVES = 0x6C696665  # "life": seeds the keys of these locks, apart from every other advisory lock
_SHARED = 0x726F6C65  # "role": the same for what a life says that it does, which several may say
_A_NODE, _DELIVERS, _INDEXES = "works", "delivers", "indexes"

# To look is not to take the lock: two who look at once would each take the other for somebody who serves.
_IS_HELD = text(
    """
    SELECT EXISTS (
        SELECT FROM pg_locks
        WHERE locktype = 'advisory' AND objsubid = 1 AND mode = 'ShareLock' AND granted
          AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
          AND ((classid::bigint << 32) | objid::bigint) = hashtextextended(:name, :of)
    )
    """
)


class Life:
    """One life of a process. Every method may be called from any thread.

    `serves` are the destinations that it delivers to, None where it delivers nothing: `is_served` and
    `who_serves_is_known` tell it for as long as it lives; of `reads`, the spool of an index, `spool_is_read` does,
    and `an_index_works`.
    """

    def __init__(self, database: Database, serves: Iterable[str] | None = None, reads: str | None = None) -> None:
        self._shared = [_A_NODE] if serves is None else [_A_NODE, _DELIVERS, *map(_to, serves)]
        if reads is not None:
            self._shared += [_INDEXES, _of(reads)]
        self.name = secrets.token_hex(6)
        self._database = database
        self._lock = threading.Lock()
        self._session: Connection | None = None

    def prove(self) -> None:
        """Hold the lock, in a new session where the last one was lost; raises Unavailable where the server is away."""
        with self._lock:
            try:
                self._hold()
            except DBAPIError as error:
                self._drop()
                word = translated(error)
                if word is None:
                    raise
                raise word from error

    def close(self) -> None:
        """Let go of the locks, then end the session: once this returns, the next may take what this life holds."""
        with self._lock:
            self._let_go()
            self._drop()

    def _hold(self) -> None:
        if self._session is not None:
            self._session.execute(select(1))
            return
        self._session = self._database.session()
        self._session.execute(select(func.pg_advisory_lock(_key(self.name))))
        for name in self._shared:
            self._session.execute(select(func.pg_advisory_lock_shared(_key(name, _SHARED))))

    def _let_go(self) -> None:
        # A server ends a session in its own time, after the client has gone: who looks meanwhile would see a life.
        if self._session is not None:
            with suppress(DBAPIError):
                self._session.execute(select(func.pg_advisory_unlock_all()))

    def _drop(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            with suppress(DBAPIError):
                session.close()


@dataclass(frozen=True)
class Holder:
    """One holder of leases, which has one row in hand at a time or rows that belong together.

    `name` is the same in every life of its process, another on every host.
    """

    name: str
    life: Life

    @property
    def owner(self) -> str:
        """What a lease names."""
        return f"{self.name}#{self.life.name}"

    def earlier(self, connection: Connection, owners: Collection[str]) -> list[str]:
        """Those of `owners` that are an ended life of this holder."""
        own = [one for one in owners if one.rpartition("#")[0] == self.name and one != self.owner]
        return [one for one in own if _ended(connection, one.rpartition("#")[2])]


def spool_is_read(connection: Connection, spool: str) -> bool:
    """Whether a living index on any host reads it."""
    return _is_held(connection, _of(spool))


def an_index_works(connection: Connection) -> bool:
    """Whether any living index on any host does."""
    return _is_held(connection, _INDEXES)


def is_served(connection: Connection, destination: str) -> bool:
    """Whether a living process on any host delivers there."""
    return _is_held(connection, _to(destination))


def who_serves_is_known(connection: Connection) -> bool:
    """False where processes of a node live and none of them delivers: one that begins again may serve anything."""
    return _is_held(connection, _DELIVERS) or not _is_held(connection, _A_NODE)


def _is_held(connection: Connection, name: str) -> bool:
    return bool(connection.scalar(_IS_HELD, {"name": name, "of": _SHARED}))


def _of(spool: str) -> str:
    return f"spool {spool}"


def _to(destination: str) -> str:
    return f"to {destination}"


def _ended(connection: Connection, life: str) -> bool:
    return bool(connection.scalar(select(func.pg_try_advisory_xact_lock(_key(life)))))


def _key(name: str, of: int = _LIVES) -> ColumnElement[int]:
    return func.hashtextextended(name, of)
