"""The ledger written out: a beancount journal, CSV, and proofs for docs/verify_ledger.py.

Lines come one by one from a cursor; nothing grows with the ledger but the list of accounts.
"""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncResult

from core.database import Transaction
from core.ids import encode_id
from core.money import to_decimal
from services.wallets.leaves import TRANSFER_COLUMNS
from services.wallets.log import (
    InclusionProof,
    Reader,
    TreeHead,
    prove_consistency,
    prove_impact,
    prove_inclusion,
)

PAGE = 2_000

# What the platform owes its users is a liability; what stands for the outside, an asset or equity.
SECTIONS = {
    "USER": "Liabilities:Users",
    "ESCROW": "Liabilities:Escrow",
    "ISSUANCE": "Equity:Issuance",
    "EXTERNAL": "Assets:External",
    "FEES": "Income:Fees",
    "REWARDS": "Expenses:Rewards",
}

_ACCOUNTS = text(
    """
    SELECT id, kind, asset, credits_posted - debits_posted AS balance,
           CAST(created_at AT TIME ZONE 'UTC' AS date) AS opened
    FROM ledger_account ORDER BY id
    """
)
_BOUNDS = text(
    """
    SELECT CAST(min(at) AT TIME ZONE 'UTC' AS date) AS first,
           CAST(max(at) AT TIME ZONE 'UTC' AS date) + 1 AS after
    FROM (SELECT created_at AS at FROM transfer UNION ALL SELECT created_at FROM ledger_account)
    """
)
_TRANSFERS = text(
    f"""
    SELECT l.index AS place, CAST(t.created_at AT TIME ZONE 'UTC' AS date) AS day,
           d.kind AS debit_kind, c.kind AS credit_kind, {TRANSFER_COLUMNS}
    FROM transfer AS t
    JOIN ledger_account AS d ON d.id = t.debit_account_id
    JOIN ledger_account AS c ON c.id = t.credit_account_id
    LEFT JOIN ledger_leaf AS l ON l.transfer_id = t.id
    ORDER BY t.row_id
    """
)
CSV_HEADER = (
    "index",
    "id",
    "created_at",
    "kind",
    "code",
    "debit_account",
    "credit_account",
    "asset",
    "amount",
    "pending",
    "expires_at",
    "reference",
)


class NotInLog(RuntimeError):
    """What is to be proven is not in the log (yet)."""


async def beancount_lines(session: Transaction) -> AsyncIterator[str]:
    """The journal. Every balance is asserted without tolerance on the day after the last transfer.

    Only what was posted is in it: a hold moves no money. Run it in one snapshot.
    """
    bounds = (await session.execute(_BOUNDS)).one()
    accounts = (await session.execute(_ACCOUNTS)).all()
    yield 'option "title" "Mela ledger"\n\n'
    for row in accounts:
        yield f"{bounds.first} open {_name(row.kind, row.id)} {row.asset}\n"
    async with _stream(session, _TRANSFERS) as rows:
        async for row in rows:
            if row.kind in ("SINGLE", "POST"):
                yield _transaction(row)
    yield "\n"
    for row in accounts:
        # In beancount a debit is positive; ours are balances as their owners see them.
        balance = to_decimal(-row.balance, row.asset)
        name = _name(row.kind, row.id)
        yield f"{bounds.after} balance {name} {balance:f} ~ 0 {row.asset}\n"


async def csv_lines(session: Transaction) -> AsyncIterator[str]:
    """A header, then every transfer in the order in which they were made, holds too."""
    yield _csv(CSV_HEADER)
    async with _stream(session, _TRANSFERS) as rows:
        async for row in rows:
            yield _csv(
                (
                    row.place,
                    encode_id("trf", row.id),
                    row.created_text,
                    row.kind,
                    row.code,
                    encode_id("acc", row.debit_account_id),
                    encode_id("acc", row.credit_account_id),
                    row.asset,
                    f"{to_decimal(row.amount_minor, row.asset):f}",
                    row.pending_id and encode_id("trf", row.pending_id),
                    row.expires_text,
                    row.reference,
                )
            )


async def proof_bundle(
    session: Reader, key: UUID, *, since: int | None = None, impact: bool = False
) -> dict[str, Any]:
    """A proof for docs/verify_ledger.py: that a transfer (or an impact entry) is in the log and,
    with `since`, that the log still begins with the head of that size. Raises `NotInLog`."""
    proof = await (prove_impact if impact else prove_inclusion)(session, key)
    if proof is None:
        raise NotInLog(f"{encode_id('imp' if impact else 'trf', key)} is not in the log")
    bundle: dict[str, Any] = {"ledgerInclusionProof": _inclusion(proof)}
    if since is not None:
        bundle["ledgerConsistencyProof"] = await _consistency(session, since, proof.head.size)
    return bundle


async def _consistency(session: Reader, since: int, size: int) -> dict[str, Any]:
    joined = await prove_consistency(session, since, size) if 1 <= since <= size else None
    if joined is None or joined.from_head is None or joined.to_head is None:
        raise NotInLog(f"no head of {since} leaves was signed")
    return {
        "path": [step.hex() for step in joined.path],
        "fromHead": _head(joined.from_head),
        "toHead": _head(joined.to_head),
    }


def _inclusion(proof: InclusionProof) -> dict[str, Any]:
    return {
        "index": str(proof.index),
        "leaf": proof.leaf,
        "leafHash": proof.leaf_hash.hex(),
        "path": [step.hex() for step in proof.path],
        "head": _head(proof.head),
    }


def _head(head: TreeHead) -> dict[str, str]:
    return {"note": head.note}


def _name(kind: str, id: UUID) -> str:
    return f"{SECTIONS[kind]}:A{id.hex}"


def _transaction(row: Any) -> str:
    amount = f"{to_decimal(row.amount_minor, row.asset):f}"
    reference = "" if row.reference is None else f'  reference: "{row.reference}"\n'
    return (
        f'\n{row.day} * "{row.code}" ^{encode_id("trf", row.id)}\n{reference}'
        f"  {_name(row.debit_kind, row.debit_account_id)}  {amount} {row.asset}\n"
        f"  {_name(row.credit_kind, row.credit_account_id)}  -{amount} {row.asset}\n"
    )


def _csv(values: tuple[object, ...]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow(values)
    return buffer.getvalue()


@asynccontextmanager
async def _stream(session: Transaction, statement: Any) -> AsyncIterator[AsyncResult[Any]]:
    result = await session.stream(statement, execution_options={"yield_per": PAGE})
    try:
        yield result
    finally:
        await result.close()
