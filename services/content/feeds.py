"""Where platforms are asked: feeds as rows. What asks them are adapters, behind a port."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import text

from core.database import Database, ReadSession, Transaction
from core.errors import InvalidInput, NotFound
from core.jsontext import to_json
from core.ports import AdapterKind, PlatformFeed, PlatformLimits, Platforms, PlatformTitle
from models.content.platforms import REGIONS_MAX
from services.users.profiles import REGIONS

FEEDS_MAX = 200
OPTIONS_MAX_BYTES = 10_000
LIMIT_MAX = 1_000_000

_FEEDS = """
    SELECT f.platform_id, p.slug, f.kind, f.url, f.regions, f.options,
        p.per_second, p.per_minute, p.per_hour, p.burst
    FROM platform_feed AS f JOIN platform AS p ON p.id = f.platform_id
    WHERE p.active
"""
_ALL = text(_FEEDS + " ORDER BY p.slug LIMIT :limit")
_ONE = text(_FEEDS + " AND f.platform_id = :id")
_PLATFORM = text("SELECT slug FROM platform WHERE id = :id FOR NO KEY UPDATE")
_LIMITS = text(
    """
    UPDATE platform SET per_second = :per_second, per_minute = :per_minute,
        per_hour = :per_hour, burst = :burst WHERE id = :id
    """
)
_SET = text(
    """
    INSERT INTO platform_feed (platform_id, kind, url, regions, options)
    VALUES (:id, :kind, :url, :regions, CAST(:options AS jsonb))
    ON CONFLICT (platform_id) DO UPDATE SET kind = excluded.kind, url = excluded.url,
        regions = excluded.regions, options = excluded.options, updated_at = clock_timestamp()
    """
)
_SLUG = text("SELECT slug FROM platform WHERE id = :id")
_ACTIVE = text("SELECT id FROM platform WHERE slug = :slug AND active")
_TITLES = text(
    """
    SELECT id, kind, imdb_id, tmdb_id, wikidata_id FROM title
    WHERE id = ANY (CAST(:ids AS uuid[])) ORDER BY id
    """
)


@dataclass(frozen=True, slots=True)
class FeedDetails:
    """How a platform is to be asked. Regions are ISO 3166-1 codes, 1 to 50; limits from 1 to a
    million, none of them: 100 a minute."""

    kind: AdapterKind
    url: str
    regions: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    limits: PlatformLimits = field(default_factory=lambda: PlatformLimits(per_minute=None))


async def feeds(session: ReadSession | Transaction) -> list[PlatformFeed]:
    """The feeds of active platforms."""
    return [_feed(row) for row in await session.execute(_ALL, {"limit": FEEDS_MAX})]


async def feed_of(session: ReadSession | Transaction, platform_id: UUID) -> PlatformFeed | None:
    """The feed of a platform; None for one without, or that is not active."""
    row = (await session.execute(_ONE, {"id": platform_id})).one_or_none()
    return None if row is None else _feed(row)


async def platform_named(session: ReadSession, slug: str) -> UUID | None:
    """The active platform of a slug."""
    found: UUID | None = (await session.execute(_ACTIVE, {"slug": slug})).scalar_one_or_none()
    return found


async def configure_feed(
    db: Database, platforms: Platforms, *, platform_id: UUID, details: FeedDetails
) -> None:
    """Say how a platform is asked from now on, where an adapter could do so. Raises
    `NotFound("platform")`, `InvalidInput`."""
    _check(details)
    async with db.read() as session:
        slug = (await session.execute(_SLUG, {"id": platform_id})).scalar_one_or_none()
    if slug is None:
        raise NotFound("platform")
    platforms.check(
        PlatformFeed(platform_id, slug, details.kind, details.url, details.regions, details.options)
    )
    await db.transaction(partial(set_feed, platform_id=platform_id, details=details))


async def set_feed(tx: Transaction, *, platform_id: UUID, details: FeedDetails) -> None:
    """Say how a platform is asked from now on. Raises `NotFound("platform")`, `InvalidInput`."""
    _check(details)
    if (await tx.execute(_PLATFORM, {"id": platform_id})).scalar_one_or_none() is None:
        raise NotFound("platform")
    limits = details.limits
    await tx.execute(
        _LIMITS,
        {
            "id": platform_id,
            "per_second": limits.per_second,
            "per_minute": limits.per_minute,
            "per_hour": limits.per_hour,
            "burst": limits.burst,
        },
    )
    given = {
        "id": platform_id,
        "kind": details.kind,
        "url": details.url,
        "regions": list(details.regions),
        "options": to_json(details.options),
    }
    await tx.execute(_SET, given)


async def titles_asked(session: ReadSession, title_ids: Sequence[UUID]) -> list[PlatformTitle]:
    """Titles as platforms know them; those that do not exist are left out."""
    rows = await session.execute(_TITLES, {"ids": list(title_ids)})
    return [PlatformTitle(*row) for row in rows]


def _check(details: FeedDetails) -> None:
    regions = details.regions
    if not 1 <= len(regions) <= REGIONS_MAX or not set(regions) <= REGIONS:
        raise InvalidInput("regions", f"1 to {REGIONS_MAX} ISO 3166 country codes")
    if len(set(regions)) < len(regions):
        raise InvalidInput("regions", "each once")
    if not 1 <= len(details.url) <= 2048 or "\0" in details.url:
        raise InvalidInput("url", "1 to 2,048 characters")
    options = to_json(details.options)
    # What the database makes of it has spaces that this has not.
    if 2 * len(options) > OPTIONS_MAX_BYTES or "\\u0000" in options:
        raise InvalidInput("options", f"{OPTIONS_MAX_BYTES // 2} bytes of JSON at most")
    limits = details.limits
    for name, value in (
        ("perSecond", limits.per_second),
        ("perMinute", limits.per_minute),
        ("perHour", limits.per_hour),
        ("burst", limits.burst),
    ):
        if value is not None and not 1 <= value <= LIMIT_MAX:
            raise InvalidInput(name, f"from 1 to {LIMIT_MAX}")


def _feed(row: Any) -> PlatformFeed:
    limits = PlatformLimits(row.per_second, row.per_minute, row.per_hour, row.burst)
    if limits == PlatformLimits(per_minute=None, burst=row.burst):
        limits = PlatformLimits(burst=row.burst)
    return PlatformFeed(
        row.platform_id, row.slug, row.kind, row.url, tuple(row.regions), row.options, limits
    )
