"""Which quests are looked at for a player, and by how many statements."""

from datetime import timedelta

import pytest
from sqlalchemy import event, text

from core.clock import utc_now
from services.quests.contract import Place
from services.quests.recommending import Past, recommended_difficulty
from services.quests.recommending_reads import (
    past_of,
    recommended_quests,
    suggested_difficulties,
)
from tests.services.quests.impact_world import NOON, ImpactWorld


@pytest.fixture
def world(db):
    return ImpactWorld(db)


@pytest.fixture
def statements(db):
    sent = []
    event.listen(db.engine.sync_engine, "before_cursor_execute", lambda *a: sent.append(a[2]))
    return sent


def ids(found):
    return [one.quest_id for one in found]


async def test_only_what_the_player_could_take_on_now(world, db, statements):
    me, other = await world.players(2)
    now = utc_now()
    good = await world.quest()
    await world.quest(status="DRAFT")
    await world.quest(opens_at=now + timedelta(days=1))
    await world.quest(closes_at=now - timedelta(days=1))
    await world.quest(capacity=3, taken=3)
    await world.quest(level_min=2)
    mine, done, given_up, needs, needs_badge = [await world.quest() for _ in range(5)]
    await world.assignment(me, mine)
    await world.assignment(me, done, "REWARDED")
    await world.assignment(me, given_up, "ABANDONED")
    await world.assignment(other, good)
    follows = await world.quest()

    async def require(tx):
        insert = (
            "INSERT INTO quest_prerequisite (id, quest_id, kind, required_quest_id, badge_slug)"
            " VALUES (gen_random_uuid(), :quest, :kind, :required, :badge)"
        )
        for quest, kind, required, badge in (
            (needs, "QUEST", good, None),
            (follows, "QUEST", done, None),
            (needs_badge, "BADGE", None, "helper"),
        ):
            asked = {"quest": quest, "kind": kind, "required": required, "badge": badge}
            await tx.execute(text(insert), asked)

    await db.transaction(require)
    statements.clear()
    found = await recommended_quests(db, player_id=me, near=Place(48.0, 2.0))
    assert len(statements) == 2
    assert set(ids(found)) == {good, given_up, follows}
    assert all(one.distance_m == 0 for one in found)
    nowhere = await recommended_quests(db, player_id=me, near=None)
    assert set(ids(nowhere)) == {good, given_up, follows}
    assert {one.distance_m for one in nowhere} == {None}


def at(latitude, longitude):
    west = longitude - 0.01
    return {
        "latitude": latitude,
        "longitude": longitude,
        "west": west,
        "east": longitude + 0.01,
        "south": latitude - 0.01,
        "north": latitude + 0.01,
    }


async def test_what_is_near_is_found_across_the_antimeridian_behind_all_that_is_newer(world, db):
    (me,) = await world.players(1)
    near = await world.quest(**at(-17.0, 179.9), created_at=NOON - timedelta(days=900))
    for n in range(120):
        await world.quest(**at(48.0, 2.0 + n / 100))
    (first, *_) = await recommended_quests(db, player_id=me, near=Place(-17.0, -179.95))
    assert first.quest_id == near
    assert first.distance_m == pytest.approx(15_975, abs=10)
    assert "NEARBY" not in first.reasons


async def test_what_was_done_is_counted_and_gives_difficulties(world, db, statements):
    me, *others = await world.players(12)
    hard, easy = await world.quest("rivers", difficulty=4), await world.quest("parks")
    for n in range(3):
        quest = await world.quest("rivers", difficulty=3)
        await world.assignment(me, quest, "REWARDED", at=NOON + timedelta(hours=n))
    await world.assignment(me, easy, "EXPIRED", at=NOON + timedelta(hours=9))
    await world.assignment(me, hard)
    for n, other in enumerate(others):
        await world.assignment(other, hard, "REJECTED" if n % 2 else "REWARDED")
    statements.clear()
    past = await past_of(db, me)
    assert past == Past({"rivers": 3}, [(1, "FAILED"), (3, "DONE"), (3, "DONE"), (3, "DONE")])
    assert recommended_difficulty(past.outcomes) == 3
    assert len(statements) == 1
    # Six did it and five were rejected; of the other quest too little is known.
    assert await suggested_difficulties(db, [easy, hard]) == [None, 4]
    assert len(statements) == 2
