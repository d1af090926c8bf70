"""What a backup says of the database that it is of."""

from sqlalchemy import func, select, text

from store.columns import SCHEMA
from store.database import Database
from store.tables import audit_entries, studies


def revision(database: Database) -> str:
    """The revision of the schema."""
    with database.transaction() as connection:
        return str(connection.scalar(text(f"SELECT version_num FROM {SCHEMA}.alembic_version")))


def study_count(database: Database) -> int:
    """How many studies there are."""
    with database.transaction() as connection:
        return connection.scalar(select(func.count()).select_from(studies)) or 0


def last_of_trail(database: Database) -> tuple[int, str]:
    """Number and hash (hexadecimal) of the trail's last entry; 0 and "" where there is none."""
    newest = select(audit_entries.c.number, audit_entries.c.hash).order_by(audit_entries.c.number.desc()).limit(1)
    with database.transaction() as connection:
        row = connection.execute(newest).one_or_none()
    return (0, "") if row is None else (row.number, bytes(row.hash).hex())


def is_empty(database: Database) -> bool:
    """Whether there is no table of the node's schema."""
    asked = text("SELECT NOT EXISTS (SELECT FROM pg_tables WHERE schemaname = :schema)")
    with database.transaction() as connection:
        return bool(connection.scalar(asked, {"schema": SCHEMA}))
