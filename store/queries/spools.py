"""Spools that hold studies back until what rows name of them is synced."""

from sqlalchemy import text

from domain.records import SpoolRecord
from store.database import Database
from store.holders import spool_is_read

# The trail says, by a function of its owner's, which hosts' indexes brought the studies; a spool has a UUID, no name.
_HOLDING = text(
    """
    SELECT spool, count(*) AS studies, min(s.last_received) AS since,
           dicom_node.hosts_of_study(min(s.id::text)) AS hosts
    FROM dicom_node.studies s CROSS JOIN unnest(s.unsynced) AS spool
    GROUP BY spool
    ORDER BY spool
    """
)


def holding_spools(database: Database) -> list[SpoolRecord]:
    """Every spool that holds a study back. Raises Unavailable."""
    with database.transaction() as connection:
        rows = connection.execute(_HOLDING).all()
        return [
            SpoolRecord(row.spool, tuple(row.hosts), row.studies, row.since, spool_is_read(connection, row.spool))
            for row in rows
        ]
