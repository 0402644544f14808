"""The ledger's background work: holds whose time is over, payments that nobody has heard of for too
long, users told of large transfers. The rules stand in services/."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

import orjson
import structlog

from core.database import Database
from core.ids import encode_id
from core.metrics import count_payment_asked_again
from core.ports import PaymentProvider
from services.wallets.accounts import expire_holds
from services.wallets.changes import tell_wallets
from services.wallets.payments import PAYMENT_PREFIX, ask_provider, claim_stuck, take_reply

log = structlog.get_logger(__name__)

EXPIRE_PAGE = 100
EXPIRE_PAGES_MAX = 1_000
"""Pages in one run: the next goes on."""
ASK_PAGE = 8
"""Payments asked about at once; small, so that all that is claimed is asked about right away."""
ASK_RUN_S = 45.0
"""After so long a run begins no further page: the next run, a minute later, goes on."""


async def expire_due_holds(db: Database, *, stopping: Callable[[], bool] = bool) -> int:
    """Release every hold whose time is over; how many were found. Safe beside other runs; stops
    between pages when `stopping()`."""
    total = 0
    for _ in range(EXPIRE_PAGES_MAX):
        if stopping():
            break
        found = await db.transaction(partial(expire_holds, limit=EXPIRE_PAGE))
        total += found
        if found < EXPIRE_PAGE:
            break
    return total


async def ask_about_stuck_payments(
    db: Database,
    provider: PaymentProvider,
    *,
    after_s: int,
    stopping: Callable[[], bool] = bool,
) -> Counter[str]:
    """Ask the provider again about payments that have been pending for `after_s`; how often it said
    what (see `count_payment_asked_again`).

    Safe beside webhooks, retries and other runs: each answer is taken in a transaction of its own,
    and one answer resolves a payment. Stops between pages when `stopping()`, after 45 seconds, and
    when a whole page got no answer: then the provider is down.
    """
    outcomes: Counter[str] = Counter()
    began = time.monotonic()
    while not stopping() and time.monotonic() - began < ASK_RUN_S:
        claim = partial(claim_stuck, provider=provider.name, after_s=after_s, limit=ASK_PAGE)
        claimed = await db.transaction(claim)
        said = await asyncio.gather(*(_ask_again(db, provider, payment) for payment in claimed))
        outcomes.update(said)
        if len(claimed) < ASK_PAGE or set(said) == {"unanswered"}:
            break
    return outcomes


async def _ask_again(db: Database, provider: PaymentProvider, payment: Any) -> str:
    reply = await ask_provider(provider, payment)
    outcome = "unanswered"
    if reply is not None:
        outcome = reply.status.lower()
        try:
            await db.transaction(partial(take_reply, payment_id=payment.id, reply=reply))
        except Exception:
            # One payment that cannot be resolved (its account is closed, say) must not keep the
            # others from it. It stays pending, and the metrics tell its age.
            log.exception("payment_not_resolved", payment=encode_id(PAYMENT_PREFIX, payment.id))
            outcome = "refused"
    count_payment_asked_again(outcome)
    return outcome


async def tell_wallets_of(db: Database, payload: bytes | None) -> None:
    """Tell the users of a job's payload of their transfers; once, however often it runs."""
    asked = orjson.loads(payload or b"{}")
    users = [UUID(hex=user) for user in asked["users"]]
    transfers = [UUID(hex=id) for id in asked["transfers"]]
    await db.transaction(partial(tell_wallets, key=asked["key"], users=users, transfers=transfers))
