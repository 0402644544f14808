"""Buying at a fixed price: all of it happens, once, or nothing does."""

import asyncio
from functools import partial

import pytest

from core.errors import IdempotencyConflict, InvalidInput, NotFound
from core.ids import encode_id, new_id
from services.auctions.errors import OutOfStock, PriceChanged, SellerCannotBuy
from services.auctions.stalls import create_stall
from services.parameters import set_parameter
from services.wallets.accounts import close_account, freeze_account
from services.wallets.errors import AccountClosed, AccountFrozen, InsufficientFunds


@pytest.fixture
async def buyer(market):
    buyer = await market.person(funds=100_000)
    market.told()
    return buyer


@pytest.fixture
def refused(market):
    """`await refused(Error, purchase)`: the refusal, which moved and told nothing."""

    async def check(kind, purchase):
        before = await market.everything()
        market.told()
        with pytest.raises(kind) as raised:
            await purchase
        assert await market.everything() == before
        assert market.told() == []
        return raised.value

    return check


async def account_of(market, user_id):
    [row] = await market.rows(
        "SELECT id FROM ledger_account WHERE holder_id = :id AND asset = 'USD'", id=user_id
    )
    return row.id


async def test_a_purchase_moves_stock_money_and_fee_and_writes_the_order(market, buyer):
    order_id = await market.buy(buyer, quantity=3)
    assert await market.stock() == 7
    assert await market.funds(buyer) == 97_000
    assert await market.funds(market.seller) == 2_925
    assert await market.fees() == 75  # 250 basis points of 3,000
    order = await market.order(order_id)
    assert (order.product_id, order.stall_id) == (market.product, market.stall)
    assert (order.buyer_id, order.seller_id, order.auction_id) == (buyer, market.seller, None)
    assert (order.quantity, order.unit_price_minor, order.price_minor) == (3, 1_000, 3_000)
    assert (order.fee_minor, order.asset, order.status) == (75, "USD", "PAID")
    assert (order.fulfilled_at, order.refunded_at) == (None, None)
    transfers = await market.rows(
        "SELECT id, code, amount_minor, reference, actor_id FROM transfer"
        " WHERE code IN ('PURCHASE', 'FEE') ORDER BY row_id"
    )
    assert [t.id for t in transfers] == order.transfer_ids
    named = encode_id("ord", order_id)
    assert [t[1:] for t in transfers] == [
        ("PURCHASE", 2_925, named, buyer),
        ("FEE", 75, named, buyer),
    ]
    await market.check()


async def test_stall_buyer_and_seller_are_told_once_without_words_or_fee(market, buyer):
    order_id = await market.buy(buyer, quantity=2)
    events = market.told("OrderPlaced")
    assert sorted(e.topic for e in events) == sorted(
        [f"stall:{market.stall.hex}", f"user:{buyer.hex}", f"user:{market.seller.hex}"]
    )
    assert [e.payload for e in events] == [
        {
            "order": order_id.hex,
            "auction": None,
            "product": market.product.hex,
            "stall": market.stall.hex,
            "buyer": buyer.hex,
            "seller": market.seller.hex,
            "quantity": 2,
            "price": "2000",
            "asset": "USD",
            "status": "PAID",
        }
    ] * 3


async def test_a_retry_with_its_key_is_the_same_order(market, buyer):
    order_id = await market.buy(buyer, key="k")
    after = await market.everything()
    market.told()
    assert await market.buy(buyer, key="k") == order_id
    assert await market.everything() == after
    assert market.told() == []
    assert await market.buy(buyer, key="another") != order_id


async def test_a_retry_is_answered_even_when_it_could_be_bought_no_more(market, buyer):
    order_id = await market.buy(buyer, quantity=10, key="k")
    await market.change(price_minor=5_000)
    await market.run("UPDATE product SET deleted_at = now()")
    assert await market.buy(buyer, quantity=10, key="k") == order_id


async def test_many_retries_at_once_make_one_order(market, buyer):
    found = await asyncio.gather(*(market.buy(buyer, quantity=2, key="k") for _ in range(12)))
    assert len(set(found)) == 1
    assert (await market.stock(), await market.funds(buyer)) == (8, 98_000)
    assert len(await market.rows("SELECT id FROM sale_order")) == 1
    await market.check()


async def test_a_key_with_other_arguments_is_a_conflict(market, buyer, refused):
    await market.buy(buyer, key="k")
    other = await market.list_product()
    for given in ({"quantity": 2}, {"price": 999}, {"product": other}, {"asset": "EUR"}):
        await refused(IdempotencyConflict, market.buy(buyer, key="k", **given))
    stranger = await market.person(funds=5_000)
    await market.buy(stranger, key="k")  # somebody else's key of the same name


async def test_a_refused_purchase_leaves_its_key_free(market, buyer, refused):
    await market.change(inventory_count=1)
    await refused(OutOfStock, market.buy(buyer, quantity=2, key="k"))
    await market.change(inventory_count=2)
    await market.buy(buyer, quantity=2, key="k")


async def test_more_than_there_is_is_refused_with_how_many_there_are(market, buyer, refused):
    error = await refused(OutOfStock, market.buy(buyer, quantity=11))
    assert error.available == 10


async def test_the_last_unit_is_sold_once(market, refused):
    await market.change(inventory_count=1)
    buyers = [await market.person(funds=1_000) for _ in range(8)]
    outcomes = await asyncio.gather(*(market.buy(b) for b in buyers), return_exceptions=True)
    assert sum(isinstance(o, OutOfStock) for o in outcomes) == 7
    assert len(await market.rows("SELECT id FROM sale_order")) == 1
    assert await market.stock() == 0
    assert sum([await market.funds(b) for b in buyers]) == 7_000
    assert (await market.funds(market.seller), await market.fees()) == (975, 25)
    await market.check()


async def test_another_price_than_the_buyer_saw_is_told(market, buyer, refused):
    await market.change(price_minor=1_200)
    error = await refused(PriceChanged, market.buy(buyer))
    assert (error.price_minor, error.asset) == (1_200, "USD")
    await market.change(price_minor=1_000, asset="EUR")
    error = await refused(PriceChanged, market.buy(buyer))
    assert (error.price_minor, error.asset) == (1_000, "EUR")


async def test_too_little_money_is_told_of_the_whole_price(market, refused):
    buyer = await market.person(funds=2_990)
    error = await refused(InsufficientFunds, market.buy(buyer, quantity=3))
    assert (error.available_minor, error.required_minor, error.asset) == (2_990, 3_000, "USD")
    nobody = await market.person()
    error = await refused(InsufficientFunds, market.buy(nobody))
    assert (error.available_minor, error.required_minor) == (0, 1_000)


async def test_the_last_cent_pays(market):
    buyer = await market.person(funds=3_000)
    await market.buy(buyer, quantity=3)
    assert await market.funds(buyer) == 0


async def test_frozen_and_closed_accounts_pay_nothing(market, buyer, refused):
    account = await account_of(market, buyer)
    await market.db.transaction(
        partial(freeze_account, account_id=account, actor_id=market.seller, reason="Trial")
    )
    error = await refused(AccountFrozen, market.buy(buyer))
    assert error.account_id == account
    gone = await market.person(funds=1)
    await market.spend(gone, 1)
    account = await account_of(market, gone)
    await market.db.transaction(partial(close_account, account_id=account, actor_id=market.seller))
    error = await refused(AccountClosed, market.buy(gone))
    assert error.account_id == account


async def test_a_stalls_own_people_buy_nothing_there(market, refused):
    for person in (market.seller, market.partner):
        await refused(SellerCannotBuy, market.buy(person))


async def test_what_is_not_for_sale_is_not_found(market, buyer, refused):
    await refused(NotFound, market.buy(buyer, product=new_id()))
    await market.run("UPDATE stall SET active = false")
    await refused(NotFound, market.buy(buyer))
    await market.run("UPDATE stall SET active = true")
    await market.run("UPDATE product SET deleted_at = now()")
    error = await refused(NotFound, market.buy(buyer))
    assert error.what == "product"


async def test_what_has_no_price_is_for_auctions_alone(market, buyer, refused):
    product = await market.list_product(price_minor=None)
    error = await refused(InvalidInput, market.buy(buyer, product=product))
    assert error.field == "productId"


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"quantity": 0}, "quantity"),
        ({"quantity": -1}, "quantity"),
        ({"quantity": 1_001}, "quantity"),
        ({"price": 0}, "unitPrice"),
        ({"price": 2**63}, "unitPrice"),
        ({"asset": "XXX"}, "unitPrice"),
        ({"key": " "}, "idempotencyKey"),
        ({"key": "k" * 201}, "idempotencyKey"),
    ],
)
async def test_a_request_out_of_bounds_is_refused_by_field(market, buyer, refused, given, field):
    error = await refused(InvalidInput, market.buy(buyer, **given))
    assert error.field == field


@pytest.mark.parametrize(
    ("fee", "share", "taken", "codes"),
    [(0, 1_000, 0, ["PURCHASE"]), (10_000, 0, 1_000, ["FEE"]), (1, 1_000, 0, ["PURCHASE"])],
)
async def test_a_fee_of_nothing_or_of_all_is_one_transfer(market, buyer, fee, share, taken, codes):
    await market.db.transaction(
        partial(set_parameter, actor_id=buyer, key="fee_basis_points", value=fee, reason="A trial.")
    )
    order = await market.order(await market.buy(buyer))
    assert (await market.funds(market.seller), await market.fees()) == (share, taken)
    rows = await market.rows(
        "SELECT code FROM transfer WHERE id = ANY(:ids) ORDER BY row_id", ids=order.transfer_ids
    )
    assert [row.code for row in rows] == codes
    assert order.fee_minor == taken


async def test_the_dearest_order_fits(market):
    product = await market.list_product(
        asset="SPARK", price_minor=99_999_999_990_000, inventory_count=1_000
    )
    rich = await market.person()
    error = None
    try:
        await market.buy(rich, 1_000, 99_999_999_990_000, product, asset="SPARK")
    except InsufficientFunds as raised:
        error = raised
    assert error is not None
    assert error.required_minor == 99_999_999_990_000_000


async def test_buying_and_closing_lots_at_once_never_lock_for_good(market):
    """Two people who sell to each other, and lots that close: all end, and the ledger balances."""
    other, back = await market.person(funds=50_000), await market.person(funds=50_000)
    stall = await market.db.transaction(partial(create_stall, owner_id=other, name="Other"))
    seller, market.seller, market.stall = market.seller, other, stall
    theirs = await market.list_product()
    market.seller = seller
    await market.pay_in(seller, 50_000)
    lots = [await market.put_up() for _ in range(3)]
    for lot in lots:
        await market.bid(lot, back, 500)
    outcomes = await asyncio.gather(
        *(market.buy(other) for _ in range(5)),
        *(market.buy(seller, product=theirs) for _ in range(5)),
        *(market.close(lot) for lot in lots),
    )
    assert len(outcomes) == 13
    assert (await market.stock(), await market.stock(theirs)) == (2, 5)
    assert len(await market.rows("SELECT id FROM sale_order")) == 13
    await market.check()
