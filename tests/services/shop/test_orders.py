"""What becomes of orders: handed over, or given back once and whole, whoever races."""

import asyncio
from functools import partial

import pytest
from sqlalchemy import text

from core.errors import Forbidden, IdempotencyConflict, NotFound
from core.ids import new_id
from services.auctions.errors import WrongOrderStatus
from services.wallets.accounts import freeze_account
from services.wallets.errors import AccountFrozen, InsufficientFunds


@pytest.fixture
async def buyer(market):
    return await market.person(funds=100_000)


@pytest.fixture
async def order(market, buyer):
    """Three bowls for 30.00 USD, 0.75 of it the platform's."""
    made = await market.buy(buyer, quantity=3)
    market.told()
    return made


@pytest.fixture
def refused(market):
    """`await refused(Error, act)`: the refusal, which moved and told nothing."""

    async def check(kind, act):
        before = await market.everything()
        market.told()
        with pytest.raises(kind) as raised:
            await act
        assert await market.everything() == before
        assert market.told() == []
        return raised.value

    return check


async def test_a_refund_gives_back_price_fee_and_stock(market, buyer, order):
    assert await market.refund(order, market.seller) is True
    assert (await market.funds(buyer), await market.funds(market.seller)) == (100_000, 0)
    assert (await market.fees(), await market.stock()) == (0, 10)
    row = await market.order(order)
    assert (row.status, row.fulfilled_at) == ("REFUNDED", None)
    assert row.refunded_at is not None
    assert (row.price_minor, row.fee_minor) == (3_000, 75)
    transfers = await market.rows(
        "SELECT id, code, amount_minor, actor_id FROM transfer WHERE code = 'REFUND'"
        " ORDER BY row_id"
    )
    assert [t[1:] for t in transfers] == [
        ("REFUND", 2_925, market.seller),
        ("REFUND", 75, market.seller),
    ]
    assert row.transfer_ids[2:] == [t.id for t in transfers]
    await market.check()


async def test_a_refund_tells_stall_buyer_and_seller(market, buyer, order):
    await market.refund(order, market.seller)
    events = market.told("OrderRefunded", "StockChanged")
    assert sorted((e.type, e.topic) for e in events) == sorted(
        [
            ("StockChanged", f"stall:{market.stall.hex}"),
            ("OrderRefunded", f"stall:{market.stall.hex}"),
            ("OrderRefunded", f"user:{buyer.hex}"),
            ("OrderRefunded", f"user:{market.seller.hex}"),
        ]
    )
    assert {e.payload.get("status") for e in events} == {None, "REFUNDED"}


async def test_a_moderator_refunds_what_they_are_no_party_to(market, buyer, order):
    moderator = await market.person()
    await market.refund(order, moderator, moderator=True)
    assert await market.funds(buyer) == 100_000
    rows = await market.rows("SELECT actor_id FROM transfer WHERE code = 'REFUND'")
    assert rows == [(moderator,), (moderator,)]


async def test_a_handed_over_order_can_be_refunded_and_keeps_its_moment(market, order):
    await market.fulfil(order, market.seller)
    await market.refund(order, market.seller)
    row = await market.order(order)
    assert row.status == "REFUNDED"
    assert row.fulfilled_at < row.refunded_at


async def test_a_lowered_limit_of_transfers_keeps_nobody_from_a_refund(market, buyer, order):
    limit = text("UPDATE ledger_asset SET transfer_max_minor = 1 WHERE asset = 'USD'")
    await market.db.transaction(lambda tx: tx.execute(limit))
    await market.refund(order, market.seller)
    assert (await market.funds(buyer), await market.funds(market.seller)) == (100_000, 0)


async def test_who_may_not_refund_moves_nothing(market, buyer, order, refused):
    stranger = await market.person()
    await refused(Forbidden, market.refund(order, market.partner))
    await refused(Forbidden, market.refund(order, buyer))
    await refused(NotFound, market.refund(order, stranger))
    await refused(NotFound, market.refund(new_id(), market.seller))
    await refused(NotFound, market.refund(new_id(), stranger, moderator=True))


async def test_a_refund_again_is_refused_and_a_retry_is_not(market, order, refused):
    assert await market.refund(order, market.seller, key="k") is True
    after = await market.everything()
    market.told()
    assert await market.refund(order, market.seller, key="k") is False
    assert await market.everything() == after
    assert market.told() == []
    error = await refused(WrongOrderStatus, market.refund(order, market.seller, key="l"))
    assert error.status == "REFUNDED"


async def test_a_key_for_another_order_is_a_conflict(market, buyer, order, refused):
    other = await market.buy(buyer)
    await market.refund(order, market.seller, key="k")
    await refused(IdempotencyConflict, market.refund(other, market.seller, key="k"))


async def test_many_refunds_at_once_refund_once(market, buyer, order):
    """Other orders' money is there to be taken by mistake."""
    await market.buy(buyer, quantity=5)
    moderator = await market.person()
    outcomes = await asyncio.gather(
        *(market.refund(order, market.seller) for _ in range(5)),
        *(market.refund(order, moderator, moderator=True) for _ in range(5)),
        return_exceptions=True,
    )
    assert sum(o is True for o in outcomes) == 1
    assert sum(isinstance(o, WrongOrderStatus) for o in outcomes) == 9
    assert (await market.stock(), await market.funds(buyer)) == (5, 95_000)
    assert len(await market.rows("SELECT id FROM transfer WHERE code = 'REFUND'")) == 2
    await market.check()


async def test_many_retries_of_a_refund_at_once_refund_once(market, buyer, order):
    outcomes = await asyncio.gather(
        *(market.refund(order, market.seller, key="k") for _ in range(8))
    )
    assert sorted(outcomes) == [False] * 7 + [True]
    assert (await market.stock(), await market.funds(buyer)) == (10, 100_000)
    await market.check()


async def test_fulfilling_and_refunding_at_once_end_refunded_or_refused(market, buyer, order):
    outcomes = await asyncio.gather(
        *(market.fulfil(order, market.seller) for _ in range(4)),
        market.refund(order, market.seller),
        return_exceptions=True,
    )
    assert outcomes[-1] is True
    assert all(o in (True, False) or isinstance(o, WrongOrderStatus) for o in outcomes)
    assert sum(o is True for o in outcomes[:-1]) <= 1
    assert (await market.order(order)).status == "REFUNDED"
    assert await market.funds(buyer) == 100_000


async def test_a_seller_who_spent_the_money_cannot_refund(market, order, refused):
    await market.spend(market.seller, 1)
    error = await refused(InsufficientFunds, market.refund(order, market.seller))
    assert (error.available_minor, error.required_minor) == (2_924, 2_925)
    await market.pay_in(market.seller, 1)
    await market.refund(order, market.seller)


async def test_a_frozen_sellers_money_stays(market, order, refused):
    [row] = await market.rows(
        "SELECT id FROM ledger_account WHERE holder_id = :id", id=market.seller
    )
    await market.db.transaction(
        partial(freeze_account, account_id=row.id, actor_id=market.partner, reason="Trial")
    )
    await refused(AccountFrozen, market.refund(order, market.seller))


async def test_stock_of_a_deleted_product_is_given_back_too(market, order):
    await market.run("UPDATE product SET deleted_at = now()")
    await market.refund(order, market.seller)
    assert await market.stock() == 10


async def test_the_selling_side_fulfils_and_saying_it_twice_changes_nothing(market, buyer, order):
    assert await market.fulfil(order, market.partner) is True
    row = await market.order(order)
    assert (row.status, row.refunded_at) == ("FULFILLED", None)
    assert row.fulfilled_at is not None
    assert sorted(e.topic for e in market.told("OrderFulfilled")) == sorted(
        [f"stall:{market.stall.hex}", f"user:{buyer.hex}", f"user:{market.seller.hex}"]
    )
    after = await market.everything()
    assert await market.fulfil(order, market.seller) is False
    assert await market.everything() == after
    assert market.told() == []


async def test_many_fulfil_at_once_and_one_did(market, order):
    outcomes = await asyncio.gather(*(market.fulfil(order, market.seller) for _ in range(8)))
    assert sorted(outcomes) == [False] * 7 + [True]
    assert len(market.told("OrderFulfilled")) == 3


async def test_who_may_not_fulfil_changes_nothing(market, buyer, order, refused):
    stranger = await market.person()
    await refused(Forbidden, market.fulfil(order, buyer))
    await refused(NotFound, market.fulfil(order, stranger))
    await refused(NotFound, market.fulfil(new_id(), market.seller))


async def test_a_refunded_order_is_not_fulfilled(market, order, refused):
    await market.refund(order, market.seller)
    error = await refused(WrongOrderStatus, market.fulfil(order, market.seller))
    assert error.status == "REFUNDED"


async def test_a_won_lots_order_is_refunded_like_any_other(market, buyer):
    lot = await market.put_up()
    await market.bid(lot, buyer, 2_000)
    await market.close(lot)
    [row] = await market.rows("SELECT * FROM sale_order")
    assert (row.auction_id, row.quantity, row.price_minor, row.fee_minor) == (lot, 1, 100, 2)
    assert (row.buyer_id, row.seller_id, row.status) == (buyer, market.seller, "PAID")
    assert (await market.stock(), await market.funds(buyer)) == (9, 99_900)
    assert await market.funds(market.seller) == 98
    await market.refund(row.id, market.seller)
    assert (await market.stock(), await market.funds(buyer)) == (10, 100_000)
    assert (await market.funds(market.seller), await market.fees()) == (0, 0)
    await market.check()


async def test_a_lot_from_before_stock_was_reserved_gives_none_back(market, buyer):
    lot = await market.put_up()
    await market.run("UPDATE auction SET stock_reserved = false")
    await market.change(inventory_count=10)
    await market.bid(lot, buyer, 2_000)
    await market.close(lot)
    [row] = await market.rows("SELECT id FROM sale_order")
    await market.refund(row.id, market.seller)
    assert await market.stock() == 10
