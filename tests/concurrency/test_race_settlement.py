"""Ends of lots that race: each lot is settled once, whoever comes and however many hold money on
it, and nobody who buys and sells at once stands in another's way."""

import asyncio
from datetime import timedelta
from functools import partial

import asyncpg
import pytest
from sqlalchemy import text

from core.database import Database, PoolSettings, database_now
from core.ids import new_id
from jobs.auctions import close_at_end, sweep_auctions
from models.auctions import Product, Stall
from models.users import UserAccount
from services.auctions.bidding import bid_request, place_bids
from services.auctions.buying import buy_auction_now, buy_request
from services.auctions.selling import DutchTerms, Terms, create_auction
from services.wallets.endowing import endow
from tests.concurrency.racing import STOCK, make_lots
from tests.ledger import check_ledger, check_lots

BIDDERS = 30
SEALED = "format = 'SEALED_SECOND_PRICE'"
RESERVE = "reserve_minor = 900000, reserve_met = false"
LOTS = (  # terms, how many bid, how it ends
    ("", 3, "SOLD"),
    (RESERVE, 3, "UNSOLD"),
    ("", 0, "UNSOLD"),
    (SEALED, BIDDERS, "SOLD"),  # more holds than an order names transfers
    (f"{SEALED}, {RESERVE}", BIDDERS, "UNSOLD"),
    # As many as are told at once, and a seller whom the fee leaves nothing.
    (f"{SEALED}, fee_basis_points = 10000", 7, "SOLD"),
    (f"{SEALED}, fee_basis_points = 10000", 8, "SOLD"),
    (f"{SEALED}, fee_basis_points = 0", 9, "SOLD"),
)
ROUNDS = 10


@pytest.fixture
async def connection(database_url):
    made = await asyncpg.connect(database_url)
    yield made
    await made.close()


@pytest.fixture
async def workers(database_url):
    """Two processes' worth of pools."""
    made = [Database(database_url), Database(database_url)]
    yield made
    for db in made:
        await db.close()


async def set_terms(db, lot, terms):
    async def work(tx):
        await tx.execute(
            text(f"UPDATE auction SET soft_close_window_s = 0{terms} WHERE id = :id"),
            {"id": lot.id},
        )

    await db.transaction(work)


async def bid(db, lot, bidders):
    requests = [
        bid_request(
            auction_id=lot.id, bidder_id=who, maximum_minor=1_000 + n, idempotency_key=str(lot.id)
        )
        for n, who in enumerate(bidders)
    ]
    await db.transaction(partial(place_bids, auction_id=lot.id, requests=requests))


async def test_workers_that_close_at_once_settle_each_lot_once(database_url, connection, workers):
    lots = await make_lots(database_url, BIDDERS, lots=len(LOTS))
    for lot, (terms, bidders, _) in zip(lots, LOTS, strict=True):
        await set_terms(workers[0], lot, f", {terms}" if terms else "")
        await bid(workers[0], lot, lot.bidders[:bidders])
    await check_lots(connection)  # what is held before the end
    held = await connection.fetchval("SELECT count(*) FROM ledger_hold")
    assert held == 1 + 1 + BIDDERS + BIDDERS + 7 + 8 + 9
    await connection.execute("UPDATE auction SET ends_at = clock_timestamp()")

    sweeps = await asyncio.gather(
        *(sweep_auctions(db) for db in workers),
        *(close_at_end(db, lot.id) for db in workers for lot in lots),
        *(close_at_end(db, lot.id) for db in workers for lot in reversed(lots)),
    )

    assert [sweep.failed for sweep in sweeps if sweep is not None] == [(), ()]
    rows = {row["id"]: row for row in await connection.fetch("SELECT * FROM auction")}
    assert [rows[lot.id]["status"] for lot in lots] == [status for _, _, status in LOTS]
    closed = await connection.fetch(
        "SELECT count(*) AS n FROM event WHERE type = 'AuctionClosed' GROUP BY topic"
    )
    assert [row["n"] for row in closed] == [1] * len(LOTS)
    assert await connection.fetchval("SELECT count(*) FROM ledger_hold") == 0
    await check_ledger(connection)
    await check_lots(connection)
    unsold = sum(status == "UNSOLD" for _, _, status in LOTS)
    stock = await connection.fetchval("SELECT inventory_count FROM product")
    assert stock == STOCK + unsold


async def make_two_sellers(tx):
    """Each with a stall, a product and money."""
    people = [
        UserAccount(
            email=f"u{n}@example.org", username=f"user{n}", password_hash="!", display_name="U"
        )
        for n in range(2)
    ]
    stalls = [Stall(owner_id=p.id, name="Stall", slug=f"stall{n}") for n, p in enumerate(people)]
    goods = [
        Product(
            stall_id=stall.id,
            kind="PHYSICAL",
            name="B",
            category="c",
            asset="USD",
            inventory_count=2 * ROUNDS,
        )
        for stall in stalls
    ]
    for rows in (people, stalls, goods):
        tx.add_all(rows)
        await tx.flush()
    await endow(tx, [person.id for person in people], asset="USD", amount_minor=10**9)
    return [(person.id, product.id) for person, product in zip(people, goods, strict=True)]


async def buy_at_once(tx, lot, buyer):
    request = buy_request(
        auction_id=lot, buyer_id=buyer, price_minor=500, idempotency_key=new_id().hex
    )
    await buy_auction_now(tx, request)


async def take(tx, lot, buyer):
    request = bid_request(
        auction_id=lot, bidder_id=buyer, maximum_minor=500, idempotency_key=new_id().hex
    )
    [outcome] = await place_bids(tx, lot, [request])
    assert not isinstance(outcome, Exception)


DUTCH = DutchTerms(price_step_minor=10, step_interval_s=60, floor_minor=10)


@pytest.mark.parametrize(
    ("acquire", "terms"),
    [(buy_at_once, {"buy_now_minor": 500}), (take, {"format": "DUTCH", "dutch": DUTCH})],
)
async def test_two_sellers_who_buy_from_each_other_do_not_deadlock(
    acquire, terms, database_url, connection
):
    db = Database(database_url, pool=PoolSettings(transaction_tries=1))
    sellers = await db.transaction(make_two_sellers)

    async def put_up(tx, n):
        ends_at = await database_now(tx) + timedelta(hours=1)
        wanted = Terms(starting_price_minor=400, ends_at=ends_at, **terms)
        seller, product = sellers[n]
        return await create_auction(tx, viewer_id=seller, product_id=product, terms=wanted)

    for _ in range(ROUNDS):
        lots = [await db.transaction(partial(put_up, n=n)) for n in range(2)]
        await asyncio.gather(  # a deadlock would be an error: there is but one try
            *(
                db.transaction(partial(acquire, lot=lots[n], buyer=sellers[1 - n][0]))
                for n in range(2)
            )
        )
    assert await connection.fetchval("SELECT count(*) FROM sale_order") == 2 * ROUNDS
    await check_ledger(connection)
    await check_lots(connection)
    await db.close()
