"""How lots open, end and are called off, by rules and row, at moments that the tests give."""

import json
import re
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from sqlalchemy import text

from core.errors import Forbidden, NotFound
from core.ids import new_id
from models.auctions import Auction, Product, Stall
from models.users import UserAccount
from services.auctions.bidding import bid_request, place_bids
from services.auctions.closing import cancel_auction, close_auction, open_auction
from services.auctions.errors import AuctionNotOpen
from services.wallets.endowing import endow

# In the future, so that no clock but the given one can be at work.
START = datetime(2100, 1, 1, tzinfo=UTC)
END = START + timedelta(hours=1)
DURING = START + timedelta(minutes=30)
INSTANT = timedelta(microseconds=1)


@pytest.fixture
async def people(db):
    """Seller, two buyers; the seller has a stall and a product."""
    found = [
        UserAccount(email=f"{n}@example.org", username=n, password_hash="x", display_name=n)
        for n in ("seller", "alice", "bob")
    ]

    async def work(tx):
        tx.add_all(found)
        await tx.flush()
        await endow(tx, [buyer.id for buyer in found[1:]], asset="USD", amount_minor=10**12)
        stall = Stall(owner_id=found[0].id, name="Stall", slug="stall")
        tx.add(stall)
        await tx.flush()
        tx.add(Product(stall_id=stall.id, kind="PHYSICAL", name="B", category="c", asset="USD"))

    await db.transaction(work)
    return [person.id for person in found]


@pytest.fixture
async def make_lot(db, people):
    async def make(**terms):
        async def work(tx):
            [product] = await tx.execute(text("SELECT id, stall_id FROM product"))
            lot = Auction(
                product_id=product.id,
                stall_id=product.stall_id,
                seller_id=people[0],
                title="Bowl",
                category="c",
                asset="USD",
                starting_price_minor=100,
                current_price_minor=100,
                starts_at=START,
                ends_at=END,
                **{"status": "OPEN", "soft_close_window_s": 0, **terms},
            )
            tx.add(lot)
            await tx.flush()
            return lot.id

        return await db.transaction(work)

    return make


@pytest.fixture
def bid(db):
    async def place(lot, bidder, maximum, now=DURING):
        request = bid_request(
            auction_id=lot,
            bidder_id=bidder,
            maximum_minor=maximum,
            idempotency_key=new_id().hex,
        )
        work = partial(place_bids, auction_id=lot, requests=[request], now=now)
        [outcome] = await db.transaction(work)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return place


@pytest.fixture
def close(db):
    return lambda lot, now: db.transaction(partial(close_auction, auction_id=lot, now=now))


@pytest.fixture
def cancel(db):
    def call(lot, viewer, *, moderator=False, now=DURING):
        return db.transaction(
            partial(
                cancel_auction, auction_id=lot, viewer_id=viewer, is_moderator=moderator, now=now
            )
        )

    return call


@pytest.fixture
def look(db):
    """The row, and the log as (type, payload) in sequence."""

    async def read(lot):
        async with db.read() as session:
            row = (
                await session.execute(text("SELECT * FROM auction WHERE id = :id"), {"id": lot})
            ).one()
            log = await session.execute(
                text(
                    "SELECT type, payload, actor_id FROM event WHERE topic = :t ORDER BY sequence"
                ),
                {"t": f"auction:{lot.hex}"},
            )
            return row, log.all()

    return read


async def test_lot_opens_at_its_start_and_only_once(db, make_lot, look):
    lot = await make_lot(status="SCHEDULED")

    async def open_at(now):
        return await db.transaction(partial(open_auction, auction_id=lot, now=now))

    assert not await open_at(START - INSTANT)
    assert (await look(lot))[0].status == "SCHEDULED"
    assert await open_at(START)
    assert not await open_at(START)
    row, log = await look(lot)
    assert (row.status, row.opened_at) == ("OPEN", START)
    assert [event.type for event in log] == ["AuctionOpened"]


async def test_lot_whose_end_has_passed_is_not_opened(db, make_lot, look):
    lot = await make_lot(status="SCHEDULED")
    assert not await db.transaction(partial(open_auction, auction_id=lot, now=END))
    row, log = await look(lot)
    assert (row.status, log) == ("SCHEDULED", [])


async def test_lot_closes_at_its_end_and_not_an_instant_before(make_lot, people, bid, close, look):
    _, alice, bob = people
    lot = await make_lot()
    await bid(lot, alice, 1_000)
    await bid(lot, bob, 700)

    assert await close(lot, END - INSTANT) is None
    assert (await look(lot))[0].status == "OPEN"
    closing = await close(lot, END)

    assert (closing.status, closing.winner_id, closing.price_minor) == ("SOLD", alice, 750)
    row, log = await look(lot)
    assert (row.status, row.winner_id, row.closed_at) == ("SOLD", alice, END)
    assert log[-1].type == "AuctionClosed"
    assert len(log[-1].payload.pop("digest")) == 64
    assert log[-1].payload == {
        "status": "SOLD",
        "winnerId": alice.hex,
        "price": "750",
        "asset": "USD",
        "reason": "SOLD",
        "bidCount": 2,
        "endsAt": END.isoformat(),
        "reserveMet": True,
        "reserve": None,
        "reserveNonce": None,
        "opened": 1,
    }
    # The loser's maximum is opened to all; the winner's is not.
    assert log[-2].type == "BidsOpened"
    assert [o["maximum"] for o in log[-2].payload["openings"]] == [700]
    # Digests and ids are hex, in which any four digits may stand by chance.
    said = re.sub(r"[0-9a-f]{32,}", "", json.dumps([event.payload for event in log]))
    assert "1000" not in said


async def test_closing_again_changes_and_says_nothing(make_lot, people, bid, close, look):
    lot = await make_lot()
    await bid(lot, people[1], 1_000)
    await close(lot, END)
    before = await look(lot)

    assert await close(lot, END + timedelta(days=1)) is None

    assert await look(lot) == before


@pytest.mark.parametrize(
    ("terms", "maximum", "reason", "price"),
    [
        ({}, None, "NO_BIDS", None),
        ({"status": "SCHEDULED"}, None, "NO_BIDS", None),
        ({"reserve_minor": 5_000}, 4_999, "RESERVE_NOT_MET", "100"),
    ],
)
async def test_lot_without_a_buyer_is_unsold(
    make_lot, people, bid, close, look, terms, maximum, reason, price
):
    lot = await make_lot(**terms)
    if maximum:
        await bid(lot, people[1], maximum)

    closing = await close(lot, END)

    assert (closing.status, closing.winner_id) == ("UNSOLD", None)
    row, log = await look(lot)
    assert (row.status, row.winner_id, row.closed_at) == ("UNSOLD", None, END)
    payload = log[-1].payload
    assert (payload["reason"], payload["price"], payload["winnerId"]) == (reason, price, None)
    assert payload["reserveMet"] is (reason != "RESERVE_NOT_MET")


async def test_the_reserve_and_maxima_stay_secret_until_the_end(make_lot, people, bid, close, look):
    lot = await make_lot(reserve_minor=987_654)
    await bid(lot, people[1], 400_001)
    said = json.dumps([event.payload for event in (await look(lot))[1]])
    assert "987654" not in said
    assert "400001" not in said

    await close(lot, END)

    opened, closed = (event.payload for event in (await look(lot))[1][-2:])
    assert [o["maximum"] for o in opened["openings"]] == [400_001]
    assert closed["reserve"] == "987654"


async def test_bid_before_the_end_moves_it_and_the_old_end_closes_nothing(
    make_lot, people, bid, close, look
):
    lot = await make_lot(soft_close_window_s=120, soft_close_extension_s=120)
    await bid(lot, people[1], 1_000, now=END - INSTANT)
    moved = END - INSTANT + timedelta(seconds=120)
    assert (await look(lot))[0].ends_at == moved

    assert await close(lot, END) is None
    assert await close(lot, moved - INSTANT) is None
    assert (await close(lot, moved)).winner_id == people[1]


async def test_bid_at_the_end_is_refused_before_and_after_the_closing(
    make_lot, people, bid, close, look
):
    lot = await make_lot()
    with pytest.raises(AuctionNotOpen):
        await bid(lot, people[1], 1_000, now=END)
    await close(lot, END)
    with pytest.raises(AuctionNotOpen):
        await bid(lot, people[1], 1_000, now=DURING)
    row, log = await look(lot)
    assert row.bid_count == 0
    assert [event.type for event in log] == ["AuctionClosed"]


async def test_closing_an_unknown_lot_is_nothing(close):
    assert await close(new_id(), END) is None


@pytest.mark.parametrize("status", ["SCHEDULED", "OPEN"])
async def test_seller_cancels_before_the_first_bid(make_lot, people, cancel, close, look, status):
    lot = await make_lot(status=status)

    await cancel(lot, people[0])

    row, log = await look(lot)
    assert (row.status, row.closed_at, row.winner_id) == ("CANCELLED", DURING, None)
    [event] = log
    assert (event.type, event.actor_id) == ("AuctionCancelled", people[0])
    assert event.payload == {
        "status": "CANCELLED",
        "by": "SELLER",
        "bidCount": 0,
        "endsAt": END.isoformat(),
    }
    assert await close(lot, END) is None


async def test_seller_cannot_cancel_once_there_is_a_bid_but_a_moderator_can(
    make_lot, people, bid, cancel, look
):
    seller, alice, moderator = people
    lot = await make_lot()
    await bid(lot, alice, 1_000)
    before = await look(lot)

    with pytest.raises(Forbidden):
        await cancel(lot, seller)
    assert await look(lot) == before

    await cancel(lot, moderator, moderator=True)
    row, log = await look(lot)
    assert (row.status, row.winner_id) == ("CANCELLED", None)
    assert log[-1].payload["by"] == "MODERATOR"
    with pytest.raises(AuctionNotOpen):
        await bid(lot, alice, 2_000)


async def test_stranger_cannot_cancel(make_lot, people, cancel, look):
    lot = await make_lot()
    with pytest.raises(Forbidden):
        await cancel(lot, people[1])
    row, log = await look(lot)
    assert (row.status, log) == ("OPEN", [])


@pytest.mark.parametrize("moderator", [False, True])
async def test_nobody_cancels_what_has_ended_whether_or_not_a_job_has_closed_it(
    make_lot, people, cancel, close, look, moderator
):
    lot = await make_lot()
    with pytest.raises(AuctionNotOpen):
        await cancel(lot, people[0], moderator=moderator, now=END)
    await close(lot, END)
    before = await look(lot)
    with pytest.raises(AuctionNotOpen) as refusal:
        await cancel(lot, people[0], moderator=moderator, now=DURING)
    assert refusal.value.status == "UNSOLD"
    assert await look(lot) == before


async def test_unknown_lot_cannot_be_cancelled(people, cancel):
    with pytest.raises(NotFound):
        await cancel(new_id(), people[0], moderator=True)
