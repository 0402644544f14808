"""Named areas with their need, and quests' categories: who makes them, within which limits."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from core.database import Transaction
from core.errors import InvalidInput
from core.events import NewEvent
from core.ids import new_id
from core.text import clean_text
from models.quests.quests import QuestCategory, Zone
from services.quests.contract import Area
from services.quests.geometry import box_of, checked_polygon, polygon_area

NEED_MIN_HUNDREDTHS, NEED_MAX_HUNDREDTHS = 50, 200
MANAGE_SCOPE = "content:write"
"""Who carries it makes zones, and runs quests of the platform."""
_SLUG = re.compile(r"[a-z0-9](-?[a-z0-9]){1,59}")
_REGION = re.compile(r"[A-Z]{2}")


async def create_zone(
    tx: Transaction,
    *,
    actor_id: UUID,
    name: str,
    geometry: object,
    region: str | None = None,
    need_hundredths: int = 100,
) -> UUID:
    """Name an area: a GeoJSON polygon, and how much good deeds are needed there (50 to 200
    hundredths). Raises `InvalidInput`."""
    if not NEED_MIN_HUNDREDTHS <= need_hundredths <= NEED_MAX_HUNDREDTHS:
        raise InvalidInput("needFactor", "from 0.5 to 2")
    polygon = checked_polygon(geometry, field="geometry")
    zone = Zone(
        id=new_id(),
        name=clean_text(name, field="name", maximum=100),
        region=checked_region(region),
        geometry=polygon,
        need_hundredths=need_hundredths,
        **place_columns(polygon_area(polygon)),
    )
    tx.add(zone)
    tx.collect(NewEvent(f"zone:{zone.id.hex}", "ZoneCreated", {"need": need_hundredths}, actor_id))
    return zone.id


async def create_category(
    tx: Transaction, *, slug: str, name: str, description: str = "", reviewers_default: int = 3
) -> str:
    """Add a category, or leave the one that has this slug; the slug. Raises `InvalidInput`."""
    if not _SLUG.fullmatch(slug):
        raise InvalidInput("slug", "2 to 60 of a-z and 0-9, with single hyphens between them")
    if not 1 <= reviewers_default <= 9:
        raise InvalidInput("reviewersDefault", "from 1 to 9")
    if await tx.get(QuestCategory, slug) is None:
        tx.add(
            QuestCategory(
                slug=slug,
                name=clean_text(name, field="name", maximum=100),
                description=clean_text(
                    description, field="description", minimum=0, maximum=1_000, multiline=True
                ),
                reviewers_default=reviewers_default,
            )
        )
    return slug


def place_columns(area: Area) -> Mapping[str, Any]:
    """The columns of a centre and a box."""
    box = box_of(area)
    return {
        "latitude": area.centre.latitude,
        "longitude": area.centre.longitude,
        "west": box.west,
        "south": box.south,
        "east": box.east,
        "north": box.north,
    }


def checked_region(region: str | None) -> str | None:
    """Two capital letters, ISO 3166-1. Raises `InvalidInput`."""
    if region is not None and not _REGION.fullmatch(region):
        raise InvalidInput("region", "two capital letters, as in FR (ISO 3166-1)")
    return region
