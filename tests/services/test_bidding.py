"""Placing bids one after another: what is refused leaves no trace, which moments count, keys used
again. Many at once: tests/concurrency."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace

import pytest
from sqlalchemy import text

from app import make_server
from core.errors import IdempotencyConflict, InvalidInput, NotFound
from core.ids import encode_id, new_id
from core.settings import Settings
from loaders.base import Loaders
from models.auctions import Auction, Product, Stall, StallMember
from models.users import UserAccount
from resolvers.auctions import place_bid
from resolvers.context import OperationContext
from services.auctions.bidding import bid_request
from services.auctions.errors import AuctionNotOpen, BidTooLow, SellerCannotBid
from services.auctions.sealing import commitment
from services.users.access import Viewer, scopes_of
from services.wallets.endowing import endow

# In the future, so that no clock but the given one can be at work.
START = datetime(2100, 1, 1, tzinfo=UTC)
END = START + timedelta(hours=1)
DURING = START + timedelta(minutes=30)
INSTANT = timedelta(microseconds=1)
EVERYTHING = (
    *("auction", "bid", "event", "event_topic", "idempotency_key"),
    *("ledger_account", "ledger_hold", "transfer", "sale_order"),
)


@pytest.fixture
async def server(database_url, tmp_path):
    """The parts of a process, which publishes into `published` and needs no Redis for it."""
    made = make_server(
        Settings(
            profile="test",
            database_url=database_url,
            redis_url="unix:///nowhere",
            state_dir=tmp_path,
            signing_algorithm="EdDSA",
        )
    )
    yield made
    await made.bids.close()
    await made.throttle.close()
    await made.revocations.close()
    made.passwords.close()
    await made.db.close()


@pytest.fixture
def published(server):
    """Every event that was handed to the bus, in order."""
    events = []

    async def note(committed):
        events.extend(committed)

    server.db.after_commit = note
    return events


@pytest.fixture
async def people(server):
    """Ids by name; `helper` shares the seller's stall."""
    names = ("seller", "helper", "alice", "bob")
    found = {
        name: UserAccount(
            email=f"{name}@example.org", username=name, password_hash="x", display_name=name
        )
        for name in names
    }

    async def work(tx):
        tx.add_all(found.values())
        await tx.flush()
        bidders = [found[name].id for name in ("alice", "bob")]
        await endow(tx, bidders, asset="USD", amount_minor=10**12)
        stall = Stall(owner_id=found["seller"].id, name="Stall", slug="stall")
        tx.add(stall)
        await tx.flush()
        tx.add(StallMember(stall_id=stall.id, user_id=found["helper"].id))
        tx.add(Product(stall_id=stall.id, kind="PHYSICAL", name="B", category="c", asset="USD"))

    await server.db.transaction(work)
    return SimpleNamespace(**{name: person.id for name, person in found.items()})


@pytest.fixture
async def make_lot(server, people):
    """`await make_lot(status="SCHEDULED", …)`: a lot from 1.00 USD; open, without soft close."""

    async def make(**terms):
        async def work(tx):
            [product] = await tx.execute(text("SELECT id, stall_id FROM product"))
            lot = Auction(
                product_id=product.id,
                stall_id=product.stall_id,
                seller_id=people.seller,
                title="Bowl",
                category="c",
                asset="USD",
                starting_price_minor=100,
                current_price_minor=100,
                **{
                    "status": "OPEN",
                    "starts_at": START,
                    "ends_at": END,
                    "soft_close_window_s": 0,
                    **terms,
                },
            )
            tx.add(lot)
            await tx.flush()
            return lot.id

        return await server.db.transaction(work)

    return make


@pytest.fixture
def bid(server):
    """`await bid(lot, bidder, maximum)`: through the queue, at a moment the test gives."""

    async def place(lot, bidder, maximum, *, key=None, now=DURING):
        request = bid_request(
            auction_id=lot,
            bidder_id=bidder,
            maximum_minor=maximum,
            idempotency_key=key or new_id().hex,
        )
        return await server.bids.place(request, now=now)

    return place


@pytest.fixture
def ask(server):
    """`await ask(bidder, lot, "12.50")`: as the mutation does: a public id, whole units, now."""

    async def place(bidder, lot, maximum, *, key="key"):
        viewer = Viewer(bidder, new_id(), "t", scopes_of(["USER"]), "FREE", END)
        context = OperationContext(
            server, viewer, "request", None, "", Loaders(server.db, viewer.user_id)
        )
        public_id = lot if isinstance(lot, str) else encode_id("auc", lot)
        return await place_bid(context, public_id, Decimal(maximum), key)

    return place


@pytest.fixture
def everything(server):
    """All rows that a bid may write, whatever lot they are of."""

    async def read():
        async with server.db.read() as session:
            return {
                table: sorted(
                    (await session.execute(text(f"SELECT * FROM {table}"))).all(), key=str
                )
                for table in EVERYTHING
            }

    return read


@pytest.fixture
def look(server):
    """The lot's row, its bids by sequence, and its log."""

    async def read(lot):
        async with server.db.read() as session:

            async def rows(statement):
                found = await session.execute(
                    text(statement), {"lot": lot, "topic": f"auction:{lot.hex}"}
                )
                return found.all()

            return SimpleNamespace(
                row=(await rows("SELECT * FROM auction WHERE id = CAST(:lot AS uuid)"))[0],
                bids=await rows(
                    "SELECT * FROM bid WHERE auction_id = CAST(:lot AS uuid) ORDER BY sequence"
                ),
                log=await rows("SELECT * FROM event WHERE topic = :topic ORDER BY sequence"),
            )

    return read


async def test_a_bid_writes_row_lot_log_and_key_and_is_published(
    make_lot, people, bid, look, published
):
    lot = await make_lot()
    first = await bid(lot, people.alice, 5_000)
    second = await bid(lot, people.bob, 700)

    assert (first.sequence, first.amount_minor, first.placed_at) == (1, 100, DURING)
    assert (second.sequence, second.amount_minor) == (2, 700)
    found = await look(lot)
    assert (found.row.bid_count, found.row.leader_id, found.row.current_price_minor) == (
        2,
        people.alice,
        750,
    )
    assert [(b.sequence, b.bidder_id, b.amount_minor, b.maximum_minor) for b in found.bids] == [
        (1, people.alice, 750, 5_000),
        (2, people.bob, 700, 700),
    ]
    assert [commitment(b.nonce, b.id, b.maximum_minor) for b in found.bids] == [
        b.commitment for b in found.bids
    ]
    assert [(e.sequence, e.type, e.actor_id) for e in found.log] == [
        (1, "BidPlaced", people.alice),
        (2, "BidPlaced", people.bob),
    ]
    said = [e.id for e in published if e.topic == f"auction:{lot.hex}"]
    assert said == [e.id for e in found.log]
    assert found.log[1].payload["price"] == 750


async def test_refusals_by_the_rules_leave_no_trace(make_lot, people, bid, everything, published):
    lot = await make_lot()
    await bid(lot, people.alice, 5_000)
    ended = await make_lot(status="UNSOLD", closed_at=END)
    cancelled = await make_lot(status="CANCELLED", closed_at=START)
    early = await make_lot(status="SCHEDULED", starts_at=DURING + INSTANT)
    before, said = await everything(), list(published)

    async def refused(error, lot, bidder, maximum, **options):
        with pytest.raises(error) as refusal:
            await bid(lot, bidder, maximum, **options)
        assert await everything() == before, error
        return refusal.value

    assert (await refused(BidTooLow, lot, people.bob, 104)).minimum_bid_minor == 125
    assert (await refused(BidTooLow, lot, people.alice, 5_000)).minimum_bid_minor == 5_001
    await refused(SellerCannotBid, lot, people.seller, 9_000)
    await refused(SellerCannotBid, lot, people.helper, 9_000)
    await refused(NotFound, new_id(), people.bob, 9_000)
    for closed, status in ((ended, "UNSOLD"), (cancelled, "CANCELLED"), (early, "SCHEDULED")):
        refusal = await refused(AuctionNotOpen, closed, people.bob, 9_000)
        assert (refusal.status, refusal.ends_at) == (status, END)
    assert published == said


async def test_input_that_cannot_be_a_bid_leaves_no_trace(
    make_lot, people, ask, everything, published
):
    now = datetime.now(UTC)
    lot = await make_lot(starts_at=now - timedelta(hours=1), ends_at=now + timedelta(hours=1))
    await ask(people.alice, lot, "2.00", key="first")
    before, said = await everything(), list(published)

    for maximum in ("0", "-1", "10.001", "1E-7", "92233720368547758.08", "1E+30"):
        with pytest.raises(InvalidInput) as refusal:
            await ask(people.bob, lot, maximum)
        assert refusal.value.field == "maximum", maximum
    for key in ("", "x" * 201, "nul\0"):
        with pytest.raises(InvalidInput) as refusal:
            await ask(people.bob, lot, "10.00", key=key)
        assert refusal.value.field == "idempotencyKey"
    for unknown in (new_id(), "nonsense", encode_id("bid", lot)):
        with pytest.raises(NotFound):
            await ask(people.bob, unknown, "10.00")

    assert await everything() == before
    assert published == said
    bid, auction = await ask(people.bob, lot, "10.00")  # and nothing of it used the key up
    assert (bid.sequence, auction.bid_count, auction.leader_id) == (2, 2, people.bob)


async def test_a_key_used_again_gets_its_first_answer_even_when_the_lot_is_over(
    make_lot, people, bid, everything, published
):
    lot = await make_lot()
    first = await bid(lot, people.alice, 1_000, key="k")
    await bid(lot, people.bob, 2_000, key="k")  # another person's key is another key
    before, said = await everything(), list(published)

    assert await bid(lot, people.alice, 1_000, key="k") == first
    assert await bid(lot, people.alice, 1_000, key="k", now=END + INSTANT) == first

    assert await everything() == before
    assert published == said


async def test_a_key_with_other_arguments_is_a_conflict_that_moves_nothing(
    make_lot, people, bid, everything, published
):
    lot, other = await make_lot(), await make_lot()
    await bid(lot, people.alice, 1_000, key="k")
    before, said = await everything(), list(published)

    for where, maximum in ((lot, 1_001), (lot, 999), (other, 1_000), (other, 5_000)):
        with pytest.raises(IdempotencyConflict):
            await bid(where, people.alice, maximum, key="k")

    assert await everything() == before
    assert published == said


async def test_a_refused_bid_does_not_use_its_key_up(make_lot, people, bid, look):
    lot = await make_lot()
    with pytest.raises(BidTooLow):
        await bid(lot, people.alice, 99, key="k")
    assert (await bid(lot, people.alice, 100, key="k")).sequence == 1
    assert len((await look(lot)).bids) == 1


async def test_a_bid_counts_until_the_very_end_and_not_at_it(make_lot, people, bid, look):
    lot = await make_lot()
    assert (await bid(lot, people.alice, 1_000, now=END - INSTANT)).sequence == 1
    before = await look(lot)
    for late in (END, END + INSTANT):
        with pytest.raises(AuctionNotOpen):
            await bid(lot, people.bob, 2_000, now=late)
    assert await look(lot) == before


async def test_the_first_bid_opens_a_lot_that_no_job_has_opened(make_lot, people, bid, look):
    lot = await make_lot(status="SCHEDULED")
    with pytest.raises(AuctionNotOpen):
        await bid(lot, people.alice, 1_000, now=START - INSTANT)
    assert (await look(lot)).log == []

    await bid(lot, people.alice, 1_000, now=START)

    found = await look(lot)
    assert (found.row.status, found.row.opened_at) == ("OPEN", START)
    assert [event.type for event in found.log] == ["AuctionOpened", "BidPlaced"]


async def test_a_refused_bid_does_not_open_a_lot(make_lot, people, bid, everything):
    lot = await make_lot(status="SCHEDULED")
    before = await everything()
    with pytest.raises(BidTooLow):
        await bid(lot, people.alice, 99)
    assert await everything() == before


async def test_late_bids_extend_and_only_those(make_lot, people, bid, look):
    lot = await make_lot(soft_close_window_s=60, soft_close_extension_s=90)
    edge = END - timedelta(seconds=60)
    await bid(lot, people.alice, 1_000, now=edge - INSTANT)
    assert ((await look(lot)).row.ends_at, (await look(lot)).row.extension_count) == (END, 0)

    await bid(lot, people.bob, 2_000, now=edge)

    found = await look(lot)
    moved = edge + timedelta(seconds=90)
    assert (found.row.ends_at, found.row.extension_count) == (moved, 1)
    assert [event.payload["extended"] for event in found.log] == [False, True]
    assert found.log[1].payload["endsAt"] == moved.isoformat()
    assert (await bid(lot, people.alice, 3_000, now=END)).sequence == 3  # past the former end
