"""The instances that could not be read."""

from sqlalchemy import func, select

from domain.ids import StudyId
from domain.records import Listed, QuarantineRecord
from store.database import Database
from store.quarantine import unreadable_by_study
from store.queries.records import first_of, rows_of
from store.tables import quarantine


def quarantined(database: Database, limit: int) -> Listed[QuarantineRecord]:
    """The newest ones, newest first."""
    order = (quarantine.c.received_at, quarantine.c.id)
    with database.transaction() as connection:
        return first_of(connection, rows_of(QuarantineRecord, quarantine), QuarantineRecord, order, limit)


def unreadable_of(database: Database, study: StudyId) -> int:
    """How many instances of the study are unreadable."""
    with database.transaction() as connection:
        return unreadable_by_study(connection, [study]).get(study, 0)


def quarantine_size(database: Database) -> int:
    """How many there are."""
    with database.transaction() as connection:
        return connection.scalar(select(func.count()).select_from(quarantine)) or 0
