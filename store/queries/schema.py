"""Whether the tables are this release's. Alembic need not be loaded to ask."""

from pathlib import Path

import psycopg
from sqlalchemy import text
from sqlalchemy.exc import DataError, ProgrammingError

import store
from store.columns import SCHEMA
from store.database import Database


def schema_is_ready(database: Database) -> bool:
    """Whether the schema is at this release's head or beyond it; raises Unavailable where PostgreSQL does not answer.

    A revision that this release does not know is a newer one, and migrations let the previous release keep running.
    """
    try:
        with database.transaction() as connection:
            revision = connection.execute(text(f"SELECT version_num FROM {SCHEMA}.alembic_version")).scalar()
    except (DataError, ProgrammingError, psycopg.Error):
        return False  # before the first migration neither the table nor the application's role exists
    return revision is not None and revision not in known_revisions()[:-1]


def known_revisions() -> list[str]:
    """This release's revisions, oldest first, from the names of the migrations' files."""
    versions = Path(store.__file__).parent / "migrations" / "versions"
    return sorted(path.name.partition("_")[0] for path in versions.glob("[0-9]*.py"))
