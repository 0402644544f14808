"""Batched reads of platforms, and of where titles can be watched."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import text

from core.database import Database
from loaders.base import Computed, one_by
from loaders.content.titles import table_of
from loaders.rows import Money, row_of
from models.content.availability import Availability, Platform

OFFERS_MAX = 200
PLATFORMS_MAX = 200

platforms, offers = table_of(Platform), table_of(Availability)


class PlatformRow(row_of(Platform, "plt")):  # type: ignore[misc]
    """A service that shows titles."""

    __slots__ = ()


class OfferRow(row_of(Availability, "")):  # type: ignore[misc]
    """A title on a platform in a region on a tier."""

    __slots__ = ()

    @property
    def price(self) -> Money | None:
        """What it costs there; None where nothing is known, or nothing is paid for it."""
        return None if self.price_minor is None else Money(self.price_minor, self.asset)


class OffersAsked(NamedTuple):
    """Which offers of a title, and how many of them; None means any."""

    title_id: UUID
    region: str | None
    tier: str | None
    platform_id: UUID | None
    first: int


platform_by_id = one_by("platform_by_id", PlatformRow, platforms.c.id)
offer_by_id = one_by("offer_by_id", OfferRow, offers.c.id)
offers_by_title_id = Computed("offers_by_title_id", lambda db, _, keys: _offers(db, keys))
platforms_by_slugs = Computed("platforms_by_slugs", lambda db, _, keys: _by_slugs(db, keys))

_OFFERS = text(
    f"""
    SELECT {", ".join(f"o.{column.name}" for column in OfferRow.__columns__)}
    FROM unnest(CAST(:keys AS uuid[])) AS parent
    CROSS JOIN LATERAL (
        SELECT * FROM availability AS a
        WHERE a.title_id = parent AND a.available
          AND (CAST(:region AS text) IS NULL OR a.region = :region)
          AND (CAST(:tier AS text) IS NULL OR a.tier = :tier)
          AND (CAST(:platform AS uuid) IS NULL OR a.platform_id = :platform)
        ORDER BY a.region, a.platform_id, a.tier LIMIT :first
    ) AS o
    """
)


async def _offers(db: Database, keys: Sequence[OffersAsked]) -> list[list[OfferRow]]:
    """What is available now, one statement for each set of arguments."""
    asked: dict[tuple[Any, ...], list[UUID]] = defaultdict(list)
    for key in keys:
        asked[key[1:]].append(key.title_id)
    found: dict[OffersAsked, list[OfferRow]] = defaultdict(list)
    for (region, tier, platform_id, first), title_ids in asked.items():
        values = {"region": region, "tier": tier, "platform": platform_id, "first": first}
        async with db.read() as session:
            for row in await session.execute(_OFFERS, values | {"keys": title_ids}):
                offer = OfferRow._make(row)
                found[OffersAsked(offer.title_id, *key_rest(values))].append(offer)
    return [found[key] for key in keys]


def key_rest(values: dict[str, Any]) -> tuple[Any, ...]:
    """The arguments of `OffersAsked` after the title, in its order."""
    return tuple(values[name] for name in ("region", "tier", "platform", "first"))


async def all_platforms(db: Database, *, active: bool | None) -> list[PlatformRow]:
    """The platforms by name, 200 at most; `active` None for both kinds."""
    statement = (
        platforms.select()
        .with_only_columns(*PlatformRow.__columns__)
        .order_by(platforms.c.name, platforms.c.id)
        .limit(PLATFORMS_MAX)
    )
    if active is not None:
        statement = statement.where(platforms.c.active == active)
    async with db.read() as session:
        return [PlatformRow._make(row) for row in await session.execute(statement)]


async def _by_slugs(db: Database, keys: Sequence[tuple[str, ...]]) -> list[list[PlatformRow]]:
    wanted = {slug for key in keys for slug in key}
    statement = (
        platforms.select()
        .with_only_columns(*PlatformRow.__columns__)
        .where(platforms.c.slug.in_(wanted))
    )
    async with db.read() as session:
        rows = [PlatformRow._make(row) for row in await session.execute(statement)]
    found = {row.slug: row for row in rows}
    return [[found[slug] for slug in key if slug in found] for key in keys]
