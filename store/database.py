"""The connection to PostgreSQL: one engine a process, short transactions, errors in the node's own words."""

import select
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as NoneIsFree
from sqlalchemy.pool import ConnectionPoolEntry

from domain.errors import ConfigurationError, NodeError, Retryable, Unavailable
from store.grants import APPLICATION_ROLE

__all__ = ["APPLICATION_ROLE", "Connection", "Database", "Notifications", "server_at"]

_DRIVERS = {"postgresql", "postgresql+psycopg"}

# A server that is gone without a word is noticed after 30 + 3 x 10 s, not after the system's two hours; one that takes
# nothing any more after as long.
_KEEPALIVE: Mapping[str, Any] = {
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}

# SQLSTATEs of a server that is away, is starting or stopping, or lacks room, and what to say of each. A server that
# says anything else has answered.
_AWAY = {
    "57P01": "is being stopped",
    "57P02": "is recovering from a crash",
    "57P03": "is starting",
    "57P05": "closed an idle session",
    "53000": "lacks resources",
    "53100": "has no room left on its disk",
    "53200": "has no memory left",
    "53300": "has no connection left",
    "25006": "is a standby that takes no change",
}
_CONNECTION = "08"  # class: connection exceptions
# Taking the role, at the start of a connection: no migration may have made it yet, or the right is missing.
_ROLE: Mapping[str, type[NodeError]] = {"22023": Unavailable, "42704": Unavailable, "42501": ConfigurationError}
# Given up for another transaction's sake, or because somebody cancelled it: the same may succeed.
_GIVEN_UP = {"40001", "40P01", "55P03", "57014"}
# Classes of errors that are for the values of a statement: data exceptions, broken constraints, limits of a row.
_FOR_DATA = {"22", "23", "54"}


def server_at(url: str) -> URL:
    """The parts of a URL of PostgreSQL; raises ConfigurationError, without what stood there, where it is none."""
    with suppress(ArgumentError, ValueError):
        if (parts := make_url(url)).drivername in _DRIVERS:
            return parts
    raise ConfigurationError(
        "the database's URL is not of the form postgresql+psycopg://USER:PASSWORD@HOST:PORT/DATABASE"
    )


class GivenUp(Retryable):
    """PostgreSQL gave a transaction up for another's sake (two that wait for each other): the same may succeed."""


class Database:
    """Transactions on one PostgreSQL database, as the application's role whoever logged in.

    `url` is an SQLAlchemy URL (`postgresql+psycopg://...`). Nothing connects before the first use.
    Raises ConfigurationError where it is none.
    """

    def __init__(self, url: str, pool_size: int = 4) -> None:
        self._engine: Engine = create_engine(
            server_at(url),
            hide_parameters=True,  # they are descriptions and names, and errors are logged
            pool_size=pool_size,
            pool_pre_ping=True,
            pool_recycle=1800,
            connect_args={"connect_timeout": 5, "application_name": "dicom-node", **_KEEPALIVE},
        )
        event.listen(self._engine, "connect", _take_role)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """One transaction: committed at the end, rolled back on any exception.

        Raises Unavailable where the server does not answer or lacks what it needs, also when it went away in between,
        and GivenUp where it gave the transaction up for another's sake. Anything else is a defect or for the data,
        and raised as it is.
        """
        try:
            with self._engine.begin() as connection:
                yield connection
        except NoneIsFree as error:
            raise Unavailable("PostgreSQL does not answer: every connection of this process waits for it") from error
        except (DBAPIError, psycopg.Error) as error:
            if (known := translated(error)) is None:
                raise
            raise known from error

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
            # Whatever is wrong with the line: the next wait makes another, and says what is wrong with that.
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


def driver_connection(connection: Connection) -> psycopg.Connection[Any]:
    """The driver's connection that `connection` uses, for what SQLAlchemy has no word for; its errors are psycopg's."""
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    return driver


def is_for_data(error: Exception) -> bool:
    """Whether other values would have gone through: not for a server's state, a right or a table that is missing."""
    if not isinstance(error, DBAPIError | psycopg.Error):
        return True
    state = _state(error)
    return not state or state[:2] in _FOR_DATA


def translated(error: DBAPIError | psycopg.Error) -> NodeError | None:
    """The node's word for an error of the database; None where it is a defect, or for the data.

    The list is of what is known to pass by itself: whatever else waited for a server would wait for ever.
    """
    state = _state(error)
    if state in _ROLE and _without_statement(error):
        return _ROLE[state](f"PostgreSQL does not let the node work as {APPLICATION_ROLE}: {_first_line(error)}")
    if state in _GIVEN_UP:
        return GivenUp(f"PostgreSQL gave a transaction up: {_first_line(error)}")
    if state in _AWAY:
        return Unavailable(f"PostgreSQL {_AWAY[state]}: {_first_line(error)}")
    if state[:2] == _CONNECTION or (not state and _lost(error)):
        return Unavailable(f"PostgreSQL does not answer: {_first_line(error)}")
    return None


def _state(error: DBAPIError | psycopg.Error) -> str:
    cause = error.orig if isinstance(error, DBAPIError) else error
    return getattr(cause, "sqlstate", None) or ""


def _lost(error: DBAPIError | psycopg.Error) -> bool:
    """Whether an error without an SQLSTATE, which the server did not send, came of the connection and no statement."""
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    cause = error.orig if isinstance(error, DBAPIError) else error
    return _without_statement(error) and isinstance(cause, psycopg.OperationalError | psycopg.InterfaceError)


def _without_statement(error: DBAPIError | psycopg.Error) -> bool:
    """Whether it comes of a connection and its making, and not of what the node asked over it."""
    return isinstance(error, psycopg.Error) or error.statement is None


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
