"""Reading stalls, products, auctions and bids through the real schema."""

import base64
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from sqlalchemy import insert

from core.ids import encode_id, new_id
from models.auctions import Auction

ORDERS = ["ENDING_SOON", "NEWEST", "PRICE", "PRICE_DESC", "MOST_BIDS"]
PAGE = """
query ($filter: AuctionFilterInput, $orderBy: AuctionOrder! = NEWEST, $first: Int, $after: Cursor,
       $last: Int, $before: Cursor) {
  auctions(filter: $filter, orderBy: $orderBy, first: $first, after: $after, last: $last,
           before: $before) {
    edges { cursor node { id } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}
"""
TITLES = """
query ($filter: AuctionFilterInput) {
  auctions(filter: $filter, first: 100) { nodes { title } totalCount }
}
"""


def cursor_of(*values):
    return base64.urlsafe_b64encode(orjson.dumps(values)).rstrip(b"=").decode()


async def test_an_auction_tells_its_terms_and_its_state(ask, open_lot, bid, make_user):
    ends_at = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=2)
    lot = await open_lot(
        product={"name": "Blue bowl", "tags": ["blue", "bowl"], "region": "FR", "story": "old"},
        starting_price_minor=1_000,
        ends_at=ends_at,
        soft_close_window_s=60,
        soft_close_extension_s=90,
    )
    ada = await make_user("ada")
    await bid(ada, lot, 5_000)
    query = """
    query ($id: ID!) { auction(id: $id) {
      __typename id title description category region tags format status asset
      startingPrice { amount asset minorUnits } currentPrice { amount minorUnits }
      minimumBid { amount } bidCount reserveMet startsAt endsAt closedAt timeLeft
      softCloseWindowSeconds softCloseExtensionSeconds viewerIsLeading viewerWatches
      seller { username } winner { username } product { name story } stall { name slug }
      topBids { sequence amount { amount } bidder { username } auction { id } commitment }
    } }
    """
    found = (await ask(query, id=lot.public_id))["auction"]
    assert 7_100 < found.pop("timeLeft") <= 7_200
    assert found.pop("startsAt") < found["endsAt"]
    [top] = found.pop("topBids")
    assert len(bytes.fromhex(top.pop("commitment"))) == 32
    assert top == {
        "sequence": 1,
        "amount": {"amount": "10.00"},
        "bidder": {"username": "ada"},
        "auction": {"id": lot.public_id},
    }
    assert found == {
        "__typename": "Auction",
        "id": lot.public_id,
        "title": "Blue bowl",
        "description": "",
        "category": "Pottery",
        "region": "FR",
        "tags": ["blue", "bowl"],
        "format": "ENGLISH",
        "status": "OPEN",
        "asset": "USD",
        "startingPrice": {"amount": "10.00", "asset": "USD", "minorUnits": "1000"},
        "currentPrice": {"amount": "10.00", "minorUnits": "1000"},
        "minimumBid": {"amount": "10.50"},
        "bidCount": 1,
        "reserveMet": True,
        "endsAt": ends_at.isoformat().replace("+00:00", "Z"),
        "closedAt": None,
        "softCloseWindowSeconds": 60,
        "softCloseExtensionSeconds": 90,
        "viewerIsLeading": False,
        "viewerWatches": False,
        "seller": {"username": lot.seller.username},
        "winner": None,
        "product": {"name": "Blue bowl", "story": "old"},
        "stall": {"name": "Stall 1", "slug": "stall-1"},
    }


async def test_what_is_not_there_is_null_whatever_the_id(ask):
    some = "01930c5e000070008000000000000000"
    for field, prefix in (("auction", "auc"), ("product", "prd")):
        query = f"query ($id: ID!) {{ {field}(id: $id) {{ id }} }}"
        for absent in (f"{prefix}_{some}", f"usr_{some}", f"{prefix}_1", "", "\0", "a" * 100_000):
            assert await ask(query, id=absent) == {field: None}


async def test_product_tells_what_it_is(ask, make_user, open_stall, list_product):
    seller = await make_user(roles=("ARTISAN",))
    product_id = await list_product(
        seller,
        await open_stall(seller, slug="pots"),
        kind="DIGITAL",
        name="Pattern",
        category="Weaving",
        asset="SPARK",
        price_minor=1_500_000,
        tags=["a", "b", "a"],
        image_urls=["https://example.org/1.png"],
        inventory_count=3,
        region="PE",
    )
    answer = await ask(
        """query ($id: ID!) { product(id: $id) {
          kind name category asset price { amount asset minorUnits } tags imageUrls inventoryCount
          region stall { slug owner { username } } auctions { nodes { id } totalCount }
        } }""",
        id=encode_id("prd", product_id),
    )
    assert answer["product"] == {
        "kind": "DIGITAL",
        "name": "Pattern",
        "category": "Weaving",
        "asset": "SPARK",
        "price": {"amount": "1.500000", "asset": "SPARK", "minorUnits": "1500000"},
        "tags": ["a", "b"],
        "imageUrls": ["https://example.org/1.png"],
        "inventoryCount": 3,
        "region": "PE",
        "stall": {"slug": "pots", "owner": {"username": seller.username}},
        "auctions": {"nodes": [], "totalCount": 0},
    }


async def test_stall_is_found_by_its_slug(ask, make_user, open_stall, list_product, open_lot):
    lot = await open_lot()
    answer = await ask(
        """{ stall(slug: "stall-1") {
          id name slug active theme owner { username }
          products { nodes { id } totalCount } auctions { nodes { id } totalCount }
        } }"""
    )
    assert answer["stall"] == {
        "id": encode_id("stl", lot.stall_id),
        "name": "Stall 1",
        "slug": "stall-1",
        "active": True,
        "theme": {},
        "owner": {"username": lot.seller.username},
        "products": {"nodes": [{"id": encode_id("prd", lot.product_id)}], "totalCount": 1},
        "auctions": {"nodes": [{"id": lot.public_id}], "totalCount": 1},
    }


async def test_a_slug_that_nobody_has_gives_null(ask, open_lot):
    await open_lot()
    query = "query ($s: String!) { stall(slug: $s) { id } }"
    for slug in ("no-such", "", "STALL-1", "stall-1\n", "\0", "a\0b", "é" * 1_000, "a" * 100_000):
        assert await ask(query, s=slug) == {"stall": None}


@pytest.fixture
async def market(open_lot, make_user, bid, sql):
    """Lots that differ in one thing each from the first."""
    ada, bob = (
        await make_user("ada", roles=("ARTISAN",)),
        await make_user("bob", roles=("ARTISAN",)),
    )
    buyer = await make_user("buyer")
    base = {"category": "Pottery", "region": "FR", "tags": ["blue", "old"]}
    soon = datetime.now(UTC) + timedelta(hours=1)
    terms = {"starting_price_minor": 1_000, "ends_at": soon}
    lots = {
        "plain": await open_lot(ada, product=base, title="plain", **terms),
        "weaving": await open_lot(
            ada, product={**base, "category": "Weaving"}, title="weaving", **terms
        ),
        "peru": await open_lot(ada, product={**base, "region": "PE"}, title="peru", **terms),
        "nowhere": await open_lot(ada, product={**base, "region": None}, title="nowhere", **terms),
        "untagged": await open_lot(ada, product={**base, "tags": []}, title="untagged", **terms),
        "bobs": await open_lot(bob, product=base, title="bobs", **terms),
        "euro": await open_lot(ada, product={**base, "asset": "EUR"}, title="euro", **terms),
        "dear": await open_lot(
            ada, product=base, title="dear", **{**terms, "starting_price_minor": 2_000}
        ),
        "late": await open_lot(
            ada, product=base, title="late", **{**terms, "ends_at": soon + timedelta(days=1)}
        ),
        "scheduled": await open_lot(
            ada, product=base, title="scheduled", starts_at=soon - timedelta(minutes=30), **terms
        ),
        "raised": await open_lot(ada, product=base, title="raised", **terms),
    }
    await bid(buyer, lots["raised"], 1_500)
    await bid(await make_user(), lots["raised"], 1_800)
    await sql("UPDATE auction SET status = 'UNSOLD', closed_at = now() WHERE title = 'late'")
    return {"lots": lots, "ada": ada, "bob": bob, "soon": soon}


ALL = {
    "plain", "weaving", "peru", "nowhere", "untagged", "bobs", "euro", "dear", "late", "scheduled",
    "raised",
}  # fmt: skip


FILTERS = [
    (None, ALL),
    ({}, ALL),
    ({"status": None, "category": None, "tags": None}, ALL),
    ({"status": ["UNSOLD"]}, {"late"}),
    ({"status": ["SOLD"]}, set()),
    ({"status": ["UNSOLD", "SCHEDULED"]}, {"late", "scheduled"}),
    ({"status": []}, set()),
    ({"category": "Weaving"}, {"weaving"}),
    ({"category": "weaving"}, set()),
    ({"region": "PE"}, {"peru"}),
    ({"tags": ["old", "blue"]}, ALL - {"untagged"}),
    ({"tags": ["blue", "new"]}, set()),
    ({"tags": []}, ALL),
    ({"asset": "EUR"}, {"euro"}),
    ({"asset": "USD", "priceFrom": "20.00"}, {"dear"}),
    ({"asset": "USD", "priceFrom": "15.01", "priceTo": "19.99"}, {"raised"}),
    ({"asset": "USD", "priceTo": "10"}, ALL - {"euro", "dear", "raised"}),
    ({"asset": "EUR", "priceTo": "10.00"}, {"euro"}),
    ({"category": "Pottery", "region": "FR", "asset": "EUR"}, {"euro"}),
    ({"category": "%"}, set()),
    ({"category": "' OR 1=1 --"}, set()),
]


async def test_filters_hold_together(ask, market):
    wrong = {}
    for given, expected in FILTERS:
        found = (await ask(TITLES, filter=given))["auctions"]
        titles = {node["title"] for node in found["nodes"]}
        if titles != expected or found["totalCount"] != len(expected):
            wrong[str(given)] = (titles, found["totalCount"])
    assert wrong == {}


async def test_filter_by_seller_and_by_end(ask, market):
    async def titles(**given):
        nodes = (await ask(TITLES, filter=given))["auctions"]["nodes"]
        return {node["title"] for node in nodes}

    assert await titles(seller=market["bob"].public_id) == {"bobs"}
    assert await titles(endsBefore=market["soon"].isoformat()) == set()
    later = (market["soon"] + timedelta(microseconds=1)).isoformat()
    assert await titles(endsBefore=later) == ALL - {"late"}


IMPOSSIBLE = [
    {"priceFrom": "1.00"},
    {"priceTo": "1.00"},
    {"asset": "USD", "priceFrom": "1.001"},
    {"asset": "USD", "priceFrom": "-1"},
    {"asset": "USD", "priceTo": "1E+999999"},
    {"asset": "USD", "priceTo": "abc"},
    {"asset": "GBP"},
    {"seller": "auc_01930c5e000070008000000000000000"},
    {"seller": "me"},
    {"tags": ["x"] * 21},
    {"tags": ["a\0b"]},
    {"category": "\0"},
    {"region": "F\0"},
    {"endsBefore": "soon"},
    {"endsBefore": "2030-01-01T00:00:00"},
    {"endsBefore": "0001-01-01T00:00:00+14:00"},
    {"endsBefore": "9999-12-31T23:59:59-14:00"},
    {"status": ["GONE"]},
    {"unknown": 1},
]


async def test_filters_that_cannot_be_are_refused_clearly(execute, shapes):
    for given in IMPOSSIBLE:
        result = await execute(TITLES, filter=given)
        assert result.data is None, given
        assert shapes.codes(result) == ["BAD_USER_INPUT"], given
        assert len(result.errors[0].message) > 10


@pytest.fixture
async def crowd(open_lot, server):
    """24 lots of one seller with many ties in each ordering's column; their rows."""
    lot = await open_lot()
    base = datetime(2031, 5, 1, tzinfo=UTC)
    rows = [
        {
            "id": new_id(),
            "product_id": lot.product_id,
            "stall_id": lot.stall_id,
            "seller_id": lot.seller.id,
            "title": f"lot {n}",
            "category": "crowd",
            "asset": "USD",
            "starting_price_minor": 100,
            "current_price_minor": 100 * (1 + n % 3),
            "bid_count": n % 2,
            "leader_id": lot.seller.id if n % 2 else None,
            "leader_bid_id": new_id() if n % 2 else None,
            "leader_maximum_minor": 1_000 if n % 2 else None,
            "status": "OPEN",
            "starts_at": base,
            "ends_at": base + timedelta(hours=1 + n % 4),
            "created_at": base - timedelta(microseconds=n % 5),
        }
        for n in range(24)
    ]
    async with server.db.engine.begin() as connection:
        await connection.execute(insert(Auction), rows)
    return rows


SORTS = {
    "ENDING_SOON": (lambda r: (r["ends_at"], r["id"].bytes), False),
    "NEWEST": (lambda r: (r["created_at"], r["id"].bytes), True),
    "PRICE": (lambda r: (r["current_price_minor"], r["id"].bytes), False),
    "PRICE_DESC": (lambda r: (r["current_price_minor"], r["id"].bytes), True),
    "MOST_BIDS": (lambda r: (r["bid_count"], r["id"].bytes), True),
}


@pytest.mark.parametrize("ordering", ORDERS)
async def test_pages_in_each_order_are_the_whole_list_once(ask, crowd, ordering):
    key, falling = SORTS[ordering]
    whole = [encode_id("auc", r["id"]) for r in sorted(crowd, key=key, reverse=falling)]
    asked = {"filter": {"category": "crowd"}, "orderBy": ordering}

    forward, after, pages = [], None, 0
    while True:
        page = (await ask(PAGE, **asked, first=7, after=after))["auctions"]
        assert page["pageInfo"]["hasPreviousPage"] == (after is not None)
        forward += [edge["node"]["id"] for edge in page["edges"]]
        after, pages = page["pageInfo"]["endCursor"], pages + 1
        assert after == page["edges"][-1]["cursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert (forward, pages) == (whole, 4)

    backward, before = [], None
    while True:
        page = (await ask(PAGE, **asked, last=7, before=before))["auctions"]
        assert page["pageInfo"]["hasNextPage"] == (before is not None)
        backward = [edge["node"]["id"] for edge in page["edges"]] + backward
        before = page["pageInfo"]["startCursor"]
        if not page["pageInfo"]["hasPreviousPage"]:
            break
    assert backward == whole


async def test_a_page_between_two_cursors(ask, crowd):
    asked = {"filter": {"category": "crowd"}, "orderBy": "PRICE"}
    edges = (await ask(PAGE, **asked, first=100))["auctions"]["edges"]
    page = await ask(PAGE, **asked, first=100, after=edges[4]["cursor"], before=edges[9]["cursor"])
    assert page["auctions"]["edges"] == edges[5:9]
    page = await ask(PAGE, **asked, last=2, after=edges[4]["cursor"], before=edges[9]["cursor"])
    assert page["auctions"]["edges"] == edges[7:9]


async def test_what_comes_between_two_pages_repeats_and_hides_nothing(ask, crowd, server):
    asked = {"filter": {"category": "crowd"}, "orderBy": "NEWEST"}
    first = (await ask(PAGE, **asked, first=10))["auctions"]
    before = [
        edge["node"]["id"] for edge in (await ask(PAGE, **asked, first=100))["auctions"]["edges"]
    ]
    later = crowd[0]["created_at"] + timedelta(days=1)
    newer = [{**crowd[0], "id": new_id(), "created_at": later} for _ in range(5)]
    async with server.db.engine.begin() as connection:
        await connection.execute(insert(Auction), newer)
    rest = await ask(PAGE, **asked, first=100, after=first["pageInfo"]["endCursor"])
    assert [edge["node"]["id"] for edge in rest["auctions"]["edges"]] == before[10:]


async def test_an_empty_page_has_no_cursors(ask, crowd):
    page = (await ask(PAGE, filter={"category": "none"}))["auctions"]
    assert page["edges"] == []
    assert page["pageInfo"] == {
        "hasNextPage": False,
        "hasPreviousPage": False,
        "startCursor": None,
        "endCursor": None,
    }
    none = (await ask(PAGE, filter={"category": "crowd"}, first=0))["auctions"]
    assert (none["edges"], none["pageInfo"]["hasNextPage"]) == ([], True)


async def test_the_default_page_is_20(ask, crowd):
    assert len((await ask(PAGE, filter={"category": "crowd"}))["auctions"]["edges"]) == 20


async def test_pages_out_of_bounds_are_refused_on_root_and_nested_lists(execute, shapes, open_lot):
    lot = await open_lot()
    nested = (
        "query ($id: ID!, $first: Int, $last: Int)"
        " { auction(id: $id) { bids(first: $first, last: $last) { nodes { id } } } }"
    )
    bad = ({"first": 101}, {"last": 101}, {"first": -1}, {"last": -5}, {"first": 1, "last": 1})
    for page in bad:
        for result in (
            await execute(PAGE, **page),
            await execute(nested, id=lot.public_id, **page),
        ):
            assert shapes.codes(result) == ["BAD_USER_INPUT"], page


async def test_top_bids_are_bounded(execute, shapes, open_lot):
    lot = await open_lot()
    query = "query ($id: ID!, $n: Int!) { auction(id: $id) { topBids(first: $n) { id } } }"
    for first in (-1, 21, 2**31 - 1):
        result = await execute(query, id=lot.public_id, n=first)
        assert shapes.codes(result) == ["BAD_USER_INPUT"]
        assert result.errors[0].extensions["details"] == {"maximum": 20}
    for first in (0, 20):
        assert (await execute(query, id=lot.public_id, n=first)).errors is None


SOME = "01930c5e000070008000000000000000"
HOSTILE = {
    "empty": "",
    "garbage": "garbage",
    "another ordering": cursor_of("newest", 0, SOME),
    "no array": cursor_of(),
    "negative": cursor_of("most_bids", -1, SOME),
    "below int32": cursor_of("most_bids", -(2**31) - 1, SOME),
    "above int32": cursor_of("most_bids", 2**31, SOME),
    "least int64": cursor_of("most_bids", -(2**63), SOME),
    "greatest int64": cursor_of("most_bids", 2**63 - 1, SOME),
    "above int64": cursor_of("most_bids", 2**64 - 1, SOME),
    "no number": cursor_of("most_bids", "1", SOME),
    "no id": cursor_of("most_bids", 1, "me"),
    "stream cursor": cursor_of("auction:1", 1),
    "nul": "\0",
    "not ascii": "é" * 20,
    "longest": "a" * 512,
}


async def test_hostile_cursors_are_refused_or_mean_a_position(execute, shapes, crowd):
    positions = set()
    for name, cursor in HOSTILE.items():
        for side in ("after", "before"):
            asked = {side: cursor, "filter": {"category": "crowd"}, "orderBy": "MOST_BIDS"}
            result = await execute(PAGE, **asked)
            if result.errors is None:
                # Beyond all lots: everything is on one side of it, and nothing on the other.
                assert len(result.data["auctions"]["edges"]) in (0, 20), name
                positions.add(name)
            else:
                assert shapes.codes(result) == ["BAD_USER_INPUT"], name
    assert positions == {
        "negative", "below int32", "above int32", "least int64", "greatest int64"
    }  # fmt: skip


async def test_cursors_at_the_ends_of_time_are_refused_or_mean_a_position(execute, shapes, crowd):
    for moment in (-(2**63), -62135596800_000000, 253402300799_999999, 2**63 - 1):
        for ordering, name in (("NEWEST", "newest"), ("ENDING_SOON", "ending_soon")):
            result = await execute(PAGE, orderBy=ordering, after=cursor_of(name, moment, SOME))
            possible = abs(moment) < 2**60
            assert (result.errors is None) == possible, moment
            assert possible or shapes.codes(result) == ["BAD_USER_INPUT"]


async def test_sequences_in_cursors_may_be_of_any_size(execute, shapes, open_lot):
    lot = await open_lot()
    query = """query ($id: ID!, $after: Cursor) { auction(id: $id) {
      bids(after: $after) { nodes { id } } } }"""
    for sequence in (-(2**63), -1, 2**31, 2**63 - 1):
        after = cursor_of("newest_bids", sequence, SOME)
        result = await execute(query, id=lot.public_id, after=after)
        assert result.errors is None, result.errors


async def test_bids_of_a_lot_come_newest_first_and_top_bids_by_amount(
    ask, open_lot, make_user, bid
):
    lot = await open_lot(starting_price_minor=100)
    ada, bob = await make_user("ada"), await make_user("bob")
    for person, maximum in ((ada, 1_000), (bob, 500), (bob, 2_000), (ada, 1_500)):
        await bid(person, lot, maximum)
    query = """query ($id: ID!) { auction(id: $id) {
      bidCount currentPrice { amount }
      bids { nodes { sequence bidder { username } } totalCount }
      topBids(first: 2) { sequence amount { amount } bidder { username } }
    } }"""
    found = (await ask(query, id=lot.public_id))["auction"]
    assert found["bidCount"] == 4
    assert found["currentPrice"] == {"amount": "15.50"}
    assert found["bids"] == {
        "nodes": [
            {"sequence": 4, "bidder": {"username": "ada"}},
            {"sequence": 3, "bidder": {"username": "bob"}},
            {"sequence": 2, "bidder": {"username": "bob"}},
            {"sequence": 1, "bidder": {"username": "ada"}},
        ],
        "totalCount": 4,
    }
    assert [bid["bidder"]["username"] for bid in found["topBids"]] == ["bob", "ada"]
    assert found["topBids"][0]["amount"] == {"amount": "15.50"}


async def test_a_users_lots_are_everyones_to_see_and_their_bids_their_own(
    ask, open_lot, make_user, bid
):
    lot, other = await open_lot(), await open_lot()
    ada, bob = await make_user("ada"), await make_user("bob")
    await bid(ada, lot, 500)
    await bid(bob, lot, 300)
    await bid(ada, other, 200)
    bids = """query ($id: ID!) { user(id: $id) { bids { totalCount nodes {
      amount { amount } auction { id } } } } }"""
    own = (await ask(bids, ada, id=ada.public_id))["user"]["bids"]
    assert own["totalCount"] == 2
    assert [node["auction"]["id"] for node in own["nodes"]] == [other.public_id, lot.public_id]
    for viewer in (bob, lot.seller, None):
        assert await ask(bids, viewer, id=ada.public_id) == {"user": {"bids": None}}

    lots = (
        "query ($id: ID!) { user(id: $id) { auctions { nodes { id } } stalls { nodes { id } } } }"
    )
    for viewer in (None, ada, lot.seller):
        found = (await ask(lots, viewer, id=lot.seller.public_id))["user"]
        assert found["auctions"] == {"nodes": [{"id": lot.public_id}]}
        assert found["stalls"] == {"nodes": [{"id": encode_id("stl", lot.stall_id)}]}


async def test_administrators_do_not_see_others_bids_either(ask, open_lot, make_user, bid):
    lot, ada, root = await open_lot(), await make_user("ada"), await make_user(roles=("ADMIN",))
    await bid(ada, lot, 500)
    query = "query ($id: ID!) { user(id: $id) { bids { nodes { id } } } }"
    assert await ask(query, root, id=ada.public_id) == {"user": {"bids": None}}


FIFTY = """{ auctions(first: 50) { nodes {
  title currentPrice { amount } timeLeft seller { username displayName avatarUrl }
  topBids(first: 3) { sequence amount { amount } bidder { username } } } } }"""


async def test_fifty_auctions_with_sellers_and_top_bids_take_two_statements(
    ask, open_lot, make_user, bid, statements
):
    sellers = [await make_user(roles=("ARTISAN",)) for _ in range(3)]
    bidders = [await make_user() for _ in range(4)]
    for number in range(50):
        lot = await open_lot(sellers[number % 3])
        if number % 10 == 0:
            for step, bidder in enumerate(bidders):
                await bid(bidder, lot, 200 + 100 * step)
    statements.clear()
    found = (await ask(FIFTY))["auctions"]["nodes"]
    assert len(found) == 50
    assert sum(len(auction["topBids"]) for auction in found) == 15
    assert {auction["seller"]["username"] for auction in found} == {s.username for s in sellers}
    assert len(statements) == 2  # auctions beside sellers, top bids beside bidders


async def test_a_count_costs_a_statement_only_when_asked(ask, open_lot, statements):
    await open_lot()
    statements.clear()
    await ask("{ auctions { nodes { id } } }")
    assert len(statements) == 1
    await ask("{ auctions { nodes { id } totalCount } }")
    assert len(statements) == 3
