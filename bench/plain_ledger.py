"""The ledger's rules the plain way: SQLModel's ORM, one transaction a transfer, that locks both of
its accounts with SELECT … FOR UPDATE, checks, writes. What Mela's ledger is measured against.

It writes no event log, as Mela's transactions do.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from core.ids import new_id
from core.money import INT64_MAX
from models.wallets import LedgerAccount, LedgerAsset, LedgerHold, Transfer

UNLIMITED = ("ISSUANCE", "EXTERNAL")


class Refused(Exception):
    """A rule refuses; the message is its name."""


async def lock_accounts(session: AsyncSession, wanted: list[UUID]) -> dict[UUID, LedgerAccount]:
    """Accounts by id, locked in the order of their ids, so that no two transfers can deadlock."""
    found = await session.exec(
        select(LedgerAccount)
        .where(col(LedgerAccount.id).in_(wanted))
        .order_by(col(LedgerAccount.id))
        .with_for_update()
        # What was read before the lock is old.
        .execution_options(populate_existing=True)
    )
    return {account.id: account for account in found}


async def transfer(
    session: AsyncSession, debit_id: UUID, credit_id: UUID, amount_minor: int
) -> Transfer:
    """Move an amount at once. Raises `Refused`."""
    accounts = await lock_accounts(session, [debit_id, credit_id])
    debit, credit = accounts[debit_id], accounts[credit_id]
    await check(session, debit, credit, amount_minor)
    debit.debits_posted += amount_minor
    credit.credits_posted += amount_minor
    return await _write(session, debit, credit, amount_minor, kind="SINGLE", code="TRANSFER")


async def hold(
    session: AsyncSession, debit: LedgerAccount, credit: LedgerAccount, amount_minor: int
) -> Transfer:
    """Hold an amount for a lot; the caller has locked both accounts. Raises `Refused`."""
    await check(session, debit, credit, amount_minor)
    debit.debits_pending += amount_minor
    credit.credits_pending += amount_minor
    made = await _write(session, debit, credit, amount_minor, kind="PENDING", code="BID")
    await session.flush()
    session.add(
        LedgerHold(
            transfer_id=made.id,
            debit_account_id=debit.id,
            credit_account_id=credit.id,
            amount_minor=amount_minor,
        )
    )
    return made


async def release(
    session: AsyncSession, held: LedgerHold, debit: LedgerAccount, credit: LedgerAccount
) -> Transfer:
    """Give back what is held; the caller has locked both accounts."""
    debit.debits_pending -= held.amount_minor
    credit.credits_pending -= held.amount_minor
    made = await _write(
        session,
        debit,
        credit,
        held.amount_minor,
        kind="VOID",
        code="BID",
        pending_id=held.transfer_id,
    )
    await session.delete(held)
    return made


async def check(
    session: AsyncSession, debit: LedgerAccount, credit: LedgerAccount, amount_minor: int
) -> None:
    """The rules that stand before every transfer and hold. Raises `Refused`."""
    if debit.asset != credit.asset:
        raise Refused("AssetMismatch")
    if debit.id == credit.id:
        raise Refused("InvalidInput")
    if "CLOSED" in (debit.status, credit.status):
        raise Refused("AccountClosed")
    if debit.status == "FROZEN":
        raise Refused("AccountFrozen")
    limits = await session.get_one(LedgerAsset, debit.asset)
    most = limits.transfer_max_minor if debit.kind == "USER" else None
    if not 0 < amount_minor <= INT64_MAX or (most is not None and amount_minor > most):
        raise Refused("InvalidInput")
    available = debit.credits_posted - debit.debits_posted - debit.debits_pending
    if debit.kind not in UNLIMITED and available < amount_minor:
        raise Refused("InsufficientFunds")
    counted = (
        debit.debits_posted + debit.debits_pending,
        credit.credits_posted + credit.credits_pending,
    )
    if max(counted) + amount_minor > INT64_MAX:
        raise Refused("InvalidInput")


async def _write(
    session: AsyncSession,
    debit: LedgerAccount,
    credit: LedgerAccount,
    amount_minor: int,
    *,
    kind: str,
    code: str,
    pending_id: UUID | None = None,
    expires_at: datetime | None = None,
) -> Transfer:
    made = Transfer(
        id=new_id(),
        kind=kind,
        code=code,
        debit_account_id=debit.id,
        credit_account_id=credit.id,
        asset=debit.asset,
        amount_minor=amount_minor,
        pending_id=pending_id,
        expires_at=expires_at,
        actor_id=debit.owner_id,
        debit_balance_after=debit.credits_posted - debit.debits_posted,
        debit_held_after=debit.debits_pending,
        credit_balance_after=credit.credits_posted - credit.debits_posted,
        credit_held_after=credit.debits_pending,
    )
    session.add(made)
    return made
