"""The tree against RFC 6962's published vectors, a plain recursive reading of the RFC, and lies."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.wallets import merkle
from services.wallets.merkle import (
    BadProof,
    check_consistency,
    check_inclusion,
    consistency_parts,
    cover,
    inclusion_parts,
    leaf_hash,
    nodes_of,
    root_of,
    roots_of,
)

# The inputs and answers that Certificate Transparency's implementations are all tested with.
INPUTS = [
    bytes.fromhex(x)
    for x in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
A = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"
B = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"
C = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"
D = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"
E = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0"
F = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a"
HASHES = [leaf_hash(data) for data in INPUTS]


def stored(leaves):
    """Every perfect subtree, as the log keeps them."""
    found, frontier = {}, []
    for size, leaf in enumerate(leaves):
        found[0, size] = leaf
        found.update({(level, index): h for level, index, h in merkle.append(frontier, size, leaf)})
    return found


def prove(parts, leaves):
    return roots_of(parts, stored(leaves))


def mth(data):
    """The RFC's definition, word for word."""
    if not data:
        return sha256(b"").digest()
    if len(data) == 1:
        return sha256(b"\x00" + data[0]).digest()
    k = 1
    while 2 * k < len(data):
        k *= 2
    return sha256(b"\x01" + mth(data[:k]) + mth(data[k:])).digest()


@pytest.mark.parametrize("size", range(9))
def test_roots_are_the_published_ones(size):
    assert root_of(HASHES[:size]).hex() == ROOTS[size]


@pytest.mark.parametrize(
    ("index", "size", "path"),
    [
        (0, 1, []),
        (0, 8, [A, B, C]),
        (5, 8, [D, E, ROOTS[4]]),
        (2, 3, [ROOTS[2]]),
        (1, 5, [ROOTS[1], B, D]),
    ],
)
def test_inclusion_proofs_are_the_published_ones(index, size, path):
    proof = prove(inclusion_parts(index, size), HASHES[:size])
    assert [step.hex() for step in proof] == path
    check_inclusion(HASHES[index], index, size, proof, bytes.fromhex(ROOTS[size]))


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [(1, 1, []), (1, 8, [A, B, C]), (6, 8, [F, E, ROOTS[4]]), (2, 5, [B, D])],
)
def test_consistency_proofs_are_the_published_ones(old, new, path):
    proof = prove(consistency_parts(old, new), HASHES[:new])
    assert [step.hex() for step in proof] == path
    check_consistency(old, new, proof, bytes.fromhex(ROOTS[old]), bytes.fromhex(ROOTS[new]))


def test_every_proof_of_every_small_tree_holds_and_any_changed_bit_breaks_it():
    data = [bytes([n]) for n in range(33)]
    leaves = [leaf_hash(d) for d in data]
    kept = stored(leaves)
    for size in range(1, 34):
        root = mth(data[:size])
        assert root_of(leaves[:size]) == root
        for index in range(size):
            path = roots_of(inclusion_parts(index, size), kept)
            check_inclusion(leaves[index], index, size, path, root)
            refused_inclusion(leaves[index], index, size, path, root)
        for old in range(1, size + 1):
            path = roots_of(consistency_parts(old, size), kept)
            check_consistency(old, size, path, mth(data[:old]), root)
            refused_consistency(old, size, path, mth(data[:old]), root)


def refused_inclusion(leaf, index, size, path, root):
    for lie in lies(path):
        with pytest.raises(BadProof):
            check_inclusion(leaf, index, size, lie, root)
    with pytest.raises(BadProof):
        check_inclusion(flipped(leaf), index, size, path, root)
    with pytest.raises(BadProof):
        check_inclusion(leaf, index, size, path, flipped(root))
    if size > 1:
        with pytest.raises(BadProof):
            check_inclusion(leaf, (index + 1) % size, size, path, root)


def refused_consistency(old, new, path, old_root, new_root):
    for lie in lies(path):
        with pytest.raises(BadProof):
            check_consistency(old, new, lie, old_root, new_root)
    with pytest.raises(BadProof):
        check_consistency(old, new, path, flipped(old_root), new_root)
    with pytest.raises(BadProof):
        check_consistency(old, new, path, old_root, flipped(new_root))


def lies(path):
    yield [*path, b"\0" * 32]
    for n, step in enumerate(path):
        yield [*path[:n], *path[n + 1 :]]
        yield [*path[:n], flipped(step), *path[n + 1 :]]


def flipped(value):
    return bytes([value[0] ^ 1]) + value[1:]


@given(size=st.integers(1, 2**62), data=st.data())
def test_a_proof_takes_few_nodes_of_however_large_a_tree(size, data):
    index = data.draw(st.integers(0, size - 1))
    old = data.draw(st.integers(1, size))
    for parts in (inclusion_parts(index, size), consistency_parts(old, size)):
        nodes = nodes_of(parts)
        assert len(nodes) <= 2 * size.bit_length()
        assert all((i + 1) << level <= size for level, i in nodes)


@given(st.integers(0, 2**62))
def test_a_cover_is_the_whole_range_without_gaps(size):
    reached = 0
    for level, index in cover((0, size)):
        assert index << level == reached
        reached += 1 << level
    assert reached == size


@pytest.mark.parametrize(("index", "size"), [(0, 0), (-1, 3), (3, 3)])
def test_no_proof_of_a_leaf_that_is_not_there(index, size):
    with pytest.raises(ValueError, match="no leaf"):
        inclusion_parts(index, size)
    with pytest.raises(BadProof):
        check_inclusion(HASHES[0], index, size, [], HASHES[0])


@pytest.mark.parametrize(("old", "new"), [(0, 3), (4, 3)])
def test_no_proof_that_a_tree_begins_with_a_larger_or_empty_one(old, new):
    with pytest.raises(ValueError, match="no tree"):
        consistency_parts(old, new)
    with pytest.raises(BadProof):
        check_consistency(old, new, [], HASHES[0], HASHES[0])
