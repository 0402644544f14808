"""The audit of a whole ledger: every balance from the transfers, the log from its leaves.

Reads rows in streams; what is kept in memory grows with the accounts, not with the transfers.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncResult

from core.database import Database, Transaction
from core.signing import NoteKeys, Signature
from services.wallets import audit_reads as reads
from services.wallets.leaves import account_seal, impact_leaf_text, leaf_text
from services.wallets.log import head_text
from services.wallets.merkle import append, fold, leaf_hash
from services.wallets.report import ATTESTATIONS, attestation_fault

STATUS_AFTER = {
    "LEDGER_ACCOUNT_OPEN": "OPEN",
    "LEDGER_ACCOUNT_FROZEN": "FROZEN",
    "LEDGER_ACCOUNT_UNFROZEN": "OPEN",
    "LEDGER_ACCOUNT_CLOSED": "CLOSED",
}
"""An account's status by the last word on it in the audit log."""
COUNTERS = ("debits_pending", "debits_posted", "credits_pending", "credits_posted")
PAGE = 2_000

_ONE_SNAPSHOT = text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
_NO_TIMEOUT = text("SET LOCAL statement_timeout = 0")


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the audit. `broken` names the first row that is wrong, and how."""

    name: str
    rows: int
    broken: str | None = None


@dataclass(slots=True)
class _Account:
    kind: str
    asset: str
    seal: bytes
    kept: tuple[int, int, int, int]
    debits_pending: int = 0
    debits_posted: int = 0
    credits_pending: int = 0
    credits_posted: int = 0


@dataclass(slots=True)
class _Audit:
    session: Transaction
    keys: NoteKeys
    accounts: dict[UUID, _Account] = field(default_factory=dict)
    roots: dict[int, bytes] = field(default_factory=dict)
    rows: int = 0


class _Broken(Exception):
    """Ends a check at its first broken row."""


async def verify_ledger(db: Database, keys: NoteKeys) -> list[Check]:
    """Check the whole ledger as it is at one moment, beside whatever else runs."""

    async def work(tx: Transaction) -> list[Check]:
        await tx.execute(_ONE_SNAPSHOT)
        await tx.execute(_NO_TIMEOUT)
        return await check_ledger(tx, keys)

    return await db.transaction(work)


async def check_ledger(session: Transaction, keys: NoteKeys) -> list[Check]:
    """All checks, in one session; each goes up to its first broken row. Changes nothing."""
    audit = _Audit(session, keys)
    checks: tuple[tuple[str, Callable[[_Audit], Awaitable[None]]], ...] = (
        ("accounts are as they were opened", _check_accounts),
        ("tree heads are signed", _check_heads),
        ("leaves are the transfers and impact entries, nodes and roots follow", _check_tree),
        ("nothing was left out of the log", _check_left_out),
        ("transfers keep the rules", _check_transfers),
        ("balances are the fold of the transfers", _check_balances),
        ("debits equal credits, for each asset", _check_sums),
        ("open holds are the unresolved transfers", _check_holds),
        ("attestations are signed and true", _check_attestations),
    )
    return [await _run(audit, name, check) for name, check in checks]


async def _run(audit: _Audit, name: str, check: Callable[[_Audit], Awaitable[None]]) -> Check:
    audit.rows = 0
    try:
        await check(audit)
    except _Broken as broken:
        return Check(name, audit.rows, str(broken))
    return Check(name, audit.rows)


async def _check_accounts(audit: _Audit) -> None:
    fault: str | None = None
    async with _stream(audit, reads.ACCOUNTS) as rows:
        async for row in rows:
            audit.rows += 1
            fault = fault or _account_fault(row)
            if row.id is not None:  # later checks need every account, whatever is wrong with one
                kept = tuple(getattr(row, name) for name in COUNTERS)
                audit.accounts[row.id] = _Account(row.kind, row.asset, row.seal or b"", kept)
    _broken_if(fault)


def _account_fault(row: Any) -> str | None:
    if row.id is None:
        return f"ledger_account {row.account_id}: it is gone, its seal is there"
    if row.seal is None:
        return f"ledger_account {row.id}: it has no seal"
    if account_seal(row) != row.seal:
        return f"ledger_account {row.id}: it is not what was sealed when it was opened"
    if row.status != STATUS_AFTER[row.audited]:
        return f"ledger_account {row.id}: {row.status} is not what the audit log says"
    return None


async def _check_heads(audit: _Audit) -> None:
    fault: str | None = None
    async with _stream(audit, reads.HEADS) as rows:
        async for row in rows:
            audit.rows += 1
            audit.roots[row.size] = row.root
            said = head_text(row.size, row.root, row.signed_text)
            if not audit.keys.holds(said, Signature(row.public_key, row.signature)):
                fault = fault or f"ledger_tree_head {row.size}: the signature does not hold"
    _broken_if(fault)


async def _check_tree(audit: _Audit) -> None:
    async with _stream(audit, reads.NODES) as nodes, _stream(audit, reads.LEAVES) as leaves:
        size = await _check_growth(audit, leaves, nodes)
        more = await anext(nodes, None)
    if more is not None:
        raise _Broken(f"ledger_node {more.level}/{more.place}: no leaves are below it")
    newest = max(audit.roots, default=0)
    if newest != size:
        raise _Broken(f"ledger_tree_head {newest}: the log has {size} leaves")


async def _check_growth(
    audit: _Audit, leaves: AsyncIterator[Any], nodes: AsyncIterator[Any]
) -> int:
    """Grow the tree again, comparing each node and root with the one kept; returns its size."""
    frontier: list[bytes] = []
    size, last = 0, (0, 0, 0)
    async for row in leaves:
        audit.rows += 1
        _broken_if(_leaf_fault(audit, row, size, last))
        last = _place(row)
        for level, index, found in append(frontier, size, row.hash):
            node = await anext(nodes, None)
            if node is None or (node.level, node.place, node.hash) != (level, index, found):
                raise _Broken(f"ledger_node {level}/{index}: not the hash of what is below it")
        size += 1
        if size in audit.roots and audit.roots[size] != fold(frontier):
            raise _Broken(f"ledger_tree_head {size}: not the root of the first {size} leaves")
    return size


def _place(row: Any) -> tuple[int, int, int]:
    if row.impact_id is None:
        return (row.transaction_id, 0, row.row_id)
    return (row.impact_transaction_id, 1, row.impact_row_id)


def _leaf_fault(audit: _Audit, row: Any, place: int, last: tuple[int, int, int]) -> str | None:
    if row.place != place:
        return f"ledger_leaf {place}: it is missing"
    if row.transfer_id is None:
        name = f"impact_entry {row.impact_entry_id}"
        said = None if row.impact_id is None else impact_leaf_text(row, salt=row.salt)
    else:
        name = f"transfer {row.transfer_id}"
        said = None if row.id is None else _transfer_said(audit, row)
        if row.impact_entry_id is not None:
            return f"ledger_leaf {place}: it is of two rows"
    if said is None:
        return f"ledger_leaf {place}: {name} does not exist, or is between no accounts"
    if leaf_hash(said.encode()) != row.hash:
        return f"ledger_leaf {place}: it is not the hash of {name}"
    if _place(row) <= last:
        return f"ledger_leaf {place}: {name} is out of order"
    return None


def _transfer_said(audit: _Audit, row: Any) -> str | None:
    debit = audit.accounts.get(row.debit_account_id)
    credit = audit.accounts.get(row.credit_account_id)
    if debit is None or credit is None:
        return None
    return leaf_text(row, salt=row.salt, debit_seal=debit.seal, credit_seal=credit.seal)


async def _check_left_out(audit: _Audit) -> None:
    found = await audit.session.scalar(reads.LEFT_OUT)
    if found is not None:
        raise _Broken(f"{found}: the log went past it")


async def _check_transfers(audit: _Audit) -> None:
    fault: str | None = None
    async with _stream(audit, reads.TRANSFERS) as rows:
        async for row in rows:
            audit.rows += 1
            fault = fault or _transfer_fault(audit, row)
            debit = audit.accounts.get(row.debit_account_id)
            credit = audit.accounts.get(row.credit_account_id)
            if debit is not None and credit is not None:
                _move(row, debit, credit)
                fault = fault or _after_fault(row, debit, credit)
    _broken_if(fault)
    twice = await audit.session.scalar(reads.RESOLVED_TWICE)
    if twice is not None:
        raise _Broken(f"transfer {twice}: it was resolved twice")


def _move(row: Any, debit: _Account, credit: _Account) -> None:
    if row.kind == "PENDING":
        debit.debits_pending += row.amount_minor
        credit.credits_pending += row.amount_minor
    if row.kind in ("SINGLE", "POST"):
        debit.debits_posted += row.amount_minor
        credit.credits_posted += row.amount_minor
    if row.held is not None:
        debit.debits_pending -= row.held
        credit.credits_pending -= row.held


def _after_fault(row: Any, debit: _Account, credit: _Account) -> str | None:
    said = (row.debit_balance_after, row.debit_held_after)
    if said != (debit.credits_posted - debit.debits_posted, debit.debits_pending):
        return f"transfer {row.id}: not the debit account's balance after it"
    said = (row.credit_balance_after, row.credit_held_after)
    if said != (credit.credits_posted - credit.debits_posted, credit.debits_pending):
        return f"transfer {row.id}: not the credit account's balance after it"
    return None


def _transfer_fault(audit: _Audit, row: Any) -> str | None:
    debit = audit.accounts.get(row.debit_account_id)
    credit = audit.accounts.get(row.credit_account_id)
    if debit is None or credit is None or debit is credit:
        return f"transfer {row.id}: not between two accounts"
    if not debit.asset == credit.asset == row.asset:
        return f"transfer {row.id}: not in the asset of its accounts"
    if row.amount_minor <= 0:
        return f"transfer {row.id}: an amount of {row.amount_minor}"
    if row.kind in ("SINGLE", "PENDING"):
        return None if row.pending_id is None else f"transfer {row.id}: it resolves nothing"
    held = (row.held_kind, row.held_asset, row.held_debit, row.held_credit)
    if held != ("PENDING", row.asset, row.debit_account_id, row.credit_account_id):
        return f"transfer {row.id}: it is no resolution of transfer {row.pending_id}"
    least = 1 if row.kind == "POST" else row.held
    if row.kind not in ("POST", "VOID", "EXPIRE") or not least <= row.amount_minor <= row.held:
        return f"transfer {row.id}: a {row.kind} of {row.amount_minor}, where {row.held} are held"
    return None


async def _check_balances(audit: _Audit) -> None:
    for id, account in audit.accounts.items():
        audit.rows += 1
        found = tuple(getattr(account, name) for name in COUNTERS)
        for name, kept, right in zip(COUNTERS, account.kept, found, strict=True):
            if kept != right:
                raise _Broken(f"ledger_account {id}: {name} is {kept}, the transfers say {right}")
        outside = account.kind in ("ISSUANCE", "EXTERNAL")
        if not outside and account.credits_posted - account.debits_posted < account.debits_pending:
            raise _Broken(f"ledger_account {id}: it is overdrawn")


async def _check_sums(audit: _Audit) -> None:
    sums: dict[str, list[int]] = {}
    for account in audit.accounts.values():
        both = sums.setdefault(account.asset, [0, 0])
        both[0] += account.kept[0] - account.kept[2]
        both[1] += account.kept[1] - account.kept[3]
    audit.rows = len(sums)
    for asset, (pending, posted) in sorted(sums.items()):
        if pending or posted:
            raise _Broken(f"{asset}: debits exceed credits by {posted} posted, {pending} pending")


async def _check_holds(audit: _Audit) -> None:
    async with _stream(audit, reads.HOLDS) as rows:
        async for row in rows:
            audit.rows += 1
            if not row.kept:
                raise _Broken(f"transfer {row.id}: nothing resolved it, and it has no ledger_hold")
            if not row.standing:
                raise _Broken(f"ledger_hold {row.id}: no such transfer stands")
            if not row.same:
                raise _Broken(f"ledger_hold {row.id}: it is not what its transfer says")


async def _check_attestations(audit: _Audit) -> None:
    for row in (await audit.session.execute(ATTESTATIONS)).all():
        audit.rows += 1
        fault = await attestation_fault(audit.session, audit.keys, row, audit.roots)
        _broken_if(fault and f"ledger_attestation {row.period}: {fault}")


def _broken_if(fault: str | None) -> None:
    if fault is not None:
        raise _Broken(fault)


@asynccontextmanager
async def _stream(audit: _Audit, statement: Any) -> AsyncIterator[AsyncResult[Any]]:
    """Rows as they come, from a cursor on the server; several may be open at once."""
    options = {"yield_per": PAGE}
    result = await audit.session.stream(statement, execution_options=options)
    try:
        yield result
    finally:
        await result.close()
