"""What the ledger tells its users' topics: one event for each of their accounts a transfer touched.

Ids and amounts only. More users than a transaction may have topics for are told by a job.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text

from core.database import Transaction
from core.events import NewEvent
from core.ids import new_id
from services.idempotency import claim, idempotent_request
from services.jobs import enqueue_all
from services.users.accounts import user_topic
from services.wallets.book import Book
from services.wallets.terms import Entry

MAX_TOLD = 7
"""Users told in the transaction itself; leaves room for other topics of the same transaction: the
end of a lot has the lot's, the stall's, and the seller's though the fee may leave them nothing."""
WALLET_CHANGED = "WalletChanged"
TELL_WALLETS = "tell_wallets"

_ENTRIES = text(
    """
    SELECT t.*, d.owner_id AS debit_owner, c.owner_id AS credit_owner
    FROM transfer AS t
    JOIN ledger_account AS d ON d.id = t.debit_account_id
    JOIN ledger_account AS c ON c.id = t.credit_account_id
    WHERE t.id = ANY (CAST(:ids AS uuid[])) ORDER BY t.row_id
    """
)


async def collect_changes(tx: Transaction, book: Book, *, most: int = MAX_TOLD) -> None:
    """Collect the events of a book's entries, or, for more than `most` users, ask for jobs that
    will, seven users each."""
    owners = {a.id: a.holder_id for a in book.by_id.values() if a.kind == "USER"}
    events: dict[UUID, list[NewEvent]] = defaultdict(list)
    touched: dict[UUID, list[UUID]] = defaultdict(list)
    for entry in book.entries:
        for account_id in (entry.debit_account_id, entry.credit_account_id):
            owner = owners.get(account_id)
            if owner is not None:
                events[owner].append(changed_event(owner, account_id, entry))
                touched[owner].append(entry.id)
    if len(events) <= most:
        for told in events.values():
            for event in told:
                tx.collect(event)
        return
    users = list(touched)
    groups = [users[i : i + MAX_TOLD] for i in range(0, len(users), MAX_TOLD)]
    await enqueue_all(tx, TELL_WALLETS, [_wish(group, touched) for group in groups])


def _wish(users: Sequence[UUID], touched: Mapping[UUID, Sequence[UUID]]) -> dict[str, object]:
    """A job's payload: whom to tell of which transfers."""
    ids = dict.fromkeys(id for user in users for id in touched[user])
    return {
        "key": new_id().hex,
        "users": [user.hex for user in users],
        "transfers": [id.hex for id in ids],
    }


async def tell_wallets(
    tx: Transaction, *, key: str, users: Sequence[UUID], transfers: Sequence[UUID]
) -> None:
    """Tell `users` of transfers that were committed before; once a `key`, however often called."""
    request = idempotent_request(users[0], key, {"users": list(users)})
    if await claim(tx, TELL_WALLETS, request, {}) is not None:
        return
    wanted = set(users)
    for row in await tx.execute(_ENTRIES, {"ids": list(transfers)}):
        for owner, account_id in (
            (row.debit_owner, row.debit_account_id),
            (row.credit_owner, row.credit_account_id),
        ):
            if owner in wanted:
                tx.collect(changed_event(owner, account_id, row))


def changed_event(user_id: UUID, account_id: UUID, entry: Entry | Row[Any]) -> NewEvent:
    """What a transfer did to one account of `user_id`, as of right after it."""
    debit = account_id == entry.debit_account_id
    payload = {
        "account": account_id.hex,
        "transfer": entry.id.hex,
        "asset": entry.asset,
        "kind": entry.kind,
        "code": entry.code,
        "side": "DEBIT" if debit else "CREDIT",
        "amount": entry.amount_minor,
        "balance": entry.debit_balance_after if debit else entry.credit_balance_after,
        "held": entry.debit_held_after if debit else entry.credit_held_after,
    }
    return NewEvent(user_topic(user_id), WALLET_CHANGED, payload, entry.actor_id)
