"""Recommendations, sponsors, impact and changes by operations."""

from contextlib import aclosing
from datetime import datetime, timedelta

import pytest

from core.clock import utc_now
from core.ids import encode_id
from services.quests.assignments import abandon_quest, accept_quest
from services.quests.board_feeding import feed
from services.quests.budgets import fill_budget
from services.quests.quests import pause_quest, quest_topic
from services.users.accounts import user_topic
from subscriptions.cursors import encode_cursor
from tests.services.quests.impact_world import NOON, ImpactWorld

RECOMMENDED = """
query ($latitude: Float, $longitude: Float) {
  recommendedQuests(latitude: $latitude, longitude: $longitude) {
    score reasons distanceMetres quest { title suggestedDifficulty category { slug } }
  }
}
"""
SPONSORED = """
query ($id: ID!) {
  user(id: $id) {
    sponsoredQuests { nodes { title performance {
      accepted running completed rejected givenUp players authenticity impact
      paid { minorUnits asset } promised { minorUnits }
    } } }
    sponsorBudgets { left { minorUnits asset } paid { minorUnits } promised { minorUnits } }
  }
}
"""
SUMMARY = """
query ($region: String, $period: ImpactPeriod!) {
  impactSummary(region: $region, period: $period) {
    completed players quests xp impact rewards { minorUnits asset }
    categories { completed impact category { name } }
  }
}
"""
FORECAST = """
query ($region: String, $months: Int!) {
  impactForecast(region: $region, months: $months) { month expected low high }
}
"""
PLAYER = "query ($id: ID!) { user(id: $id) { player { rank recommendedDifficulty } } }"
CHANGED = """
subscription ($id: ID!, $after: Cursor) {
  questChanged(questId: $id, after: $after) { cursor kind quest { taken status } }
}
"""
OWN = """
subscription ($after: Cursor) {
  assignmentChanged(after: $after) { cursor status assignment { id quest { title } } }
}
"""


@pytest.fixture
async def world(server):
    return ImpactWorld(server.db)


async def test_recommendations_are_one_statement_for_each_thing_read(
    world, make_user, ask, execute, statements
):
    ada = await make_user("ada")
    for n in range(12):
        await world.quest(("rivers", "parks")[n % 2])
    statements.clear()
    found = (await ask(RECOMMENDED, ada, latitude=48.0, longitude=2.0))["recommendedQuests"]
    assert len(found) == 10
    assert found[0]["reasons"] == ["NEARBY", "FITTING_DIFFICULTY", "NEW_QUEST"]
    assert found[0]["distanceMetres"] == 0
    assert {one["quest"]["category"]["slug"] for one in found[:2]} == {"rivers", "parks"}
    # What was done, candidates; quests, outcomes, categories.
    assert len(statements) == 4
    nobody = await execute(RECOMMENDED)
    assert nobody.errors[0].extensions["code"] == "UNAUTHENTICATED"
    half = await execute(RECOMMENDED, ada, latitude=48.0)
    assert half.errors[0].extensions["code"] == "BAD_USER_INPUT"


async def test_a_sponsor_sees_how_their_quests_went_and_nobody_else_does(
    world, make_user, ask, server, statements
):
    sponsor, ada = await make_user("sponsor"), await make_user("ada")
    paid = {"sponsor_id": sponsor.id, "asset": "USD", "reward_minor": 500}
    quest = await world.quest(title="Paid", **paid)
    await world.quest(title="Another", **paid)
    await world.assignment(ada.id, quest, "UNDER_REVIEW", reward_minor=500, asset="USD")
    filled = await server.db.transaction(
        lambda tx: fill_budget(tx, sponsor_id=sponsor.id, asset="USD", amount_minor=9_000)
    )
    given = {"sponsor_id": sponsor.id, "token_minor": 450, "asset": "USD"}
    await world.gain(ada.id, quest, 20, transfer_id=filled.id, **given)
    statements.clear()
    own = (await ask(SPONSORED, sponsor, id=sponsor.public_id))["user"]
    another, shown = own["sponsoredQuests"]["nodes"]
    assert (another["title"], shown["title"]) == ("Another", "Paid")
    assert shown["performance"] == {
        "accepted": 2,
        "running": 1,
        "completed": 1,
        "rejected": 0,
        "givenUp": 0,
        "players": 1,
        "authenticity": None,
        "impact": "20.00",
        "paid": {"minorUnits": "450", "asset": "USD"},
        "promised": {"minorUnits": "500"},
    }
    assert another["performance"]["accepted"] == 0
    assert own["sponsorBudgets"] == [
        {
            "left": {"minorUnits": "9000", "asset": "USD"},
            "paid": {"minorUnits": "450"},
            "promised": {"minorUnits": "500"},
        }
    ]
    # The user, their quests, how all of these went, their budgets.
    assert len(statements) == 4
    theirs = (await ask(SPONSORED, ada, id=sponsor.public_id))["user"]
    assert theirs == {"sponsoredQuests": {"nodes": []}, "sponsorBudgets": None}
    asked = "query ($id: ID!) { quest(id: $id) { performance { accepted } } }"
    seen = await ask(asked, ada, id=encode_id("qst", quest))
    assert seen == {"quest": {"performance": None}}


async def test_impact_is_summed_up_for_everyone(world, make_user, ask, execute, statements):
    ada = await make_user("ada")
    quest = await world.quest()
    await world.gain(ada.id, quest, 10, utc_now() - timedelta(days=2))
    await world.gain(ada.id, quest, 5, utc_now() - timedelta(days=40))
    statements.clear()
    found = (await ask(SUMMARY, region="FR", period="MONTH"))["impactSummary"]
    assert found == {
        "completed": 1,
        "players": 1,
        "quests": 1,
        "xp": "10",
        "impact": "10.00",
        "rewards": [],
        "categories": [{"completed": 1, "impact": "10.00", "category": {"name": "Rivers"}}],
    }
    assert len(statements) == 2
    assert (await ask(SUMMARY, period="YEAR"))["impactSummary"]["xp"] == "15"
    wrong = await execute(SUMMARY, region="France", period="YEAR")
    assert wrong.errors[0].extensions["code"] == "BAD_USER_INPUT"


async def test_a_forecast_is_null_without_a_year_and_has_intervals_with_one(
    world, make_user, ask, execute
):
    ada = await make_user("ada")
    quest = await world.quest()
    await world.gain(ada.id, quest, 10, utc_now())
    assert (await ask(FORECAST, region="FR", months=2))["impactForecast"] is None
    month = utc_now().replace(day=15)
    entries = []
    for n in range(15):
        month = (month.replace(day=1) - timedelta(days=5)).replace(day=15)
        entries.append((ada.id, quest, 100 + 7 * (n % 4), month, {"region": "SI"}))
    await world.gains(entries)
    first, second = (await ask(FORECAST, region="SI", months=2))["impactForecast"]
    assert datetime.fromisoformat(first["month"]).day == 1
    assert first["month"] < second["month"]
    for one in (first, second):
        low, expected, high = (float(one[name]) for name in ("low", "expected", "high"))
        assert 80 < low < expected < high < 140
    wrong = await execute(FORECAST, months=13)
    assert wrong.errors[0].extensions["code"] == "BAD_USER_INPUT"


async def test_a_players_rank_is_everyones_and_their_difficulty_their_own(
    world, make_user, ask, server, sql
):
    ada, bob = await make_user("ada"), await make_user("bob")
    quest = await world.quest(difficulty=3)
    await world.gain(ada.id, quest, 10, NOON)
    await world.gain(bob.id, quest, 20, NOON)
    await sql("INSERT INTO player (user_id, xp) VALUES (:ada, 10)", ada=ada.id)
    await feed(server.db, server.live.boards.store)
    assert (await ask(PLAYER, ada, id=ada.public_id))["user"]["player"] == {
        "rank": 2,
        "recommendedDifficulty": 3,
    }
    assert (await ask(PLAYER, bob, id=ada.public_id))["user"]["player"] == {
        "rank": 2,
        "recommendedDifficulty": None,
    }


async def test_changes_of_a_quest_and_of_ones_own_assignments(world, make_user, stream, server):
    ada, bob = await make_user("ada"), await make_user("bob")
    quest = await world.quest(capacity=3)
    public_id = encode_id("qst", quest)
    start = encode_cursor(quest_topic(quest), 0)
    transaction = server.db.transaction
    who = {"actor_id": world.creator, "manages": True}
    taken = await transaction(lambda tx: accept_quest(tx, player_id=ada.id, quest_id=quest))
    async with (
        aclosing(await stream(CHANGED, bob, id=public_id, after=start)) as changes,
        aclosing(await stream(OWN, ada, after=encode_cursor(user_topic(ada.id), 0))) as own,
    ):
        seen = [(await anext(changes)).data["questChanged"]]
        mine = [(await anext(own)).data["assignmentChanged"]]
        # From here on they are pushed.
        await transaction(lambda tx: abandon_quest(tx, player_id=ada.id, assignment_id=taken))
        await transaction(lambda tx: pause_quest(tx, quest_id=quest, **who))
        seen += [(await anext(changes)).data["questChanged"] for _ in range(2)]
        mine.append((await anext(own)).data["assignmentChanged"])
    assert [one["kind"] for one in seen] == ["ACCEPTED", "PLACE_FREED", "PAUSED"]
    assert seen[2]["quest"] == {"taken": 0, "status": "PAUSED"}
    assert [one["status"] for one in mine] == ["ACCEPTED", "ABANDONED"]
    assert mine[0]["assignment"]["id"] == encode_id("asg", taken)
    async with aclosing(await stream(CHANGED, id=public_id, after=seen[0]["cursor"])) as again:
        assert (await anext(again)).data["questChanged"]["kind"] == "PLACE_FREED"


async def test_nobody_else_follows_a_draft(world, make_user, stream):
    bob = await make_user("bob")
    hidden = encode_id("qst", await world.quest(status="DRAFT"))
    async with aclosing(await stream(CHANGED, bob, id=hidden)) as none:
        refused = await anext(none)
    assert refused.errors[0].extensions["code"] == "BAD_USER_INPUT"
