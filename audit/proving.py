"""The trail of a database proven: all of it against everything that is known, or one entry by its path in the tree."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

from audit.archives import archived_parts, archived_rows, named_key
from audit.chain import Row
from audit.checkpoints import tree_of
from audit.notes import Checkpoint, Note, VerifierKey
from audit.trail import rows
from audit.tree import HASH_SIZE, inclusion_proof, leaf_hash, verify_inclusion
from audit.verification import Archived, Claim, Evidence, TrailVerdict, verify_trail
from domain.errors import IntegrityError, Permanent
from store import checkpoints, trail
from store.database import Database
from store.trail_archives import ArchivedPart

_TOGETHER = 500
Passing = Callable[[Iterator[Row]], Iterator[Row]]


@dataclass(frozen=True)
class EntryProof:
    """One entry with its path to the root of a checkpoint; `cosignatures` are what witnesses signed of that."""

    row: Row
    checkpoint: Checkpoint
    note: str
    path: tuple[bytes, ...]
    cosignatures: tuple[str, ...]


def verify_database(
    database: Database,
    keys: Sequence[VerifierKey],
    others: Sequence[Sequence[Claim]] = (),
    archives: Path | None = None,
    passing: Passing = iter,
) -> TrailVerdict:
    """Hold the whole trail against its chain, its tiles, its checkpoints and those that `others` have.

    Entries that are archived are read from the folder `archives`; without it the tiles stand for them. All that are
    read go through `passing`, which may count them, and end it by raising.

    What grows meanwhile is left out: others were read, and the newest checkpoint is looked up, before the first entry.
    """
    with database.transaction() as connection:
        newest = checkpoints.newest(connection)
    number, sealed = (newest.number, newest.size) if newest else (0, 0)
    kept, tiles, parts = _kept(database, number), _Tiles(database), archived_parts(database)
    if archives is not None:
        every = chain(archived_rows(archives, parts), rows(database))
        return verify_trail(passing(every), Evidence(tiles, kept, sealed, others, keys))
    before = _archived(parts, tiles) if parts else None
    return verify_trail(passing(rows(database)), Evidence(tiles, kept, sealed, others, keys, before))


def _archived(parts: Sequence[ArchivedPart], tiles: "_Tiles") -> Archived:
    last = parts[-1]
    hashes = (held[at : at + HASH_SIZE] for _, held in tiles(0) for at in range(0, len(held), HASH_SIZE))
    return Archived(last.last, last.head, islice(hashes, last.last), named_key(last), last.first, last.digest)


def prove(database: Database, number: int) -> EntryProof:
    """The proof that the newest checkpoint covers entry `number`.

    Raises Permanent where there is no such entry or none that is signed, IntegrityError where the proof does not hold.
    """
    with database.transaction() as connection:
        newest = checkpoints.newest(connection)
        found = trail.after(connection, number - 1, 1) if number > 0 else []
        if not found or found[0].number != number:
            raise Permanent(f"the trail has no entry {number}")
        if newest is None or newest.size < number:
            covered = f"covers {newest.size} entries" if newest else "is missing"
            raise Permanent(f"entry {number} is not signed yet: the newest checkpoint {covered}; ask again in a moment")
        said = Checkpoint.parse(Note.parse(newest.note).text)
        path = inclusion_proof(number - 1, said.size, tree_of(connection).node)
        signed = checkpoints.cosignatures(connection, newest.number)
    row = Row(number, found[0].entry, found[0].hash)
    if not verify_inclusion(leaf_hash(row.entry), number - 1, said.size, path, said.root):
        raise IntegrityError(
            f"entry {number} is not what checkpoint {newest.number} covers: dicom-node audit verify tells what was "
            "altered"
        )
    return EntryProof(row, said, newest.note, tuple(path), tuple(signed))


def _kept(database: Database, last: int) -> Iterator[Claim]:
    """The database's own checkpoints up to this number."""
    number = 0
    while number < last:
        with database.transaction() as connection:
            found = checkpoints.after(connection, number, _TOGETHER)
        for row in found:
            if row.number <= last:
                yield Claim(f"checkpoint {row.number}", row.note, (row.size, row.root, row.at))
        number = found[-1].number if found else last


class _Tiles:
    """The kept tiles of a level, in order."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def __call__(self, level: int) -> Iterator[tuple[int, bytes]]:
        first, more = 0, True
        while more:
            with self._database.transaction() as connection:
                found = checkpoints.tiles(connection, level, first, _TOGETHER)
            yield from found
            more, first = len(found) == _TOGETHER, found[-1][0] + 1 if found else 0
