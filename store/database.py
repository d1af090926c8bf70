"""The connection to PostgreSQL: one engine a process, short transactions, errors in the node's own words."""

import select
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import psycopg
from psycopg.abc import Buffer
from psycopg.types.datetime import IntervalLoader, TimestamptzLoader
from sqlalchemy import URL, Connection, Engine, ExceptionContext, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as NoneIsFree
from sqlalchemy.pool import ConnectionPoolEntry

from domain.errors import ConfigurationError, NodeError, Retryable, Unavailable
from store.grants import APPLICATION_ROLE

__all__ = ["APPLICATION_ROLE", "Connection", "Database", "MissingRight", "Notifications", "server_at"]

_DRIVER = "postgresql+psycopg"
_DRIVERS = {"postgres", "postgresql", _DRIVER}

# What stands for a moment or a span that Python has none for; so far from the ends that zones can be applied.
_EARLIEST, _LATEST = datetime(2, 1, 1, tzinfo=UTC), datetime(9998, 12, 31, tzinfo=UTC)
_LONGEST = timedelta(days=365_000)

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
    "25P03": "ended a session whose transaction waited for longer than it lets one",
    "25P04": "ended a session whose transaction took longer than it lets one",
}
_CONNECTION = "08"  # class: connection exceptions
# Taking the role, at the start of a connection: no migration may have made it yet.
_NO_ROLE = {"22023", "42704"}
_NO_RIGHT = "42501"
_AS_ROLE = "SELECT set_config('role', %s, false), set_config('TimeZone', 'UTC', false)"
# A transaction that files what came waits for its files, which may be gigabytes: a server's own limit would end it each
# time that it is tried. Of the second, servers know from this release on.
_NO_LIMIT = "SELECT set_config(name, '0', false) FROM unnest(%s::text[]) AS name"
_LIMITS = (("idle_in_transaction_session_timeout", 90_600), ("transaction_timeout", 170_000))
_GRANT = "dicom-node database grant gives each role its rights, and says what a login lacks"
# Given up for another transaction's sake, or because somebody cancelled it: the same may succeed.
_GIVEN_UP = {"40001", "40P01", "55P03", "57014"}
# A limit of the program's: of a statement its values are over it, of a commit the server's queue of notifications.
_LIMIT = "54000"
_IN_FRONT = "connection failed: "  # of which kind it is: whoever prints it has said that
# Classes of errors that are for the values of a statement: data exceptions, broken constraints, limits of a row.
_FOR_DATA = {"22", "23", "54"}


def server_at(url: str) -> URL:
    """The parts of a URL of PostgreSQL; raises ConfigurationError, without what stood there, where it is none."""
    with suppress(ArgumentError, ValueError):
        if (parts := make_url(url)).drivername in _DRIVERS:
            return parts.set(drivername=_DRIVER)
    raise ConfigurationError("the database's URL is not of the form postgresql://USER:PASSWORD@HOST:PORT/DATABASE")


class GivenUp(Retryable):
    """PostgreSQL gave a transaction up for another's sake (two that wait for each other): the same may succeed."""


class MissingRight(Unavailable):
    """The role may not do what its process asks: that waits until it may, and costs no attempt."""


class Database:
    """Transactions on one PostgreSQL database, as `role` whoever logged in, who must be one of its members.

    `url` is an SQLAlchemy URL (`postgresql+psycopg://...`). Nothing connects before the first use.
    Raises ConfigurationError where it is none.
    """

    def __init__(self, url: str, pool_size: int = 4, role: str = APPLICATION_ROLE) -> None:
        self._engine: Engine = create_engine(
            server_at(url),
            hide_parameters=True,  # they are descriptions and names, and errors are logged
            pool_size=pool_size,
            pool_pre_ping=True,
            pool_recycle=1800,
            connect_args={"connect_timeout": 5, "application_name": "dicom-node", **_KEEPALIVE},
        )
        event.listen(self._engine, "connect", _read_every_moment)
        event.listen(self._engine, "connect", partial(_take_role, role))
        event.listen(self._engine, "handle_error", partial(_missing_right, role), retval=True)

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


class _Moments(TimestamptzLoader):
    def load(self, data: Buffer) -> datetime:
        try:
            return super().load(data)
        except psycopg.DataError:
            return _EARLIEST if _is_early(data) else _LATEST


class _Spans(IntervalLoader):
    def load(self, data: Buffer) -> timedelta:
        try:
            return super().load(data)
        except (psycopg.DataError, OverflowError, ValueError):
            return -_LONGEST if _is_early(data) else _LONGEST


def _is_early(data: Buffer) -> bool:
    told = bytes(data)
    return told.startswith(b"-") or told.endswith(b"BC")


def _read_every_moment(connection: psycopg.Connection[Any], _entry: ConnectionPoolEntry) -> None:
    """PostgreSQL's moments reach farther than Python's: one such row would end every list that it stands in."""
    connection.adapters.register_loader("timestamptz", _Moments)
    connection.adapters.register_loader("interval", _Spans)


def _take_role(role: str, connection: psycopg.Connection[Any], _entry: ConnectionPoolEntry) -> None:
    try:
        connection.execute(_AS_ROLE, [role])
    except psycopg.errors.InsufficientPrivilege as error:
        login = connection.info.user
        raise MissingRight(f"PostgreSQL does not let the login {login} work as {role}: {_GRANT}") from error
    connection.execute(_NO_LIMIT, [[name for name, since in _LIMITS if connection.info.server_version >= since]])
    connection.commit()


def _missing_right(role: str, context: ExceptionContext) -> Exception | None:
    """Whatever asked, it waits until the role has the right: nothing that it was about is at fault."""
    error = context.original_exception
    if not isinstance(error, psycopg.errors.InsufficientPrivilege):
        return None
    return MissingRight(f"PostgreSQL refuses the role {role}: {_first_line(error)}: {_GRANT}")


def driver_connection(connection: Connection) -> psycopg.Connection[Any]:
    """The driver's connection that `connection` uses, for what SQLAlchemy has no word for; its errors are psycopg's."""
    driver = connection.connection.dbapi_connection  # the pool's own word for it is None once a session left the pool
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
    if state in _NO_ROLE and _without_statement(error):
        return Unavailable(f"PostgreSQL does not know whom the node works as: {_first_line(error)}: {_GRANT}")
    if state == _NO_RIGHT:
        return MissingRight(f"PostgreSQL refuses what the node asks: {_first_line(error)}: {_GRANT}")
    if state in _GIVEN_UP:
        return GivenUp(f"PostgreSQL gave a transaction up: {_first_line(error)}")
    lacks = _lacks(state, error)
    return Unavailable(f"PostgreSQL {lacks}: {_first_line(error)}") if lacks else None


def _lacks(state: str, error: DBAPIError | psycopg.Error) -> str:
    """What the server lacks to do what was asked; "" where that is not known to pass by itself."""
    if state in _AWAY:
        return _AWAY[state]
    if state == _LIMIT and _without_statement(error):
        return "cannot commit, as with a full queue of notifications"
    lost = state[:2] == _CONNECTION or (not state and _lost(error))
    return "does not answer" if lost else ""


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
    """What the server or the driver says, without what libraries put in front of it."""
    said = str(error.orig if isinstance(error, DBAPIError) and error.orig else error).strip()
    return said.splitlines()[0].removeprefix(_IN_FRONT) if said else "no reason is given"
