"""Merkle trees of RFC 6962 and RFC 9162 as pure functions: hashes, growth, proofs and their checks.

A tree is kept as its perfect subtrees, which never change once complete: appending adds about one
node a leaf, and any root or proof is a fold of O(log n) of them. No storage and no keys here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256

Node = tuple[int, int]
"""(level, index): the perfect subtree over leaves `index << level` … `(index + 1) << level`."""

Range = tuple[int, int]
"""Leaves from … to, the last excluded."""

EMPTY_ROOT = sha256(b"").digest()


class BadProof(ValueError):
    """A proof that proves nothing; the message says where it fails."""


def leaf_hash(data: bytes) -> bytes:
    """The hash of a leaf. Its prefix differs from a node's: neither can pass for the other."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node."""
    return sha256(b"\x01" + left + right).digest()


def append(frontier: list[bytes], size: int, leaf: bytes) -> list[tuple[int, int, bytes]]:
    """Add a leaf hash to a tree of `size` leaves, of which `frontier` is `cover((0, size))`'s
    hashes. Changes `frontier`; returns the inner nodes that became complete, lowest first."""
    complete: list[tuple[int, int, bytes]] = []
    level, index, found = 0, size, leaf
    while index & 1:
        found = node_hash(frontier.pop(), found)
        level, index = level + 1, index >> 1
        complete.append((level, index, found))
    frontier.append(found)
    return complete


def fold(hashes: Sequence[bytes]) -> bytes:
    """The root over neighbouring perfect subtrees, largest first; of none, the empty tree's."""
    if not hashes:
        return EMPTY_ROOT
    found = hashes[-1]
    for left in reversed(hashes[:-1]):
        found = node_hash(left, found)
    return found


def root_of(leaves: Iterable[bytes]) -> bytes:
    """The root over leaf hashes."""
    frontier: list[bytes] = []
    for size, leaf in enumerate(leaves):
        append(frontier, size, leaf)
    return fold(frontier)


def cover(part: Range) -> list[Node]:
    """The perfect subtrees that make up a range, left to right."""
    begin, end = part
    nodes: list[Node] = []
    while begin < end:
        level = (end - begin).bit_length() - 1
        nodes.append((level, begin >> level))
        begin += 1 << level
    return nodes


def inclusion_parts(index: int, size: int) -> list[Range]:
    """The ranges whose roots are the audit path of a leaf, lowest first (RFC 6962, 2.1.1).

    Raises `ValueError` unless 0 ≤ index < size.
    """
    if not 0 <= index < size:
        raise ValueError(f"no leaf {index} in a tree of {size}")
    parts: list[Range] = []
    begin, end = 0, size
    while end - begin > 1:
        middle = begin + _split(end - begin)
        if index < middle:
            parts.append((middle, end))
            end = middle
        else:
            parts.append((begin, middle))
            begin = middle
    return parts[::-1]


def consistency_parts(from_size: int, to_size: int) -> list[Range]:
    """The ranges whose roots prove that one tree begins with another (RFC 6962, 2.1.2).

    Raises `ValueError` unless 1 ≤ from_size ≤ to_size.
    """
    if not 1 <= from_size <= to_size:
        raise ValueError(f"no tree of {to_size} begins with one of {from_size}")
    parts: list[Range] = []
    begin, end, whole = 0, to_size, True
    while from_size < end:
        middle = begin + _split(end - begin)
        if from_size <= middle:
            parts.append((middle, end))
            end = middle
        else:
            parts.append((begin, middle))
            begin, whole = middle, False
    if not whole:
        parts.append((begin, end))
    return parts[::-1]


def nodes_of(parts: Iterable[Range]) -> set[Node]:
    """Every stored node that the roots of these ranges take."""
    return {node for part in parts for node in cover(part)}


def roots_of(parts: Iterable[Range], stored: Mapping[Node, bytes]) -> list[bytes]:
    """The root of each range from stored nodes. Raises `KeyError` for a node that is missing."""
    return [fold([stored[node] for node in cover(part)]) for part in parts]


def check_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> None:
    """Raises `BadProof` unless `path` leads from the leaf hash to `root` (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        raise BadProof(f"no leaf {index} in a tree of {size}")
    position, last, found = index, size - 1, leaf
    for step in path:
        if last == 0:
            raise BadProof("the path is too long")
        if position & 1 or position == last:
            found = node_hash(step, found)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            found = node_hash(found, step)
        position, last = position >> 1, last >> 1
    if last or found != root:
        raise BadProof("the path does not lead to the root")


def check_consistency(
    from_size: int, to_size: int, path: Sequence[bytes], from_root: bytes, to_root: bytes
) -> None:
    """Raises `BadProof` unless the tree of `to_size` begins with the one of `from_size`
    (RFC 9162, 2.1.4.2)."""
    if not 1 <= from_size <= to_size:
        raise BadProof(f"no tree of {to_size} begins with one of {from_size}")
    if from_size == to_size:
        if path or from_root != to_root:
            raise BadProof("one size, two trees")
        return
    steps = list(path)
    if from_size & (from_size - 1) == 0:
        steps.insert(0, from_root)
    if not steps:
        raise BadProof("the path is empty")
    _follow(steps, from_size - 1, to_size - 1, from_root, to_root)


def _follow(steps: list[bytes], old: int, new: int, from_root: bytes, to_root: bytes) -> None:
    while old & 1:
        old, new = old >> 1, new >> 1
    old_found = new_found = steps[0]
    for step in steps[1:]:
        if new == 0:
            raise BadProof("the path is too long")
        if old & 1 or old == new:
            old_found, new_found = node_hash(step, old_found), node_hash(step, new_found)
            while not old & 1 and old:
                old, new = old >> 1, new >> 1
        else:
            new_found = node_hash(new_found, step)
        old, new = old >> 1, new >> 1
    if new or old_found != from_root or new_found != to_root:
        raise BadProof("the path does not join the two roots")


def _split(size: int) -> int:
    """The largest power of two below `size` (2 or more)."""
    return 1 << (size - 1).bit_length() - 1
