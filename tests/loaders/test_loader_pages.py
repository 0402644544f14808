"""Paging is slicing of the whole ordered list, whatever the ties, the direction, the cursors."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert

from core.database import Database
from core.ids import new_id
from core.pagination import PageRequest
from loaders.auctions import AUCTION_ORDERS, AuctionFilter, auctions_by_seller_id, auctions_page
from loaders.base import Loaders, PageBy
from models.auctions import Auction

COLUMNS = {
    "ENDING_SOON": "ends_at",
    "NEWEST": "created_at",
    "PRICE": "current_price_minor",
    "PRICE_DESC": "current_price_minor",
    "MOST_BIDS": "bid_count",
}


MOMENT = datetime(2031, 5, 1, tzinfo=UTC)


def lot(stand, value):
    """A lot whose every column of an ordering has the same small value: many tie."""
    return {
        "id": new_id(),
        **stand,
        "title": "lot",
        "category": "c",
        "asset": "USD",
        "starting_price_minor": 1,
        "current_price_minor": 100 + value,
        "bid_count": value,
        "leader_id": stand["seller_id"] if value else None,
        "leader_bid_id": new_id() if value else None,
        "leader_maximum_minor": 1_000 if value else None,
        "status": "OPEN",
        "starts_at": MOMENT,
        "ends_at": MOMENT + timedelta(seconds=1 + value),
        "created_at": MOMENT + timedelta(microseconds=value),
    }


def between(ordered, after, before):
    """The part of a list strictly between two of its places."""
    return ordered[0 if after is None else after + 1 : len(ordered) if before is None else before]


places = st.none() | st.integers(0, 11)
requests = st.tuples(st.integers(0, 13), st.booleans(), places, places)


@pytest.mark.parametrize("ordering", AUCTION_ORDERS)
async def test_pages_are_slices_of_the_ordered_list(database_url, stand, ordering):
    order, column = AUCTION_ORDERS[ordering], COLUMNS[ordering]
    loader = PageBy(
        f"by_seller_{ordering}",
        auctions_by_seller_id.row,
        auctions_by_seller_id.key,
        order,
        auctions_by_seller_id.counter,
    )

    async def check(db, values, asked):
        rows = [lot(stand, value) for value in values]
        async with db.engine.begin() as connection:
            await connection.execute(delete(Auction))
            if rows:
                await connection.execute(insert(Auction), rows)
        whole = sorted(
            rows, key=lambda row: (row[column], row["id"].bytes), reverse=order.descending
        )
        for limit, forward, after, before in asked:
            await compare(db, whole, limit, forward, after, before)

    async def compare(db, whole, limit, forward, after, before):
        if any(place is not None and place >= len(whole) for place in (after, before)):
            return

        def position(place):
            return None if place is None else (whole[place][column], whole[place]["id"])

        request = PageRequest(limit, forward, position(after), position(before))
        part = between(whole, after, before)
        expected = part[:limit] if forward else part[max(0, len(part) - limit) :]
        root = await auctions_page(db, AuctionFilter(), ordering, request)
        nested = await Loaders(db).load(loader, (stand["seller_id"], request))
        for page in (root, nested):
            assert [row.id for row in page.nodes] == [row["id"] for row in expected]
            more = page.has_next_page if forward else page.has_previous_page
            assert more == (len(part) > limit)
            assert await page.count() == len(whole)

    # Hypothesis calls a plain function many times: each call has the one loop of this thread.
    def examples():
        with asyncio.Runner() as runner:
            db = runner.run(connect(database_url))

            @settings(
                max_examples=12,
                deadline=None,
                suppress_health_check=[HealthCheck.function_scoped_fixture],
            )
            @given(
                st.lists(st.integers(0, 3), max_size=12),
                st.lists(requests, min_size=4, max_size=4),
            )
            def pages_are_slices(values, asked):
                runner.run(check(db, values, asked))

            try:
                pages_are_slices()
            finally:
                runner.run(db.close())

    await asyncio.to_thread(examples)


async def connect(url):
    return Database(url)
