"""Quests through the schema: near a place, in a box of the map, across the antimeridian and at the
poles; pages by distance; what is read takes few statements."""

from functools import partial

import pytest
from geographiclib.geodesic import Geodesic
from sqlalchemy import text

from core.ids import encode_id
from services.quests.geometry import rolled
from services.quests.zones import create_zone
from tests.services.quests.quest_world import Quests

QUESTS = """query ($filter: QuestFilterInput, $order: QuestOrder! = NEWEST, $first: Int,
  $after: Cursor, $last: Int, $before: Cursor) {
  quests(filter: $filter, orderBy: $order, first: $first, after: $after, last: $last,
         before: $before) {
    totalCount pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    nodes { id title } } }"""
ONE = """query ($id: ID!, $latitude: Float! = 0, $longitude: Float! = 0) { quest(id: $id) {
  title status taken placesLeft radiusMetres reward { amount asset } category { slug }
  distanceMetres(latitude: $latitude, longitude: $longitude)
  viewerAssignment { id status } creator { username } sponsor { username }
  prerequisites { kind quest { title } } } }"""
CREATE = """mutation ($input: CreateQuestInput!) { createQuest(input: $input) { __typename
  ... on Error { code message } ... on InvalidInput { field }
  ... on CreateQuestSuccess { quest { id status sponsor { username } } } } }"""
UPDATE = """mutation ($input: UpdateQuestInput!) { updateQuest(input: $input) { __typename
  ... on Error { code message } ... on InvalidInput { field }
  ... on QuestChangeSuccess { quest { title teamSizeMax levelMin photosAsked locationsAsked
    notesAsked videosAsked reviewersNeeded onFoot region zone { name } radiusMetres polygon
    prerequisites { kind badgeSlug quest { title } } } } } }"""
OPEN = """mutation ($id: ID!) { openQuest(input: {questId: $id}) { __typename
  ... on Error { code } ... on QuestChangeSuccess { quest { status } } } }"""
ACCEPT = """mutation ($id: ID!) { acceptQuest(input: {questId: $id}) { __typename
  ... on Error { code } ... on QuestFull { capacity }
  ... on AlreadyAssigned { assignmentId }
  ... on AcceptQuestSuccess { assignment { id status dueAt quest { taken } } } } }"""
ABANDON = """mutation ($id: ID!) { abandonQuest(input: {assignmentId: $id}) { __typename
  ... on Error { code } ... on AbandonQuestSuccess { assignment { status quest { taken } } } } }"""
MINE = """{ me { assignments(first: 10) { totalCount nodes { id status quest { title } } } } }"""
INPUT = {
    "title": "Clean the bank",
    "category": "rivers",
    "opensAt": "2026-01-01T00:00:00Z",
    "closesAt": "2027-12-01T00:00:00Z",
    "circle": {"latitude": 41.15, "longitude": -8.61, "radiusMetres": 200},
    "capacity": 1,
    "reward": {"amount": "2.5", "asset": "SPARK"},
}


@pytest.fixture
async def world(server):
    return await Quests(server.db).begin()


def going(latitude, longitude, azimuth, metres):
    found = Geodesic.WGS84.Direct(latitude, longitude, azimuth, metres)
    return found["lat2"], rolled(found["lon2"])


def titles(answer):
    return [node["title"] for node in answer["quests"]["nodes"]]


@pytest.mark.parametrize(
    ("latitude", "longitude"), [(41.15, -8.61), (-16.9, 179.999), (-90, 0), (89.9995, 30)]
)
async def test_near_is_near_at_the_poles_and_across_the_antimeridian_too(
    ask, world, latitude, longitude
):
    away = {100: 10, 900: 100, 5_000: 190, 9_990: 280, 10_010: 350, 200_000: 60}
    for metres, azimuth in away.items():
        place = going(latitude, longitude, azimuth, metres)
        await world.quest(title=str(metres), place=place, radius_m=50)
    near = {"latitude": latitude, "longitude": longitude, "radiusMetres": 10_000}
    asked = {"filter": {"near": near}, "order": "DISTANCE"}
    answer = await ask(QUESTS, **asked)
    assert titles(answer) == ["100", "900", "5000", "9990"]
    assert answer["quests"]["totalCount"] == 4
    first = await ask(QUESTS, **asked, first=2)
    info = first["quests"]["pageInfo"]
    assert (info["hasNextPage"], info["hasPreviousPage"]) == (True, False)
    then = await ask(QUESTS, **asked, first=2, after=info["endCursor"])
    assert titles(first) + titles(then) == ["100", "900", "5000", "9990"]
    assert then["quests"]["pageInfo"]["hasNextPage"] is False
    back = await ask(QUESTS, **asked, last=1, before=info["endCursor"])
    assert titles(back) == ["100"]


async def test_a_box_of_the_map_meets_areas_on_both_sides_of_the_antimeridian(ask, world):
    for title, longitude in (("east", 179.9), ("west", -179.9), ("far", 0.0)):
        await world.quest(title=title, place=(-16.9, longitude), radius_m=100)
    ring = [[179.5, -17.5], [-179.5, -17.5], [-179.5, -17.4], [179.5, -17.4], [179.5, -17.5]]
    await world.quest(title="across", polygon={"type": "Polygon", "coordinates": [ring]})
    across = {"west": 179.8, "south": -18, "east": -179.8, "north": -16}
    assert titles(await ask(QUESTS, filter={"bbox": across})) == ["across", "west", "east"]
    west = {"west": -180, "south": -18, "east": -179.8, "north": -16}
    assert titles(await ask(QUESTS, filter={"bbox": west})) == ["across", "west"]
    world_box = {"west": -180, "south": -90, "east": 180, "north": 90}
    assert len(titles(await ask(QUESTS, filter={"bbox": world_box}))) == 4


async def test_filters_hold_together_and_orders_are_total(ask, world):
    for number, (difficulty, reward) in enumerate(((1, 500), (2, 100), (2, 500))):
        await world.quest(
            title=str(number), difficulty=difficulty, reward_minor=reward, region="PT"
        )
    assert titles(await ask(QUESTS, order="REWARD")) == ["2", "0", "1"]
    assert titles(await ask(QUESTS, order="ENDING")) == ["0", "1", "2"]
    assert titles(await ask(QUESTS, filter={"difficulty": 2, "region": "PT"})) == ["2", "1"]
    assert titles(await ask(QUESTS, filter={"category": "none"})) == []


async def test_a_draft_is_its_makers_alone(ask, world, make_user):
    admin, other = (await make_user("admin", roles=("ADMIN",)), await make_user("other"))
    made = (await ask(CREATE, admin, input=INPUT))["createQuest"]["quest"]
    assert (made["status"], made["sponsor"]) == ("DRAFT", None)
    for viewer in (None, other):
        assert (await ask(ONE, viewer, id=made["id"]))["quest"] is None
        assert titles(await ask(QUESTS, viewer)) == []
    assert (await ask(ONE, admin, id=made["id"]))["quest"]["title"] == "Clean the bank"
    refused = (await ask(OPEN, other, id=made["id"]))["openQuest"]
    assert refused["__typename"] == "NotFound"
    assert (await ask(OPEN, admin, id=made["id"]))["openQuest"]["quest"]["status"] == "OPEN"
    shown = (await ask(ONE, None, id=made["id"], latitude=41.15, longitude=-8.61))["quest"]
    assert shown == {
        "title": "Clean the bank",
        "status": "OPEN",
        "taken": 0,
        "placesLeft": 1,
        "radiusMetres": 200,
        "reward": {"amount": "2.500000", "asset": "SPARK"},
        "category": {"slug": "rivers"},
        "distanceMetres": 0,
        "viewerAssignment": None,
        "creator": {"username": "admin"},
        "sponsor": None,
        "prerequisites": [],
    }


async def test_all_that_a_quest_says_and_asks_can_be_changed(ask, world, make_user):
    admin = await make_user("admin", roles=("ADMIN",))
    ring = [[5.0, 45.0], [5.1, 45.0], [5.1, 45.1], [5.0, 45.0]]
    near = [[[x + 1, y] for x, y in ring]]
    zones = [
        encode_id(
            "zon",
            await world.run(
                partial(
                    create_zone,
                    actor_id=world.admin,
                    name=name,
                    geometry={"type": "Polygon", "coordinates": rings},
                    region=region,
                )
            ),
        )
        for name, rings, region in (("Isere", [ring], "FR"), ("Aosta", near, "IT"))
    ]
    first = encode_id("qst", await world.quest(title="Learn"))
    made = (await ask(CREATE, admin, input=INPUT | {"circle": None, "zone": zones[0]}))[
        "createQuest"
    ]["quest"]
    id = {"questId": made["id"]}

    async def update(**changes):
        return (await ask(UPDATE, admin, input=id | changes))["updateQuest"]

    changed = (
        await update(
            zone=zones[1],
            teamSizeMax=4,
            levelMin=2,
            photos=2,
            locations=3,
            notes=1,
            videos=1,
            reviewersNeeded=7,
            onFoot=False,
            autoVerify=False,
            requiredQuests=[first],
            requiredBadges=["first-deed"],
        )
    )["quest"]
    where = changed.pop("polygon")
    assert where["coordinates"][0][0] == [6.0, 45.0]
    learnt = {"kind": "QUEST", "badgeSlug": None, "quest": {"title": "Learn"}}
    assert changed == {
        "title": "Clean the bank",
        "teamSizeMax": 4,
        "levelMin": 2,
        "photosAsked": 2,
        "locationsAsked": 3,
        "notesAsked": 1,
        "videosAsked": 1,
        "reviewersNeeded": 7,
        "onFoot": False,
        "region": "IT",
        "zone": {"name": "Aosta"},
        "radiusMetres": None,
        "prerequisites": [learnt, {"kind": "BADGE", "badgeSlug": "first-deed", "quest": None}],
    }
    [kept] = await world.sql("SELECT auto_verify FROM quest WHERE title = 'Clean the bank'")
    assert kept.auto_verify is False
    # What is not given stays; prerequisites of the other kind do too.
    again = (await update(requiredBadges=[], region="CH", reviewersNeeded=None))["quest"]
    assert again["prerequisites"] == [learnt]
    assert (again["region"], again["reviewersNeeded"], again["levelMin"]) == ("CH", 5, 2)
    before = await world.snapshot()
    for changes, field in (
        ({"zone": None}, "circle"),
        ({"zone": first}, "zone"),
        ({"teamSizeMax": 21}, "teamSizeMax"),
        ({"levelMin": 9}, "levelMin"),
        ({"reviewersNeeded": 10}, "reviewersNeeded"),
        ({"videos": 4}, "videos"),
        ({"photos": 0, "locations": 0, "notes": 0, "videos": 0}, "photos"),
        ({"requiredQuests": [made["id"]]}, "requiredQuests"),
        ({"requiredBadges": ["none"]}, "requiredBadges"),
    ):
        assert (await update(**changes))["field"] == field
    assert await world.snapshot() == before


async def test_sponsors_and_administrators_make_quests_and_nobody_else(ask, world, make_user):
    player, sponsor = await make_user("player"), await make_user("giver", roles=("SPONSOR",))
    assert (await ask(CREATE, player, input=INPUT))["createQuest"]["__typename"] == "Forbidden"
    made = (await ask(CREATE, sponsor, input=INPUT))["createQuest"]["quest"]
    assert made["sponsor"] == {"username": "giver"}
    bad = INPUT | {"circle": {"latitude": 99, "longitude": 0, "radiusMetres": 5}}
    said = (await ask(CREATE, sponsor, input=bad))["createQuest"]
    assert (said["__typename"], said["field"]) == ("InvalidInput", "circle")


async def test_taken_on_and_given_up_by_the_viewer(ask, world, make_user):
    player, other = await make_user("player"), await make_user("other")
    id = encode_id("qst", await world.quest(capacity=1))
    taken = (await ask(ACCEPT, player, id=id))["acceptQuest"]["assignment"]
    assert (taken["status"], taken["quest"]) == ("ACCEPTED", {"taken": 1})
    assert (await ask(ACCEPT, other, id=id))["acceptQuest"] == {
        "__typename": "QuestFull",
        "code": "QUEST_FULL",
        "capacity": 1,
    }
    again = (await ask(ACCEPT, player, id=id))["acceptQuest"]
    assert again["assignmentId"] == taken["id"]
    mine = (await ask(MINE, player))["me"]["assignments"]
    assert mine["totalCount"] == 1
    assert mine["nodes"][0]["quest"] == {"title": "Clean the bank"}
    seen = "query ($id: ID!) { assignment(id: $id) { status } node(id: $id) { id } }"
    assert await ask(seen, other, id=taken["id"]) == {"assignment": None, "node": None}
    assert (await ask(seen, player, id=taken["id"]))["assignment"] == {"status": "ACCEPTED"}
    assert (await ask(ABANDON, other, id=taken["id"]))["abandonQuest"]["code"] == (
        "NOT_YOUR_ASSIGNMENT"
    )
    gone = (await ask(ABANDON, player, id=taken["id"]))["abandonQuest"]["assignment"]
    assert gone == {"status": "ABANDONED", "quest": {"taken": 0}}


async def test_pages_of_quests_take_a_few_statements(ask, world, make_user, statements):
    viewer = await make_user("player")
    for _ in range(5):
        quest = await world.quest(by_sponsor=True)
        await world.accept(viewer.id, quest)
    wanted = """query ($near: NearInput!) {
      quests(filter: {near: $near}, orderBy: DISTANCE) { nodes {
        title category { name } creator { username } sponsor { username }
        prerequisites { kind } viewerAssignment { status } } } }"""
    near = {"latitude": 41.15, "longitude": -8.61, "radiusMetres": 100}
    statements.clear()
    nodes = (await ask(wanted, viewer, near=near))["quests"]["nodes"]
    assert [node["viewerAssignment"] for node in nodes] == [{"status": "ACCEPTED"}] * 5
    # The quests, then categories, people, prerequisites, assignments: one each.
    assert len(statements) == 5


async def test_near_is_read_by_the_spatial_index(world):
    await world.quest()
    async with world.db.read() as session:
        await session.execute(text("SET LOCAL enable_seqscan = off"))
        plan = await session.execute(
            text(
                "EXPLAIN SELECT id FROM quest WHERE box(point(west, south), point(east, north))"
                " && box(point(0, 0), point(1, 1))"
            )
        )
        assert "ix_quest_area" in "\n".join(plan.scalars())
