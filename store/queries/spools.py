"""Spools that hold studies back until what rows name of them is synced."""

from sqlalchemy import text

from domain.records import SpoolRecord
from store.database import Database
from store.holders import spool_is_read

# The trail says which hosts' indexes brought the studies; a spool itself has a UUID and no name.
_HOLDING = text(
    """
    SELECT spool, count(*) AS studies, min(s.last_received) AS since,
           ARRAY(
               SELECT DISTINCT (a.entry::jsonb) -> 'by' ->> 'host' FROM dicom_node.audit_entries a
               WHERE ((a.entry::jsonb) ->> 'study') = min(s.id::text)
                 AND (a.entry::jsonb) -> 'by' ->> 'role' = 'index'
               ORDER BY 1
           ) AS hosts
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
