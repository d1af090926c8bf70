"""Tiles: the nodes of the tree, 256 hashes together, as C2SP tlog-tiles has them; pure.

Tile `number` of `level` holds the nodes `256 * number` and following of level `8 * level` of the tree. Only full ones
are kept: what a partial one would hold is computed from the tiles or leaves below it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from audit.tree import HASH_SIZE, Frontier, Nodes, complete_nodes, node_hash

HEIGHT = 8
WIDTH = 1 << HEIGHT


@dataclass(frozen=True)
class Tile:
    """A full tile: `hashes` is 256 times 32 bytes."""

    level: int
    number: int
    hashes: bytes


@dataclass
class Growth:
    """A tree that grows by leaves, and the tiles that it fills."""

    frontier: Frontier = field(default_factory=Frontier)
    _pending: list[list[bytes]] = field(default_factory=lambda: [[]])
    _filled: list[int] = field(default_factory=lambda: [0])

    @property
    def size(self) -> int:
        return self.frontier.size

    def append(self, leaf: bytes) -> Iterator[Tile]:
        """Add a leaf by its hash; the tiles that are full by it, the lowest first. To be run through to its end."""
        self.frontier.append(leaf)
        level, hashed = 0, leaf
        while True:
            if level == len(self._pending):
                self._pending.append([])
                self._filled.append(0)
            row = self._pending[level]
            row.append(hashed)
            if len(row) < WIDTH:
                return
            yield Tile(level, self._filled[level], b"".join(row))
            level, hashed = level + 1, folded(row)
            self._pending[level - 1], self._filled[level - 1] = [], self._filled[level - 1] + 1

    def copy(self) -> "Growth":
        """One that goes on by itself."""
        return Growth(self.frontier.copy(), [list(row) for row in self._pending], list(self._filled))

    @classmethod
    def at(cls, size: int, nodes: Nodes) -> "Growth":
        """The tree of `size` leaves, whose nodes are kept somewhere, as it goes on."""
        peaks = [nodes(level, index) for level, index in complete_nodes(0, size)]
        pending, filled, level = [], [], 0
        while not level or size >> HEIGHT * level:
            count = size >> HEIGHT * level
            full = count // WIDTH
            pending.append([nodes(HEIGHT * level, index) for index in range(full * WIDTH, count)])
            filled.append(full)
            level += 1
        return cls(Frontier(size, peaks), pending, filled)


class TiledTree:
    """The nodes of a tree whose full tiles are kept.

    `stored` gives the hashes of a full tile, None where it is not kept; `leaves` the hashes of the leaves from an index
    on, a count of them, by their entries.
    """

    def __init__(
        self, stored: Callable[[int, int], bytes | None], leaves: Callable[[int, int], Sequence[bytes]]
    ) -> None:
        self._stored = lru_cache(maxsize=1024)(stored)
        self._leaves = leaves

    def node(self, level: int, index: int) -> bytes:
        """As `audit.tree.Nodes` has it."""
        row, within = divmod(level, HEIGHT)
        return folded(self._hashes(row, index << within, 1 << within))

    def _hashes(self, level: int, first: int, count: int) -> Sequence[bytes]:
        """Nodes of one tile's row, all of one tile."""
        number, at = divmod(first, WIDTH)
        tile = self._stored(level, number)
        if tile is not None:
            return [tile[place * HASH_SIZE : (place + 1) * HASH_SIZE] for place in range(at, at + count)]
        if not level:
            return self._leaves(first, count)
        return [folded(self._hashes(level - 1, index * WIDTH, WIDTH)) for index in range(first, first + count)]


def folded(hashes: Sequence[bytes]) -> bytes:
    """The node above a complete row of nodes, of which there are a power of two."""
    row = list(hashes)
    while len(row) > 1:
        row = [node_hash(row[at], row[at + 1]) for at in range(0, len(row), 2)]
    return row[0]
