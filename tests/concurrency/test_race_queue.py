"""Many bids on one lot at once, through the queues of two processes' worth of pools: batches, keys
used again, and who waits."""

import asyncio
import random
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import event as sa_event
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from core.database import Database
from core.errors import DomainError, IdempotencyConflict, Unavailable
from core.ids import new_id
from services.auctions.bidding import bid_request
from services.auctions.errors import BidTooLow
from services.auctions.queue import BidQueue
from services.wallets.errors import InsufficientFunds
from tests.concurrency.racing import checked_outcome, make_lot, make_lots
from tests.ledger import winning_bid

POOR = dict.fromkeys(range(5, 200, 10), 900)
"""Bidders by number, with what they have: less than any bid of the race."""


class Process:
    """What a server process has: a pool and a queue. Counts what it asks of the database."""

    def __init__(self, url):
        self.published = []
        self.transactions = self.statements = 0
        self.db = Database(url, after_commit=self._publish)
        self.bids = BidQueue(self.db)
        engine = self.db.engine.sync_engine
        sa_event.listen(engine, "begin", self._on_begin)
        sa_event.listen(engine, "before_cursor_execute", self._on_statement)

    async def place(self, lot, bidder, maximum, *, key=None, queue=None):
        request = bid_request(
            auction_id=lot.id,
            bidder_id=bidder,
            maximum_minor=maximum,
            idempotency_key=key or new_id().hex,
        )
        return await (queue or self.bids).place(request)

    async def _publish(self, events):
        self.published.extend(e for e in events if e.topic.startswith("auction:"))

    def _on_begin(self, connection):
        self.transactions += 1

    def _on_statement(self, connection, cursor, statement, *rest):
        self.statements += 1


@pytest.fixture
async def processes(database_url):
    made = [Process(database_url), Process(database_url)]
    yield made
    for process in made:
        await process.bids.close()
        await process.db.close()


@pytest.fixture
async def lot(database_url):
    return await make_lot(database_url, 200)


@pytest.fixture
async def mixed_lot(database_url):
    return await make_lot(database_url, 200, poor=POOR)


@asynccontextmanager
async def held(db, lot):
    """Somebody else holds the lot's lock, so that bids must wait."""
    async with db.engine.connect() as connection:
        await connection.execute(
            text("SELECT 1 FROM auction WHERE id = :lot FOR UPDATE"), {"lot": lot.id}
        )
        yield


async def until_in_line(queue, lot, count):
    """Return when the lot's line has begun to move and `count` bids stand in it."""
    async with asyncio.timeout(5):
        while len(queue._waiting.get(lot.id, " " * 999)) != count:  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def test_200_at_once_share_transactions_and_the_highest_maximum_that_is_paid_for_wins(
    processes, mixed_lot
):
    lot = mixed_lot
    dice = random.Random(7)
    maxima = [dice.randrange(1_000, 100_000) for _ in lot.bidders]
    maxima[50] = maxima[150] = 100_000
    maxima[5] = maxima[155] = 10**9  # and have not so much

    outcomes = await asyncio.gather(
        *(
            processes[n % 2].place(lot, bidder, maximum)
            for n, (bidder, maximum) in enumerate(zip(lot.bidders, maxima, strict=True))
        ),
        return_exceptions=True,
    )

    refused = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    assert {type(error) for error in refused} == {BidTooLow, InsufficientFunds}
    assert {isinstance(outcomes[n], DomainError) for n in POOR} == {True}
    assert isinstance(outcomes[5], InsufficientFunds)
    found = await checked_outcome(lot)
    accepted = {outcome.id for outcome in outcomes if not isinstance(outcome, BaseException)}
    assert accepted == {bid["id"] for bid in found.bids}
    assert found.row["leader_bid_id"] == winning_bid(found.bids)["id"]
    assert winning_bid(found.bids)["maximum_minor"] == 100_000
    assert found.row["leader_id"] in (lot.bidders[50], lot.bidders[150])
    published = sorted(event.sequence for process in processes for event in process.published)
    assert published == [event["sequence"] for event in found.events]
    transactions = sum(process.transactions for process in processes)
    assert 2 <= transactions <= 10
    assert sum(process.statements for process in processes) <= 7 * transactions


async def test_rising_bids_that_wait_together_are_all_taken_in_the_order_they_came(processes, lot):
    """One process: the order of arrival is known, and every bid is over the price before it."""
    outcomes = await asyncio.gather(
        *(processes[0].place(lot, who, 200 * n) for n, who in enumerate(lot.bidders, 1))
    )
    assert [outcome.sequence for outcome in outcomes] == list(range(1, 201))
    found = await checked_outcome(lot)
    assert [bid["bidder_id"] for bid in found.bids] == lot.bidders
    assert processes[0].transactions <= 5


async def test_one_key_sent_50_times_at_once_makes_one_bid(processes, lot):
    outcomes = await asyncio.gather(
        *(processes[n % 2].place(lot, lot.bidders[0], 5_000, key="k") for n in range(50))
    )
    assert len({outcome.id for outcome in outcomes}) == 1
    assert set(outcomes) == {outcomes[0]}
    found = await checked_outcome(lot)
    assert [(bid["id"], bid["sequence"]) for bid in found.bids] == [(outcomes[0].id, 1)]
    assert sum(len(process.published) for process in processes) == 1


async def test_one_key_with_50_different_maxima_at_once_makes_one_bid(processes, lot):
    outcomes = await asyncio.gather(
        *(processes[n % 2].place(lot, lot.bidders[0], 5_000 + n, key="k") for n in range(50)),
        return_exceptions=True,
    )
    taken = [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
    refused = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    assert len(taken) == 1
    assert {type(error) for error in refused} == {IdempotencyConflict}
    found = await checked_outcome(lot)
    assert [bid["id"] for bid in found.bids] == [taken[0].id]
    assert sum(len(process.published) for process in processes) == 1


async def test_one_key_on_two_lots_at_once_bids_on_one_of_them(processes, database_url):
    lots = await make_lots(database_url, 1, lots=2)
    outcomes = await asyncio.gather(
        *(
            process.place(lot, lot.bidders[0], 5_000, key="k")
            for process, lot in zip(processes, lots, strict=True)
        ),
        return_exceptions=True,
    )
    assert {type(outcome).__name__ for outcome in outcomes} == {"IdempotencyConflict", "PlacedBid"}
    async with processes[0].db.read() as session:
        counts = await session.execute(
            text(
                "SELECT (SELECT count(*) FROM bid), (SELECT count(*) FROM ledger_hold),"
                " (SELECT count(*) FROM event WHERE topic LIKE 'auction:%')"
            )
        )
        assert tuple(counts.one()) == (1, 1, 1)
    assert sum(len(process.published) for process in processes) == 1


async def test_a_bid_that_cannot_be_written_fails_alone(processes, lot):
    async with processes[0].db.engine.begin() as connection:
        await connection.execute(
            text("ALTER TABLE bid ADD CONSTRAINT poison CHECK (maximum_minor <> 6000)")
        )

    outcomes = await asyncio.gather(
        *(processes[0].place(lot, who, 1_000 * n) for n, who in enumerate(lot.bidders[:11], 1)),
        return_exceptions=True,
    )

    assert isinstance(outcomes.pop(5), IntegrityError)
    assert [outcome.sequence for outcome in outcomes] == list(range(1, 11))
    found = await checked_outcome(lot)
    assert [bid["bidder_id"] for bid in found.bids] == [*lot.bidders[:5], *lot.bidders[6:11]]
    assert len(processes[0].published) == 10


async def test_a_full_line_turns_bids_away_and_they_leave_no_trace(processes, lot):
    process = processes[0]
    queue = BidQueue(process.db, capacity=2, batch=1)

    def place(maximum):
        return asyncio.create_task(process.place(lot, lot.bidders[0], maximum, queue=queue))

    async with held(processes[1].db, lot):
        taken = [place(1_000)]
        await until_in_line(queue, lot, 0)
        taken += [place(2_000), place(3_000)]
        await until_in_line(queue, lot, 2)
        with pytest.raises(Unavailable):
            await place(4_000)
    assert [(await task).sequence for task in taken] == [1, 2, 3]
    await queue.close()
    found = await checked_outcome(lot)
    assert [bid["maximum_minor"] for bid in found.bids] == [1_000, 2_000, 3_000]


async def test_closing_the_queue_answers_all_that_wait_and_takes_no_more(processes, lot):
    process = processes[0]
    queue = BidQueue(process.db, batch=2)
    async with held(processes[1].db, lot):
        waiting = [
            asyncio.create_task(process.place(lot, lot.bidders[n], 1_000 * n, queue=queue))
            for n in range(1, 6)
        ]
        await until_in_line(queue, lot, 3)
        closing = asyncio.create_task(queue.close())
        await asyncio.sleep(0)
        with pytest.raises(Unavailable):
            await process.place(lot, lot.bidders[9], 9_000, queue=queue)
        assert not closing.done()
    await closing
    assert all(task.done() for task in waiting)
    assert [task.result().sequence for task in waiting] == [1, 2, 3, 4, 5]
    assert len((await checked_outcome(lot)).bids) == 5


async def test_a_bidder_who_stops_waiting_has_bid_all_the_same(processes, lot):
    process, bidder = processes[0], lot.bidders[0]
    async with held(processes[1].db, lot):
        gone = asyncio.create_task(process.place(lot, bidder, 1_000, key="k"))
        await until_in_line(process.bids, lot, 0)
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
    assert gone.cancelled()
    again = await process.place(lot, bidder, 1_000, key="k")
    assert [bid["id"] for bid in (await checked_outcome(lot)).bids] == [again.id]


async def test_refusals_among_accepted_bids_leave_no_gap(processes, lot):
    """Refused and accepted ones are judged in one batch, each as if it had come alone."""
    places = []
    for n, who in enumerate(lot.bidders[:60], 1):
        maximum = 1_000 * n if n % 3 else 1  # every third is far too low
        places.append(processes[n % 2].place(lot, lot.seller if n % 10 == 0 else who, maximum))
    outcomes = await asyncio.gather(*places, return_exceptions=True)

    kinds = {type(outcome).__name__ for outcome in outcomes}
    assert kinds == {"PlacedBid", "BidTooLow", "SellerCannotBid"}
    assert all(isinstance(o, DomainError) for o in outcomes if isinstance(o, BaseException))
    found = await checked_outcome(lot)
    assert found.row["leader_id"] == lot.bidders[58]


async def test_an_outage_fails_all_who_wait_at_once_and_takes_nothing(lot):
    """One try for all: two hundred tries of five seconds each would outlast every client."""
    away = Database("postgresql://mela@127.0.0.1:9/mela")
    queue = BidQueue(away)
    requests = [
        bid_request(auction_id=lot.id, bidder_id=bidder, maximum_minor=10_000, idempotency_key="a")
        for bidder in lot.bidders[:20]
    ]
    outcomes = await asyncio.gather(
        *(queue.place(request) for request in requests), return_exceptions=True
    )
    await queue.close()
    await away.close()
    assert {type(outcome) for outcome in outcomes} == {Unavailable}
    assert (await checked_outcome(lot)).bids == []
