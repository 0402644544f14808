"""Runs through the titles of a platform: which are asked about next, and how far a run has come.
The asking itself is a job's, between transactions; a run is a row, and each batch moves it on."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import text

from core.database import Database, ReadSession, Transaction, database_now
from core.errors import (
    DomainError,
    NotFound,
    PlatformInvalidResponse,
    PlatformRateLimited,
    PlatformUnavailable,
)
from core.ids import new_id
from core.ports import Platforms
from models.content.platforms import SCOPES, Scope
from services.content.feeds import feed_of
from services.jobs import enqueue

POLL_PLATFORM = "poll_platform"
BATCH = 100
"""Titles that a platform is asked about at once."""
GIVEN_UP = timedelta(minutes=30)
"""A run that did not move for so long is nobody's: the next goes on where it stopped."""
ANSWERS_IN_S = 5.0
VERIFIED_LATELY = timedelta(hours=1)
"""What INCREMENTAL leaves alone."""

_PAGE = "AND (CAST(:after AS uuid) IS NULL OR t.id > :after) ORDER BY t.id LIMIT :limit"
_TITLES: Mapping[str, str] = {
    # What went stale while the platform was down is asked about as soon as it is up again.
    "HIGH": """
        SELECT t.id FROM (
            SELECT title_id AS id FROM title_priority WHERE bucket = 'HIGH'
            UNION SELECT title_id FROM availability
            WHERE platform_id = :platform AND region = :region AND stale
        ) AS t WHERE true
    """,
    "MEDIUM": "SELECT t.id FROM (SELECT title_id AS id FROM title_priority"
    " WHERE bucket = 'MEDIUM') AS t WHERE true",
    "LOW": """
        SELECT t.id FROM title AS t
        WHERE NOT EXISTS (SELECT 1 FROM title_priority AS p WHERE p.title_id = t.id)
    """,
    "FULL": "SELECT t.id FROM title AS t WHERE true",
    "INCREMENTAL": """
        SELECT t.id FROM (
            SELECT DISTINCT title_id AS id FROM availability
            WHERE platform_id = :platform AND region = :region AND available
              AND (stale OR last_verified_at < now() - CAST(:lately AS interval))
        ) AS t WHERE true
    """,
}
_NEXT = {scope: text(f"{titles} {_PAGE}") for scope, titles in _TITLES.items()}
_START = text(
    """
    INSERT INTO platform_sync AS s (platform_id, region, scope, run_id)
    VALUES (:platform, :region, :scope, :run)
    ON CONFLICT (platform_id, region, scope) DO UPDATE SET
        run_id = excluded.run_id, problem = NULL, asked = 0, changes = 0,
        after_id = CASE WHEN s.finished_at IS NULL THEN s.after_id END,
        started_at = clock_timestamp(), moved_at = clock_timestamp(), finished_at = NULL
    WHERE s.finished_at IS NOT NULL OR s.moved_at < clock_timestamp() - CAST(:given_up AS interval)
    RETURNING run_id
    """
)
_RUN = text("SELECT * FROM platform_sync WHERE run_id = :run AND finished_at IS NULL")
_MOVE = text(
    """
    UPDATE platform_sync SET after_id = :after, asked = asked + :asked,
        changes = changes + :changes, problem = coalesce(:problem, problem),
        moved_at = clock_timestamp(),
        finished_at = CASE WHEN :finished THEN clock_timestamp() END
    WHERE run_id = :run AND finished_at IS NULL AND after_id IS NOT DISTINCT FROM :before
    """
)
_WAIT = text(
    """
    UPDATE platform_sync SET moved_at = :until, problem = 'PLATFORM_RATE_LIMITED'
    WHERE run_id = :run AND finished_at IS NULL
    """
)


PLATFORM_ERRORS = (PlatformUnavailable, PlatformRateLimited, PlatformInvalidResponse)


class Run(NamedTuple):
    """A run that goes on: it has come up to `after`."""

    run_id: UUID
    platform_id: UUID
    region: str
    scope: Scope
    after: UUID | None


async def sync_platform(
    db: Database, platforms: Platforms, *, platform_id: UUID, scope: Scope
) -> int:
    """Begin to ask a platform about all its titles, or those that were not verified within an
    hour; in how many regions that was not going on already. It must answer first.

    Raises `NotFound("platform")` for one without a feed, `PlatformUnavailable`,
    `PlatformRateLimited`, `PlatformInvalidResponse`, `InvalidInput` for a feed that may not be
    asked any more.
    """
    async with db.read() as session:
        feed = await feed_of(session, platform_id)
    if feed is None:
        raise NotFound("platform")
    platforms.check(feed)
    try:
        async with asyncio.timeout(ANSWERS_IN_S):
            await platforms.adapter(feed).authenticate()
    except TimeoutError:
        raise PlatformUnavailable(feed.slug) from None
    except DomainError as error:
        if type(error) not in PLATFORM_ERRORS:
            raise PlatformInvalidResponse(feed.slug) from error
        raise
    begin = partial(start_run, platform_id=platform_id, scope=scope)
    started = [await db.transaction(partial(begin, region=region)) for region in feed.regions]
    return sum(started)


async def start_run(tx: Transaction, *, platform_id: UUID, region: str, scope: Scope) -> bool:
    """Begin to ask about the titles of a scope, by jobs; False where such a run is going on."""
    if scope not in SCOPES:
        raise ValueError(f"unknown scope {scope}")
    given = {"platform": platform_id, "region": region, "scope": scope, "run": new_id()}
    started = await tx.execute(_START, given | {"given_up": GIVEN_UP})
    run_id = started.scalar_one_or_none()
    if run_id is None:
        return False
    await enqueue(tx, POLL_PLATFORM, {"run": run_id.hex})
    return True


async def run_of(session: ReadSession, run_id: UUID) -> Run | None:
    """A run; None for one that is over, or whose place another has taken."""
    row = (await session.execute(_RUN, {"run": run_id})).one_or_none()
    if row is None:
        return None
    return Run(row.run_id, row.platform_id, row.region, row.scope, row.after_id)


async def next_titles(session: ReadSession, run: Run) -> list[UUID]:
    """The next hundred titles of a run at most."""
    asked: dict[str, Any] = {"after": run.after, "limit": BATCH}
    if run.scope in ("HIGH", "INCREMENTAL"):
        asked |= {"platform": run.platform_id, "region": run.region}
    if run.scope == "INCREMENTAL":
        asked["lately"] = VERIFIED_LATELY
    return list((await session.execute(_NEXT[run.scope], asked)).scalars())


async def move_run(
    tx: Transaction,
    *,
    run: Run,
    after: UUID | None,
    asked: int,
    changes: int,
    problem: str | None,
    finished: bool,
) -> bool:
    """The batch after `run.after` is done, and the run goes on after `after`, by the next job; but
    only where nobody else moved it. Whether it moved."""
    moved: Any = await tx.execute(
        _MOVE,
        {
            "run": run.run_id,
            "before": run.after,
            "after": after,
            "asked": asked,
            "changes": changes,
            "problem": problem,
            "finished": finished,
        },
    )
    if moved.rowcount == 1 and not finished:
        await enqueue(tx, POLL_PLATFORM, {"run": run.run_id.hex})
    return bool(moved.rowcount == 1)


async def wait_with_run(tx: Transaction, *, run: Run, wait: timedelta) -> datetime:
    """The platform wants to be left alone: the same batch again after `wait`; when that is."""
    until = await database_now(tx) + wait
    waits: Any = await tx.execute(_WAIT, {"run": run.run_id, "until": until})
    if waits.rowcount == 1:
        await enqueue(tx, POLL_PLATFORM, {"run": run.run_id.hex}, run_at=until)
    return until
