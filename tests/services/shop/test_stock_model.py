"""A product's stock is what it was, less what is sold or stands aside, whatever is done in whatever
order (hypothesis, on a real database)."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import DomainError
from services.auctions.errors import OutOfStock

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("buy"), st.integers(1, 4)),
        st.tuples(st.just("refund"), st.integers(0, 5)),
        st.tuples(st.just("put_up"), st.just(0)),
        st.tuples(st.just("sell"), st.integers(0, 3)),
        st.tuples(st.just("leave"), st.integers(0, 3)),
        st.tuples(st.just("cancel"), st.integers(0, 3)),
    ),
    min_size=4,
    max_size=16,
)


class Model:
    """What the stock must be, and which lots and orders there are to act on."""

    def __init__(self, initial):
        self.stock = initial
        self.lots = []
        self.orders = {}

    def take(self, quantity):
        self.stock -= quantity

    def give(self, quantity):
        self.stock += quantity


async def step(market, model, product, buyer, action, number):
    """Do it to the market and the model; a refusal must be one that the model foresaw."""
    if action in ("sell", "leave", "cancel"):
        if not model.lots:
            return
        lot = model.lots.pop(number % len(model.lots))
        if action == "sell":
            await market.bid(lot, buyer, 100)
        await (market.cancel(lot) if action == "cancel" else market.close(lot))
        if action == "sell":
            [row] = await market.rows("SELECT id FROM sale_order WHERE auction_id = :id", id=lot)
            model.orders[row.id] = 1
        else:
            model.give(1)
    elif action == "refund" and model.orders:
        order = list(model.orders)[number % len(model.orders)]
        await market.refund(order, market.seller)
        model.give(model.orders.pop(order))
    elif action in ("buy", "put_up"):
        quantity = number or 1
        act = (
            market.buy(buyer, quantity, 100, product) if action == "buy" else market.put_up(product)
        )
        if quantity > model.stock:
            with pytest.raises(OutOfStock) as raised:
                await act
            assert raised.value.available == model.stock
            return
        made = await act
        model.take(quantity)
        if action == "buy":
            model.orders[made] = quantity
        else:
            model.lots.append(made)


@pytest.mark.timeout(240)
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(initial=st.integers(1, 8), steps=STEPS)
async def test_stock_is_what_is_neither_sold_nor_set_aside(market, initial, steps):
    product = await market.list_product(price_minor=100, inventory_count=initial)
    buyer = await market.person(funds=100_000)
    model = Model(initial)
    for action, number in steps:
        try:
            await step(market, model, product, buyer, action, number)
        except DomainError as error:
            raise AssertionError(f"{action} {number} was refused: {error!r}") from error
        assert await market.stock(product) == model.stock
    sold = await market.rows(
        "SELECT coalesce(sum(quantity), 0) AS pieces FROM sale_order"
        " WHERE product_id = :id AND status <> 'REFUNDED'",
        id=product,
    )
    aside = await market.rows(
        "SELECT id FROM auction WHERE product_id = :id AND status = 'OPEN' AND stock_reserved",
        id=product,
    )
    assert initial == model.stock + sold[0].pieces + len(aside)
    spent = 100_000 - await market.funds(buyer)
    kept = await market.rows(
        "SELECT coalesce(sum(price_minor), 0) AS price FROM sale_order"
        " WHERE buyer_id = :id AND status <> 'REFUNDED'",
        id=buyer,
    )
    assert spent == kept[0].price
    await market.check()
