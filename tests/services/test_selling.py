"""Putting products up for auction and watching them: rules of terms, events, wakes."""

from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import text

from core.clock import utc_now
from core.errors import Forbidden, InvalidInput, NotFound
from core.ids import new_id
from core.money import INT64_MAX
from models.auctions import StallMember
from models.users import UserAccount
from services.auctions import selling, stalls
from services.auctions.increments import IncrementSchedule
from services.auctions.selling import Terms, increment_schedule
from services.auctions.stalls import ProductDetails

HOUR = timedelta(hours=1)
DETAILS = ProductDetails(
    kind="PHYSICAL", name="Bowl", category="Pottery", asset="USD", region="FR", tags=["blue"],
    description="Blue.\nOld.", inventory_count=20,
)  # fmt: skip


@pytest.fixture
async def people(db):
    """Seller, partner, stranger."""
    found = [
        UserAccount(email=f"{n}@mela.test", username=n, password_hash="-", display_name=n)
        for n in ("seller", "partner", "stranger")
    ]

    async def work(tx):
        tx.add_all(found)

    await db.transaction(work)
    return [person.id for person in found]


@pytest.fixture
async def product_id(db, people):
    async def work(tx):
        stall_id = await stalls.create_stall(tx, owner_id=people[0], name="Pots")
        tx.add(StallMember(stall_id=stall_id, user_id=people[1]))
        await tx.flush()
        return await stalls.create_product(
            tx, viewer_id=people[0], stall_id=stall_id, details=DETAILS
        )

    made = await db.transaction(work)
    db.published.clear()
    return made


@pytest.fixture
def put_up(db, people, product_id):
    async def make(viewer_id=None, product=None, **terms):
        given = {"starting_price_minor": 100, "ends_at": utc_now() + HOUR, **terms}
        return await db.transaction(
            partial(
                selling.create_auction,
                viewer_id=viewer_id or people[0],
                product_id=product or product_id,
                terms=Terms(**given),
            )
        )

    return make


@pytest.fixture
def rows(db):
    async def read(statement, **parameters):
        async with db.read() as session:
            return (await session.execute(text(statement), parameters)).all()

    return read


async def test_a_lot_takes_what_its_product_says_now(db, put_up, rows, people):
    lot = await put_up(reserve_minor=500)
    [row] = await rows("SELECT * FROM auction")
    assert row.id == lot
    assert (row.title, row.description, row.category) == ("Bowl", "Blue.\nOld.", "Pottery")
    assert (row.region, row.tags, row.asset) == ("FR", ["blue"], "USD")
    assert (row.starting_price_minor, row.current_price_minor) == (100, 100)
    assert (row.reserve_minor, row.reserve_met, row.seller_id) == (500, False, people[0])
    assert (row.soft_close_window_s, row.soft_close_extension_s) == (120, 120)
    assert row.status == "OPEN"
    assert row.opened_at == row.starts_at
    assert abs(row.starts_at - utc_now()) < timedelta(minutes=1)


async def test_without_a_reserve_it_is_met(put_up, rows):
    await put_up()
    assert await rows("SELECT reserve_met FROM auction") == [(True,)]


async def test_an_own_title_and_text_stand_over_the_products(put_up, rows):
    await put_up(title="A bowl", description="")
    assert await rows("SELECT title, description FROM auction") == [("A bowl", "")]


async def test_opening_is_one_event_of_the_lot(db, put_up, people):
    lot = await put_up(reserve_minor=987_654)
    [taken, event] = db.published
    assert (taken.type, taken.payload["stock"]) == ("StockChanged", 19)
    assert (event.topic, event.sequence, event.type) == (f"auction:{lot.hex}", 1, "AuctionOpened")
    assert event.actor_id == people[0]
    assert event.payload["status"] == "OPEN"
    assert "987654" not in str(event.payload)
    assert len(event.payload["terms"]["reserveCommitment"]) == 64


async def test_a_later_start_waits_and_says_so(db, put_up, rows):
    starts_at = utc_now() + HOUR
    await put_up(starts_at=starts_at, ends_at=starts_at + HOUR)
    [row] = await rows("SELECT status, opened_at, starts_at FROM auction")
    assert row == ("SCHEDULED", None, starts_at)
    assert [event.type for event in db.published] == ["AuctionScheduled"]


async def test_a_lot_wakes_at_its_start_and_its_end(put_up, rows):
    starts_at = utc_now() + HOUR
    lot = await put_up(starts_at=starts_at, ends_at=starts_at + 2 * HOUR)
    jobs = await rows(
        "SELECT entrypoint, execute_after, convert_from(payload, 'UTF8') AS payload"
        " FROM pgqueuer ORDER BY execute_after"
    )
    assert [job.entrypoint for job in jobs] == ["open_auction", "close_auction"]
    for job, moment in zip(jobs, (starts_at, starts_at + 2 * HOUR), strict=True):
        assert abs(job.execute_after - moment) < timedelta(seconds=1)
        assert lot.hex in job.payload


async def test_who_shares_the_stall_may_sell_and_a_stranger_may_not(db, put_up, people, rows):
    await put_up(viewer_id=people[1])
    assert await rows("SELECT seller_id FROM auction") == [(people[1],)]
    db.published.clear()
    with pytest.raises(Forbidden):
        await put_up(viewer_id=people[2])
    with pytest.raises(NotFound) as raised:
        await put_up(product=new_id())
    assert raised.value.what == "product"
    assert len(await rows("SELECT id FROM auction")) == 1
    assert db.published == []


async def test_a_closed_stall_sells_nothing(db, put_up):
    async def close(tx):
        await tx.execute(text("UPDATE stall SET active = false"))

    await db.transaction(close)
    with pytest.raises(NotFound) as raised:
        await put_up()
    assert raised.value.what == "stall"


SECOND = timedelta(seconds=1)


async def test_terms_out_of_bounds_are_refused_by_field_and_leave_nothing(db, put_up, rows):
    now = utc_now()
    year = timedelta(days=365)
    bad = [
        ({"starting_price_minor": 0}, "startingPrice"),
        ({"starting_price_minor": -1}, "startingPrice"),
        ({"starting_price_minor": INT64_MAX + 1}, "startingPrice"),
        ({"reserve_minor": 99}, "reserve"),
        ({"reserve_minor": INT64_MAX + 1}, "reserve"),
        ({"ends_at": now + 55 * SECOND}, "endsAt"),
        ({"ends_at": now + timedelta(days=60, minutes=1)}, "endsAt"),
        ({"starts_at": now - timedelta(minutes=5) - SECOND}, "startsAt"),
        ({"starts_at": now + year + HOUR, "ends_at": now + year + 2 * HOUR}, "startsAt"),
        ({"starts_at": now + HOUR, "ends_at": now + HOUR + 59 * SECOND}, "endsAt"),
        ({"soft_close_window_s": -1}, "softCloseWindowSeconds"),
        ({"soft_close_window_s": 86_401}, "softCloseWindowSeconds"),
        ({"soft_close_extension_s": -1}, "softCloseExtensionSeconds"),
        ({"title": ""}, "title"),
        ({"description": "x" * 10_001}, "description"),
    ]
    for terms, field in bad:
        with pytest.raises(InvalidInput) as raised:
            await put_up(**terms)
        assert raised.value.field == field, terms
    assert await rows("SELECT id FROM auction") == []
    assert await rows("SELECT id FROM pgqueuer") == []
    assert db.published == []


async def test_terms_at_their_bounds_are_taken(put_up):
    now = utc_now()
    starts_at = now + timedelta(days=365) - HOUR
    for terms in (
        {"starting_price_minor": 1, "reserve_minor": 1},
        {"starting_price_minor": INT64_MAX, "reserve_minor": INT64_MAX},
        {"ends_at": now + timedelta(seconds=90)},
        {"ends_at": now + timedelta(days=60)},
        {"starts_at": now - timedelta(minutes=4)},
        {"starts_at": starts_at, "ends_at": starts_at + timedelta(days=60)},
        {"soft_close_window_s": 0, "soft_close_extension_s": 86_400},
    ):
        await put_up(**terms)


async def test_own_increments_are_kept_with_the_lot(put_up, rows):
    await put_up(increments=IncrementSchedule((500,), (10, 20)))
    assert await rows("SELECT increments FROM auction") == [
        ([{"below": 500, "increment": 10}, {"below": None, "increment": 20}],)
    ]


def test_a_schedule_is_made_of_its_steps():
    assert increment_schedule([(None, 5)]) == IncrementSchedule((), (5,))
    assert increment_schedule([(100, 5), (None, 10)]) == IncrementSchedule((100,), (5, 10))


@pytest.mark.parametrize(
    "steps",
    [
        [],
        [(100, 5)],
        [(None, 5), (None, 10)],
        [(None, 5), (100, 10), (None, 20)],
        [(100, 0), (None, 1)],
        [(100, 5), (100, 6), (None, 7)],
        [(200, 5), (100, 6), (None, 7)],
        [(100, 5), (None, 4)],
        [(n + 1, 1) for n in range(33)] + [(None, 1)],
    ],
    ids=str,
)
def test_steps_that_make_no_schedule_are_refused(steps):
    with pytest.raises(InvalidInput) as raised:
        increment_schedule(steps)
    assert raised.value.field == "increments"


async def test_watching_twice_is_watching_once(db, put_up, people, rows):
    lot = await put_up()
    db.published.clear()

    async def watch(watching, auction_id=lot):
        await db.transaction(
            partial(
                selling.watch_auction,
                viewer_id=people[2],
                auction_id=auction_id,
                watching=watching,
            )
        )

    for watching, count in ((False, 0), (True, 1), (True, 1), (False, 0), (False, 0)):
        await watch(watching)
        assert len(await rows("SELECT * FROM auction_watch")) == count
    with pytest.raises(NotFound):
        await watch(True, new_id())
    assert db.published == []  # nobody is told who watches
