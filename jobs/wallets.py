"""The ledger's background work: holds whose time is over, and users told of large transfers. The
rules stand in services/."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from uuid import UUID

import orjson

from core.database import Database
from services.wallets.accounts import expire_holds
from services.wallets.changes import tell_wallets

EXPIRE_PAGE = 100
EXPIRE_PAGES_MAX = 1_000
"""Pages in one run: the next goes on."""


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


async def tell_wallets_of(db: Database, payload: bytes | None) -> None:
    """Tell the users of a job's payload of their transfers; once, however often it runs."""
    asked = orjson.loads(payload or b"{}")
    users = [UUID(hex=user) for user in asked["users"]]
    transfers = [UUID(hex=id) for id in asked["transfers"]]
    await db.transaction(partial(tell_wallets, key=asked["key"], users=users, transfers=transfers))
