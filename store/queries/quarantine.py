"""The instances that could not be read and were kept aside."""

from sqlalchemy import func, select

from domain.records import QuarantineRecord
from store.database import Database
from store.queries.records import read, rows_of
from store.tables import quarantine


def quarantined(database: Database, limit: int) -> tuple[QuarantineRecord, ...]:
    """The newest ones, newest first."""
    query = rows_of(QuarantineRecord, quarantine).order_by(quarantine.c.received_at.desc()).limit(limit)
    with database.transaction() as connection:
        return read(connection, query, QuarantineRecord)


def quarantine_size(database: Database) -> int:
    """How many there are."""
    with database.transaction() as connection:
        return connection.scalar(select(func.count()).select_from(quarantine)) or 0
