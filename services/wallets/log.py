"""The transparency log: transfers and impact entries become leaves in commit order, heads are
signed, proofs are made.

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
from core.ids import encode_id
from core.money import INT64_MAX
from core.signing import NoteKeys, Signature, note
from services.wallets.leaves import (
    IMPACT_COLUMNS,
    SALT_BYTES,
    TRANSFER_COLUMNS,
    impact_leaf_text,
    leaf_text,
    moment_text,
)
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
    SELECT l.index + 1 AS size, coalesce(t.transaction_id, i.transaction_id) AS transaction_id,
           t.row_id AS transfer_row, i.row_id AS impact_row
    FROM (SELECT * FROM ledger_leaf ORDER BY index DESC LIMIT 1) AS l
    LEFT JOIN transfer AS t ON t.id = l.transfer_id
    LEFT JOIN impact_entry AS i ON i.id = l.impact_entry_id
    """
)
# A transaction below the oldest that still runs has ended: nothing can come before these rows any
# more. Both tables in one statement, which is one snapshot; of one transaction, transfers come
# first. An account's seal is written with it; a row without one must not be passed over in silence.
_NEXT = text(
    f"""
    WITH next AS (
        (SELECT transaction_id, 0 AS kind, row_id, id FROM transfer
         WHERE (transaction_id, row_id) > (CAST(CAST(:transaction AS text) AS xid8), :transfer_row)
           AND transaction_id < pg_snapshot_xmin(pg_current_snapshot())
         ORDER BY transaction_id, row_id LIMIT :limit)
        UNION ALL
        (SELECT transaction_id, 1, row_id, id FROM impact_entry
         WHERE (transaction_id, row_id) > (CAST(CAST(:transaction AS text) AS xid8), :impact_row)
           AND transaction_id < pg_snapshot_xmin(pg_current_snapshot())
         ORDER BY transaction_id, row_id LIMIT :limit)
    )
    SELECT {TRANSFER_COLUMNS}, d.seal AS debit_seal, c.seal AS credit_seal, {IMPACT_COLUMNS}
    FROM (SELECT * FROM next ORDER BY transaction_id, kind, row_id LIMIT :limit) AS n
    LEFT JOIN transfer AS t ON n.kind = 0 AND t.id = n.id
    LEFT JOIN impact_entry AS i ON n.kind = 1 AND i.id = n.id
    LEFT JOIN ledger_account_seal AS d ON d.account_id = t.debit_account_id
    LEFT JOIN ledger_account_seal AS c ON c.account_id = t.credit_account_id
    ORDER BY n.transaction_id, n.kind, n.row_id
    """
)
_INSERT_LEAVES = text(
    """
    INSERT INTO ledger_leaf (index, transfer_id, impact_entry_id, salt, hash)
    SELECT * FROM unnest(CAST(:indexes AS bigint[]), CAST(:transfers AS uuid[]),
                         CAST(:impacts AS uuid[]), CAST(:salts AS bytea[]),
                         CAST(:hashes AS bytea[]))
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
_IMPACT_LEAF = text(
    f"""
    SELECT l.index AS leaf_index, l.salt, l.hash, {IMPACT_COLUMNS}
    FROM ledger_leaf AS l JOIN impact_entry AS i ON i.id = l.impact_entry_id
    WHERE l.impact_entry_id = :id
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
    """Where a transfer or an impact entry stands in the log, and the hashes that lead from it to
    the head's root. `parties` are those of a transfer; an entry's leaf is for everybody."""

    subject: str
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
    leaves: list[tuple[int, UUID | None, UUID | None, bytes, bytes]] = field(default_factory=list)
    nodes: list[tuple[int, int, bytes]] = field(default_factory=list)


def head_text(size: int, root: bytes, signed_at: str) -> str:
    """The text of a head: origin, size, root in base64 and time, a line each."""
    return f"{ORIGIN}\n{size}\n{base64.b64encode(root).decode()}\n{signed_at}\n"


async def sequence(tx: Transaction, keys: NoteKeys, *, limit: int = BATCH) -> Sequenced:
    """Append the next committed rows, at most `limit`, and sign the head over them.

    One process at a time, by an advisory lock until the commit; run it again as often as you like.
    Raises `LogBroken` where the log's own rows contradict each other, `KeyFileError` without a key.
    """
    if not await tx.scalar(_TRY_LOCK, {"key": _LOCK}):
        return Sequenced(busy=True)
    size, position = _position((await tx.execute(_LAST)).one_or_none())
    rows = (await tx.execute(_NEXT, {**position, "limit": limit})).all()
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
    said = leaf_text(row, salt=row.salt, debit_seal=row.debit_seal, credit_seal=row.credit_seal)
    parties = frozenset({row.debit_owner_id, row.credit_owner_id} - {None})
    return await _proof(session, encode_id("trf", transfer_id), row, said, head, parties)


async def prove_impact(session: Reader, entry_id: UUID) -> InclusionProof | None:
    """That an impact entry is in the newest head's tree; None as `prove_inclusion`."""
    row = (await session.execute(_IMPACT_LEAF, {"id": entry_id})).one_or_none()
    head = await newest_head(session)
    if row is None or head is None:
        return None
    said = impact_leaf_text(row, salt=row.salt)
    return await _proof(session, encode_id("imp", entry_id), row, said, head, frozenset())


async def _proof(
    session: Reader, subject: str, row: Any, leaf: str, head: TreeHead, parties: frozenset[UUID]
) -> InclusionProof:
    parts = inclusion_parts(row.leaf_index, head.size)
    return InclusionProof(
        subject=subject,
        index=row.leaf_index,
        leaf=leaf,
        leaf_hash=row.hash,
        path=roots_of(parts, await _stored(session, nodes_of(parts))),
        head=head,
        parties=parties,
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


def _position(last: Any) -> tuple[int, dict[str, object]]:
    """The log's size, and after what of both tables it goes on."""
    if last is None:
        return 0, {"transaction": "0", "transfer_row": 0, "impact_row": 0}
    # After an impact entry, no transfer of its transaction is left.
    transfer_row = INT64_MAX if last.transfer_row is None else last.transfer_row
    position = {"transfer_row": transfer_row, "impact_row": last.impact_row or 0}
    return last.size, {"transaction": str(last.transaction_id), **position}


def _grow(frontier: list[bytes], size: int, rows: Iterable[Any]) -> _Growth:
    growth = _Growth()
    for index, row in enumerate(rows, start=size):
        salt = secrets.token_bytes(SALT_BYTES)
        found = leaf_hash(_said(row, salt).encode())
        growth.leaves.append((index, row.id, row.impact_id, salt, found))
        growth.nodes += append(frontier, index, found)
    return growth


def _said(row: Any, salt: bytes) -> str:
    if row.impact_id is not None:
        return impact_leaf_text(row, salt=salt)
    if row.debit_seal is None or row.credit_seal is None:
        raise LogBroken(f"an account of transfer {row.id} has no seal")
    return leaf_text(row, salt=salt, debit_seal=row.debit_seal, credit_seal=row.credit_seal)


async def _insert(tx: Transaction, growth: _Growth) -> None:
    names = ("indexes", "transfers", "impacts", "salts", "hashes")
    columns = (list(column) for column in zip(*growth.leaves, strict=True))
    await tx.execute(_INSERT_LEAVES, dict(zip(names, columns, strict=True)))
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
