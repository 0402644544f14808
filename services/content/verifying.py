"""Availability on demand: the platforms of a region are asked about one title, at most once an
hour each. No transaction is open while they are."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Literal
from uuid import UUID

import structlog
from sqlalchemy import text

from core.database import Database, Transaction, database_now
from core.errors import InvalidInput, PlatformRateLimited
from core.ports import PlatformAdapter, PlatformAnswer, PlatformFeed, Platforms
from services.content.answers import answered_titles, mark_stale, take_answer
from services.content.feeds import feeds, titles_asked
from services.content.priorities import count_check
from services.content.titles import require_title
from services.users.profiles import REGIONS

log = structlog.get_logger(__name__)

FRESH_FOR = timedelta(hours=1)
CLAIMED_FOR = timedelta(seconds=30)
PATIENCE_S = 5.0
"""How long somebody waits for all platforms together; later answers are not waited for."""

Outcome = Literal["VERIFIED", "FRESH", "UNAVAILABLE", "RATE_LIMITED", "INVALID_RESPONSE"]
_OUTCOMES: dict[str, Outcome] = {
    "PLATFORM_RATE_LIMITED": "RATE_LIMITED",
    "PLATFORM_INVALID_RESPONSE": "INVALID_RESPONSE",
}

_REGION = text(
    """
    SELECT coalesce((SELECT region FROM user_preference WHERE user_id = :user),
                    (SELECT region FROM profile WHERE user_id = :user))
    """
)
# Who asks at the same time finds it claimed, and is answered by what is stored.
_CLAIM = text(
    """
    INSERT INTO availability_check AS c (title_id, platform_id, region, claimed_until)
    SELECT :title, platform, :region, clock_timestamp() + CAST(:claimed AS interval)
    FROM unnest(CAST(:platforms AS uuid[])) AS platform ORDER BY platform
    ON CONFLICT (title_id, platform_id, region) DO UPDATE SET claimed_until = excluded.claimed_until
    WHERE c.claimed_until < clock_timestamp()
      AND (c.checked_at IS NULL OR c.checked_at < clock_timestamp() - CAST(:fresh AS interval))
    RETURNING platform_id
    """
)
_CHECKED = text(
    """
    UPDATE availability_check SET checked_at = clock_timestamp()
    WHERE title_id = :title AND platform_id = :platform AND region = :region
    """
)
_RELEASE = text(
    """
    UPDATE availability_check SET claimed_until = clock_timestamp()
    WHERE title_id = :title AND platform_id = :platform AND region = :region
    """
)


@dataclass(frozen=True, slots=True)
class Verified:
    """What came of asking one platform; `retry_after` in seconds where it wants to be left alone.
    What is stored is the answer in each case: marked stale where it could not be verified."""

    platform_id: UUID
    outcome: Outcome
    retry_after: int | None = None


@dataclass(frozen=True, slots=True)
class _Question:
    title_id: UUID
    region: str


async def verify_availability(
    db: Database,
    platforms: Platforms,
    *,
    viewer_id: UUID,
    title_id: UUID,
    region: str | None = None,
) -> list[Verified]:
    """Ask the platforms of a region (None: the viewer's own) whether they have a title, but those
    that were asked within an hour. By platform's slug; five seconds at most.

    Raises `NotFound("title")`, `InvalidInput("region")` where none is known.
    """
    question, asked, claimed = await db.transaction(
        partial(_claim, viewer_id=viewer_id, title_id=title_id, region=region)
    )

    async def one(feed: PlatformFeed) -> Verified:
        if feed.platform_id not in claimed:
            return Verified(feed.platform_id, "FRESH")
        return await _verify(db, platforms, feed, question)

    return list(await asyncio.gather(*(one(feed) for feed in asked)))


async def _claim(
    tx: Transaction, *, viewer_id: UUID, title_id: UUID, region: str | None
) -> tuple[_Question, list[PlatformFeed], set[UUID]]:
    """What is asked, the feeds of the region, and the platforms that are ours to ask."""
    await require_title(tx, title_id=title_id, viewer_id=viewer_id)
    wanted = region or (await tx.execute(_REGION, {"user": viewer_id})).scalar_one()
    if wanted is None:
        raise InvalidInput("region", "say which: your profile names none")
    if wanted not in REGIONS:
        raise InvalidInput("region", "not an ISO 3166 country code of two letters")
    asked = [feed for feed in await feeds(tx) if wanted in feed.regions]
    await count_check(tx, title_id)
    given = {
        "title": title_id,
        "region": wanted,
        "platforms": [feed.platform_id for feed in asked],
        "claimed": CLAIMED_FOR,
        "fresh": FRESH_FOR,
    }
    claimed = set((await tx.execute(_CLAIM, given)).scalars())
    return _Question(title_id, wanted), asked, claimed


async def _verify(
    db: Database, platforms: Platforms, feed: PlatformFeed, question: _Question
) -> Verified:
    async with db.read() as session:
        titles = await titles_asked(session, [question.title_id])
        asked_at = await database_now(session)
    try:
        adapter: PlatformAdapter = platforms.adapter(feed)
        async with asyncio.timeout(PATIENCE_S):
            answer = await adapter.check(titles, question.region)
    except Exception as error:
        # Whatever it was: what is stored is still the best that is known.
        log.info("platform_not_verified", platform=feed.slug, error=repr(error))
        await db.transaction(partial(_failed, feed=feed, question=question))
        outcome = _OUTCOMES.get(getattr(error, "code", ""), "UNAVAILABLE")
        retry_after = error.retry_after if isinstance(error, PlatformRateLimited) else None
        return Verified(feed.platform_id, outcome, retry_after)
    await db.transaction(
        partial(_answered, feed=feed, question=question, answer=answer, asked_at=asked_at)
    )
    return Verified(feed.platform_id, "VERIFIED")


async def _failed(tx: Transaction, *, feed: PlatformFeed, question: _Question) -> None:
    await mark_stale(
        tx,
        platform_id=feed.platform_id,
        region=question.region,
        title_ids=[question.title_id],
    )
    await tx.execute(_RELEASE, _row(feed, question))


async def _answered(
    tx: Transaction,
    *,
    feed: PlatformFeed,
    question: _Question,
    answer: PlatformAnswer,
    asked_at: datetime,
) -> None:
    await take_answer(
        tx,
        platform_id=feed.platform_id,
        region=question.region,
        answer=answer,
        title_ids=answered_titles(answer),
        asked_at=asked_at,
        source="ON_DEMAND",
    )
    await tx.execute(_CHECKED, _row(feed, question))


def _row(feed: PlatformFeed, question: _Question) -> dict[str, object]:
    return {
        "title": question.title_id,
        "platform": feed.platform_id,
        "region": question.region,
    }
