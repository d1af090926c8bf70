"""Parts of the trail that lie in files: taken out of the database, and put back, as the owner of the schema.

What is there is the end of the trail without a gap: the oldest part goes first, and the newest archived one comes back
first. The parts of which nothing is there are all below the lowest number.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Connection, Row, func, insert, select, text

from store.database import driver_connection
from store.tables import audit_entries
from store.trail import TrailRow
from store.trail_parts import TRAIL
from store.trail_tables import audit_archives
from store.unit_of_work import take_order

# s that the change of the table waits for those who read it; behind it waits whoever appends.
_PATIENCE = "SET LOCAL lock_timeout = '5s'"
_HOLDING = text(
    f"""
    SELECT i.inhrelid::regclass::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = '{TRAIL}'::regclass AND pg_get_expr(c.relpartbound, c.oid) = :bounds
    """
)
_COPY = "COPY {} (number, entry, hash) FROM STDIN"


@dataclass(frozen=True)
class ArchivedPart:
    """A part in a file: entries `first` to `last`, whose hash is `head`; `key` is the one that the
    trail named first; `digest` is the file's SHA-256."""

    first: int
    last: int
    head: bytes
    key: str
    file: str
    digest: bytes
    at: datetime


def lowest(connection: Connection) -> int | None:
    """The number of the first entry that is there."""
    number: int | None = connection.scalar(select(func.min(audit_entries.c.number)))
    return number


def before(connection: Connection, number: int) -> ArchivedPart | None:
    """The archived part that ends right before entry `number`, as it was archived last."""
    return _one(connection, audit_archives.c.last == number - 1)


def archived(connection: Connection, number: int) -> list[ArchivedPart]:
    """All parts that lie in files alone, oldest first: those before entry `number`, the first that is there."""
    found: list[ArchivedPart] = []
    while (part := before(connection, number)) is not None:
        found.append(part)
        number = part.first
    return found[::-1]


def take_out(connection: Connection, part: ArchivedPart) -> None:
    """Remove the entries of a part from the database, and note where they are.

    To be done in the transaction of the entry that says so. Raises GivenUp where somebody reads the trail for long.
    """
    take_order(connection)
    connection.execute(text(_PATIENCE))
    table = connection.scalar(_HOLDING, {"bounds": f"FOR VALUES FROM ('{part.first}') TO ('{part.last + 1}')"})
    assert table is not None, "a part that ended has a table of its own"
    connection.execute(text(f"ALTER TABLE {TRAIL} DETACH PARTITION {table}"))
    connection.execute(text(f"DROP TABLE {table}"))
    connection.execute(insert(audit_archives).values(asdict(part)))


def put_back(connection: Connection, part: ArchivedPart, rows: Iterable[TrailRow]) -> None:
    """The entries of a part into the database again; in the transaction of the entry that says so."""
    table = f"{TRAIL}_{part.first}"
    connection.execute(text(f"CREATE TABLE {table} (LIKE {TRAIL} INCLUDING INDEXES)"))
    with driver_connection(connection).cursor() as cursor, cursor.copy(_COPY.format(table).encode()) as copy:
        for row in rows:
            copy.write_row((row.number, row.entry, row.hash))
    # So that no row is read while others wait.
    held = f"number >= {part.first} AND number < {part.last + 1}"
    connection.execute(text(f"ALTER TABLE {table} ADD CONSTRAINT of_the_part CHECK ({held})"))
    take_order(connection)
    connection.execute(text(_PATIENCE))
    bounds = f"FROM ({part.first}) TO ({part.last + 1})"
    connection.execute(text(f"ALTER TABLE {TRAIL} ATTACH PARTITION {table} FOR VALUES {bounds}"))
    connection.execute(text(f"ALTER TABLE {table} DROP CONSTRAINT of_the_part"))
    connection.execute(text("SELECT dicom_node.guard_trail_part(CAST(:part AS regclass))"), {"part": table})


def _one(connection: Connection, condition: object) -> ArchivedPart | None:
    newest = select(audit_archives).where(condition).order_by(audit_archives.c.number.desc()).limit(1)  # type: ignore[arg-type]
    row = connection.execute(newest).one_or_none()
    return _part(row) if row else None


def _part(row: Row[tuple[object, ...]]) -> ArchivedPart:
    said = row._mapping
    return ArchivedPart(
        said["first"],
        said["last"],
        bytes(said["head"]),
        said["key"],
        said["file"],
        bytes(said["digest"]),
        said["at"],
    )
