"""Who holds leases: a name for each life of a process, and whether a life still goes on.

A life holds an advisory lock in a session of its own. PostgreSQL lets go of it when the session ends, however the
process ended, so that what an earlier life of a process held can be told from what a live twin holds.
"""

import secrets
import threading
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, func, select
from sqlalchemy.exc import DBAPIError

from store.database import Database, translated

_LIVES = 0x6C696665  # "life": seeds the keys of these locks, apart from every other advisory lock


class Life:
    """One life of a process. Every method may be called from any thread."""

    def __init__(self, database: Database) -> None:
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
        """End the session: what this life holds may be taken by the next."""
        with self._lock:
            self._drop()

    def _hold(self) -> None:
        if self._session is not None:
            self._session.execute(select(1))
            return
        self._session = self._database.session()
        self._session.execute(select(func.pg_advisory_lock(_key(self.name))))

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


def _ended(connection: Connection, life: str) -> bool:
    return bool(connection.scalar(select(func.pg_try_advisory_xact_lock(_key(life)))))


def _key(life: str) -> ColumnElement[int]:
    return func.hashtextextended(life, _LIVES)
