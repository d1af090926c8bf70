"""The Merkle tree over the trail (RFC 6962 2.1): roots, proofs and their verification, as pure functions.

Leaf `index` (from 0) is entry `index + 1`. A node is named by its level (0: leaves) and its index in that level; it
exists where all 2**level leaves below it do. Whoever makes a proof passes `nodes`, which gives a node's hash from
wherever it is kept. Verification follows RFC 9162 2.1.3.2 and 2.1.4.2.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

HASH_SIZE = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()

#: (level, index) to the hash of that node, all of whose leaves exist.
Nodes = Callable[[int, int], bytes]


def leaf_hash(entry: str) -> bytes:
    """The hash of a leaf: of an entry's canonical text."""
    return hashlib.sha256(b"\x00" + entry.encode()).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of the node above two others."""
    return hashlib.sha256(b"\x01" + left + right).digest()


@dataclass
class Frontier:
    """As much of a tree as it takes to go on: the roots of its largest complete subtrees, from left to right.

    Of these there is one for each bit that is set in `size`.
    """

    size: int = 0
    peaks: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        if len(self.peaks) != self.size.bit_count() or any(len(peak) != HASH_SIZE for peak in self.peaks):
            raise ValueError(f"a tree of {self.size} leaves has {self.size.bit_count()} peaks of {HASH_SIZE} bytes")

    def append(self, leaf: bytes) -> None:
        """Add a leaf by its hash."""
        done, hashed = self.size, leaf
        while done & 1:
            hashed = node_hash(self.peaks.pop(), hashed)
            done >>= 1
        self.peaks.append(hashed)
        self.size += 1

    def root(self) -> bytes:
        """The root of the tree as far as it goes."""
        return _folded(self.peaks) if self.peaks else EMPTY_ROOT

    def copy(self) -> "Frontier":
        """One that goes on by itself."""
        return Frontier(self.size, list(self.peaks))


class MemoryTree:
    """A tree that keeps all its nodes: for tests, and where few leaves are looked at. Two hashes a leaf."""

    def __init__(self, leaves: Iterable[bytes] = ()) -> None:
        self._levels: list[list[bytes]] = [[]]
        for leaf in leaves:
            self.append(leaf)

    @property
    def size(self) -> int:
        return len(self._levels[0])

    def append(self, leaf: bytes) -> None:
        """Add a leaf by its hash."""
        level, hashed = 0, leaf
        while True:
            if level == len(self._levels):
                self._levels.append([])
            nodes = self._levels[level]
            nodes.append(hashed)
            if len(nodes) % 2:
                return
            level, hashed = level + 1, node_hash(nodes[-2], nodes[-1])

    def node(self, level: int, index: int) -> bytes:
        """As `Nodes` has it."""
        return self._levels[level][index]

    def root(self, size: int | None = None) -> bytes:
        """The root over the first `size` leaves; over all where none is said."""
        return subtree_root(0, self.size if size is None else size, self.node)


def subtree_root(begin: int, end: int, nodes: Nodes) -> bytes:
    """The root over the leaves `begin` to `end` (not included), which begin as a subtree of RFC 6962 does."""
    if begin == end:
        return EMPTY_ROOT
    return _folded([nodes(level, index) for level, index in complete_nodes(begin, end)])


def complete_nodes(begin: int, end: int) -> Iterator[tuple[int, int]]:
    """The largest complete nodes that together have the leaves `begin` to `end`, from left to right."""
    while begin < end:
        level = (end - begin).bit_length() - 1
        if begin:
            level = min(level, (begin & -begin).bit_length() - 1)
        yield level, begin >> level
        begin += 1 << level


def inclusion_proof(index: int, size: int, nodes: Nodes) -> list[bytes]:
    """The proof that leaf `index` is in the tree of `size` leaves, from the leaf upwards (RFC 6962 2.1.1).

    Raises ValueError where that tree has no such leaf.
    """
    if not 0 <= index < size:
        raise ValueError(f"a tree of {size} leaves has no leaf {index}")
    return [subtree_root(begin, end, nodes) for begin, end in _path(index, 0, size)]


def consistency_proof(old: int, new: int, nodes: Nodes) -> list[bytes]:
    """The proof that the tree of `new` leaves begins with the one of `old` (RFC 6962 2.1.2).

    Empty where both are one, or the old one is. Raises ValueError where the old one is the larger.
    """
    if not 0 <= old <= new:
        raise ValueError(f"a tree of {new} leaves does not begin with one of {old}")
    if old in (0, new):
        return []
    return [subtree_root(begin, end, nodes) for begin, end in _subproof(old, 0, new, whole=True)]


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether `proof` shows that the tree with this root and size has `leaf` at `index`."""
    if not 0 <= index < size:
        return False
    at, last, hashed = index, size - 1, leaf
    for step in proof:
        if not last:
            return False
        if at & 1 or at == last:
            hashed = node_hash(step, hashed)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            hashed = node_hash(hashed, step)
        at, last = at >> 1, last >> 1
    return not last and hashed == root


def verify_consistency(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether `proof` shows that the tree of `new` leaves begins with the one of `old`."""
    if not 0 <= old <= new:
        return False
    if old == new:
        return not proof and old_root == new_root
    if not old:
        return not proof and old_root == EMPTY_ROOT
    path = list(proof) if old & (old - 1) else [old_root, *proof]
    if not path:
        return False
    at, last = old - 1, new - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    before = after = path[0]
    for step in path[1:]:
        if not last:
            return False
        if at & 1 or at == last:
            before, after = node_hash(step, before), node_hash(step, after)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            after = node_hash(after, step)
        at, last = at >> 1, last >> 1
    return not last and before == old_root and after == new_root


def _folded(peaks: Sequence[bytes]) -> bytes:
    hashed = peaks[-1]
    for peak in reversed(peaks[:-1]):
        hashed = node_hash(peak, hashed)
    return hashed


def _split(begin: int, end: int) -> int:
    """Where RFC 6962 2.1 divides: behind the largest power of two that is smaller than the number of leaves."""
    return begin + (1 << (end - begin - 1).bit_length() - 1)


def _path(index: int, begin: int, end: int) -> list[tuple[int, int]]:
    if end - begin == 1:
        return []
    middle = _split(begin, end)
    if index < middle:
        return [*_path(index, begin, middle), (middle, end)]
    return [*_path(index, middle, end), (begin, middle)]


def _subproof(old: int, begin: int, end: int, whole: bool) -> list[tuple[int, int]]:
    """SUBPROOF of RFC 6962 2.1.2; `whole`: the old tree is complete here, so that its root is known."""
    if old == end:
        return [] if whole else [(begin, end)]
    middle = _split(begin, end)
    if old <= middle:
        return [*_subproof(old, begin, middle, whole), (middle, end)]
    return [*_subproof(old, middle, end, whole=False), (begin, middle)]
