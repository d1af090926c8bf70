"""The connection to PostgreSQL: one engine a process, short transactions, errors in the node's own words."""

import select
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry

from domain.errors import Unavailable
from store.grants import APPLICATION_ROLE

__all__ = ["APPLICATION_ROLE", "Connection", "Database", "Notifications"]

# A server that is gone without a word is noticed after 30 + 3 x 10 s, not after the system's two hours; one that takes
# nothing any more after as long.
_KEEPALIVE: Mapping[str, Any] = {
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}


class Database:
    """Transactions on one PostgreSQL database, as the application's role whoever logged in.

    `url` is an SQLAlchemy URL (`postgresql+psycopg://...`). Nothing connects before the first use.
    """

    def __init__(self, url: str, pool_size: int = 4) -> None:
        self._engine: Engine = create_engine(
            url,
            pool_size=pool_size,
            pool_pre_ping=True,
            pool_recycle=1800,
            connect_args={"connect_timeout": 5, "application_name": "dicom-node", **_KEEPALIVE},
        )
        event.listen(self._engine, "connect", _take_role)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """One transaction: committed at the end, rolled back on any exception.

        Raises Unavailable where the server does not answer, also when it went away in between.
        """
        try:
            with self._engine.begin() as connection:
                yield connection
        except (OperationalError, InterfaceError, psycopg.Error) as error:
            # psycopg's own errors come from taking the role, which no migration may have made yet.
            raise Unavailable(f"PostgreSQL does not answer: {_first_line(error)}") from error
        except DBAPIError as error:
            if error.connection_invalidated:
                raise Unavailable(f"PostgreSQL closed the connection: {_first_line(error)}") from error
            raise

    def session(self) -> Connection:
        """A connection outside the pool, for a lock that lasts as long as it; each statement commits by itself.

        The caller closes it, and that ends the session.
        """
        session = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        session.detach()
        return session

    def listener(self, *channels: str) -> "Notifications":
        """A wait for NOTIFY on `channels`, on a connection of its own."""
        return Notifications(self._engine, channels)

    def close(self) -> None:
        """Close every pooled connection."""
        self._engine.dispose()


class Notifications:
    """Waits for a NOTIFY, so that work starts at once; a lost connection only makes it wait for the time-out."""

    def __init__(self, engine: Engine, channels: tuple[str, ...]) -> None:
        self._engine = engine
        self._channels = channels
        self._connection: psycopg.Connection[Any] | None = None

    def wait(self, seconds: float) -> bool:
        """True when a notification came within `seconds`; raises Unavailable where the server does not answer."""
        try:
            return self._wait(seconds)
        except (psycopg.Error, OSError, DBAPIError) as error:
            self.close()
            raise Unavailable(f"PostgreSQL does not answer: {_first_line(error)}") from error

    def close(self) -> None:
        """Give the connection up."""
        if self._connection is not None:
            with suppress(psycopg.Error):
                self._connection.close()
            self._connection = None

    def _wait(self, seconds: float) -> bool:
        if self._connection is None:
            self._connection = self._connect()
            return True  # what was notified before the LISTEN must be looked for once
        select.select([self._connection.fileno()], [], [], seconds)
        return any(True for _ in self._connection.notifies(timeout=0))

    def _connect(self) -> psycopg.Connection[Any]:
        url = self._engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        connection = psycopg.connect(url, autocommit=True, connect_timeout=5, **_KEEPALIVE)
        for channel in self._channels:
            connection.execute(f"LISTEN {channel}".encode())
        return connection


def _take_role(connection: psycopg.Connection[Any], _entry: ConnectionPoolEntry) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user")
        row = cursor.fetchone()
        if row and row[0] != APPLICATION_ROLE:
            cursor.execute(f"SET ROLE {APPLICATION_ROLE}".encode())
        cursor.execute("SET TIME ZONE 'UTC'")
    connection.commit()


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
