"""The transparency log: transfers become leaves in commit order, heads are signed, proofs are made.

Appending is `sequence`'s alone, off the request path. Hashing stands in merkle.py and leaves.py.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from core.database import ReadSession, Transaction, database_now
from core.errors import BadUserInput
from core.signing import NoteKeys, Signature, note
from services.wallets.leaves import SALT_BYTES, TRANSFER_COLUMNS, leaf_text, moment_text
from services.wallets.merkle import (
    Node,
    append,
    consistency_parts,
    cover,
    fold,
    inclusion_parts,
    leaf_hash,
    nodes_of,
    roots_of,
)

Reader = ReadSession | Transaction
"""What proofs and reports read with."""

ORIGIN = "mela/ledger"
"""The log's name: the first line of what its heads sign."""

BATCH = 1_000
"""Leaves of one transaction; some 100 ms."""

_LOCK = 0x4D454C41_4C4F47  # "MELALOG"

_TRY_LOCK = text("SELECT pg_try_advisory_xact_lock(:key)")
_LAST = text(
    """
    SELECT l.index + 1 AS size, t.transaction_id, t.row_id
    FROM ledger_leaf AS l JOIN transfer AS t ON t.id = l.transfer_id
    ORDER BY l.index DESC LIMIT 1
    """
)
# A transaction below the oldest that still runs has ended: nothing can come before these rows any
# more. An account's seal is written with it; a row without one must not be passed over in silence.
_NEXT = text(
    f"""
    SELECT {TRANSFER_COLUMNS}, d.seal AS debit_seal, c.seal AS credit_seal
    FROM transfer AS t
    LEFT JOIN ledger_account_seal AS d ON d.account_id = t.debit_account_id
    LEFT JOIN ledger_account_seal AS c ON c.account_id = t.credit_account_id
    WHERE (t.transaction_id, t.row_id) > (CAST(CAST(:transaction AS text) AS xid8), :row)
      AND t.transaction_id < pg_snapshot_xmin(pg_current_snapshot())
    ORDER BY t.transaction_id, t.row_id
    LIMIT :limit
    """
)
_INSERT_LEAVES = text(
    """
    INSERT INTO ledger_leaf (index, transfer_id, salt, hash)
    SELECT * FROM unnest(CAST(:indexes AS bigint[]), CAST(:transfers AS uuid[]),
                         CAST(:salts AS bytea[]), CAST(:hashes AS bytea[]))
    """
)
_INSERT_NODES = text(
    """
    INSERT INTO ledger_node (level, index, hash)
    SELECT * FROM unnest(CAST(:levels AS smallint[]), CAST(:indexes AS bigint[]),
                         CAST(:hashes AS bytea[]))
    """
)
_INSERT_HEAD = text(
    """
    INSERT INTO ledger_tree_head (size, root, signed_at, public_key, signature)
    VALUES (:size, :root, :signed_at, :public_key, :signature)
    """
)
_STORED = text(
    """
    SELECT w.level, w.index AS place, coalesce(n.hash, l.hash) AS hash
    FROM unnest(CAST(:levels AS smallint[]), CAST(:indexes AS bigint[])) AS w(level, index)
    LEFT JOIN ledger_node AS n ON n.level = w.level AND n.index = w.index
    LEFT JOIN ledger_leaf AS l ON w.level = 0 AND l.index = w.index
    """
)
_HEADS = "SELECT size, root, signed_at, public_key, signature FROM ledger_tree_head"
_NEWEST_HEAD = text(f"{_HEADS} ORDER BY size DESC LIMIT 1")
_HEADS_AT = text(f"{_HEADS} WHERE size = ANY (:sizes)")
_LEAF = text(
    f"""
    SELECT l.index AS leaf_index, l.salt, l.hash, {TRANSFER_COLUMNS},
           d.seal AS debit_seal, c.seal AS credit_seal,
           da.owner_id AS debit_owner_id, ca.owner_id AS credit_owner_id
    FROM ledger_leaf AS l
    JOIN transfer AS t ON t.id = l.transfer_id
    JOIN ledger_account_seal AS d ON d.account_id = t.debit_account_id
    JOIN ledger_account_seal AS c ON c.account_id = t.credit_account_id
    JOIN ledger_account AS da ON da.id = t.debit_account_id
    JOIN ledger_account AS ca ON ca.id = t.credit_account_id
    WHERE l.transfer_id = :id
    """
)


class LogBroken(RuntimeError):
    """The log cannot go on without saying something untrue; `mela ledger verify` says more."""


@dataclass(frozen=True, slots=True)
class TreeHead:
    """The log's size and root at a moment, signed."""

    size: int
    root: bytes
    signed_at: datetime
    signature: Signature

    @property
    def text(self) -> str:
        """What is signed."""
        return head_text(self.size, self.root, moment_text(self.signed_at))

    @property
    def note(self) -> str:
        """The head as a signed note (C2SP), which docs/verify_ledger.py reads."""
        return note(self.text, ORIGIN, self.signature)


@dataclass(frozen=True, slots=True)
class InclusionProof:
    """Where a transfer stands in the log, and the hashes that lead from it to the head's root."""

    transfer_id: UUID
    index: int
    leaf: str
    leaf_hash: bytes
    path: list[bytes]
    head: TreeHead
    parties: frozenset[UUID]


@dataclass(frozen=True, slots=True)
class ConsistencyProof:
    """The hashes that join two sizes of the log, and their heads, where those sizes were signed."""

    from_size: int
    to_size: int
    path: list[bytes]
    from_head: TreeHead | None
    to_head: TreeHead | None


@dataclass(frozen=True, slots=True)
class Sequenced:
    """What one unit did. `busy`: another process is at it. `more`: there may be more to do."""

    appended: int = 0
    size: int = 0
    more: bool = False
    busy: bool = False


@dataclass(slots=True)
class _Growth:
    leaves: list[tuple[int, UUID, bytes, bytes]] = field(default_factory=list)
    nodes: list[tuple[int, int, bytes]] = field(default_factory=list)


def head_text(size: int, root: bytes, signed_at: str) -> str:
    """The text of a head: origin, size, root in base64 and time, a line each."""
    return f"{ORIGIN}\n{size}\n{base64.b64encode(root).decode()}\n{signed_at}\n"


async def sequence(tx: Transaction, keys: NoteKeys, *, limit: int = BATCH) -> Sequenced:
    """Append the next committed transfers, at most `limit`, and sign the head over them.

    One process at a time, by an advisory lock until the commit; run it again as often as you like.
    Raises `LogBroken` where the log's own rows contradict each other, `KeyFileError` without a key.
    """
    if not await tx.scalar(_TRY_LOCK, {"key": _LOCK}):
        return Sequenced(busy=True)
    last = (await tx.execute(_LAST)).one_or_none()
    size, transaction, row = (0, 0, 0) if last is None else last
    position = {"transaction": str(transaction), "row": row, "limit": limit}
    rows = (await tx.execute(_NEXT, position)).all()
    if not rows:
        return Sequenced(size=size)
    frontier = await _frontier(tx, size)
    growth = _grow(frontier, size, rows)
    await _insert(tx, growth)
    size += len(rows)
    await _sign_head(tx, keys, size, fold(frontier))
    return Sequenced(len(rows), size, more=len(rows) == limit)


async def newest_head(session: Reader) -> TreeHead | None:
    """The newest signed head; None while the log is empty."""
    row = (await session.execute(_NEWEST_HEAD)).one_or_none()
    return None if row is None else head_of(row)


async def prove_inclusion(session: Reader, transfer_id: UUID) -> InclusionProof | None:
    """That a transfer is in the newest head's tree; None if it is unknown or not yet sequenced."""
    row = (await session.execute(_LEAF, {"id": transfer_id})).one_or_none()
    head = await newest_head(session)
    if row is None or head is None:
        return None
    parts = inclusion_parts(row.leaf_index, head.size)
    return InclusionProof(
        transfer_id=transfer_id,
        index=row.leaf_index,
        leaf=leaf_text(row, salt=row.salt, debit_seal=row.debit_seal, credit_seal=row.credit_seal),
        leaf_hash=row.hash,
        path=roots_of(parts, await _stored(session, nodes_of(parts))),
        head=head,
        parties=frozenset({row.debit_owner_id, row.credit_owner_id} - {None}),
    )


async def prove_consistency(session: Reader, from_size: int, to_size: int) -> ConsistencyProof:
    """That the log of `to_size` begins with the log of `from_size`.

    Raises `BadUserInput` unless 1 ≤ from_size ≤ to_size ≤ the newest head's size.
    """
    head = await newest_head(session)
    newest = 0 if head is None else head.size
    if not 1 <= from_size <= to_size <= newest:
        raise BadUserInput(f"sizes must be 1 ≤ fromSize ≤ toSize ≤ {newest}", {"size": str(newest)})
    parts = consistency_parts(from_size, to_size)
    rows = await session.execute(_HEADS_AT, {"sizes": [from_size, to_size]})
    heads = {row.size: head_of(row) for row in rows}
    return ConsistencyProof(
        from_size=from_size,
        to_size=to_size,
        path=roots_of(parts, await _stored(session, nodes_of(parts))),
        from_head=heads.get(from_size),
        to_head=heads.get(to_size),
    )


def head_of(row: Any) -> TreeHead:
    """A head from its row."""
    signature = Signature(row.public_key, row.signature)
    return TreeHead(row.size, row.root, row.signed_at, signature)


def _grow(frontier: list[bytes], size: int, rows: Iterable[Any]) -> _Growth:
    growth = _Growth()
    for index, row in enumerate(rows, start=size):
        if row.debit_seal is None or row.credit_seal is None:
            raise LogBroken(f"an account of transfer {row.id} has no seal")
        salt = secrets.token_bytes(SALT_BYTES)
        said = leaf_text(row, salt=salt, debit_seal=row.debit_seal, credit_seal=row.credit_seal)
        found = leaf_hash(said.encode())
        growth.leaves.append((index, row.id, salt, found))
        growth.nodes += append(frontier, index, found)
    return growth


async def _insert(tx: Transaction, growth: _Growth) -> None:
    indexes, transfers, salts, hashes = (
        list(column) for column in zip(*growth.leaves, strict=True)
    )
    leaves = {"indexes": indexes, "transfers": transfers, "salts": salts, "hashes": hashes}
    await tx.execute(_INSERT_LEAVES, leaves)
    if growth.nodes:
        levels, places, found = (list(column) for column in zip(*growth.nodes, strict=True))
        await tx.execute(_INSERT_NODES, {"levels": levels, "indexes": places, "hashes": found})


async def _sign_head(tx: Transaction, keys: NoteKeys, size: int, root: bytes) -> None:
    signed_at = await database_now(tx)
    signature = keys.sign(head_text(size, root, moment_text(signed_at)))
    await tx.execute(
        _INSERT_HEAD,
        {
            "size": size,
            "root": root,
            "signed_at": signed_at,
            "public_key": signature.public_key,
            "signature": signature.value,
        },
    )


async def _frontier(session: Reader, size: int) -> list[bytes]:
    nodes = cover((0, size))
    stored = await _stored(session, set(nodes))
    return [stored[node] for node in nodes]


async def _stored(session: Reader, nodes: set[Node]) -> dict[Node, bytes]:
    """Leaves and inner nodes by place, in one statement."""
    if not nodes:
        return {}
    levels, indexes = (list(column) for column in zip(*nodes, strict=True))
    rows = (await session.execute(_STORED, {"levels": levels, "indexes": indexes})).all()
    for row in rows:
        if row.hash is None:
            raise LogBroken(f"node {row.place} of level {row.level} is missing")
    return {(row.level, row.place): row.hash for row in rows}
