"""Stock is taken by who finds enough of it, told of, and given back; lots take theirs."""

import asyncio
from datetime import timedelta
from functools import partial

import pytest

from core.clock import utc_now
from core.errors import InvalidInput, NotFound
from core.ids import new_id
from services.auctions.errors import OutOfStock
from services.auctions.stock import give_back_stock, reserve_stock

HOUR = timedelta(hours=1)


@pytest.fixture
def take(market):
    def reserve(quantity, product=None):
        work = partial(reserve_stock, product_id=product or market.product, quantity=quantity)
        return market.db.transaction(work)

    return reserve


@pytest.fixture
def give(market):
    def back(quantity, product=None):
        work = partial(give_back_stock, product_id=product or market.product, quantity=quantity)
        return market.db.transaction(work)

    return back


async def test_what_is_taken_is_gone_and_what_is_given_back_is_there(market, take, give):
    assert await take(3) == 7
    assert await market.stock() == 7
    assert await give(2) == 9
    assert await market.stock() == 9


async def test_more_than_there_is_is_refused_with_how_many_there_are(market, take):
    await take(8)
    before = await market.everything()
    market.told()
    with pytest.raises(OutOfStock) as raised:
        await take(3)
    assert raised.value.available == 2
    assert await market.everything() == before
    assert market.told() == []


async def test_the_last_unit_can_be_taken(market, take):
    assert await take(10) == 0
    with pytest.raises(OutOfStock) as raised:
        await take(1)
    assert raised.value.available == 0


async def test_of_a_deleted_product_or_none_nothing_is_taken(market, take):
    await market.run("UPDATE product SET deleted_at = now()")
    for product in (market.product, new_id()):
        with pytest.raises(OutOfStock) as raised:
            await take(1, product)
        assert raised.value.available == 0
    assert await market.stock() == 10


async def test_a_product_deleted_meanwhile_gets_its_stock_back(market, take, give):
    await take(4)
    await market.run("UPDATE product SET deleted_at = now()")
    assert await give(4) == 10
    with pytest.raises(NotFound):
        await give(1, new_id())


async def test_each_change_tells_the_stall_what_is_left(market, take, give):
    await take(1)
    await give(1)
    events = market.told()
    assert [(e.topic, e.type, e.payload) for e in events] == [
        (
            f"stall:{market.stall.hex}",
            "StockChanged",
            {"product": market.product.hex, "stock": stock},
        )
        for stock in (9, 10)
    ]


async def test_low_stock_is_told_once_a_crossing(market, take, give):
    """The threshold is 2: told where stock comes from above it to it or below."""
    for quantity, left, low in ((7, 3, False), (1, 2, True), (1, 1, False), (1, 0, False)):
        await take(quantity)
        events = market.told()
        assert [e.type for e in events] == ["StockChanged", *(["LowStock"] if low else [])]
        assert events[0].payload["stock"] == left
    await give(2)  # up to the threshold, not above it
    await take(1)
    assert [e.type for e in market.told()] == ["StockChanged", "StockChanged"]
    await give(5)
    market.told()
    await take(6)  # from above to below at once
    [_, low] = market.told()
    assert (low.type, low.payload) == (
        "LowStock",
        {"product": market.product.hex, "stock": 0, "threshold": 2},
    )


async def test_many_at_once_take_no_more_than_there_is(market, take):
    outcomes = await asyncio.gather(*(take(1) for _ in range(25)), return_exceptions=True)
    refused = [o for o in outcomes if isinstance(o, OutOfStock)]
    assert (len(refused), await market.stock()) == (15, 0)
    assert sorted(o for o in outcomes if isinstance(o, int)) == list(range(10))
    stocks = [e.payload["stock"] for e in market.told("StockChanged")]
    assert sorted(stocks) == list(range(10))


async def test_a_change_by_hand_tells_stock_and_crossing(market):
    await market.change(inventory_count=2)
    assert [e.type for e in market.told()] == ["StockChanged", "LowStock"]
    await market.change(inventory_count=2)
    assert market.told() == []
    await market.change(inventory_count=50, name="Bowl of clay")
    assert [e.type for e in market.told()] == ["ProductChanged", "StockChanged"]


async def test_a_threshold_that_rises_past_the_stock_is_no_crossing_of_the_stock(market):
    await market.change(low_stock_threshold=20)
    assert [e.type for e in market.told()] == ["ProductChanged"]


async def test_a_changed_price_is_told_with_the_price(market):
    await market.change(price_minor=1_250)
    [event] = market.told()
    assert (event.type, event.payload) == (
        "ProductChanged",
        {"product": market.product.hex, "price": 1_250, "asset": "USD", "priceChanged": True},
    )
    await market.change(story="Old.")
    [event] = market.told()
    assert event.payload["priceChanged"] is False


@pytest.mark.parametrize(
    ("asset", "most"),
    [("USD", 9_999_999_999), ("JPY", 99_999_999), ("SPARK", 99_999_999_990_000)],
)
async def test_a_price_is_limited_in_whole_units_of_its_asset(market, asset, most):
    product = await market.list_product(asset=asset, price_minor=most)
    before = await market.everything()
    for price in (most + 1, 0, -1):
        with pytest.raises(InvalidInput) as raised:
            await market.change(product, price_minor=price)
        assert raised.value.field == "price"
    assert await market.everything() == before


async def test_a_lot_that_opens_takes_a_unit_and_one_that_waits_does_not(market):
    await market.put_up()
    assert await market.stock() == 9
    start = utc_now() + HOUR
    await market.put_up(starts_at=start, ends_at=start + HOUR)
    assert await market.stock() == 9
    rows = await market.rows("SELECT status, stock_reserved FROM auction ORDER BY created_at")
    assert rows == [("OPEN", True), ("SCHEDULED", False)]


async def test_without_stock_nothing_is_put_up_now_or_later(market):
    await market.change(inventory_count=0)
    before = await market.everything()
    market.told()
    start = utc_now() + HOUR
    for terms in ({}, {"starts_at": start, "ends_at": start + HOUR}):
        with pytest.raises(OutOfStock) as raised:
            await market.put_up(**terms)
        assert raised.value.available == 0
    assert await market.everything() == before
    assert await market.rows("SELECT id FROM pgqueuer") == []
    assert market.told() == []


async def test_the_last_unit_is_put_up_once(market):
    await market.change(inventory_count=1)
    outcomes = await asyncio.gather(*(market.put_up() for _ in range(6)), return_exceptions=True)
    assert sum(isinstance(o, OutOfStock) for o in outcomes) == 5
    assert (await market.stock(), len(await market.rows("SELECT id FROM auction"))) == (0, 1)


async def test_a_lot_that_is_not_sold_gives_its_unit_back(market):
    first, second = await market.put_up(), await market.put_up()
    assert await market.stock() == 8
    await market.close(first)
    assert await market.stock() == 9
    await market.cancel(second)
    assert await market.stock() == 10
    rows = await market.rows("SELECT status FROM auction ORDER BY created_at")
    assert rows == [("UNSOLD",), ("CANCELLED",)]


async def test_a_deleted_product_is_neither_changed_nor_put_up(market):
    await market.run("UPDATE product SET deleted_at = now()")
    before = await market.everything()
    for act in (market.change(name="New"), market.put_up()):
        with pytest.raises(NotFound):
            await act
    assert await market.everything() == before


async def test_kind_and_asset_stay_while_a_lot_is_to_come_or_open(market):
    start = utc_now() + HOUR
    lot = await market.put_up(starts_at=start, ends_at=start + HOUR)
    before = await market.everything()
    for changes in ({"kind": "DIGITAL"}, {"asset": "EUR"}):
        with pytest.raises(InvalidInput) as raised:
            await market.change(**changes)
        assert raised.value.field == "kind"
    assert await market.everything() == before
    await market.cancel(lot)
    await market.change(kind="DIGITAL", asset="EUR")
    [row] = await market.rows("SELECT kind, asset FROM product")
    assert row == ("DIGITAL", "EUR")


async def test_no_lot_is_made_of_what_a_product_was_a_moment_ago(market):
    """Whoever comes first, the lot's asset is the product's."""
    lots = [market.put_up() for _ in range(3)]
    changes = [market.change(asset=asset) for asset in ("EUR", "INR", "EUR")]
    outcomes = await asyncio.gather(*lots, *changes, return_exceptions=True)
    assert all(isinstance(o, InvalidInput) or not isinstance(o, Exception) for o in outcomes)
    [row] = await market.rows("SELECT asset FROM product")
    assets = await market.rows("SELECT DISTINCT asset FROM auction")
    assert assets == [(row.asset,)]
