"""Keeps the demo's lot alive: bots that bid on it through the real queue, and a new lot whenever
the old one nears its end or has become too dear. What the demo consists of stands in
services/seed/demo.py.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Row, text

from core.database import Database, ReadSession
from core.errors import DomainError
from core.ids import encode_id, new_id
from core.money import to_minor
from services.auctions.bidding import bid_request
from services.auctions.increments import default_increments
from services.auctions.queue import BidQueue
from services.seed.demo import (
    DEMO_ASSET,
    DemoCast,
    ensure_cast,
    open_demo_lot,
    publish_demo_lot,
)

log = structlog.get_logger(__name__)

AUCTION_PREFIX = "auc"

_TAKE_LOCK = text("SELECT pg_try_advisory_lock(hashtextextended('mela.demo_bots', 0))")
_GIVE_LOCK = text("SELECT pg_advisory_unlock(hashtextextended('mela.demo_bots', 0))")
_LIVE_LOTS = text(
    """
    SELECT id, status, current_price_minor, starting_price_minor, bid_count, leader_id, ends_at,
           clock_timestamp() AS now
    FROM auction WHERE seller_id = :seller AND status IN ('SCHEDULED', 'OPEN')
    ORDER BY created_at DESC, id DESC LIMIT :limit
    """
)


@dataclass(frozen=True, slots=True)
class DemoPace:
    """How lively the demo is. Bots pause `least_s` to `most_s` between bids, leave a lot alone
    `quiet_s` before its end (so that a person can win it), and at `too_dear_minor`."""

    least_s: float = 2.0
    most_s: float = 5.0
    duration_s: float = 15 * 60.0
    quiet_s: float = 40.0
    too_dear_minor: int = to_minor("2500.00", DEMO_ASSET)
    retry_s: float = 5.0
    live_lots: int = 5
    """Unfinished lots at once: whoever drives prices up by hand cannot make us open ever more."""


@dataclass(slots=True)
class _Show:
    """The demo as this process runs it."""

    db: Database
    bids: BidQueue
    cast: DemoCast
    pace: DemoPace
    dice: random.Random
    tell: Callable[[str], None]
    told: UUID | None = None


@asynccontextmanager
async def run_demo_bots(
    db: Database, bids: BidQueue, *, state_dir: Path, pace: DemoPace | None = None
) -> AsyncIterator[None]:
    """Run the bots while the context lasts; the demo's file says which lot is theirs.

    Of all processes on a database one runs them at a time; when it ends, another takes over.
    """

    def publish(lot_id: str) -> None:
        try:
            publish_demo_lot(state_dir, lot_id)
        except OSError as error:
            log.warning("demo_lot_not_written", error=str(error))

    work = keep_demo_alive(db, bids, on_lot=publish, pace=pace)
    task = asyncio.create_task(work, name="demo-bots")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task}, timeout=5.0)


async def keep_demo_alive(
    db: Database,
    bids: BidQueue,
    *,
    on_lot: Callable[[str], None],
    pace: DemoPace | None = None,
    dice: random.Random | None = None,
) -> None:
    """Run until cancelled; it never fails. `on_lot` hears the public id (`auc_…`) of each lot that
    becomes the demo's, also of one that is found at the beginning.

    Holds one connection of the pool while its bots run.
    """
    pace = pace or DemoPace()
    dice = dice or random.Random()
    while True:
        try:
            async with _alone(db) as session:
                if session is not None:
                    log.info("demo_bots_started")
                    cast = await db.transaction(ensure_cast)
                    await _perform(_Show(db, bids, cast, pace, dice, on_lot), session)
        except Exception as error:
            # Whatever it was, the demo is not worth a server; nor does it end for a moment's fault.
            log.warning("demo_bots_failed", error=repr(error)[:300], retry_in_s=pace.retry_s)
        await asyncio.sleep(pace.retry_s * dice.uniform(0.8, 1.2))


@asynccontextmanager
async def _alone(db: Database) -> AsyncIterator[ReadSession | None]:
    """The session that holds the lock of the bots, or None where another process has it.

    The lock lives with its connection: while statements on it succeed, it is ours.
    """
    async with db.read() as session:
        held = bool(await session.scalar(_TAKE_LOCK))
        try:
            yield session if held else None
        finally:
            if held:
                await _give_back(session)


async def _give_back(session: ReadSession) -> None:
    try:
        await session.execute(_GIVE_LOCK)
    except Exception:
        # The connection is lost, and the lock with it; it must not return to the pool.
        await session.invalidate()


async def _perform(show: _Show, session: ReadSession) -> None:
    pace = show.pace
    while True:
        lots = await _live_lots(show, session)
        current = lots[0] if lots else None
        if current is None or _is_over(current, pace):
            if len(lots) < pace.live_lots:
                lot_id = await _open(show)
                _tell(show, lot_id)
                continue
        else:
            _tell(show, current.id)
            await _bid(show, current)
        await asyncio.sleep(show.dice.uniform(pace.least_s, pace.most_s))


async def _live_lots(show: _Show, session: ReadSession) -> list[Row[tuple[Any, ...]]]:
    asked = {"seller": show.cast.host_id, "limit": show.pace.live_lots}
    return list(await session.execute(_LIVE_LOTS, asked))


def _is_over(lot: Row[tuple[Any, ...]], pace: DemoPace) -> bool:
    """Whether the bots have done with it: too dear, or so near its end that people may have it."""
    quiet_from: datetime = lot.ends_at - timedelta(seconds=pace.quiet_s)
    return bool(lot.current_price_minor >= pace.too_dear_minor or lot.now >= quiet_from)


async def _open(show: _Show) -> UUID:
    duration = timedelta(seconds=show.pace.duration_s)
    return await show.db.transaction(partial(open_demo_lot, cast=show.cast, duration=duration))


def _tell(show: _Show, lot_id: UUID) -> None:
    if lot_id == show.told:
        return
    show.told = lot_id
    log.info("demo_lot", auction=lot_id.hex)
    show.tell(encode_id(AUCTION_PREFIX, lot_id))


async def _bid(show: _Show, lot: Row[tuple[Any, ...]]) -> None:
    """One bid by a bot that does not lead, at the least that is taken or a little more."""
    bots = [bot for bot in show.cast.bot_ids if bot != lot.leader_id]
    request = bid_request(
        auction_id=lot.id,
        bidder_id=show.dice.choice(bots),
        maximum_minor=_maximum(lot, show.dice),
        idempotency_key=f"demo:{new_id().hex}",
    )
    try:
        await show.bids.place(request)
    except DomainError as refusal:
        # Somebody was quicker, or the lot has just ended: part of the game.
        log.debug("demo_bid_refused", code=refusal.code)


def _maximum(lot: Row[tuple[Any, ...]], dice: random.Random) -> int:
    price: int = lot.current_price_minor
    step = default_increments(DEMO_ASSET).at(price)
    least = price + step if lot.bid_count else lot.starting_price_minor
    return int(least) + step * dice.choice((0, 0, 0, 1, 1, 2, 3))
