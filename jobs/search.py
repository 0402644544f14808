"""The index by itself: it follows the event log, is caught up with what no event tells, and built
anew where most of it is missing. The rules stand in services/search/."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

import structlog

from core.database import Database
from core.settings import Settings
from jobs.following import Follower, Wake, run_follower
from services.search.documents import BUILDERS
from services.search.feeding import CONSUMER, begin_following, take_events
from services.search.postings import slot_in_use
from services.search.reindexing import BuildRuns, reindex
from services.search.sweeping import (
    BEGUN_MAX,
    FIRST,
    count_missing,
    sweep_begun_offers,
    sweep_kind,
    sweep_labels,
)

log = structlog.get_logger(__name__)

REBUILT_FROM = 2_000
"""Where so many things are missing, and more than are there, building anew is quicker."""
PASSES_MAX = 5
BEGIN_TIMEOUT_S = 5.0


@asynccontextmanager
async def run_indexer(
    settings: Settings,
    db: Database,
    *,
    wake: Wake | None = None,
    told: Callable[[], None] = lambda: None,
) -> AsyncIterator[Follower]:
    """Keep the index up to the event log while the context lasts: at once when woken, and every so
    often. `told` is called when it has changed."""
    try:
        async with asyncio.timeout(BEGIN_TIMEOUT_S):
            await db.transaction(begin_following)
    except Exception as error:
        # Then it begins with the oldest event there is: longer, and as right.
        log.warning("indexer_not_begun", error=repr(error)[:300])
    every_s = settings.search_follow_s
    async with run_follower(
        db, CONSUMER, take_events, every_s=every_s, wake=wake, told=told
    ) as follower:
        yield follower


async def catch_up_index(
    db: Database, database_url: str, *, stopping: Callable[[], bool] = bool
) -> int:
    """Write whatever the index lacks, or build it anew where that is most of it; how many things
    were written. Safe beside others."""
    written = 0
    missing = await db.transaction(count_missing)
    if missing > REBUILT_FROM and await _is_most(db, missing):
        try:
            written = (await reindex(database_url)).documents
        except BuildRuns:
            log.info("index_is_being_built")
    # Again where there was something: what came meanwhile may have asked for no job of its own.
    for _ in range(PASSES_MAX):
        more = await sweep_index(db, stopping=stopping)
        written += more
        if not more or stopping():
            break
    return written


async def sweep_index(db: Database, *, stopping: Callable[[], bool] = bool) -> int:
    """Compare every kind of thing with the index, and write what differs; how many."""
    await db.transaction(sweep_labels)
    written = 0
    for kind in BUILDERS:
        after = FIRST
        while not stopping():
            swept = await db.transaction(partial(sweep_kind, kind=kind, after=after))
            written += swept.written
            if swept.after is None:
                break
            after = swept.after
    return written


async def sweep_offers(db: Database, *, stopping: Callable[[], bool] = bool) -> int:
    """Write titles of which an offer has begun by itself; how many."""
    total, written = 0, BEGUN_MAX
    while written == BEGUN_MAX and not stopping():
        written = await db.transaction(partial(sweep_begun_offers, skip=total))
        total += written
    return total


async def _is_most(db: Database, missing: int) -> bool:
    async with db.read() as session:
        return missing > (await slot_in_use(session)).documents
