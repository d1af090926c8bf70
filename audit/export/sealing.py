"""What an export is proven by, looked up in the database: the newest checkpoint, those that it is to be compared with,
and the nodes of the tree, each by a transaction of its own, since an export may take long.
"""

from collections.abc import Sequence
from functools import lru_cache
from itertools import chain

from audit.actions import Action
from audit.checkpoints import leaves_of
from audit.export.json_lines import Sealed
from audit.notes import Checkpoint, Note, VerifierKey
from audit.tiles import TiledTree
from audit.tree import Nodes
from store import checkpoints, trail
from store.database import Database
from store.trail import EntryFilter

_NODES = 1 << 16  # that are kept at hand: proofs of neighbours share all but a few
_AHEAD = 256  # tiles: as many as are below one
_MOST_KEYS = 1000  # that a trail was ever signed by


def sealed(database: Database, keys: Sequence[VerifierKey], published: Sequence[Note] = ()) -> Sealed | None:
    """The newest checkpoint and what goes with it; None where there is none.

    `keys` are those that are known here; those that signed go along. `published` are checkpoints of outside places:
    those that are no longer than the trail go along, with a proof that they are its beginning, or with one that fails.
    Raises NoteError where the newest is none.
    """
    with database.transaction() as connection:
        newest = checkpoints.newest(connection)
    if newest is None:
        return None
    note = Note.parse(newest.note)
    size = Checkpoint.parse(note.text).size
    older = [one for one in published if 0 < Checkpoint.parse(one.text).size < size]
    older = list(dict.fromkeys(chain(_takeovers(database, size), older)))
    signed = {(one.name, one.key_id) for each in (note, *older) for one in each.signatures}
    known = [key for key in keys if (key.name, key.key_id) in signed]
    return Sealed(note, known, nodes_of(database), older)


def nodes_of(database: Database) -> Nodes:
    """The nodes of the tree, by its tiles and, where there is none yet, its entries."""

    @lru_cache(maxsize=_NODES)
    def leaves(first: int, count: int) -> list[bytes]:
        with database.transaction() as connection:
            return leaves_of(connection, first, count)

    return lru_cache(maxsize=_NODES)(TiledTree(_Tiles(database), leaves).node)


class _Tiles:
    """Full tiles, read ahead where they are asked for one behind another, as for what is above them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._level, self._next = 0, 0
        self._ahead: dict[int, bytes] = {}

    def __call__(self, level: int, number: int) -> bytes | None:
        in_turn = (self._level, self._next) == (level, number)
        if level != self._level or number not in self._ahead:
            with self._database.transaction() as connection:
                found = checkpoints.tiles(connection, level, number, _AHEAD if in_turn else 1)
            self._ahead = dict(found)
        self._level, self._next = level, number + 1
        return self._ahead.get(number)


def _takeovers(database: Database, size: int) -> list[Note]:
    """The checkpoints by which a key named the next one: they lead from a key that was noted long ago to the newest."""
    with database.transaction() as connection:
        told = trail.matching(connection, EntryFilter(action=Action.TRAIL_KEY), 0, _MOST_KEYS, last=size)
        found = [row.note for entry in told for row in checkpoints.reaching(connection, entry.number, 3)]
    notes = [Note.parse(one) for one in dict.fromkeys(found)]
    return [one for one in notes if Checkpoint.parse(one.text).successor and Checkpoint.parse(one.text).size < size]
