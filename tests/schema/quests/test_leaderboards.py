"""Leaderboards by operations: places, neighbours, statements, refusals, pushes."""

from contextlib import aclosing

import pytest
from sqlalchemy import text

from services.quests.board_feeding import feed
from tests.services.quests.impact_world import NOON, ImpactWorld

BOARD = """
query ($window: LeaderboardWindow! = ALL_TIME, $scope: LeaderboardScope! = GLOBAL, $region: String,
       $category: String, $first: Int! = 10, $around: ID) {
  leaderboard(window: $window, scope: $scope, region: $region, category: $category, first: $first,
              around: $around) {
    window scope region category startsAt endsAt totalCount
    entries { rank xp player { username } }
    own { rank xp }
    around { rank player { username } }
  }
}
"""
CHANGED = """
subscription ($first: Int!) {
  leaderboardChanged(first: $first) { totalCount entries { rank xp player { username } } }
}
"""


@pytest.fixture
async def people(make_user):
    return [await make_user(name) for name in ("ada", "bob", "cyd", "dia")]


@pytest.fixture
async def world(server, people):
    """Ada and Bo have 30 each, Bo first; Cy 5 in parks; Di nothing."""
    made = ImpactWorld(server.db)
    rivers, parks = await made.quest(), await made.quest("parks")
    ada, bo, cy, _ = people
    await made.gain(bo.id, rivers, 30, NOON)
    await made.gain(ada.id, rivers, 30, NOON.replace(minute=1))
    await made.gain(cy.id, parks, 5, category="parks", region="SI")
    await feed(server.db, server.live.boards.store)
    return made


async def test_a_board_with_ones_own_place(world, people, ask, statements):
    before = len(statements)
    board = (await ask(BOARD, people[2]))["leaderboard"]
    assert board == {
        "window": "ALL_TIME",
        "scope": "GLOBAL",
        "region": None,
        "category": None,
        "startsAt": None,
        "endsAt": None,
        "totalCount": 3,
        "entries": [
            {"rank": 1, "xp": "30", "player": {"username": "bob"}},
            {"rank": 2, "xp": "30", "player": {"username": "ada"}},
            {"rank": 3, "xp": "5", "player": {"username": "cyd"}},
        ],
        "own": {"rank": 3, "xp": "5"},
        "around": [
            {"rank": n, "player": {"username": name}}
            for n, name in enumerate(("bob", "ada", "cyd"), 1)
        ],
    }
    # The board is read in Redis; its players are one statement.
    assert len(statements) - before == 1


async def test_anybodys_place_and_a_board_of_one_category(world, people, ask):
    board = (await ask(BOARD, people[3], around=people[0].public_id, first=1))["leaderboard"]
    assert board["own"] == {"rank": 2, "xp": "30"}
    assert [one["rank"] for one in board["entries"]] == [1]
    assert (await ask(BOARD, people[3]))["leaderboard"]["own"] is None
    parks = (await ask(BOARD, scope="CATEGORY", category="parks"))["leaderboard"]
    assert (parks["category"], parks["totalCount"], parks["own"]) == ("parks", 1, None)
    region = (await ask(BOARD, scope="REGION", region="FR"))["leaderboard"]
    assert (region["region"], region["totalCount"]) == ("FR", 2)


async def test_friends(world, people, ask, execute, server):
    async def follow(tx):
        for one, other in ((0, 2), (2, 0), (1, 0)):
            pair = {"a": people[one].id, "b": people[other].id}
            await tx.execute(
                text("INSERT INTO follow (follower_id, followee_id) VALUES (:a, :b)"), pair
            )

    await server.db.transaction(follow)
    board = (await ask(BOARD, people[0], scope="FRIENDS"))["leaderboard"]
    assert [(one["rank"], one["player"]["username"]) for one in board["entries"]] == [
        (1, "ada"),
        (2, "cyd"),
    ]
    nobody = await execute(BOARD, scope="FRIENDS")
    assert nobody.errors[0].extensions["code"] == "UNAUTHENTICATED"


@pytest.mark.parametrize(
    "asked",
    [
        {"scope": "REGION"},
        {"region": "FR"},
        {"scope": "REGION", "region": "France"},
        {"scope": "CATEGORY", "category": "x" * 61},
        {"first": 0},
        {"first": 101},
        {"around": "usr_x"},
    ],
)
async def test_what_no_board_is(execute, asked):
    result = await execute(BOARD, **asked)
    assert result.errors[0].extensions["code"] == "BAD_USER_INPUT"


async def test_a_board_is_pushed_when_it_changes(world, people, stream, server):
    async with aclosing(await stream(CHANGED, first=2)) as pushes:
        first = (await anext(pushes)).data["leaderboardChanged"]
        assert [one["player"]["username"] for one in first["entries"]] == ["bob", "ada"]
        await world.gain(people[3].id, await world.quest(), 40)
        await feed(server.db, server.live.boards.store)
        second = (await anext(pushes)).data["leaderboardChanged"]
    assert second["totalCount"] == 4
    assert [(one["xp"], one["player"]["username"]) for one in second["entries"]] == [
        ("40", "dia"),
        ("30", "bob"),
    ]
