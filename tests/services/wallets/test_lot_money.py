"""What bids hold and what the end of a lot moves, in each format: who holds what after every step,
and that a refusal moves nothing and tells nobody."""

from datetime import UTC, datetime, timedelta
from functools import partial
from types import SimpleNamespace

import pytest
from sqlalchemy import event, text

from core.ids import new_id
from models.auctions import Auction, Product, Stall
from services.auctions.bidding import bid_request, place_bids
from services.auctions.buying import buy_auction_now, buy_request
from services.auctions.closing import cancel_auction, close_auction, open_auction
from services.auctions.errors import AuctionNotOpen
from services.wallets.errors import AccountClosed, AccountFrozen, InsufficientFunds
from services.wallets.terms import PLATFORM_ID

# In the future, so that no clock but the given one can be at work.
START = datetime(2100, 1, 1, tzinfo=UTC)
END = START + timedelta(hours=1)
DURING = START + timedelta(minutes=30)
STOCK = 7
DUTCH = {
    "format": "DUTCH",
    "starting_price_minor": 1_000,
    "current_price_minor": 1_000,
    "price_step_minor": 100,
    "step_interval_s": 600,
    "floor_minor": 300,
}


@pytest.fixture
async def seller(money):
    return await money.user()


@pytest.fixture
async def product(db, seller):
    """Seven of it are left at the seller's stall; what open lots took is not among them."""
    stall = Stall(owner_id=seller, name="Stall", slug="stall")
    product = Product(
        stall_id=stall.id,
        kind="PHYSICAL",
        name="B",
        category="c",
        asset="USD",
        inventory_count=STOCK,
    )

    async def work(tx):
        for row in (stall, product):
            tx.add(row)
            await tx.flush()

    await db.transaction(work)
    return SimpleNamespace(id=product.id, stall_id=product.stall_id)


@pytest.fixture
def make_lot(db, seller, product):
    """`await make_lot(reserve_minor=…)`: an open lot from 1.00 USD, no soft close, fee 250."""

    async def make(**terms):
        async def work(tx):
            lot = Auction(
                product_id=product.id,
                stall_id=product.stall_id,
                seller_id=seller,
                title="Bowl",
                category="c",
                asset="USD",
                starts_at=START,
                ends_at=END,
                **{
                    "starting_price_minor": 100,
                    "current_price_minor": 100,
                    "status": "OPEN",
                    "stock_reserved": True,
                    "soft_close_window_s": 0,
                    **terms,
                },
            )
            tx.add(lot)
            await tx.flush()
            return lot.id

        return await db.transaction(work)

    return make


@pytest.fixture
def bid_together(db):
    """`await bid_together(lot, (bidder, maximum), …)`: bids of one batch; their outcomes."""

    async def place(lot, *wanted, now=DURING):
        requests = [
            bid_request(
                auction_id=lot, bidder_id=who, maximum_minor=most, idempotency_key=new_id().hex
            )
            for who, most in wanted
        ]
        return await db.transaction(partial(place_bids, auction_id=lot, requests=requests, now=now))

    return place


@pytest.fixture
def bid(bid_together):
    async def place(lot, bidder, maximum, now=DURING):
        [outcome] = await bid_together(lot, (bidder, maximum), now=now)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return place


@pytest.fixture
def close(db):
    return lambda lot, now=END: db.transaction(partial(close_auction, auction_id=lot, now=now))


@pytest.fixture
def buy(db):
    async def call(lot, buyer, price):
        request = buy_request(
            auction_id=lot, buyer_id=buyer, price_minor=price, idempotency_key=new_id().hex
        )
        return await db.transaction(partial(buy_auction_now, request=request, now=DURING))

    return call


@pytest.fixture
def orders(money):
    return lambda: money.read(
        "SELECT auction_id, buyer_id, seller_id, price_minor, fee_minor, status FROM sale_order"
    )


@pytest.fixture
def stock(money):
    async def read():
        return (await money.read("SELECT inventory_count FROM product"))[0][0]

    return read


@pytest.fixture
def everything(money):
    """All that a bid, a purchase or a closing could write."""

    async def read():
        tables = "auction bid event transfer ledger_hold sale_order product idempotency_key"
        return {
            table: sorted(map(str, await money.read(f"SELECT * FROM {table}")))
            for table in tables.split()
        }

    return read


async def test_the_leaders_maximum_is_held_and_the_outbids_is_free_in_one_transaction(
    money, make_lot, bid
):
    lot, ada, ben = await make_lot(), await money.user(USD=1_000), await money.user(USD=1_000)
    await bid(lot, ada, 400)
    assert await money.state(ada) == (1_000, 400)
    await bid(lot, ben, 300)  # beaten at once by ada's maximum: holds nothing
    assert [await money.state(who) for who in (ada, ben)] == [(1_000, 400), (1_000, 0)]
    await bid(lot, ben, 1_000)
    assert [await money.state(who) for who in (ada, ben)] == [(1_000, 0), (1_000, 1_000)]
    moved = await money.read(
        "SELECT kind, transaction_id FROM transfer WHERE code = 'BID' ORDER BY row_id"
    )
    assert [row.kind for row in moved] == ["PENDING", "VOID", "PENDING"]
    assert moved[1].transaction_id == moved[2].transaction_id
    await money.check()


async def test_without_the_money_there_is_no_bid(db, money, make_lot, bid, everything):
    lot, ada, ben = await make_lot(), await money.user(USD=1_000), await money.user(USD=299)
    await bid(lot, ada, 200)
    before, told = await everything(), list(db.published)
    with pytest.raises(InsufficientFunds) as refusal:
        await bid(lot, ben, 300)
    assert (refusal.value.available_minor, refusal.value.required_minor) == (299, 300)
    with pytest.raises(InsufficientFunds):
        await bid(lot, await money.user(), 300)
    nobody = await bid_of_nobody(db, lot)
    assert nobody.code == "NOT_FOUND"
    assert await everything() == before
    assert db.published == told
    assert await money.state(ada) == (1_000, 200)


async def bid_of_nobody(db, lot):
    request = bid_request(
        auction_id=lot, bidder_id=new_id(), maximum_minor=900, idempotency_key="k"
    )
    work = partial(place_bids, auction_id=lot, requests=[request], now=DURING)
    return (await db.transaction(work))[0]


async def test_ones_own_hold_is_free_for_a_higher_maximum(money, make_lot, bid):
    lot, ada = await make_lot(), await money.user(USD=1_000)
    await bid(lot, ada, 700)
    await bid(lot, ada, 1_000)
    assert await money.state(ada) == (1_000, 1_000)
    with pytest.raises(InsufficientFunds) as refusal:
        await bid(lot, ada, 1_001)
    assert refusal.value.available_minor == 1_000
    assert await money.state(ada) == (1_000, 1_000)


async def test_what_is_held_on_one_lot_is_not_free_for_another(money, make_lot, bid):
    one, two, ada = await make_lot(), await make_lot(), await money.user(USD=1_000)
    await bid(one, ada, 700)
    with pytest.raises(InsufficientFunds):
        await bid(two, ada, 301)
    await bid(two, ada, 300)
    assert await money.state(ada) == (1_000, 1_000)


async def test_in_a_batch_each_is_judged_by_their_own_means(money, make_lot, bid_together):
    lot = await make_lot()
    ada, ben, cy = [await money.user(USD=amount) for amount in (500, 100, 900)]
    outcomes = await bid_together(lot, (ada, 400), (ben, 800), (cy, 450), (ada, 500), (cy, 901))
    assert [type(outcome).__name__ for outcome in outcomes] == [
        *("PlacedBid", "InsufficientFunds", "PlacedBid", "PlacedBid", "InsufficientFunds")
    ]
    states = [await money.state(who) for who in (ada, ben, cy)]
    assert states == [(500, 500), (100, 0), (900, 0)]
    await money.check()


async def test_a_sale_pays_seller_and_platform_and_writes_one_order(
    money, seller, make_lot, bid, close, orders, stock
):
    lot = await make_lot(fee_basis_points=333)
    ada, ben = await money.user(USD=2_000), await money.user(USD=2_000)
    await bid(lot, ada, 1_500)
    await bid(lot, ben, 975)  # the price: 975 + 50
    assert (await close(lot)).price_minor == 1_025
    assert await close(lot) is None
    assert [await money.state(who) for who in (ada, ben)] == [(975, 0), (2_000, 0)]
    assert await money.state(seller) == (991, 0)
    assert await money.state(PLATFORM_ID, kind="FEES") == (34, 0)
    assert await money.state(lot, kind="ESCROW") == (0, 0)
    assert await orders() == [(lot, ada, seller, 1_025, 34, "PAID")]
    assert await stock() == STOCK
    await money.check()


@pytest.mark.parametrize("format", ["ENGLISH", "SEALED_SECOND_PRICE"])
async def test_an_unsold_lot_gives_money_and_stock_back(
    format, money, make_lot, bid, close, orders, stock
):
    lot = await make_lot(reserve_minor=5_000, reserve_nonce=b"0" * 16, format=format)
    ada, ben = await money.user(USD=1_000), await money.user(USD=1_000)
    await bid(lot, ada, 400)
    await bid(lot, ben, 600)
    assert (await close(lot)).status == "UNSOLD"
    assert [await money.state(who) for who in (ada, ben)] == [(1_000, 0), (1_000, 0)]
    assert await orders() == []
    assert await stock() == STOCK + 1
    await money.check()


async def test_sealed_bids_hold_each_ones_highest_until_the_end(
    money, seller, make_lot, bid, close, orders
):
    lot = await make_lot(format="SEALED_SECOND_PRICE")
    ada, ben, cy = [await money.user(USD=1_000) for _ in range(3)]
    await bid(lot, ada, 400)
    await bid(lot, ben, 900)
    await bid(lot, cy, 300)
    await bid(lot, ada, 500)
    held = [await money.state(who) for who in (ada, ben, cy)]
    assert held == [(1_000, 500), (1_000, 900), (1_000, 300)]
    with pytest.raises(InsufficientFunds):
        await bid(lot, cy, 1_001)
    assert (await close(lot)).winner_id == ben
    states = [await money.state(who) for who in (ada, ben, cy, seller)]
    assert states == [(1_000, 0), (500, 0), (1_000, 0), (488, 0)]
    assert [(row.buyer_id, row.price_minor, row.fee_minor) for row in await orders()] == [
        (ben, 500, 12)
    ]
    await money.check()


async def test_a_dutch_lots_taker_pays_the_price_of_the_moment(
    money, seller, make_lot, bid, orders
):
    lot, ada, poor = await make_lot(**DUTCH), await money.user(USD=1_000), await money.user(USD=699)
    with pytest.raises(InsufficientFunds):
        await bid(lot, poor, 700)
    await bid(lot, ada, 950)  # half an hour: three steps of ten minutes
    assert await money.state(ada) == (300, 0)
    assert await money.state(seller) == (683, 0)
    assert [(row.buyer_id, row.price_minor) for row in await orders()] == [(ada, 700)]
    with pytest.raises(AuctionNotOpen):
        await bid(lot, ada, 300)
    await money.check()


async def test_whoever_buys_now_pays_and_the_leader_is_free(
    db, money, seller, make_lot, bid, buy, orders, everything
):
    lot = await make_lot(buy_now_minor=900, reserve_minor=800, reserve_nonce=b"0" * 16)
    ada, ben, poor = [await money.user(USD=amount) for amount in (1_000, 1_000, 899)]
    await bid(lot, ada, 300)
    before, told = await everything(), list(db.published)
    with pytest.raises(InsufficientFunds):
        await buy(lot, poor, 900)
    assert await everything() == before
    assert db.published == told
    await buy(lot, ben, 900)
    assert [await money.state(who) for who in (ada, ben)] == [(1_000, 0), (100, 0)]
    assert await money.state(seller) == (878, 0)
    assert [(row.buyer_id, row.price_minor) for row in await orders()] == [(ben, 900)]
    await money.check()


async def test_the_leader_may_buy_now_with_what_is_held(money, make_lot, bid, buy):
    lot = await make_lot(buy_now_minor=900, reserve_minor=800, reserve_nonce=b"0" * 16)
    ada = await money.user(USD=900)
    await bid(lot, ada, 700)
    await buy(lot, ada, 900)
    assert await money.state(ada) == (0, 0)
    await money.check()


async def test_a_cancelled_lot_gives_money_and_stock_back(db, money, make_lot, bid, stock):
    lot, ada = await make_lot(), await money.user(USD=1_000)
    await bid(lot, ada, 1_000)
    await db.transaction(
        partial(cancel_auction, auction_id=lot, viewer_id=new_id(), is_moderator=True, now=DURING)
    )
    assert await money.state(ada) == (1_000, 0)
    assert await stock() == STOCK + 1
    await money.check()


async def test_opening_takes_a_unit_of_stock_and_without_one_the_lot_is_off(
    db, money, make_lot, bid, stock, orders
):
    one, two = [await make_lot(status="SCHEDULED", stock_reserved=False) for _ in range(2)]
    ada = await money.user(USD=1_000)
    await money.do(text("UPDATE product SET inventory_count = 1"))
    assert await db.transaction(partial(open_auction, auction_id=one, now=START)) is True
    assert await stock() == 0
    with pytest.raises(AuctionNotOpen) as refusal:
        await bid(two, ada, 500)
    assert refusal.value.status == "CANCELLED"
    rows = await money.read("SELECT status, stock_reserved FROM auction ORDER BY created_at")
    assert rows == [("OPEN", True), ("CANCELLED", False)]
    assert await money.state(ada) == (1_000, 0)
    assert await db.transaction(partial(close_auction, auction_id=one, now=END)) is not None
    assert await stock() == 1
    assert await orders() == []


async def test_a_frozen_account_bids_no_more_and_what_it_held_is_paid(
    money, seller, make_lot, bid, close
):
    one, two, ada = await make_lot(), await make_lot(), await money.user(USD=1_000)
    await bid(one, ada, 400)
    await money.do(
        text("UPDATE ledger_account SET status = 'FROZEN' WHERE owner_id = :ada"), {"ada": ada}
    )
    with pytest.raises(AccountFrozen):
        await bid(two, ada, 200)
    assert (await close(one)).winner_id == ada
    assert await money.state(ada) == (900, 0)
    assert await money.state(seller) == (98, 0)


async def test_a_closing_that_cannot_settle_closes_nothing(
    db, money, seller, make_lot, bid, close, everything
):
    lot, ada = await make_lot(), await money.user(USD=1_000)
    await bid(lot, ada, 400)
    await money.give(seller, 1)
    await money.do(
        text("UPDATE ledger_account SET status = 'CLOSED', debits_posted = 1 WHERE owner_id = :id"),
        {"id": seller},
    )
    before, told = await everything(), list(db.published)
    with pytest.raises(AccountClosed):
        await close(lot)
    assert await everything() == before
    assert db.published == told
    assert await money.state(ada) == (1_000, 400)


async def test_a_batch_costs_the_same_statements_as_a_bid(db, money, make_lot, bid_together):
    people = [await money.user(USD=10_000) for _ in range(8)]
    counts = []
    for batch in (people[:1], people):
        lot, sent = await make_lot(), []
        listen = partial(_note, sent)
        event.listen(db.engine.sync_engine, "before_cursor_execute", listen)
        await bid_together(lot, *((who, 200 + 50 * n) for n, who in enumerate(batch)))
        event.remove(db.engine.sync_engine, "before_cursor_execute", listen)
        counts.append(len(sent))
    # Lot, keys, wallets, bids, transfers, answers, events.
    assert counts == [7, 7]


def _note(sent, conn, cursor, statement, *rest):
    sent.append(statement)
