"""Keeps leaderboards up to the impact log beside whatever else the process does. What feeding is
stands in services/quests/board_feeding.py. Any number of processes may run it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext, suppress

import structlog

from core.database import Database
from core.settings import Settings
from core.tasks import stop_all
from jobs.following import Wake
from services.quests.board_feeding import feed, rebuild
from services.quests.board_store import BoardStore

log = structlog.get_logger(__name__)

EVERY_S = 1.0
LEAST_S = 0.2
"""Between two looks, however often it is woken."""
LONGEST_PAUSE_S = 30.0
STOP_S = 5.0


@asynccontextmanager
async def run_boards(
    settings: Settings, db: Database, *, wake: Wake | None = None
) -> AsyncIterator[None]:
    """Feed the boards while the context lasts: every second, and soon after being woken. Errors are
    logged and tried again, less and less often. Does nothing without Redis in the settings."""
    if settings.redis_url is None:
        yield
        return
    store = BoardStore(settings.redis_url.get_secret_value(), prefix=settings.bus_prefix)
    stopping, woken = asyncio.Event(), asyncio.Event()
    try:
        with nullcontext() if wake is None else wake(woken.set):
            task = asyncio.create_task(_loop(db, store, stopping, woken), name="leaderboards-feed")
            try:
                yield
            finally:
                stopping.set()
                woken.set()
                await asyncio.wait({task}, timeout=STOP_S)
                await stop_all([task])
    finally:
        await store.close()


async def _loop(
    db: Database, store: BoardStore, stopping: asyncio.Event, woken: asyncio.Event
) -> None:
    pause_s = EVERY_S
    while not stopping.is_set():
        woken.clear()
        try:
            await feed(db, store)
            pause_s = EVERY_S
        except Exception as error:
            log.warning("leaderboards_not_fed", reason=repr(error)[:300])
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        with suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), LEAST_S if pause_s == EVERY_S else pause_s)
        with suppress(TimeoutError):
            await asyncio.wait_for(woken.wait(), EVERY_S - LEAST_S)


async def rebuild_boards(settings: Settings, db: Database) -> int:
    """Make all boards anew from the impact entries; how many there are. Raises as `rebuild`."""
    if settings.redis_url is None:
        raise RuntimeError("there is no Redis to keep leaderboards in")
    store = BoardStore(settings.redis_url.get_secret_value(), prefix=settings.bus_prefix)
    try:
        return await rebuild(db, store)
    finally:
        await store.close()
