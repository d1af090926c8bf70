"""Who called."""

from sqlalchemy import func

from domain.records import CallerRecord
from store.arrival_tables import callers
from store.database import Database
from store.queries.records import read, rows_of


def known_callers(database: Database) -> tuple[CallerRecord, ...]:
    """All that are known, who called last first."""
    last = func.greatest(callers.c.last_accepted, callers.c.last_refused)
    with database.transaction() as connection:
        return read(connection, rows_of(CallerRecord, callers).order_by(last.desc()), CallerRecord)
