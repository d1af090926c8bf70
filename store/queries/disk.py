"""How much the tables take, and how much comes in."""

from sqlalchemy import BigInteger, cast, func, select, text

from domain.disk import DAY, WINDOW, Arrived, TableUse
from store.columns import SCHEMA
from store.database import Database
from store.leases import NOW
from store.tables import instances

# `reltuples` is what the server last counted, and -1 before it ever did. What parts take is their table's.
_TABLES = text(
    """
    SELECT t.relname AS name, sum(pg_total_relation_size(c.oid))::bigint AS bytes, sum(
        greatest(c.reltuples, (SELECT n_live_tup FROM pg_stat_all_tables s WHERE s.relid = c.oid), 0)
    )::bigint AS rows
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_class t ON t.oid = coalesce(pg_partition_root(c.oid), c.oid)
    WHERE n.nspname = :schema AND c.relkind = 'r' GROUP BY t.relname ORDER BY 2 DESC, 1
    """
)


def table_sizes(database: Database) -> list[TableUse]:
    """Each table with its indexes, the largest first."""
    with database.transaction() as connection:
        return [TableUse(row.name, row.bytes, row.rows) for row in connection.execute(_TABLES, {"schema": SCHEMA})]


def arrived(database: Database) -> Arrived:
    """The images that the index has, and those that came lately."""
    since = NOW - func.make_interval(0, 0, 0, 0, 0, 0, WINDOW * DAY)
    recent = instances.c.received_at > since
    span = func.extract("epoch", NOW - func.min(instances.c.received_at).filter(recent))
    query = select(
        func.count(),
        func.coalesce(cast(func.sum(instances.c.size), BigInteger), 0),
        func.count().filter(recent),
        func.coalesce(cast(func.sum(instances.c.size).filter(recent), BigInteger), 0),
        func.coalesce(span, 0),
    )
    with database.transaction() as connection:
        every, size, lately, lately_size, seconds = connection.execute(query).one()
    return Arrived(every, size, lately, lately_size, float(seconds) / DAY)
