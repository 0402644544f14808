"""Whatever people show, hide, remove and whom they block, in whatever order: what is found,
counted, suggested and marked for each viewer is just what that viewer may find, at the API."""

import random
from collections import Counter

import pytest

from core.ids import encode_id, new_id
from services.users.access import Viewer
from tests.schema.conftest import Person
from tests.services.search.index_world import FAR, IndexWorld

SEARCH = """
query ($q: String!, $types: [SearchResultType!], $mode: SearchMode!) {
  search(query: $q, types: $types, mode: $mode, first: 100, facets: [TYPE, SELLER]) {
    totalCount
    facets { name values { value count } }
    edges { node { node { ... on User { id } ... on Post { id } ... on Product { id }
                          ... on Auction { id } ... on Quest { id } } } } } }
"""
SUGGEST = """
query ($prefix: String!, $types: [SearchResultType!]) {
  suggest(prefix: $prefix, types: $types) { nodeId } }
"""
PREFIXES = {"USER": "usr", "POST": "pst", "PRODUCT": "prd", "AUCTION": "auc", "QUEST": "qst"}
ROUNDS, STEPS = 4, 7


@pytest.fixture
async def world(settings):
    made = IndexWorld(settings.database_url.get_secret_value())
    await made.begin()
    made.blocks = set()
    yield made
    await made.db.close()


async def some_things(world):
    for number in range(4):
        person = await world.person()
        await world.post(person)
        stall = await world.stall(person)
        await world.lot(await world.product(stall), scheduled=number % 2 == 1)
        await world.product(stall)
        await world.quest(person, opened=number % 2 == 1)


async def block(world, dice):
    one, other = dice.sample(sorted(world.people), 2)
    if (one, other) in world.blocks:
        world.blocks.remove((one, other))
        await world.sql(
            "DELETE FROM block WHERE (blocker_id, blocked_id) = (:a, :b)", a=one, b=other
        )
    else:
        world.blocks.add((one, other))
        await world.sql("INSERT INTO block VALUES (:a, :b, now())", a=one, b=other)


async def step(world, dice):
    """Something that changes who may find what."""

    def one_of(kind):
        return dice.choice(sorted(getattr(world, kind)))

    match dice.randrange(9):
        case 0:
            await world.show(one_of("people"), dice.choice(("PUBLIC", "PRIVATE")))
        case 1:
            await world.set_status(one_of("people"), dice.choice(("ACTIVE", "SUSPENDED")))
        case 2 | 3:
            how = dice.choice(("ARCHIVED", "DELETED", "REMOVED", "RESTORED", "PUBLISHED"))
            await world.change_post(one_of("posts"), how)
        case 4:
            await world.open_stall(one_of("stalls"), dice.random() < 0.5)
        case 5:
            await world.delete_product(one_of("products"))
        case 6:
            await world.end_lot(one_of("lots"), cancel=dice.random() < 0.5)
        case 7:
            await block(world, dice)
        case 8:
            await world.turn_quest(one_of("quests"), dice.choice(("OPEN", "PAUSED", "CLOSED")))


def owner_of(world, kind, id):
    match kind:
        case "USER":
            return id
        case "POST":
            return world.posts[id]["author"]
        case "PRODUCT":
            return world.stalls[world.products[id]["stall"]]["owner"]
        case "QUEST":
            return world.quests[id]["maker"]
        case _:
            return world.stalls[world.lots[id]["stall"]]["owner"]


def for_viewer(world, viewer_id):
    """What this viewer may find: nothing of whom they blocked or who blocked them."""
    for kind, id in world.expected():
        owner = owner_of(world, kind, id)
        if not {(viewer_id, owner), (owner, viewer_id)} & world.blocks:
            yield kind, id, owner


def as_person(id):
    viewer = Viewer(id, new_id(), "t", frozenset(), "FREE", FAR)
    return Person(id, "somebody", "", viewer)


@pytest.mark.parametrize("seed", [1, 2])
async def test_each_viewer_finds_and_counts_just_what_they_may(world, ask, seed):
    dice = random.Random(seed)
    await some_things(world)
    for _ in range(ROUNDS):
        for _ in range(STEPS):
            await step(world, dice)
        await block(world, dice)
        await world.catch_up()
        for viewer_id in (None, *dice.sample(sorted(world.people), 2)):
            person = None if viewer_id is None else as_person(viewer_id)
            allowed = list(for_viewer(world, viewer_id))
            await check(ask, person, allowed)


async def check(ask, person, allowed):
    wanted = {encode_id(PREFIXES[kind], id) for kind, id, _ in allowed}
    page = (await ask(SEARCH, person, q="", mode="ALL"))["search"]
    assert {edge["node"]["node"]["id"] for edge in page["edges"]} == wanted
    assert page["totalCount"] == len(wanted)
    counts = {
        f["name"]: {v["value"]: v["count"] for v in f["values"] if v["count"]}
        for f in page["facets"]
    }
    assert counts["TYPE"] == Counter(kind for kind, _, _ in allowed)
    assert counts["SELLER"] == Counter(
        encode_id("usr", owner) for kind, _, owner in allowed if kind in ("PRODUCT", "AUCTION")
    )
    for kind, words in (
        ("USER", "potter"),
        ("POST", "post"),
        ("PRODUCT", "bowl"),
        ("QUEST", "errand"),
    ):
        of_kind = {encode_id(PREFIXES[kind], id) for k, id, _ in allowed if k == kind}
        for mode in ("LEXICAL", "FUZZY"):
            page = (await ask(SEARCH, person, q=words, types=[kind], mode=mode))["search"]
            found = {edge["node"]["node"]["id"] for edge in page["edges"]}
            assert found <= of_kind
            assert page["totalCount"] == len(found)
        suggested = (await ask(SUGGEST, person, prefix=words[:3], types=[kind]))["suggest"]
        assert {each["nodeId"] for each in suggested} <= of_kind
        assert bool(suggested) == bool(of_kind)
