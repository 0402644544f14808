"""`stallChanged`: products, prices and stock as they change, resumable; low stock for the stall's
own people alone."""

import asyncio
from contextlib import aclosing
from functools import partial

import pytest

from core.ids import encode_id
from models.auctions import StallMember
from services.auctions import stalls
from services.auctions.shop import purchase_product, purchase_request

STALL = '{ stall(slug: "stall-1") { id eventCursor } }'
CHANGES = """subscription ($id: ID!, $after: Cursor) { stallChanged(stallId: $id, after: $after) {
  cursor kinds price { amount asset } stock product { id name inventoryCount } stall { slug } } }"""
DEADLINE_S = 10


async def take(results, number):
    """The next `number` changes; fails when they do not come in time."""
    found = []
    async with asyncio.timeout(DEADLINE_S):
        while len(found) < number:
            result = await anext(results)
            assert result.errors is None, result.errors
            found.append(result.data["stallChanged"])
    return found


@pytest.fixture
async def seller(make_user):
    return await make_user("seller", roles=("ARTISAN",))


@pytest.fixture
async def stall_id(seller, open_stall):
    return await open_stall(seller)


@pytest.fixture
async def product_id(seller, stall_id, list_product):
    return await list_product(
        seller, stall_id, price_minor=1_000, inventory_count=4, low_stock_threshold=2
    )


@pytest.fixture
def change(server, seller, product_id):
    """`await change(price_minor=…)`: the seller changes the product."""

    async def make(**changes):
        await server.db.transaction(
            partial(
                stalls.update_product, viewer_id=seller.id, product_id=product_id, changes=changes
            )
        )

    return make


@pytest.fixture
def buy(server, product_id):
    async def make(person, key, quantity=1):
        request = purchase_request(
            product_id=product_id,
            buyer_id=person.id,
            quantity=quantity,
            unit_price_minor=1_000,
            asset="USD",
            idempotency_key=key,
        )
        await server.db.transaction(partial(purchase_product, request=request))

    return make


async def test_products_prices_and_stock_are_told_as_of_then(
    ask, stream, seller, stall_id, list_product, change, buy, make_user, product_id
):
    buyer = await make_user("buyer")
    start = (await ask(STALL))["stall"]
    results = await stream(CHANGES, id=start["id"], after=start["eventCursor"])
    await change(price_minor=1_500)
    await change(price_minor=1_000)
    await buy(buyer, "a")
    await change(name="Pot")
    new = encode_id("prd", await list_product(seller, stall_id, name="Cup"))
    async with aclosing(results):
        changes = await take(results, 5)
    assert [c["kinds"] for c in changes] == [
        ["PRODUCT", "PRICE"],
        ["PRODUCT", "PRICE"],
        ["STOCK"],
        ["PRODUCT"],
        ["PRODUCT_ADDED"],
    ]
    usd = [None if c["price"] is None else c["price"]["amount"] for c in changes]
    assert usd == ["15.00", "10.00", None, "10.00", None]
    assert [c["stock"] for c in changes] == [None, None, 3, None, None]
    assert changes[2]["product"] == {
        "id": encode_id("prd", product_id),
        "name": "Pot",  # as it is now
        "inventoryCount": 3,
    }
    assert changes[4]["product"]["id"] == new
    assert {c["stall"]["slug"] for c in changes} == {"stall-1"}


async def test_it_goes_on_after_any_of_its_cursors(ask, stream, change):
    start = (await ask(STALL))["stall"]
    for count in (9, 8, 7, 6):
        await change(inventory_count=count)
    results = await stream(CHANGES, id=start["id"], after=start["eventCursor"])
    async with aclosing(results):
        changes = await take(results, 4)
    assert [c["stock"] for c in changes] == [9, 8, 7, 6]
    for number, seen in enumerate(changes[:-1]):
        results = await stream(CHANGES, id=start["id"], after=seen["cursor"])
        async with aclosing(results):
            assert await take(results, 3 - number) == changes[number + 1 :]
    assert (await ask(STALL))["stall"]["eventCursor"] == changes[-1]["cursor"]


async def test_low_stock_is_told_to_the_stalls_people_alone_once_a_crossing(
    ask, server, stream, seller, stall_id, make_user, buy
):
    partner, buyer = await make_user("partner"), await make_user("buyer")

    async def share(tx):
        tx.add(StallMember(stall_id=stall_id, user_id=partner.id))

    await server.db.transaction(share)
    start = (await ask(STALL))["stall"]
    for number in range(3):  # 4 to 1, over the threshold of 2
        await buy(buyer, f"key {number}")
    for person, low in ((seller, True), (partner, True), (buyer, False), (None, False)):
        results = await stream(CHANGES, person, id=start["id"], after=start["eventCursor"])
        async with aclosing(results):
            changes = await take(results, 4 if low else 3)
        told = [(c["kinds"], c["stock"]) for c in changes]
        wanted = [(["STOCK"], 3), (["STOCK"], 2), (["STOCK"], 1)]
        assert told == ([*wanted[:2], (["LOW_STOCK"], 2), *wanted[2:]] if low else wanted), person


async def test_orders_are_not_told_to_watchers(ask, stream, change, buy, make_user):
    """Their events are on the stall's topic; who bought what is nobody's business."""
    start = (await ask(STALL))["stall"]
    await buy(await make_user("buyer"), "k")
    await change(story="Old.")
    results = await stream(CHANGES, id=start["id"], after=start["eventCursor"])
    async with aclosing(results):
        assert [c["kinds"] for c in await take(results, 2)] == [["STOCK"], ["PRODUCT"]]


async def test_live_changes_come_while_one_waits(ask, stream, change):
    start = (await ask(STALL))["stall"]
    results = await stream(CHANGES, id=start["id"])
    async with aclosing(results):
        waiting = asyncio.ensure_future(take(results, 2))
        # Without a cursor it begins with what comes after it has begun: until then, again.
        async with asyncio.timeout(DEADLINE_S):
            for count in range(100, 200):
                await change(inventory_count=count)
                done, _ = await asyncio.wait([waiting], timeout=0.1)
                if done:
                    break
        first, second = await waiting
    assert second["stock"] == first["stock"] + 1


async def test_streams_of_what_is_not_there_and_foreign_cursors_are_refused(
    ask, stream, seller, open_stall, product_id, shapes
):
    start = (await ask(STALL))["stall"]
    await open_stall(seller)
    foreign = (await ask('{ stall(slug: "stall-2") { eventCursor } }'))["stall"]["eventCursor"]
    for given in (
        {"id": "stl_" + "0" * 32},
        {"id": "stl_1"},
        {"id": start["id"], "after": foreign},
        {"id": start["id"], "after": "garbage"},
    ):
        results = await stream(CHANGES, **given)
        async with aclosing(results), asyncio.timeout(DEADLINE_S):
            result = await anext(results)
        assert shapes.codes(result) == ["BAD_USER_INPUT"], given
