"""Brings the schema up to date, as the role that owns it. The node itself works as a role that owns nothing."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import DBAPIError

from domain.errors import ConfigurationError
from store.database import APPLICATION_ROLE, server_at, translated
from store.tables import SCHEMA

_MIGRATION_LOCK = 0x6D696772  # "migr": two nodes that start at once migrate one after the other

# What a row was refused for, the server says to us and would write down as well, values included. Only a superuser may
# stop that: the owner of the embedded database is one, elsewhere it is done when the roles are made (deploy/postgres).
_NO_VALUES_IN_THE_SERVERS_LOG = f"""
DO $$ BEGIN
    IF (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        ALTER ROLE {APPLICATION_ROLE} SET log_min_messages = 'fatal';
    END IF;
END $$
"""


def upgrade(owner_url: str) -> str:
    """Apply every migration that is missing and return the revision that the schema has then.

    Raises Unavailable where the server does not answer, ConfigurationError where the role lacks a right.
    """
    engine = create_engine(server_at(owner_url), hide_parameters=True, connect_args={"connect_timeout": 5})
    try:
        with engine.begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
            connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
            command.upgrade(alembic_config(connection), "head")
            connection.execute(text(_NO_VALUES_IN_THE_SERVERS_LOG))
    except DBAPIError as error:
        if (known := translated(error)) is not None:
            raise known from error
        raise ConfigurationError(f"the schema cannot be brought up to date with this role: {error.orig}") from error
    finally:
        engine.dispose()
    return head()


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
