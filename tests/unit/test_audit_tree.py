"""The Merkle tree over the trail: the vectors of RFC 6962's own implementations, and any tree that Hypothesis draws."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.tree import (
    EMPTY_ROOT,
    Frontier,
    MemoryTree,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    subtree_root,
    verify_consistency,
    verify_inclusion,
)

# The leaves and roots that Certificate Transparency's implementations are held to.
LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def known() -> MemoryTree:
    return MemoryTree(hashlib.sha256(b"\x00" + bytes.fromhex(leaf)).digest() for leaf in LEAVES)


def drawn(size: int) -> MemoryTree:
    return MemoryTree(leaf_hash(f"entry {number}") for number in range(1, size + 1))


def reference(leaves: list[bytes]) -> bytes:
    """MTH as RFC 6962 2.1 writes it."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return node_hash(reference(leaves[:split]), reference(leaves[split:]))


def test_roots_are_those_of_certificate_transparency() -> None:
    tree, frontier = known(), Frontier()
    assert (tree.root(0), frontier.root()) == (EMPTY_ROOT, EMPTY_ROOT)
    for size, root in enumerate(ROOTS, 1):
        frontier.append(tree.node(0, size - 1))
        assert (tree.root(size).hex(), frontier.root().hex()) == (root, root)


def test_proofs_are_those_of_certificate_transparency() -> None:
    tree = known()
    found = [step.hex() for step in inclusion_proof(5, 8, tree.node)]
    assert found == [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]
    found = [step.hex() for step in consistency_proof(6, 8, tree.node)]
    assert found == [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]


@given(st.integers(0, 200))
def test_every_tree_has_the_root_that_the_rfc_writes(size: int) -> None:
    tree, frontier = drawn(size), Frontier()
    leaves = [tree.node(0, index) for index in range(size)]
    for leaf in leaves:
        frontier.append(leaf)
    assert frontier.root() == tree.root() == reference(leaves)


@given(st.data())
def test_a_proof_of_inclusion_holds_for_its_own_leaf_and_place_alone(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 150))
    index = data.draw(st.integers(0, size - 1))
    tree = drawn(size)
    proof, leaf, root = inclusion_proof(index, size, tree.node), tree.node(0, index), tree.root()
    assert verify_inclusion(leaf, index, size, proof, root)
    assert not verify_inclusion(leaf_hash("another"), index, size, proof, root)
    other = data.draw(st.integers(0, size + 2).filter(lambda one: one != index))
    assert not verify_inclusion(leaf, other, size, proof, root)
    assert not verify_inclusion(leaf, index, size, [*proof, root], root)
    if proof:
        assert not verify_inclusion(leaf, index, size, proof[:-1], root)
        assert not verify_inclusion(leaf, index, size, _bent(data, proof), root)


@given(st.data())
def test_a_proof_of_consistency_holds_for_its_own_two_trees_alone(data: st.DataObject) -> None:
    new = data.draw(st.integers(1, 150))
    old = data.draw(st.integers(0, new))
    tree = drawn(new)
    before, after = tree.root(old), tree.root()
    proof = consistency_proof(old, new, tree.node)
    assert verify_consistency(old, new, before, after, proof)
    assert not verify_consistency(old, new, leaf_hash("another"), after, proof)
    assert not verify_consistency(old, new, before, after, [*proof, after])
    if old > 0:
        assert not verify_consistency(old, new, before, leaf_hash("another"), proof)
    if proof:
        assert not verify_consistency(old, new, before, after, proof[:-1])
        assert not verify_consistency(old, new, before, after, _bent(data, proof))


def test_a_frontier_that_was_kept_goes_on_where_it_stood() -> None:
    tree = drawn(100)
    whole = Frontier()
    for index in range(37):
        whole.append(tree.node(0, index))
    kept = Frontier(whole.size, list(whole.peaks))
    for index in range(37, 100):
        kept.append(tree.node(0, index))
    assert (kept.root(), whole.root()) == (tree.root(), tree.root(37))


def test_what_is_no_tree_and_no_leaf_is_refused() -> None:
    with pytest.raises(ValueError, match="2 peaks"):
        Frontier(3, [EMPTY_ROOT])
    with pytest.raises(ValueError, match="no leaf 4"):
        inclusion_proof(4, 4, drawn(4).node)
    with pytest.raises(ValueError, match="does not begin"):
        consistency_proof(5, 4, drawn(4).node)
    assert subtree_root(4, 7, drawn(7).node) == reference([leaf_hash(f"entry {number}") for number in (5, 6, 7)])


def _bent(data: st.DataObject, proof: list[bytes]) -> list[bytes]:
    """One bit of one step is another."""
    at = data.draw(st.integers(0, len(proof) - 1))
    step = bytearray(proof[at])
    step[data.draw(st.integers(0, 31))] ^= 1 << data.draw(st.integers(0, 7))
    return [*proof[:at], bytes(step), *proof[at + 1 :]]
