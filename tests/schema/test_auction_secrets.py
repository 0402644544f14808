"""A maximum is its bidder's secret and a reserve its seller's: neither is in any answer or event to
anyone else, whatever is asked."""

import asyncio
from collections.abc import Iterator
from contextlib import aclosing

import orjson
import pytest
from graphql import GraphQLObjectType, GraphQLUnionType, get_named_type, is_leaf_type
from graphql.type import is_required_argument

from execution.limits import Limits
from schema.build import build_schema
from services.auctions.state import auction_topic
from subscriptions.cursors import encode_cursor

LEADERS_MAXIMUM = 987_654_321
OLD_MAXIMUM = 876_543_219
"""The leader's first maximum, raised since: as secret as the new one."""
RESERVE = 77_777_777_777
SENTINELS = ("987654321", "9876543.21", "876543219", "8765432.19", "77777777777", "777777777.77")
PRICE_NOW = "1025.00"
PIECE_WORDS = 6_000


def selection(kind: GraphQLObjectType, path: tuple[str, ...] = ()) -> str:
    """All fields that need no argument, of all types that are not on the path yet."""
    return "{ " + " ".join(selected(kind, (*path, kind.name))) + " }"


def selected(kind: GraphQLObjectType, path: tuple[str, ...]) -> Iterator[str]:
    yield "__typename"
    for name, field in kind.fields.items():
        if any(is_required_argument(argument) for argument in field.args.values()):
            continue
        below = get_named_type(field.type)
        if is_leaf_type(below):
            yield name
        elif isinstance(below, GraphQLObjectType) and below.name not in path and len(path) < 6:
            yield f"{name} {selection(below, path)}"


@pytest.fixture(scope="module")
def schema():
    """The schema with room for questions about everything."""
    roomy = Limits(
        max_tokens=500_000,
        max_length=1_000_000,
        max_depth=30,
        max_fields=100_000,
        max_breadth=1_000,
    )
    return build_schema(limits=roomy)


@pytest.fixture
async def contested(open_lot, make_user, bid):
    """A lot whose leader has much more than the price, and a reserve that nobody has reached."""
    ada, bob = await make_user("ada"), await make_user("bob")
    lot = await open_lot(starting_price_minor=1_000, reserve_minor=RESERVE)
    await bid(ada, lot, OLD_MAXIMUM)
    await bid(bob, lot, 100_000)
    await bid(ada, lot, LEADERS_MAXIMUM)
    return lot, ada, bob


@pytest.fixture
async def others(contested, make_user):
    lot, _, bob = contested
    return {
        "nobody": None,
        "the other bidder": bob,
        "the seller": lot.seller,
        "a moderator": await make_user(roles=("MODERATOR",)),
        "an administrator": await make_user(roles=("ADMIN",)),
    }


def secrets_in(answer: object) -> list[str]:
    text = orjson.dumps(answer).decode()
    return [sentinel for sentinel in SENTINELS if sentinel in text]


def everything(schema) -> list[str]:
    """All that can be selected, by each way to it, in operations as large as one may be."""
    core = schema._schema
    auctions, users = (list(pieces(core.type_map[name])) for name in ("Auction", "User"))
    ways = {
        "query ($auction: ID!) { auction(id: $auction) %s }": auctions,
        "query ($auction: ID!) { node(id: $auction) { ... on Auction %s } }": auctions,
        "{ auctions(first: 5) { nodes %s } }": auctions,
        "query ($ada: ID!) { ada: user(id: $ada) %s }": users,
        "query ($seller: ID!) { seller: user(id: $seller) %s }": users,
        "{ me %s }": users,
    }
    return [way % piece for way, some in ways.items() for piece in some]


def pieces(kind: GraphQLObjectType) -> Iterator[str]:
    """The selection of a type, cut where it becomes too large."""
    kept: list[str] = []
    for each in selected(kind, (kind.name,)):
        if kept and len(" ".join([*kept, each]).split()) > PIECE_WORDS:
            yield "{ " + " ".join(kept) + " }"
            kept = []
        kept.append(each)
    yield "{ " + " ".join(kept) + " }"


async def test_no_field_of_anything_tells_others_a_secret(schema, ask, contested, others):
    lot, ada, _ = contested
    asked = {"auction": lot.public_id, "ada": ada.public_id, "seller": lot.seller.public_id}

    async def all_that_is_told(viewer):
        return [await ask(query, viewer, **asked) for query in everything(schema)]

    for name, viewer in others.items():
        answer = await all_that_is_told(viewer)
        assert PRICE_NOW in orjson.dumps(answer).decode()  # the lot itself was told of
        assert secrets_in(answer) == [], name

    own = await all_that_is_told(ada)
    told = [one["auction"] for one in own if "viewerMaximum" in one.get("auction", {})]
    assert [one["viewerMaximum"]["amount"] for one in told] == ["9876543.21"]
    # Her own wallet tells her what she held before, too; the reserve nobody tells.
    assert set(secrets_in(own)) == {"987654321", "9876543.21", "876543219", "8765432.19"}


async def test_each_bidder_is_told_their_own_maximum_alone(ask, contested, others):
    lot, ada, _ = contested
    query = "query ($id: ID!) { auction(id: $id) { viewerMaximum { amount } viewerIsLeading } }"
    told = {
        name: (await ask(query, viewer, id=lot.public_id))["auction"]
        for name, viewer in {**others, "ada": ada}.items()
    }
    assert told.pop("ada") == {"viewerMaximum": {"amount": "9876543.21"}, "viewerIsLeading": True}
    assert told.pop("the other bidder") == {
        "viewerMaximum": {"amount": "1000.00"},
        "viewerIsLeading": False,
    }
    assert list(told.values()) == [{"viewerMaximum": None, "viewerIsLeading": False}] * 4


async def test_refusals_tell_no_secret(schema, ask, contested):
    lot, _, bob = contested
    core = schema._schema
    union = core.type_map["PlaceBidResult"]
    assert isinstance(union, GraphQLUnionType)
    told = " ".join(f"... on {member.name} {selection(member)}" for member in union.types)
    query = f"mutation ($input: PlaceBidInput!) {{ placeBid(input: $input) {{ {told} }} }}"
    for number, maximum in enumerate(("1", "1000.50", "2000.00")):
        given = {"auctionId": lot.public_id, "maximum": maximum, "idempotencyKey": str(number)}
        assert secrets_in(await ask(query, bob, input=given)) == []


async def test_no_event_tells_a_secret(schema, stream, contested, sql):
    lot, _, bob = contested
    topic = auction_topic(lot.id)
    subscriptions = schema._schema.subscription_type.fields
    for field in ("bidPlaced", "auctionChanged"):
        told = selection(get_named_type(subscriptions[field].type))
        query = f"""subscription ($id: ID!, $after: Cursor) {{
          {field}(auctionId: $id, after: $after) {told} }}"""
        results = await stream(query, bob, id=lot.public_id, after=encode_cursor(topic, 0))
        async with aclosing(results), asyncio.timeout(10):
            for _ in range(2):
                result = await anext(results)
                assert result.errors is None
                assert result.data[field]["cursor"]
                assert secrets_in(result.data) == []
    rows = await sql("SELECT CAST(payload AS text) FROM event WHERE topic = :topic", topic=topic)
    assert len(rows) == 4  # opened, and three bids
    assert [s for s in SENTINELS for [payload] in rows if s in payload] == []
