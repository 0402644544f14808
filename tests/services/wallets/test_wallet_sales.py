"""A lot's money: the leader's hold, what others could afford, and the settling at the end."""

from functools import partial

import pytest
from sqlalchemy import event

from core.errors import InvalidInput, NotFound
from core.ids import encode_id, new_id
from services.wallets.book import available, enter_all, open_holds
from services.wallets.errors import InsufficientFunds
from services.wallets.ledger import apply_transfers, open_book, transfer_all, write_book
from services.wallets.sales import fee_of, hold_steps, release_lot, settle_sale
from services.wallets.terms import Transfer, escrow, platform, user_account

PLATFORM = platform("FEES", "USD").holder_id


@pytest.fixture
def statements(db):
    """The statements sent to the database but for what begins and ends transactions."""
    sent = []

    def before(conn, cursor, statement, *rest):
        sent.append(statement)

    event.listen(db.engine.sync_engine, "before_cursor_execute", before)
    yield sent
    event.remove(db.engine.sync_engine, "before_cursor_execute", before)


async def lead(db, lot, leader, maximum):
    async def work(tx):
        book = await open_book(tx, [escrow(lot, "USD"), user_account(leader, "USD")])
        steps = hold_steps(
            book,
            lot_id=lot,
            asset="USD",
            bidder_id=leader,
            maximum_minor=maximum,
            reference=encode_id("auc", lot),
            instead_of=open_holds(book, credit=escrow(lot, "USD")),
        )
        enter_all(book, steps)
        return await write_book(tx, book)

    return await db.transaction(work)


def settle(lot, winner, seller, price):
    return partial(
        settle_sale,
        lot_id=lot,
        asset="USD",
        winner_id=winner,
        seller_id=seller,
        price_minor=price,
        fee_basis_points=250,
        reference=encode_id("auc", lot),
    )


async def test_new_leaders_hold_replaces_the_old_ones(db, money):
    ada, ben, lot = await money.user(USD=1_000), await money.user(USD=1_000), new_id()
    await lead(db, lot, ada, 400)
    await lead(db, lot, ben, 600)
    assert [await money.state(user) for user in (ada, ben)] == [(1_000, 0), (1_000, 600)]
    await lead(db, lot, ben, 900)  # one's own hold is free for the higher maximum
    assert await money.state(ben) == (1_000, 900)
    assert await lead(db, lot, ben, 900) == []
    with pytest.raises(InsufficientFunds):
        await lead(db, lot, ada, 1_001)
    assert [await money.state(user) for user in (ada, ben)] == [(1_000, 0), (1_000, 900)]
    await money.check()


async def test_each_bidders_means_are_read_in_one_statement(db, money, statements):
    bidders = [await money.user(USD=100 * n) for n in range(1, 6)]
    lot, other = new_id(), new_id()
    await lead(db, lot, bidders[4], 450)
    await lead(db, other, bidders[3], 50)
    refs = [user_account(bidder, "USD") for bidder in bidders]
    statements.clear()

    async def work(tx):
        book = await open_book(tx, [escrow(lot, "USD"), *refs])
        holds = open_holds(book, credit=escrow(lot, "USD"))
        return [available(book, ref, freeing=holds) for ref in refs]

    assert await db.transaction(work) == [100, 200, 300, 350, 500]
    assert len(statements) == 1


async def test_sale_posts_the_price_pays_both_and_releases_the_rest(db, money, statements):
    ada, ben, seller, lot = (
        *[await money.user(USD=1_000) for _ in range(2)],
        await money.user(),
        new_id(),
    )
    await lead(db, lot, ada, 900)
    second = Transfer(  # a sealed lot has a hold of each bidder
        debit=user_account(ben, "USD"),
        credit=escrow(lot, "USD"),
        amount_minor=300,
        code="BID",
        pending=True,
    )
    await db.transaction(partial(transfer_all, steps=[second]))
    statements.clear()
    done = await db.transaction(settle(lot, ada, seller, 399))
    assert len(statements) == 3  # lock, write, events
    assert (done.price_minor, done.fee_minor, done.share_minor) == (399, 9, 390)
    states = [await money.state(user) for user in (ada, ben, seller)]
    assert states == [(601, 0), (1_000, 0), (390, 0)]
    assert await money.state(lot, kind="ESCROW") == (0, 0)
    assert await money.state(PLATFORM, kind="FEES") == (9, 0)
    await money.check()


async def test_sale_without_the_winners_hold_moves_nothing(db, money):
    ada, ben, lot = await money.user(USD=1_000), await money.user(USD=1_000), new_id()
    await lead(db, lot, ada, 900)
    with pytest.raises(NotFound):
        await db.transaction(settle(lot, ben, ada, 100))
    with pytest.raises(InvalidInput):
        await db.transaction(settle(lot, ada, ben, 901))
    assert await money.state(ada) == (1_000, 900)


async def test_unsold_lot_gives_everything_back(db, money):
    ada, lot = await money.user(USD=1_000), new_id()
    await lead(db, lot, ada, 900)
    await db.transaction(partial(release_lot, lot_id=lot, asset="USD"))
    assert await money.state(ada) == (1_000, 0)


def test_fee_is_rounded_down():
    assert [fee_of(price, 250) for price in (1, 39, 40, 79, 10_000)] == [0, 0, 1, 1, 250]


async def test_batch_of_any_size_is_two_statements_beside_its_events(db, money, statements):
    ada, ben = await money.user(USD=1_000), await money.user(USD=1_000)
    pay = partial(Transfer, code="TRANSFER", amount_minor=1)
    a, b = user_account(ada, "USD"), user_account(ben, "USD")
    for size in (1, 100):
        statements.clear()
        steps = [pay(debit=a, credit=b) for _ in range(size)]
        await db.transaction(partial(apply_transfers, steps=steps))
        assert len(statements) == 3
