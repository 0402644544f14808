"""Gathers what /metrics says of the ledger and the auctions, beside whatever else a server does.

One process of each page gathers, every few seconds; a scrape reads what was gathered and asks no
database. The questions stand in services/.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import IO, Final

import structlog
from sqlalchemy import text

from core.database import Database, Transaction
from core.metrics import claim_gathering, mark_gathered, set_gathered
from services.auctions.health import overdue_auctions, sold_without_order
from services.search.health import index_glance
from services.wallets.health import (
    ledger_sums,
    log_lag,
    open_holds_health,
    pending_payments,
    token_supplies,
)

log = structlog.get_logger(__name__)

EVERY_S: Final = 10.0
STATEMENT_TIMEOUT_S: Final = 3.0
GATHER_TIMEOUT_S: Final = 6.0
"""For one check with its connection: one that hangs does not keep the others from being made."""
STOP_S: Final = 2.0

_LIMIT = text("SELECT set_config('statement_timeout', :limit, true)")

Reading = tuple[str, float, tuple[str, ...]]
"""A gauge's name, its value, and its labels."""


@dataclass(frozen=True, slots=True)
class Check:
    """One question to the database; asked at most every `every_s`."""

    name: str
    read: Callable[[Transaction], Awaitable[Sequence[Reading]]]
    every_s: float = EVERY_S


async def _sums(tx: Transaction) -> list[Reading]:
    sums = await ledger_sums(tx)
    broken = {s.asset: {"posted": s.posted, "pending": s.pending} for s in sums}
    broken = {asset: counters for asset, counters in broken.items() if any(counters.values())}
    if broken:
        log.error("ledger_out_of_balance", **broken)
    name = "mela_ledger_imbalance"
    return [
        reading
        for s in sums
        for reading in (
            (name, s.posted, (s.asset, "posted")),
            (name, s.pending, (s.asset, "pending")),
        )
    ]


async def _supplies(tx: Transaction) -> list[Reading]:
    found: list[Reading] = []
    for token in await token_supplies(tx):
        cap = math.inf if token.cap is None else token.cap
        found.append(("mela_ledger_supply", token.supply, (token.asset,)))
        found.append(("mela_ledger_supply_cap", cap, (token.asset,)))
    return found


async def _holds(tx: Transaction) -> list[Reading]:
    holds = await open_holds_health(tx)
    return [
        ("mela_ledger_holds", holds.open, ()),
        ("mela_ledger_oldest_hold_seconds", holds.oldest_s, ()),
        ("mela_ledger_hold_overdue_seconds", holds.overdue_s, ()),
    ]


async def _log(tx: Transaction) -> list[Reading]:
    waiting = await log_lag(tx)
    return [
        ("mela_ledger_unsequenced_transfers", waiting.count, ()),
        ("mela_ledger_unsequenced_oldest_seconds", waiting.oldest_s, ()),
    ]


async def _payments(tx: Transaction) -> list[Reading]:
    waiting = await pending_payments(tx)
    return [
        ("mela_payments_pending", waiting.count, ()),
        ("mela_payments_pending_oldest_seconds", waiting.oldest_s, ()),
    ]


async def _auctions(tx: Transaction) -> list[Reading]:
    overdue = await overdue_auctions(tx)
    return [
        ("mela_auctions_overdue", overdue.count, ()),
        ("mela_auctions_overdue_seconds", overdue.most_s, ()),
    ]


async def _orders(tx: Transaction) -> list[Reading]:
    return [("mela_auctions_sold_without_order", await sold_without_order(tx), ())]


async def _search(tx: Transaction) -> list[Reading]:
    lag, documents, generation = await index_glance(tx)
    return [
        ("mela_search_documents", documents, ()),
        ("mela_search_generation", generation, ()),
        ("mela_search_waiting_events", lag.events, ()),
        ("mela_search_waiting_oldest_seconds", lag.oldest_s, ()),
    ]


CHECKS: Final = (
    Check("ledger_sums", _sums, every_s=30.0),  # a pass over all accounts
    Check("ledger_supply", _supplies),
    Check("ledger_holds", _holds),
    Check("ledger_log", _log),
    Check("payments", _payments),
    Check("auctions", _auctions),
    Check("orders", _orders, every_s=60.0),
    Check("search", _search),
)


@dataclass(slots=True)
class Gatherer:
    """What a process knows of its gathering: the claim while it has it, when each check was last
    begun (monotonic), and which fail at the moment."""

    claim: IO[bytes] | None = None
    begun: dict[str, float] = field(default_factory=dict)
    failing: set[str] = field(default_factory=set)


@asynccontextmanager
async def run_health(db: Database, *, every_s: float = EVERY_S) -> AsyncIterator[None]:
    """Gather while the context lasts, if no other process of the same page does. Never fails:
    what cannot be gathered keeps its last value, and its `mela_health_gathered_seconds_ago` grows.
    """
    stopping = asyncio.Event()
    task = asyncio.create_task(_loop(db, stopping, every_s), name="health")
    try:
        yield
    finally:
        stopping.set()
        task.cancel()
        # Not awaited for longer: a connection that hangs must not hold up the end of the process.
        await asyncio.wait({task}, timeout=STOP_S)


async def _loop(db: Database, stopping: asyncio.Event, every_s: float) -> None:
    gatherer = Gatherer()
    try:
        while not stopping.is_set():
            try:
                await gather(db, gatherer, every_s=every_s)
            except Exception as error:
                # Whatever it was (a full disk under the files, say), the next round may succeed.
                log.warning("health_failed", error=repr(error)[:300])
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), every_s * random.uniform(0.9, 1.1))
    finally:
        if gatherer.claim is not None:
            gatherer.claim.close()


async def gather(
    db: Database,
    gatherer: Gatherer,
    *,
    every_s: float = EVERY_S,
    checks: Sequence[Check] = CHECKS,
) -> None:
    """One round: each check that is due, one after the other, if the gathering is this process's.
    Intervals shrink with `every_s`. Checks that fail are passed over."""
    if gatherer.claim is None:
        gatherer.claim = claim_gathering()
        if gatherer.claim is None:
            return
        for check in checks:
            # What was never gathered counts its age from here.
            mark_gathered(check.name)
    for check in checks:
        pause_s = check.every_s * every_s / EVERY_S
        now = time.monotonic()
        # Half a round early: a pause that came out short must not cost a whole further round.
        if now - gatherer.begun.get(check.name, -math.inf) < pause_s - every_s / 2:
            continue
        gatherer.begun[check.name] = now
        await _make(db, gatherer, check)


async def _make(db: Database, gatherer: Gatherer, check: Check) -> None:
    async def work(tx: Transaction) -> Sequence[Reading]:
        await tx.execute(_LIMIT, {"limit": str(int(STATEMENT_TIMEOUT_S * 1000))})
        return await check.read(tx)

    try:
        async with asyncio.timeout(GATHER_TIMEOUT_S):
            readings = await db.transaction(work)
    except Exception as error:
        if check.name not in gatherer.failing:
            gatherer.failing.add(check.name)
            log.warning("health_not_gathered", check=check.name, error=repr(error)[:300])
        return
    if check.name in gatherer.failing:
        gatherer.failing.discard(check.name)
        log.info("health_gathered_again", check=check.name)
    set_gathered(readings)
    mark_gathered(check.name)
