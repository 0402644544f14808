"""Accounts as such: frozen, unfrozen, closed; holds whose time is over."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import text

from core.database import Transaction
from core.errors import Forbidden, NotFound
from core.events import NewEvent
from core.text import clean_text
from services.users.accounts import user_topic
from services.users.audit import audit
from services.wallets.errors import AccountClosed
from services.wallets.ledger import apply_transfers
from services.wallets.terms import Void

REASON_MAX = 500

_LOCK = text(
    "SELECT owner_id, asset, status, debits_pending, credits_pending,"
    " credits_posted - debits_posted AS balance"
    " FROM ledger_account WHERE id = :id AND kind = 'USER' FOR NO KEY UPDATE"
)
_SET_STATUS = text("UPDATE ledger_account SET status = :status WHERE id = :id")
# Not locked here: accounts come before holds in the order of locks. Who comes second finds the hold
# resolved.
_EXPIRED = text(
    "SELECT transfer_id FROM ledger_hold WHERE expires_at <= statement_timestamp()"
    " ORDER BY expires_at, transfer_id LIMIT :limit"
)


async def freeze_account(tx: Transaction, *, account_id: UUID, actor_id: UUID, reason: str) -> bool:
    """Let nothing new leave a user's account; credits, releases and the posting of holds made
    before still pass. False if it is frozen already. Raises `NotFound`, `AccountClosed`,
    `InvalidInput("reason")` outside 1 to 500 characters."""
    return await _set_frozen(tx, account_id, actor_id, reason, frozen=True)


async def unfreeze_account(
    tx: Transaction, *, account_id: UUID, actor_id: UUID, reason: str
) -> bool:
    """Undo `freeze_account`. False if it is not frozen. Raises as `freeze_account`."""
    return await _set_frozen(tx, account_id, actor_id, reason, frozen=False)


async def _set_frozen(
    tx: Transaction, account_id: UUID, actor_id: UUID, reason: str, *, frozen: bool
) -> bool:
    said = clean_text(reason, field="reason", minimum=1, maximum=REASON_MAX)
    row = await _locked(tx, account_id)
    if row.status == "CLOSED":
        raise AccountClosed(account_id)
    if (row.status == "FROZEN") == frozen:
        return False
    status = "FROZEN" if frozen else "OPEN"
    await tx.execute(_SET_STATUS, {"id": account_id, "status": status})
    await audit(
        tx,
        "LEDGER_ACCOUNT_FROZEN" if frozen else "LEDGER_ACCOUNT_UNFROZEN",
        user_id=row.owner_id,
        actor_id=actor_id,
        details={"account": account_id.hex, "reason": said},
    )
    payload = {"account": account_id.hex, "asset": row.asset, "status": status}
    tx.collect(NewEvent(user_topic(row.owner_id), "WalletStatusChanged", payload, actor_id))
    return True


async def close_account(tx: Transaction, *, account_id: UUID, actor_id: UUID) -> None:
    """End an empty account for good; closing twice changes nothing. Raises `NotFound`, and
    `Forbidden` while anything is in it or held."""
    row = await _locked(tx, account_id)
    if row.status == "CLOSED":
        return
    if row.balance or row.debits_pending or row.credits_pending:
        raise Forbidden("only an empty account can be closed")
    await tx.execute(_SET_STATUS, {"id": account_id, "status": "CLOSED"})
    await audit(
        tx,
        "LEDGER_ACCOUNT_CLOSED",
        user_id=row.owner_id,
        actor_id=actor_id,
        details={"account": account_id.hex},
    )


async def _locked(tx: Transaction, account_id: UUID) -> Any:
    row = (await tx.execute(_LOCK, {"id": account_id})).one_or_none()
    if row is None:
        raise NotFound("account")
    return row


async def expire_holds(tx: Transaction, *, limit: int) -> int:
    """Release up to `limit` (1,000 at most) holds whose time is over, the most overdue first; how
    many were found, whether this call released them or another was quicker."""
    found = list((await tx.execute(_EXPIRED, {"limit": limit})).scalars())
    await apply_transfers(tx, [Void(hold_id=id, expiry=True) for id in found])
    return len(found)
