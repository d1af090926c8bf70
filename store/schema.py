"""Brings the schema up to date, as the role that owns it. The node itself works as a role that owns nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.exc import DBAPIError

from domain.errors import ConfigurationError, Unavailable
from store import granting, trail_parts
from store.columns import SCHEMA
from store.database import MissingRight, server_at, translated

_MIGRATION_LOCK = 0x6D696772  # "migr": two nodes that start at once migrate one after the other
# s to wait for a lock. Whoever may log in can hold the one above, and who reads a table holds up its change, behind
# which everybody else would wait for the table.
_PATIENCE = 30
_LOCKED = "55P03"
# Whose sessions hold a lock on something of this database: all that the owner is told of others.
_HOLDERS = text(
    """
    SELECT DISTINCT a.usename, a.pid FROM pg_locks l JOIN pg_stat_activity a USING (pid)
    WHERE l.granted AND l.locktype IN ('relation', 'advisory') AND a.pid <> pg_backend_pid()
      AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) ORDER BY 1, 2
    """
)


def upgrade(owner_url: str, revision: str = "head") -> str:
    """Apply every migration that is missing, grant each role its rights, and return the newest revision.

    An earlier `revision` is what a backup is restored into; its rights come with the newest.

    Raises Unavailable where the server does not answer, ConfigurationError where the role lacks a right.
    """
    with _owner(owner_url) as connection:
        connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
        command.upgrade(alembic_config(connection), revision)
        if revision == "head":
            granting.grant(connection)
    return head()


def grant(owner_url: str) -> None:
    """Give the roles of the database their rights as they are to be, and take what is more; raises as `upgrade`."""
    with _owner(owner_url) as connection:
        granting.grant(connection)


def divide_trail(owner_url: str) -> None:
    """Divide the trail of a database that rows were loaded into as these say that it was; raises as `upgrade`."""
    with _owner(owner_url) as connection:
        trail_parts.divide_as_told(connection)


@contextmanager
def _owner(url: str) -> Iterator[Connection]:
    engine = create_engine(server_at(url), hide_parameters=True, connect_args={"connect_timeout": 5})
    try:
        with engine.begin() as connection:
            connection.execute(text(f"SET LOCAL lock_timeout = '{_PATIENCE}s'"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
            yield connection
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) == _LOCKED:
            raise Unavailable(_who_holds(engine)) from error
        known = translated(error)
        if known is not None and not isinstance(known, MissingRight):
            raise known from error
        raise ConfigurationError(f"this role is not the schema's owner, or lacks a right: {error.orig}") from error
    finally:
        engine.dispose()


def _who_holds(engine: Engine) -> str:
    with engine.connect() as connection:
        sessions = [f"{row.usename} (process {row.pid})" for row in connection.execute(_HOLDERS)]
    return (
        f"the schema cannot be changed: a lock was not to be had within {_PATIENCE} s. Sessions that hold locks: "
        f"{', '.join(sessions) or 'none any more'}. Wait for them, or end them: SELECT pg_terminate_backend(PROCESS)"
    )


def head() -> str:
    """The newest revision that this release knows."""
    revision = ScriptDirectory.from_config(alembic_config()).get_current_head()
    assert revision is not None
    return revision


def known() -> frozenset[str]:
    """Every revision that this release can bring up to date."""
    return frozenset(one.revision for one in ScriptDirectory.from_config(alembic_config()).walk_revisions())


def alembic_config(connection: Connection | None = None) -> Config:
    """Alembic's configuration without a file, on `connection`."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    config.attributes["connection"] = connection
    return config
