"""Who has a lot when many want it at one moment: takers of a Dutch lot, a buyer beside bidders, a
closing beside all of them. Real clock, two processes' worth of pools."""

import asyncio
from datetime import timedelta
from functools import partial

import asyncpg
import pytest
from sqlalchemy import text

from core.database import Database, database_now
from core.errors import DomainError
from core.ids import new_id
from services.auctions.bidding import bid_request
from services.auctions.buying import buy_auction_now, buy_request
from services.auctions.closing import close_auction
from services.auctions.errors import AuctionNotOpen, BuyNowGone
from services.auctions.queue import BidQueue
from services.auctions.selling import DutchTerms, Terms, create_auction
from services.auctions.verify import verify_log
from tests.concurrency.racing import make_lot
from tests.ledger import check_ledger, check_lots

BIDDERS = 50


class Process:
    """What a server process has: a pool and a queue."""

    def __init__(self, url):
        self.db = Database(url)
        self.bids = BidQueue(self.db)

    async def place(self, auction_id, bidder, maximum, *, key=None):
        request = bid_request(
            auction_id=auction_id,
            bidder_id=bidder,
            maximum_minor=maximum,
            idempotency_key=key or new_id().hex,
        )
        return await self.bids.place(request)

    async def buy(self, auction_id, buyer, price, *, key=None):
        request = buy_request(
            auction_id=auction_id,
            buyer_id=buyer,
            price_minor=price,
            idempotency_key=key or new_id().hex,
        )
        return await self.db.transaction(partial(buy_auction_now, request=request))


@pytest.fixture
async def processes(database_url):
    made = [Process(database_url), Process(database_url)]
    yield made
    for process in made:
        await process.bids.close()
        await process.db.close()


@pytest.fixture
async def crowd(database_url):
    return await make_lot(database_url, BIDDERS)


@pytest.fixture
def put_up(processes, crowd):
    """`await put_up(format=…, …)`: another lot of the crowd's seller, announced and open."""

    async def make(**terms):
        async def work(tx):
            product_id = (await tx.execute(text("SELECT id FROM product"))).scalar_one()
            ends_at = await database_now(tx) + timedelta(hours=1)
            return await create_auction(
                tx,
                viewer_id=crowd.seller,
                product_id=product_id,
                terms=Terms(**{"starting_price_minor": 100, "ends_at": ends_at, **terms}),
            )

        return await processes[0].db.transaction(work)

    return make


@pytest.fixture
def look(processes, database_url):
    """The lot's row, its bids, its log; the log is verified, if the lot is over, and the money of
    all lots in any case."""

    async def read(auction_id):
        connection = await asyncpg.connect(database_url)
        await check_ledger(connection)
        await check_lots(connection)
        await connection.close()
        async with processes[0].db.read() as session:

            async def rows(statement):
                found = await session.execute(
                    text(statement), {"id": auction_id, "topic": f"auction:{auction_id.hex}"}
                )
                return found.all()

            [row] = await rows("SELECT * FROM auction WHERE id = CAST(:id AS uuid)")
            bids = await rows(
                "SELECT * FROM bid WHERE auction_id = CAST(:id AS uuid) ORDER BY sequence"
            )
            log = await rows("SELECT * FROM event WHERE topic = :topic ORDER BY sequence")
        if row.closed_at is not None:
            found = verify_log(auction_id, log)
            assert (found.status, found.winner_id) == (row.status, row.winner_id)
            assert found.price_minor == row.current_price_minor
        return row, bids, log

    return read


def sorted_out(outcomes):
    """What was taken, and the types of what was refused."""
    taken = [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
    refused = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    assert all(isinstance(error, DomainError) for error in refused), refused
    return taken, {type(error) for error in refused}


async def test_50_takers_of_a_dutch_lot_make_exactly_one_winner(processes, crowd, put_up, look):
    terms = DutchTerms(price_step_minor=10, step_interval_s=1, floor_minor=10)
    lot = await put_up(format="DUTCH", starting_price_minor=100, dutch=terms)
    outcomes = await asyncio.gather(
        *(processes[n % 2].place(lot, who, 100 + n) for n, who in enumerate(crowd.bidders)),
        return_exceptions=True,
    )
    [taken], refused = sorted_out(outcomes)
    assert refused == {AuctionNotOpen}
    row, [bid], log = await look(lot)
    assert (row.status, row.winner_id, row.bid_count) == ("SOLD", taken.bidder_id, 1)
    assert row.current_price_minor == bid.amount_minor == taken.amount_minor <= 100
    assert [event.type for event in log][:2] == ["AuctionOpened", "BidPlaced"]
    assert sum(event.type == "AuctionClosed" for event in log) == 1


async def after(seconds, call):
    await asyncio.sleep(seconds)
    return await call


async def test_a_buyer_beside_bidders_makes_exactly_one_outcome(processes, crowd, put_up, look):
    bought_some = False
    for attempt in range(6):
        lot = await put_up(buy_now_minor=90_000)
        buyer, *others = crowd.bidders[:4]
        start_s = 0.02 * attempt if attempt % 2 else 0  # now and then the buyer has a start
        calls = [
            after(start_s, processes[n % 2].place(lot, who, 1_000)) for n, who in enumerate(others)
        ]
        calls.append(processes[1].buy(lot, buyer, 90_000))
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        row, bids, log = await look(lot)
        ends = [event.payload for event in log if event.type == "AuctionClosed"]
        bought = [outcome for outcome in outcomes if outcome is True]
        if bought:
            bought_some = True
            assert (row.status, row.winner_id, bids) == ("SOLD", buyer, [])
            assert [end["reason"] for end in ends] == ["BUY_NOW"]
            assert sum(isinstance(outcome, AuctionNotOpen) for outcome in outcomes) == 3
        else:
            assert (row.status, row.winner_id, ends) == ("OPEN", None, [])
            assert len(bids) >= 1
            assert sum(isinstance(outcome, BuyNowGone) for outcome in outcomes) == 1
    assert bought_some  # else nothing raced


async def test_many_buyers_and_retries_of_one_of_them_make_one_sale(processes, crowd, put_up, look):
    lot = await put_up(buy_now_minor=500)
    first = crowd.bidders[0]
    outcomes = await asyncio.gather(
        *(processes[n % 2].buy(lot, who, 500) for n, who in enumerate(crowd.bidders[1:11])),
        *(processes[n % 2].buy(lot, first, 500, key="k") for n in range(10)),
        return_exceptions=True,
    )
    taken, refused = sorted_out(outcomes)
    assert refused <= {AuctionNotOpen}
    assert taken.count(True) == 1
    row, bids, log = await look(lot)
    assert (row.status, bids, len(log)) == ("SOLD", [], 2)
    assert taken.count(False) == (9 if row.winner_id == first else 0)


async def test_closing_beside_sealed_bids_opens_what_was_taken_and_nothing_else(
    processes, crowd, put_up, look
):
    lot = await put_up(format="SEALED_SECOND_PRICE")
    async with processes[0].db.engine.begin() as connection:
        await connection.execute(
            text(
                "UPDATE auction SET starts_at = starts_at - interval '1 hour',"
                " ends_at = clock_timestamp() + interval '300 ms' WHERE id = :id"
            ),
            {"id": lot},
        )

    async def close():
        async with asyncio.timeout(20):
            while True:
                work = partial(close_auction, auction_id=lot)
                if (closing := await processes[0].db.transaction(work)) is not None:
                    return closing

    async def bid_until_over(n, who):
        accepted = 0
        while True:
            try:
                await processes[n % 2].place(lot, who, 1_000 * (accepted + 1) + n)
            except AuctionNotOpen:
                return accepted
            accepted += 1

    closing, other, *accepted = await asyncio.gather(
        close(),
        asyncio.wait_for(processes[1].db.transaction(partial(close_auction, auction_id=lot)), 20),
        *(bid_until_over(n, who) for n, who in enumerate(crowd.bidders[:8])),
    )
    assert other is None
    async with processes[0].db.read() as session:
        row = (
            await session.execute(text("SELECT * FROM auction WHERE id = :id"), {"id": lot})
        ).one()
        bids = (
            await session.execute(
                text("SELECT * FROM bid WHERE auction_id = :id ORDER BY sequence"), {"id": lot}
            )
        ).all()
    assert len(bids) == sum(accepted) == row.bid_count > 8
    assert all(bid.placed_at < row.ends_at <= row.closed_at for bid in bids)
    best = min(bids, key=lambda bid: (-bid.maximum_minor, bid.sequence))
    second = max(b.maximum_minor for b in bids if b.bidder_id != best.bidder_id)
    assert (closing.winner_id, closing.price_minor) == (best.bidder_id, second)
    assert [b.id for b in bids if b.won] == [best.id]
    assert {b.id: b.amount_minor for b in bids} == {
        b.id: min(b.maximum_minor, second) if b.bidder_id == best.bidder_id else b.maximum_minor
        for b in bids
    }
