"""Brings the schema up to date, as the role that owns it. The node itself works as a role that owns nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import DBAPIError

from domain.errors import ConfigurationError
from store import granting
from store.database import MissingRight, server_at, translated
from store.tables import SCHEMA

_MIGRATION_LOCK = 0x6D696772  # "migr": two nodes that start at once migrate one after the other


def upgrade(owner_url: str) -> str:
    """Apply every migration that is missing, grant each role its rights, and return the schema's revision.

    Raises Unavailable where the server does not answer, ConfigurationError where the role lacks a right.
    """
    with _owner(owner_url) as connection:
        connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
        command.upgrade(alembic_config(connection), "head")
        granting.grant(connection)
    return head()


def grant(owner_url: str) -> None:
    """Give the roles of the database their rights as they are to be, and take what is more; raises as `upgrade`."""
    with _owner(owner_url) as connection:
        granting.grant(connection)


@contextmanager
def _owner(url: str) -> Iterator[Connection]:
    engine = create_engine(server_at(url), hide_parameters=True, connect_args={"connect_timeout": 5})
    try:
        with engine.begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
            yield connection
    except DBAPIError as error:
        known = translated(error)
        if known is not None and not isinstance(known, MissingRight):
            raise known from error
        raise ConfigurationError(f"this role is not the schema's owner, or lacks a right: {error.orig}") from error
    finally:
        engine.dispose()


def head() -> str:
    """The newest revision that this release knows."""
    revision = ScriptDirectory.from_config(alembic_config()).get_current_head()
    assert revision is not None
    return revision


def alembic_config(connection: Connection | None = None) -> Config:
    """Alembic's configuration without a file, on `connection`."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    config.attributes["connection"] = connection
    return config
