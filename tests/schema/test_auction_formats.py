"""Sealed and Dutch auctions, buy now and openings as clients meet them: what is told to whom, and
when."""

import asyncio
import json
import time
from datetime import timedelta
from functools import partial

import pytest

from core.clock import utc_now
from core.ids import encode_id
from services.auctions.closing import close_auction
from services.auctions.selling import DutchTerms

PLACE = """
mutation($input: PlaceBidInput!) { placeBid(input: $input) {
  __typename
  ... on PlaceBidSuccess { bid { sequence amount { amount } } auction { status } }
  ... on BidTooLow { minimumBid { amount } }
  ... on AuctionNotOpen { status }
} }
"""
BUY = """
mutation($input: BuyNowInput!) { buyNow(input: $input) {
  __typename
  ... on BuyNowSuccess {
    auction { status currentPrice { amount } winner { id } buyNowPrice { amount } }
  }
  ... on PriceChanged { price { amount } }
  ... on Error { code }
} }
"""
WATCH = """
subscription($id: ID!) { bidPlaced(auctionId: $id) { bid { sequence amount { amount } } } }
"""
CREATE = """
mutation($input: CreateAuctionInput!) { createAuction(input: $input) {
  __typename
  ... on CreateAuctionSuccess { auction {
    id format softCloseWindowSeconds buyNowPrice { amount }
    dutch { priceStep { amount } stepIntervalSeconds floor { amount } }
  } }
  ... on InvalidInput { field }
} }
"""
LOOK = """
query($id: ID!) { auction(id: $id) {
  status currentPrice { amount } minimumBid { amount } bidCount reserveMet viewerIsLeading
  viewerMaximum { amount } winner { id } buyNowPrice { amount }
  topBids { sequence amount { amount } }
  bids { totalCount nodes { id sequence amount { amount } bidder { id }
    opening { nonce maximum { amount } } } }
} }
"""


@pytest.fixture
def look(ask):
    async def read(lot, person=None):
        return (await ask(LOOK, person, id=lot.public_id))["auction"]

    return read


@pytest.fixture
def end(server, sql):
    """The lot's time passes, and it is closed."""

    async def run(lot):
        await sql(
            "UPDATE auction SET ends_at = clock_timestamp() - interval '1 ms' WHERE id = :id",
            id=lot.id,
        )
        return await server.db.transaction(partial(close_auction, auction_id=lot.id))

    return run


def sums(bids):
    return [(bid["sequence"], bid["amount"] and bid["amount"]["amount"]) for bid in bids]


async def test_a_sealed_auction_tells_nothing_before_its_end_and_the_losers_maxima_after(
    server, make_user, open_lot, bid, look, end, ask, sql
):
    ann, ben, cat = [await make_user(name) for name in ("ann", "ben", "cat")]
    moderator = await make_user("mod", roles=("MODERATOR",))
    lot = await open_lot(format="SEALED_SECOND_PRICE", reserve_minor=3_00)
    # Long enough that no id or hash has them by chance.
    await bid(ann, lot, 77_123_456_01)
    await bid(ben, lot, 44_123_456_02)
    await bid(cat, lot, 44_123_456_02)
    await bid(ann, lot, 99_123_456_03)

    secret = ("77123456", "44123456", "99123456")
    for person in (None, moderator, lot.seller):
        seen = await look(lot, person)
        assert not any(amount in json.dumps(seen) for amount in secret)
        assert (seen["currentPrice"]["amount"], seen["minimumBid"]["amount"]) == ("1.00", "1.00")
        assert (seen["bidCount"], seen["reserveMet"], seen["viewerIsLeading"]) == (4, False, False)
        assert (seen["topBids"], seen["bids"]["nodes"], seen["bids"]["totalCount"]) == ([], [], 0)
    own = await look(lot, ann)
    assert sums(own["bids"]["nodes"]) == [(4, None), (1, None)]
    assert [node["opening"] for node in own["bids"]["nodes"]] == [None, None]
    assert (own["viewerIsLeading"], own["viewerMaximum"]["amount"]) == (False, "99123456.03")
    [[first]] = await sql("SELECT id FROM bid WHERE sequence = 2")
    node = "query($id: ID!) { node(id: $id) { ... on Bid { sequence } } }"
    hidden = encode_id("bid", first)
    assert (await ask(node, ann, id=hidden))["node"] is None
    assert (await ask(node, ben, id=hidden))["node"] == {"sequence": 2}
    logged = await sql("SELECT CAST(payload AS text) FROM event WHERE topic LIKE 'auction:%'")
    assert not any(amount in row[0] for row in logged for amount in secret)
    assert all('"leader": null' in row[0] for row in logged if '"sequence"' in row[0])

    await end(lot)

    seen = await look(lot)
    assert (seen["status"], seen["winner"]["id"]) == ("SOLD", ann.public_id)
    assert (seen["currentPrice"]["amount"], seen["reserveMet"]) == ("44123456.02", True)
    assert sums(seen["topBids"]) == [(4, "44123456.02"), (1, "44123456.02"), (2, "44123456.02")]
    openings = {node["sequence"]: node["opening"] for node in seen["bids"]["nodes"]}
    assert {n: o and o["maximum"]["amount"] for n, o in openings.items()} == {
        1: None,
        2: "44123456.02",
        3: "44123456.02",
        4: None,
    }
    assert "99123456.03" not in json.dumps(seen)
    for person in (ann, moderator):
        nodes = (await look(lot, person))["bids"]["nodes"]
        assert [node["opening"]["maximum"]["amount"] for node in nodes] == [
            "99123456.03",
            "44123456.02",
            "44123456.02",
            "77123456.01",
        ]
    assert (await look(lot, ann))["viewerIsLeading"]
    assert not (await look(lot, ben))["viewerIsLeading"]


async def test_a_stream_of_sealed_bids_has_ones_own_alone(make_user, open_lot, bid, stream):
    ann, ben = await make_user("ann"), await make_user("ben")
    lot = await open_lot(format="SEALED_SECOND_PRICE")
    events = await stream(WATCH, ann, id=lot.public_id)
    waiting = asyncio.ensure_future(anext(events))
    await asyncio.sleep(0)
    try:
        async with asyncio.timeout(20):
            while not waiting.done():  # the subscription may begin after any of these
                await bid(ben, lot, 1_000 + time.monotonic_ns() % 10**12)
                await bid(ann, lot, 1_000 + time.monotonic_ns() % 10**12)
                await asyncio.sleep(0.05)
        got = waiting.result().data["bidPlaced"]["bid"]
        assert got["sequence"] % 2 == 0
        assert got["amount"] is None
    finally:
        waiting.cancel()
        await events.aclose()


async def test_a_dutch_auction_falls_and_the_taker_has_it_at_the_price_of_the_moment(
    make_user, open_lot, look, ask, sql
):
    ann, ben = await make_user("ann"), await make_user("ben")
    terms = DutchTerms(price_step_minor=1_00, step_interval_s=3_600, floor_minor=2_00)
    lot = await open_lot(format="DUTCH", starting_price_minor=10_00, dutch=terms)
    assert (await look(lot))["currentPrice"]["amount"] == "10.00"
    await sql(
        "UPDATE auction SET starts_at = starts_at - interval '150 minutes' WHERE id = :id",
        id=lot.id,
    )
    seen = await look(lot)
    assert (seen["currentPrice"]["amount"], seen["minimumBid"]["amount"]) == ("8.00", "8.00")

    asked = {"auctionId": lot.public_id, "maximum": "7.99", "idempotencyKey": "k"}
    refused = (await ask(PLACE, ann, input=asked))["placeBid"]
    assert refused == {"__typename": "BidTooLow", "minimumBid": {"amount": "8.00"}}
    assert (await look(lot))["bidCount"] == 0
    taken = (await ask(PLACE, ann, input=asked | {"maximum": "9.50"}))["placeBid"]
    assert taken["bid"] == {"sequence": 1, "amount": {"amount": "8.00"}}
    assert taken["auction"]["status"] == "SOLD"
    again = (await ask(PLACE, ann, input=asked | {"maximum": "9.50"}))["placeBid"]
    assert again == taken
    late = (await ask(PLACE, ben, input=asked | {"maximum": "99.00"}))["placeBid"]
    assert late == {"__typename": "AuctionNotOpen", "status": "SOLD"}
    seen = await look(lot)
    assert (seen["currentPrice"]["amount"], seen["winner"]["id"]) == ("8.00", ann.public_id)
    log = await sql("SELECT type FROM event WHERE topic LIKE 'auction:%' ORDER BY sequence")
    assert [row[0] for row in log] == ["AuctionOpened", "BidPlaced", "AuctionClosed"]


async def test_a_dutch_auction_that_nobody_takes_is_unsold(open_lot, look, end):
    terms = DutchTerms(price_step_minor=1_00, step_interval_s=1, floor_minor=2_00)
    lot = await open_lot(format="DUTCH", starting_price_minor=10_00, dutch=terms)
    closing = await end(lot)
    assert (closing.status, closing.reason) == ("UNSOLD", "NO_BIDS")
    assert (await look(lot))["status"] == "UNSOLD"


async def test_buy_now_closes_the_lot_at_its_price_once(make_user, open_lot, bid, look, ask, sql):
    ann, ben = await make_user("ann"), await make_user("ben")
    lot = await open_lot(reserve_minor=50_00, buy_now_minor=80_00)
    await bid(ben, lot, 49_99)
    assert (await look(lot))["buyNowPrice"]["amount"] == "80.00"
    asked = {"auctionId": lot.public_id, "price": "70.00", "idempotencyKey": "k"}
    refused = (await ask(BUY, ann, input=asked))["buyNow"]
    assert refused == {
        "__typename": "PriceChanged",
        "price": {"amount": "80.00"},
        "code": "PRICE_CHANGED",
    }
    own = (await ask(BUY, lot.seller, input=asked | {"price": "80.00"}))["buyNow"]
    assert own["__typename"] == "SellerCannotBid"

    bought = (await ask(BUY, ann, input=asked | {"price": "80.00"}))["buyNow"]

    assert bought["auction"] == {
        "status": "SOLD",
        "currentPrice": {"amount": "80.00"},
        "winner": {"id": ann.public_id},
        "buyNowPrice": None,
    }
    assert (await ask(BUY, ann, input=asked | {"price": "80.00"}))["buyNow"] == bought
    conflict = (await ask(BUY, ann, input=asked))["buyNow"]
    assert conflict["__typename"] == "IdempotencyConflict"
    late = (await ask(BUY, ben, input=asked | {"price": "80.00"}))["buyNow"]
    assert late["__typename"] == "AuctionNotOpen"
    log = await sql(
        "SELECT type, payload FROM event WHERE topic LIKE 'auction:%' ORDER BY sequence"
    )
    types = ["AuctionOpened", "BidPlaced", "BidsOpened", "AuctionClosed"]
    assert [row.type for row in log] == types
    assert (log[-1].payload["reason"], log[-1].payload["price"]) == ("BUY_NOW", "8000")
    assert log[-1].payload["winnerId"] == ann.id.hex


async def test_buy_now_is_gone_with_the_first_bid_where_there_is_no_reserve(
    make_user, open_lot, bid, look, ask, snapshot
):
    ann, ben = await make_user("ann"), await make_user("ben")
    lot = await open_lot(buy_now_minor=80_00)
    assert (await look(lot))["buyNowPrice"]["amount"] == "80.00"
    await bid(ben, lot, 1_00)
    before = await snapshot()
    assert (await look(lot))["buyNowPrice"] is None
    asked = {"auctionId": lot.public_id, "price": "80.00", "idempotencyKey": "k"}
    assert (await ask(BUY, ann, input=asked))["buyNow"]["__typename"] == "BuyNowGone"
    assert await snapshot() == before


DUTCH = {"priceStep": "1.00", "stepIntervalSeconds": 60, "floor": "2.00"}


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"format": "DUTCH"}, "dutch"),
        ({"dutch": DUTCH}, "dutch"),
        ({"format": "SEALED_SECOND_PRICE", "dutch": DUTCH}, "dutch"),
        ({"format": "DUTCH", "dutch": DUTCH, "reserve": "20.00"}, "reserve"),
        ({"format": "DUTCH", "dutch": DUTCH | {"floor": "10.00"}}, "dutch.floor"),
        ({"format": "DUTCH", "dutch": DUTCH | {"floor": "0"}}, "dutch.floor"),
        ({"format": "DUTCH", "dutch": DUTCH | {"priceStep": "0"}}, "dutch.priceStep"),
        ({"format": "DUTCH", "dutch": DUTCH | {"priceStep": "0.001"}}, "dutch.priceStep"),
        (
            {"format": "DUTCH", "dutch": DUTCH | {"stepIntervalSeconds": 0}},
            "dutch.stepIntervalSeconds",
        ),
        ({"format": "DUTCH", "dutch": DUTCH, "buyNow": "20.00"}, "buyNow"),
        ({"format": "SEALED_SECOND_PRICE", "buyNow": "20.00"}, "buyNow"),
        ({"format": "SEALED_SECOND_PRICE", "softCloseWindowSeconds": 5}, "softCloseWindow"),
        ({"format": "SEALED_SECOND_PRICE", "increments": [{"increment": "1"}]}, "increments"),
        ({"buyNow": "9.99"}, "buyNow"),
        ({"buyNow": "19.99", "reserve": "20.00"}, "buyNow"),
    ],
)
async def test_terms_of_another_format_or_out_of_bounds_are_refused(
    make_user, open_stall, list_product, ask, sql, given, field
):
    seller = await make_user(roles=("ARTISAN",))
    product = await list_product(seller, await open_stall(seller))
    made = await ask(CREATE, seller, input=terms_for(product, **given))
    assert made["createAuction"] == {"__typename": "InvalidInput", "field": field}
    assert await sql("SELECT 1 FROM auction") == []


def terms_for(product, **given):
    return {
        "productId": encode_id("prd", product),
        "startingPrice": "10.00",
        "endsAt": (utc_now() + timedelta(hours=1)).isoformat(),
        **given,
    }


async def test_each_format_is_made_with_its_terms(make_user, open_stall, list_product, ask):
    seller = await make_user(roles=("ARTISAN",))
    product = await list_product(seller, await open_stall(seller), inventory_count=4)

    async def made(**given):
        answer = await ask(CREATE, seller, input=terms_for(product, **given))
        auction = answer["createAuction"]["auction"]
        del auction["id"]
        return auction

    plain = {"softCloseWindowSeconds": 120, "buyNowPrice": None, "dutch": None}
    assert await made() == {"format": "ENGLISH", **plain}
    assert await made(buyNow="10.00", softCloseWindowSeconds=7) == {
        "format": "ENGLISH",
        "softCloseWindowSeconds": 7,
        "buyNowPrice": {"amount": "10.00"},
        "dutch": None,
    }
    sealed = {"format": "SEALED_SECOND_PRICE", **plain, "softCloseWindowSeconds": 0}
    assert await made(format="SEALED_SECOND_PRICE", reserve="12.00") == sealed
    assert await made(format="DUTCH", dutch=DUTCH) == {
        "format": "DUTCH",
        "softCloseWindowSeconds": 0,
        "buyNowPrice": None,
        "dutch": {
            "priceStep": {"amount": "1.00"},
            "stepIntervalSeconds": 60,
            "floor": {"amount": "2.00"},
        },
    }
