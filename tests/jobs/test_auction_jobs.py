"""Lots open and close at their times, once, whoever else is at it."""

import asyncio
from collections import Counter
from functools import partial

from jobs.auctions import close_at_end, sweep_auctions
from services.auctions.closing import close_auction, due_auctions, schedule_closing
from services.auctions.errors import AuctionNotOpen, BidTooLow


async def queued(market, job="close_auction"):
    return await market.rows(
        "SELECT * FROM pgqueuer WHERE entrypoint = :job AND status = 'queued'"
        " ORDER BY execute_after",
        job=job,
    )


async def test_lot_opens_at_its_start_and_closes_within_a_second_of_its_end(
    market, database_url, start_worker, eventually
):
    await start_worker(market.db, database_url)
    lot = await market.lot(status="SCHEDULED", starts_in_s=0.3, ends_in_s=1.5, wake=True)

    async def status(wanted):
        return (await market.auction(lot)).status == wanted

    await eventually(lambda: status("OPEN"))
    await market.bid(lot, 500)
    await eventually(lambda: status("SOLD"))

    row = await market.auction(lot)
    assert row.winner_id == market.buyers[0]
    assert 0 <= (row.opened_at - row.starts_at).total_seconds() < 1
    assert 0 <= (row.closed_at - row.ends_at).total_seconds() < 1
    assert len(await market.events(lot, "AuctionOpened")) == 1
    [closed] = await market.events(lot, "AuctionClosed")
    assert len(closed.pop("digest")) == 64
    assert [closed] == [
        {
            "status": "SOLD",
            "winnerId": market.buyers[0].hex,
            "price": "100",
            "asset": "USD",
            "reason": "SOLD",
            "bidCount": 1,
            "endsAt": row.ends_at.isoformat(),
            "reserveMet": True,
            "reserve": None,
            "reserveNonce": None,
            "opened": 0,
        }
    ]


async def no_jobs(market):
    return not await market.rows("SELECT 1 FROM pgqueuer")


async def test_two_workers_and_a_sweep_close_fifty_lots_once_each(
    market, open_database, database_url, start_worker, eventually
):
    other = open_database(database_url)
    lots = [await market.lot(ends_in_s=3.0, wake=True) for _ in range(50)]
    workers = [await start_worker(market.db, database_url), await start_worker(other, database_url)]

    swept = 0
    async with asyncio.timeout(30):
        while await market.rows("SELECT 1 FROM auction WHERE status <> 'UNSOLD'"):
            swept += (await sweep_auctions(market.db)).closed
        await eventually(partial(no_jobs, market))  # the wakes are used up too

    closed = await market.rows(
        "SELECT topic, count(*) AS n FROM event WHERE type = 'AuctionClosed' GROUP BY topic"
    )
    assert {row.topic: row.n for row in closed} == {f"auction:{lot.hex}": 1 for lot in lots}
    assert swept < 50  # the workers had their part
    runs = sum((worker.runs for worker in workers), Counter())
    assert {outcome for name, outcome in runs if name == "close_auction"} == {"ok"}
    assert runs["close_auction", "ok"] >= 50


async def test_closing_by_ten_at_once_gives_one_closing(market):
    lot = await market.lot(ends_in_s=60)
    await market.bid(lot, 500)
    await market.pass_end(lot)

    closings = await asyncio.gather(
        *(market.db.transaction(partial(close_auction, auction_id=lot)) for _ in range(10))
    )

    assert sum(closing is not None for closing in closings) == 1
    assert len(await market.events(lot, "AuctionClosed")) == 1


async def test_bid_at_the_last_moment_counts_exactly_if_the_lot_was_not_over(market):
    """Bids and closers race over the end; every bid is either before the close or refused."""
    # Later ones end later: on a slow machine some are still open when the bidding begins.
    lots = [await market.lot(ends_in_s=0.3 + 0.2 * n) for n in range(8)]
    stop = asyncio.Event()

    async def bid(lot, buyer):
        maximum, taken = 100 * (buyer + 1), 0
        while not stop.is_set():
            try:
                await market.bid(lot, maximum, buyer=buyer)
                taken += 1
            except AuctionNotOpen:
                return taken
            except BidTooLow:  # outbid meanwhile: more next time
                pass
            maximum += 500
        return taken

    async def close(lot):
        closing = None
        while closing is None:
            closing = await market.db.transaction(partial(close_auction, auction_id=lot))

    closers = [close(lot) for lot in lots]
    taken = await asyncio.wait_for(
        asyncio.gather(*(bid(lot, buyer) for lot in lots for buyer in range(2)), *closers), 30
    )

    assert sum(filter(None, taken)) > 0
    for lot in lots:
        row = await market.auction(lot)
        bids = await market.rows(
            "SELECT * FROM bid WHERE auction_id = :id ORDER BY sequence", id=lot
        )
        assert all(bid.placed_at < row.ends_at <= row.closed_at for bid in bids)
        assert row.bid_count == len(bids)
        assert row.winner_id == (
            max(bids, key=lambda b: b.maximum_minor).bidder_id if bids else None
        )
        log = await market.rows(
            "SELECT type, sequence FROM event WHERE topic = :t ORDER BY sequence",
            t=f"auction:{lot.hex}",
        )
        told = [event.type for event in log if event.type != "BidsOpened"]
        assert told == ["BidPlaced"] * len(bids) + ["AuctionClosed"]
        assert len(log) - len(told) <= 1


async def test_early_wake_only_wakes_again(market):
    lot = await market.lot(ends_in_s=60)
    for _ in range(5):
        await close_at_end(market.db, lot)

    assert (await market.auction(lot)).status == "OPEN"
    assert await market.events(lot, "AuctionClosed") == []
    wakes = await queued(market)
    assert [wake.execute_after for wake in wakes] == [(await market.auction(lot)).ends_at]


async def test_extended_lot_closes_at_its_new_end_and_not_before(
    market, database_url, start_worker, eventually
):
    await start_worker(market.db, database_url)
    lot = await market.lot(ends_in_s=1.0, window=10, extension=2, wake=True)
    first_end = (await market.auction(lot)).ends_at
    for maximum in range(200, 2_000, 300):
        await market.bid(lot, maximum, buyer=maximum % 2)
    row = await market.auction(lot)
    assert row.ends_at > first_end
    assert len(await queued(market)) == 1  # bids add no wakes

    async def woken_early():
        wakes = await queued(market)
        return [wake.execute_after for wake in wakes] == [row.ends_at]

    await eventually(woken_early)
    assert (await market.auction(lot)).status == "OPEN"

    async def sold():
        return (await market.auction(lot)).status == "SOLD"

    await eventually(sold)
    closed = await market.auction(lot)
    assert 0 <= (closed.closed_at - row.ends_at).total_seconds() < 1
    assert len(await market.events(lot, "AuctionClosed")) == 1


async def test_end_that_passed_while_all_were_down_is_closed_late_with_the_right_winner(
    market, database_url, start_worker, eventually
):
    sold, unsold, never_opened, missing_reserve = [
        await market.lot(ends_in_s=60),
        await market.lot(ends_in_s=60),
        await market.lot(ends_in_s=60, starts_in_s=30, status="SCHEDULED"),
        await market.lot(ends_in_s=60, reserve=10_000),
    ]
    await market.bid(sold, 500, buyer=0)
    await market.bid(sold, 900, buyer=1)
    await market.bid(missing_reserve, 500)
    await market.pass_end(sold, unsold, never_opened, missing_reserve)

    worker = await start_worker(market.db, database_url)

    assert worker.runs["sweep_auctions", "ok"] == 1
    row = await market.auction(sold)
    assert (row.status, row.winner_id) == ("SOLD", market.buyers[1])
    assert row.closed_at > row.ends_at
    [event] = await market.events(sold, "AuctionClosed")
    assert (event["price"], event["winnerId"]) == ("550", market.buyers[1].hex)
    reasons = {}
    for lot in (unsold, never_opened, missing_reserve):
        assert (await market.auction(lot)).status == "UNSOLD"
        [event] = await market.events(lot, "AuctionClosed")
        assert event["winnerId"] is None
        reasons[lot] = event["reason"]
    assert reasons == {
        unsold: "NO_BIDS",
        never_opened: "NO_BIDS",
        missing_reserve: "RESERVE_NOT_MET",
    }


async def test_sweep_opens_what_no_wake_opened(market):
    lot = await market.lot(status="SCHEDULED", starts_in_s=-5, ends_in_s=60)
    later = await market.lot(status="SCHEDULED", starts_in_s=30, ends_in_s=60)

    done = await sweep_auctions(market.db)

    assert (done.opened, done.closed, done.failed) == (1, 0, ())
    assert (await market.auction(lot)).status == "OPEN"
    assert (await market.auction(later)).status == "SCHEDULED"
    assert len(await market.events(lot, "AuctionOpened")) == 1


async def test_sweep_pages_and_passes_over_a_lot_that_fails(market):
    lots = [await market.lot(ends_in_s=60) for _ in range(5)]
    await market.pass_end(*lots)
    # A row that no closing can be written to.
    await market.run(
        f"ALTER TABLE auction ADD CONSTRAINT poison CHECK (id <> '{lots[0]}' OR status <> 'UNSOLD')"
    )

    done = await sweep_auctions(market.db, page=2)

    assert (done.closed, done.failed) == (4, (lots[0],))
    assert (await market.auction(lots[0])).status == "OPEN"
    assert await market.events(lots[0], "AuctionClosed") == []


async def test_due_lots_that_another_transaction_holds_are_left_to_it(market):
    held, free = [await market.lot(ends_in_s=60) for _ in range(2)]
    await market.pass_end(held, free)

    async def while_held(tx):
        assert await close_auction(tx, held) is not None
        return await market.db.transaction(partial(due_auctions, limit=10))

    due = await market.db.transaction(while_held)

    assert due.to_close == [free]


async def test_scheduling_a_closed_lot_wakes_nobody(market):
    lot = await market.lot(ends_in_s=60)
    await market.pass_end(lot)
    await sweep_auctions(market.db)

    await market.db.transaction(partial(schedule_closing, auction_id=lot))

    assert await queued(market) == []
