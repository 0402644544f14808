"""Quests to look at in the demo: a few categories, zones and deeds, made by the real rules."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from uuid import UUID

from sqlalchemy import text

from core.database import Database, Transaction, database_now
from services.quests.quests import QuestDetails, create_quest, open_quest
from services.quests.zones import create_category, create_zone

CATEGORIES = (
    ("rivers", "Rivers and shores", "Banks, beaches and what lives there.", 3),
    ("trees", "Trees", "Planting, watering, counting.", 3),
    ("neighbours", "Neighbours", "A hand for those next door.", 5),
)
_ZONES = (
    ("Ljubljanica banks", "SI", 140, (14.49, 46.04, 14.53, 46.06)),
    ("Suva harbour", "FJ", 180, (178.41, -18.15, 178.45, -18.11)),
    ("Mission Bay", "NZ", 110, (174.82, -36.86, 174.84, -36.84)),
)
_QUESTS = (
    # title, category, zone, difficulty, base XP, reward in SPARK, places, team
    ("Clear a hundred metres of the bank", "rivers", 0, 2, 120, 5, 40, 4),
    ("Count the kingfishers between two bridges", "rivers", 0, 1, 60, 2, None, 1),
    ("Pull nets out of the mangroves", "rivers", 1, 4, 200, 12, 20, 6),
    ("Water the young pohutukawa", "trees", 2, 1, 50, 2, None, 1),
    ("Carry shopping up the stairs for somebody", "neighbours", 0, 3, 80, 3, None, 2),
)
_SOMEBODY = text("SELECT id FROM user_account WHERE id <> :reader ORDER BY id LIMIT 1")


async def seed_quests(db: Database, *, reader_id: UUID) -> None:
    """Make them, by somebody else than the reader: nobody plays their own."""

    async def places(tx: Transaction) -> tuple[UUID, list[UUID]]:
        maker: UUID = (await tx.execute(_SOMEBODY, {"reader": reader_id})).scalar_one()
        for slug, name, description, reviewers in CATEGORIES:
            await create_category(
                tx, slug=slug, name=name, description=description, reviewers_default=reviewers
            )
        return maker, [await _zone(tx, maker, *zone) for zone in _ZONES]

    maker, zones = await db.transaction(places)
    await db.transaction(partial(_make, maker=maker, zones=zones))


async def _make(tx: Transaction, *, maker: UUID, zones: list[UUID]) -> None:
    now = await database_now(tx)
    for title, category, zone, difficulty, base_xp, spark, capacity, team in _QUESTS:
        details = QuestDetails(
            title=title,
            category=category,
            zone_id=zones[zone],
            opens_at=now,
            closes_at=now + timedelta(days=90),
            difficulty=difficulty,
            base_xp=base_xp,
            reward_minor=spark * 10**6,
            capacity=capacity,
            team_size_max=team,
        )
        quest_id = await create_quest(
            tx, actor_id=maker, manages=True, sponsors=False, details=details
        )
        await open_quest(tx, actor_id=maker, manages=True, quest_id=quest_id)


async def _zone(
    tx: Transaction,
    maker: UUID,
    name: str,
    region: str,
    need_hundredths: int,
    corners: tuple[float, float, float, float],
) -> UUID:
    west, south, east, north = corners
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return await create_zone(
        tx,
        actor_id=maker,
        name=name,
        region=region,
        need_hundredths=need_hundredths,
        geometry={"type": "Polygon", "coordinates": [ring]},
    )
