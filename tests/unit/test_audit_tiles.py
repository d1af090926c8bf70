"""Tiles of the tree: what is kept, and what is computed from it, are the tree's own nodes at any size."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.tiles import WIDTH, Growth, TiledTree
from audit.tree import MemoryTree, complete_nodes, inclusion_proof, leaf_hash, verify_inclusion

MOST = 70_000
LEAVES = [leaf_hash(str(number)) for number in range(1, MOST + 1)]


@pytest.fixture(scope="module")
def tree() -> MemoryTree:
    return MemoryTree(LEAVES)


@pytest.fixture(scope="module")
def tiles() -> dict[tuple[int, int], bytes]:
    growth = Growth()
    return {(tile.level, tile.number): tile.hashes for leaf in LEAVES for tile in growth.append(leaf)}


def tiled(tiles: dict[tuple[int, int], bytes], size: int) -> TiledTree:
    """As it is kept when the tree has `size` leaves."""

    def stored(level: int, number: int) -> bytes | None:
        return tiles.get((level, number)) if (number + 1) * WIDTH ** (level + 1) <= size else None

    return TiledTree(stored, lambda first, count: LEAVES[first : first + count])


def test_every_full_tile_is_kept_once_and_holds_the_nodes_of_its_row(
    tree: MemoryTree, tiles: dict[tuple[int, int], bytes]
) -> None:
    assert sorted(tiles) == [*((0, number) for number in range(MOST // WIDTH)), (1, 0)]
    assert tiles[0, 3] == b"".join(LEAVES[3 * WIDTH : 4 * WIDTH])
    assert tiles[1, 0] == b"".join(tree.node(8, index) for index in range(WIDTH))


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_nodes_and_proofs_are_those_of_the_whole_tree(
    tree: MemoryTree, tiles: dict[tuple[int, int], bytes], data: st.DataObject
) -> None:
    size = data.draw(st.integers(1, MOST))
    kept = tiled(tiles, size)
    for level, index in complete_nodes(0, size):
        assert kept.node(level, index) == tree.node(level, index)
    index = data.draw(st.integers(0, size - 1))
    proof = inclusion_proof(index, size, kept.node)
    assert verify_inclusion(LEAVES[index], index, size, proof, tree.root(size))


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 65_535, 65_536, 65_537, 66_000])
def test_a_tree_that_was_kept_grows_on_as_if_it_had_never_stopped(
    tree: MemoryTree, tiles: dict[tuple[int, int], bytes], size: int
) -> None:
    growth = Growth.at(size, tiled(tiles, size).node)
    assert growth.frontier.root() == tree.root(size)
    fork = growth.copy()
    more = [tile for leaf in LEAVES[size : size + 600] for tile in growth.append(leaf)]
    assert growth.frontier.root() == tree.root(size + 600)
    assert [tiles[tile.level, tile.number] for tile in more] == [tile.hashes for tile in more]
    assert fork.frontier.root() == tree.root(size)
