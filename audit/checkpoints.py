"""Checkpoints are made: what is new on the trail becomes leaves of the tree, and its root is signed.

Nothing is signed that does not follow from the checkpoint before: each link of the chain is looked at, and at the start
whether the tiles and entries still come to the root that was signed last. Beside the keys lies what they signed last:
a database whose checkpoints somebody removed would otherwise have any history signed anew.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from audit.actions import Action
from audit.chain import GENESIS, link
from audit.keys import KeyFolder, KnownKey
from audit.notes import Checkpoint, Note, NoteError, Signer
from audit.tiles import Growth, Tile, TiledTree
from audit.trail import Ledger
from audit.tree import leaf_hash, subtree_root
from domain.clock import Clock
from domain.errors import ConfigurationError, IntegrityError
from store import checkpoints, trail, trail_parts
from store.checkpoints import CheckpointRow
from store.database import Connection
from store.trail import TrailRow

_log = logging.getLogger(__name__)

#: Entries that one checkpoint adds at the most: a trail that was never sealed is so in as many turns as it takes.
MOST = 5000


@dataclass
class _State:
    """The tree and the chain as far as they are signed."""

    growth: Growth
    head: bytes

    def grown(self, rows: Sequence[TrailRow]) -> tuple["_State", list[Tile]]:
        """With these entries, which must follow; and the tiles that they fill."""
        growth, head = self.growth.copy(), self.head
        tiles: list[Tile] = []
        for row in rows:
            if row.number != growth.size + 1 or row.hash != link(head, row.entry):
                raise IntegrityError(
                    f"entry {row.number} does not follow from entry {growth.size}: nothing is signed; dicom-node audit "
                    "verify tells what was changed"
                )
            tiles += growth.append(leaf_hash(row.entry))
            head = row.hash
        return _State(growth, head), tiles


class Sealer:
    """Makes checkpoints of one trail, with the keys of one folder. `by`: who made the first key."""

    def __init__(self, ledger: Ledger, keys: KeyFolder, clock: Clock, by: str) -> None:
        self._ledger = ledger
        self._keys = keys
        self._clock = clock
        self._by = by
        self._state: _State | None = None
        self._unkept = False  # whether it was said that what is signed cannot be kept beside the keys
        self._told_at: tuple[int, int] | None = None  # number of a new key, and an entry before which it is not told

    @property
    def size(self) -> int:
        """How many entries are signed, as far as this process knows."""
        return self._state.growth.size if self._state else 0

    def seal(self, most: int = MOST) -> CheckpointRow | None:
        """Sign what is new, `most` entries of it; None where nothing is.

        Raises IntegrityError where the trail is not what was signed before, ConfigurationError where the keys are not.
        """
        with self._ledger.database.transaction() as connection:
            last = checkpoints.newest(connection)
            if not self._goes_on(last):
                self._follows_what_was_signed(connection, last)
        keys = self._signing(last)
        with self._ledger.database.transaction() as connection:
            checkpoints.take_turn(connection)
            last = checkpoints.newest(connection)
            state = self._current(connection, last)
            rows = _up_to_the_parts_end(connection, trail.after(connection, state.growth.size, most))
            if not rows:
                self._state = state
                return None
            state, tiles = state.grown(rows)
            checkpoints.add_tiles(connection, [(one.level, one.number, one.hashes) for one in tiles])
            row = self._signed(connection, state, last, keys)
        self._state = state
        self._keep(row)
        return row

    def _keep(self, row: CheckpointRow) -> None:
        """Once it is in the database for certain: there is never more beside the keys than there."""
        try:
            self._keys.keep_signed(row.note)
        except OSError as error:
            if not self._unkept:
                _log.warning("%s cannot be written: %s", self._keys.signed_file, error)
            self._unkept = True

    def _goes_on(self, last: CheckpointRow | None) -> bool:
        """Whether the last checkpoint is where this process left off."""
        return bool(self._state and last and self._state.growth.size == last.size)

    def _follows_what_was_signed(self, connection: Connection, last: CheckpointRow | None) -> None:
        """Raise IntegrityError where the newest key's log was signed further, or with another history."""
        note, known = self._keys.last_signed(), self._keys.known()
        if not note or not known:
            return
        try:
            signed = Checkpoint.parse(Note.parse(note).text)
        except NoteError as error:
            raise ConfigurationError(f"{self._keys.signed_file}: {error.sentence}; put back what was there") from error
        if signed.origin != known[-1].verifier.name:
            return  # another log begins
        if last is None or last.size < signed.size:
            raise IntegrityError(
                f"{signed.size} entries were signed, and the database has checkpoints of {last.size if last else 0}: "
                "nothing is signed; dicom-node audit verify tells what is missing; after a restore: dicom-node audit "
                "keys rotate --new-log"
            )
        if subtree_root(0, signed.size, tree_of(connection).node) != signed.root:
            raise IntegrityError(_altered(last, signed.size))

    def _signed(
        self, connection: Connection, state: _State, last: CheckpointRow | None, keys: list[KnownKey]
    ) -> CheckpointRow:
        at, size, root = self._clock.now(), state.growth.size, state.growth.frontier.root()
        signers = self._signers(last, keys, size)
        successor = signers[-1].verifier if len(signers) > 1 else None
        note = Checkpoint(keys[-1].verifier.name, size, root, state.head, at, successor).signed(*signers)
        return checkpoints.add(connection, size, root, str(note), at)

    def _signing(self, last: CheckpointRow | None) -> list[KnownKey]:
        """The keys, after the first was made where there is none, and a new one was told to the trail."""
        keys = self._keys.known()
        if not keys:
            if last is not None:
                raise ConfigurationError(
                    f"{self._keys.folder} has no key, and this trail's checkpoints are signed: put the keys back; if "
                    "they are lost: dicom-node audit keys rotate --lost"
                )
            keys = [self._keys.make(self._clock.now(), self._by)]
        newest = keys[-1]
        origin = Checkpoint.parse(Note.parse(last.note).text).origin if last else newest.verifier.name
        if origin != newest.verifier.name and not newest.lost:
            raise ConfigurationError(
                f"{self._keys.folder} holds the keys of {newest.verifier.name}, and this trail's checkpoints are signed"
                f" as {origin}: put the keys of that back"
            )
        if not _has_signed(newest, last) and (self._told_at or (0,))[0] != newest.number:
            self._tell(newest, keys[-2] if len(keys) > 1 else None)
        return keys

    def _tell(self, key: KnownKey, before: KnownKey | None) -> None:
        details = {"key": str(key.verifier), "user": key.by, "lost": key.lost}
        if before is not None:
            details["before"] = before.verifier.key_id.hex()
        self._ledger.record(Action.TRAIL_KEY, **details)
        with self._ledger.database.transaction() as connection:
            at = trail.last(connection)
        self._told_at = (key.number, at[0] if at else 0)

    def _signers(self, last: CheckpointRow | None, keys: list[KnownKey], size: int) -> list[Signer]:
        """Of the checkpoint over `size` entries: the newest key alone, unless it takes over with it.

        Until the entry that tells of it is among them the one before it signs alone, then both do, once.
        """
        newest = keys[-1]
        if last is None or _has_signed(newest, last) or newest.lost:
            return [self._keys.signer(newest.number)]
        before = next((key for key in reversed(keys) if _has_signed(key, last)), None)
        if before is None:
            raise ConfigurationError(
                f"none of the keys in {self._keys.folder} signed the last checkpoint: put that one back; if it is "
                "lost: dicom-node audit keys rotate --lost"
            )
        old = self._keys.signer(before.number)
        told = self._told_at and self._told_at[1] <= size
        return [old, self._keys.signer(newest.number)] if told else [old]

    def _current(self, connection: Connection, last: CheckpointRow | None) -> _State:
        """Up to the last checkpoint: as this process left it, or read anew."""
        if self._state and self._state.growth.size == (last.size if last else 0):
            return self._state
        if last is None:
            return _State(Growth(), GENESIS)
        said = Checkpoint.parse(Note.parse(last.note).text)
        head = trail.after(connection, last.size - 1, 1)
        if not head or head[0].number != last.size or head[0].hash != said.chain:
            raise IntegrityError(_altered(last))
        growth = Growth.at(last.size, tree_of(connection).node)
        if growth.frontier.root() != said.root:
            raise IntegrityError(_altered(last))
        return _State(growth, head[0].hash)


def tree_of(connection: Connection) -> TiledTree:
    """The nodes of the trail's tree, by its tiles and, behind them, its entries."""
    return TiledTree(
        lambda level, number: checkpoints.tile(connection, level, number),
        lambda first, count: leaves_of(connection, first, count),
    )


def leaves_of(connection: Connection, first: int, count: int) -> list[bytes]:
    """The hashes of as many leaves from index `first` on; raises IntegrityError where an entry is missing."""
    rows = trail.after(connection, first, count)
    if [row.number for row in rows] != list(range(first + 1, first + count + 1)):
        raise IntegrityError(f"of entries {first + 1} to {first + count} some are missing")
    return [leaf_hash(row.entry) for row in rows]


def _up_to_the_parts_end(connection: Connection, rows: Sequence[TrailRow]) -> Sequence[TrailRow]:
    """Those that one checkpoint may add: each part of the trail is closed by one that covers it and no more.

    The parts are asked for after the rows, of which none is behind an end that was not committed with it.
    """
    end = trail_parts.end_of_part(connection, rows[0].number) if rows else None
    return rows if end is None else [row for row in rows if row.number <= end]


def _has_signed(key: KnownKey, last: CheckpointRow | None) -> bool:
    """Whether a checkpoint bears a line of this key's."""
    if last is None:
        return False
    of_key = (key.verifier.name, key.verifier.key_id)
    return of_key in {(one.name, one.key_id) for one in Note.parse(last.note).signatures}


def _altered(last: CheckpointRow, size: int | None = None) -> str:
    """Of `last`, or of a smaller one that was signed."""
    which = f"of checkpoint {last.number}" if size in (None, last.size) else "that were signed"
    return (
        f"the trail's first {size or last.size} entries are not those {which}: nothing is signed; "
        "dicom-node audit verify tells what was changed"
    )


def written_at(row: CheckpointRow) -> datetime:
    """When a checkpoint was signed, as it says itself."""
    return Checkpoint.parse(Note.parse(row.note).text).at or row.at
