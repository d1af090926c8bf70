"""The rows of tiles, checkpoints and publications: added, and read. What they prove is `audit`'s matter."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Connection, Row, func, insert, select, text
from sqlalchemy.dialects.postgresql import insert as upsert

from store.checkpoint_tables import audit_checkpoints, audit_cosignatures, audit_publications, audit_tiles

_ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(1685221731, 1)")  # whoever adds checkpoints


@dataclass(frozen=True)
class CheckpointRow:
    """A checkpoint as it is kept: `size` entries, the tree's `root`, the whole signed `note`."""

    number: int
    size: int
    root: bytes
    note: str
    at: datetime


@dataclass(frozen=True)
class Publication:
    """How far an outside place has been told; `away_since` is None while it takes what it is told."""

    witness: str
    checkpoint: int = 0
    size: int = 0
    at: datetime | None = None
    away_since: datetime | None = None
    reason: str = ""


def take_turn(connection: Connection) -> None:
    """Wait until no other transaction adds checkpoints, and let none until this one ends."""
    connection.execute(_ONE_AT_A_TIME)


def newest(connection: Connection) -> CheckpointRow | None:
    """The checkpoint that was added last."""
    found = connection.execute(select(audit_checkpoints).order_by(audit_checkpoints.c.number.desc()).limit(1))
    row = found.one_or_none()
    return _checkpoint(row) if row else None


def after(connection: Connection, number: int, limit: int) -> list[CheckpointRow]:
    """At most `limit` checkpoints behind the one of this number, in order."""
    behind = select(audit_checkpoints).where(audit_checkpoints.c.number > number)
    return [_checkpoint(row) for row in connection.execute(behind.order_by(audit_checkpoints.c.number).limit(limit))]


def of_several_keys(connection: Connection, above: int, below: int) -> list[CheckpointRow]:
    """Checkpoints between these numbers that several keys signed, in order: by each of them one key took over."""
    between = (audit_checkpoints.c.number > above, audit_checkpoints.c.number < below)
    several = audit_checkpoints.c.note.like("%\n\N{EM DASH} %\n\N{EM DASH} %")
    found = select(audit_checkpoints).where(*between, several).order_by(audit_checkpoints.c.number)
    return [_checkpoint(row) for row in connection.execute(found)]


def last(connection: Connection, limit: int) -> list[CheckpointRow]:
    """The newest `limit` checkpoints, oldest first."""
    found = connection.execute(select(audit_checkpoints).order_by(audit_checkpoints.c.number.desc()).limit(limit))
    return [_checkpoint(row) for row in reversed(found.all())]


def of_size(connection: Connection, size: int) -> CheckpointRow | None:
    """The first checkpoint over just so many entries."""
    found = select(audit_checkpoints).where(audit_checkpoints.c.size == size).order_by(audit_checkpoints.c.number)
    row = connection.execute(found.limit(1)).one_or_none()
    return _checkpoint(row) if row else None


def reaching(connection: Connection, size: int, limit: int) -> list[CheckpointRow]:
    """The first `limit` checkpoints that cover at least `size` entries."""
    found = select(audit_checkpoints).where(audit_checkpoints.c.size >= size)
    return [_checkpoint(row) for row in connection.execute(found.order_by(audit_checkpoints.c.size).limit(limit))]


def count(connection: Connection) -> int:
    """How many checkpoints there are."""
    return connection.scalar(select(func.count()).select_from(audit_checkpoints)) or 0


def add(connection: Connection, size: int, root: bytes, note: str, at: datetime) -> CheckpointRow:
    """Keep a checkpoint; the database gives its number."""
    given = {"size": size, "root": root, "note": note, "at": at}
    number = connection.scalar(insert(audit_checkpoints).values(given).returning(audit_checkpoints.c.number))
    return CheckpointRow(int(number or 0), size, root, note, at)


def tile(connection: Connection, level: int, number: int) -> bytes | None:
    """The hashes of a tile; None where it is not kept."""
    where = (audit_tiles.c.level == level, audit_tiles.c.number == number)
    found = connection.scalar(select(audit_tiles.c.hashes).where(*where))
    return None if found is None else bytes(found)


def tiles(connection: Connection, level: int, first: int, limit: int) -> list[tuple[int, bytes]]:
    """Number and hashes of at most `limit` tiles of a level, from `first` on, in order."""
    where = (audit_tiles.c.level == level, audit_tiles.c.number >= first)
    found = connection.execute(select(audit_tiles).where(*where).order_by(audit_tiles.c.number).limit(limit))
    return [(row.number, bytes(row.hashes)) for row in found]


def add_tiles(connection: Connection, added: Sequence[tuple[int, int, bytes]]) -> None:
    """Keep tiles: level, number, hashes of each. One that is there stays as it is: `audit verify` tells of it."""
    if added:
        rows = [{"level": level, "number": number, "hashes": hashes} for level, number, hashes in added]
        connection.execute(upsert(audit_tiles).on_conflict_do_nothing(), rows)


def publications(connection: Connection) -> list[Publication]:
    """How far each place is that was ever told anything, by name."""
    found = connection.execute(select(audit_publications).order_by(audit_publications.c.witness))
    return [Publication(**row._mapping) for row in found]


def keep_publication(connection: Connection, told: Publication) -> None:
    """Note how far a place is."""
    given = asdict(told)
    changed = {name: value for name, value in given.items() if name != "witness"}
    connection.execute(
        upsert(audit_publications).values(given).on_conflict_do_update(index_elements=["witness"], set_=changed)
    )


def cosign(connection: Connection, checkpoint: int, witness: str, line: str, at: datetime) -> None:
    """Keep what a witness signed; the same again changes nothing."""
    given = {"checkpoint": checkpoint, "witness": witness, "line": line, "at": at}
    connection.execute(upsert(audit_cosignatures).values(given).on_conflict_do_nothing())


def cosignatures(connection: Connection, checkpoint: int) -> list[str]:
    """The lines that witnesses signed under a checkpoint."""
    found = select(audit_cosignatures.c.line).where(audit_cosignatures.c.checkpoint == checkpoint)
    kept = connection.scalars(found.order_by(audit_cosignatures.c.witness))
    return [line for lines in kept for line in lines.split("\n")]


def _checkpoint(row: Row[tuple[int, int, bytes, str, datetime]]) -> CheckpointRow:
    return CheckpointRow(row.number, row.size, bytes(row.root), row.note, row.at)
