"""Platforms asked in the background: priorities, runs begun by the clock, one batch a job. What an
answer means stands in services/; how platforms are called, behind the port.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

import orjson
import structlog

from core.database import Database, Transaction, database_now
from core.errors import DomainError, PlatformRateLimited
from core.ports import PlatformAnswer, PlatformFeed, Platforms
from models.content.platforms import Scope
from services.content.answers import answered_titles, mark_stale, take_answer
from services.content.availability import TITLES_MAX
from services.content.feeds import feed_of, feeds, titles_asked
from services.content.polling import Run, move_run, next_titles, run_of, start_run, wait_with_run
from services.content.priorities import refresh_priorities

log = structlog.get_logger(__name__)

POLLS: dict[Scope, str] = {
    "HIGH": "*/15 * * * *",
    "MEDIUM": "7 * * * *",
    "LOW": "23 */6 * * *",
    "FULL": "0 2 * * *",
}
"""When platforms are asked about what (UTC)."""


async def start_polls(db: Database, scope: Scope) -> int:
    """Begin a run of a scope for each region of each platform's feed, but where one is going on;
    how many. HIGH computes the priorities first."""
    if scope == "HIGH":
        await db.transaction(refresh_priorities)
    async with db.read() as session:
        asked = await feeds(session)
    started = 0
    for feed in asked:
        for region in feed.regions:
            begin = partial(start_run, platform_id=feed.platform_id, region=region, scope=scope)
            started += await db.transaction(begin)
    return started


async def poll_batch(db: Database, platforms: Platforms, payload: bytes | None) -> None:
    """Ask about the next hundred titles of a job's run, and move it on. An error makes what is
    stored of them stale, and no more; a platform that wants a pause gets it."""
    async with db.read() as session:
        run = await run_of(session, UUID(hex=orjson.loads(payload or b"{}")["run"]))
        if run is None:
            return
        feed = await feed_of(session, run.platform_id)
        title_ids = [] if feed is None else await next_titles(session, run)
        titles = await titles_asked(session, title_ids)
        asked_at = await database_now(session)
    if feed is None or not title_ids:
        await _move(db, run, None, 0, 0, None)
        return
    error: DomainError | None = None
    answer = PlatformAnswer((), frozenset())
    try:
        answer = await platforms.adapter(feed).check(titles, run.region)
        error = answer.error
    except DomainError as raised:
        error = raised
    changes = await _take(db, feed, run.region, answer, asked_at)
    if isinstance(error, PlatformRateLimited):
        # What was answered is kept; the batch comes again as a whole.
        wait = timedelta(seconds=error.retry_after)
        await db.transaction(partial(wait_with_run, run=run, wait=wait))
        return
    if error is not None:
        left = sorted(set(title_ids) - set(answered_titles(answer)))
        await _stale(db, feed, run.region, left)
    await _move(db, run, title_ids[-1], len(title_ids), changes, error)


async def _take(
    db: Database, feed: PlatformFeed, region: str, answer: PlatformAnswer, asked_at: datetime
) -> int:
    """Ten titles a transaction: what one of them refuses does not undo the others."""
    about, changes = answered_titles(answer), 0
    for i in range(0, len(about), TITLES_MAX):
        work = partial(
            take_answer,
            platform_id=feed.platform_id,
            region=region,
            answer=answer,
            title_ids=about[i : i + TITLES_MAX],
            asked_at=asked_at,
            source="POLL",
        )
        changes += len(await db.transaction(work))
    return changes


async def _stale(db: Database, feed: PlatformFeed, region: str, title_ids: Sequence[UUID]) -> None:
    async def mark(tx: Transaction) -> int:
        return await mark_stale(
            tx, platform_id=feed.platform_id, region=region, title_ids=title_ids
        )

    marked = await db.transaction(mark)
    log.info("offers_stale", platform=feed.slug, region=region, offers=marked)


async def _move(
    db: Database,
    run: Run,
    after: UUID | None,
    asked: int,
    changes: int,
    error: DomainError | None,
) -> None:
    problem = None if error is None else error.code
    move = partial(move_run, run=run, after=after, asked=asked, changes=changes, problem=problem)
    await db.transaction(partial(move, finished=after is None))
