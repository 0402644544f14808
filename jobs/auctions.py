"""Wakes of lots, and the sweep that finds what no wake came for. The rules stand in services/."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from uuid import UUID

import structlog

from core.database import Database, Transaction
from services.auctions.closing import (
    DueAuctions,
    close_auction,
    due_auctions,
    open_auction,
    schedule_closing,
)

log = structlog.get_logger(__name__)

SWEEP_PAGE = 100


@dataclass(frozen=True, slots=True)
class Sweep:
    """What a sweep did; `failed` lots are tried again by the next one."""

    opened: int = 0
    closed: int = 0
    failed: tuple[UUID, ...] = ()


async def open_at_start(db: Database, auction_id: UUID) -> None:
    """A lot's start has come, or may have."""
    await db.transaction(partial(open_auction, auction_id=auction_id))


async def close_at_end(db: Database, auction_id: UUID) -> None:
    """A lot's end has come, or had: a bid may have moved it, and then we wake again."""

    async def work(tx: Transaction) -> None:
        if await close_auction(tx, auction_id) is None:
            await schedule_closing(tx, auction_id)

    await db.transaction(work)


async def sweep_auctions(
    db: Database, *, page: int = SWEEP_PAGE, stopping: Callable[[], bool] = bool
) -> Sweep:
    """Open and close every lot that is due, each in a transaction of its own, most overdue first.

    Safe beside wakes and other sweeps. A lot that fails is logged and passed over. Stops between
    lots when `stopping()`. Raises what the database raises while it looks for due lots.
    """
    done = Sweep()
    while not stopping():
        due = await db.transaction(partial(due_auctions, limit=page, but=done.failed))
        before = done
        for auction_id in due.to_close + due.to_open:
            if stopping():
                return done
            done = await _take(db, auction_id, due, done)
        if done == before:  # nothing due, or others took it all
            return done
    return done


async def _take(db: Database, auction_id: UUID, due: DueAuctions, done: Sweep) -> Sweep:
    try:
        if auction_id in due.to_open:
            opened = await db.transaction(partial(open_auction, auction_id=auction_id))
            return replace(done, opened=done.opened + opened)
        closing = await db.transaction(partial(close_auction, auction_id=auction_id))
        return replace(done, closed=done.closed + (closing is not None))
    except Exception:
        # One lot that cannot be closed must not keep all later ones from it.
        log.exception("sweep_failed", auction=auction_id.hex)
        return replace(done, failed=(*done.failed, auction_id))
