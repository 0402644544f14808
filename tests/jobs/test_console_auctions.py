"""What a person at a terminal is shown of an auction that is verified."""

import io

import pytest
from rich.console import Console
from sqlalchemy import text

from core.database import Database
from core.ids import encode_id
from jobs.console_auctions import verify_auction
from services.seed.world import seed_world

BUSIEST = """
SELECT a.id, a.status, a.bid_count, w.maximum_minor > a.current_price_minor AS over
FROM auction AS a LEFT JOIN bid AS w ON w.id = a.leader_bid_id
WHERE a.status = :status ORDER BY over DESC NULLS LAST, a.bid_count DESC LIMIT 1
"""


@pytest.fixture
async def db(database_url):
    await seed_world(database_url, scale=0.02, seed=3, password_hash="!")
    made = Database(database_url)
    yield made
    await made.close()


@pytest.fixture
def lot_of(db):
    async def find(status):
        async with db.read() as session:
            return (await session.execute(text(BUSIEST), {"status": status})).one()

    return find


@pytest.fixture
def verify(database_url):
    """`await verify(id, …)`: what is shown, and the exit code."""

    async def run(public_id, **options):
        console = Console(file=io.StringIO(), width=150, force_terminal=False)
        try:
            await verify_auction(database_url, public_id, console=console, **options)
        except SystemExit as left:
            return console.file.getvalue(), left.code
        return console.file.getvalue(), 0

    return run


async def test_a_sold_lot_is_verified_with_and_without_what_the_winner_knows(lot_of, verify):
    lot = await lot_of("SOLD")
    assert lot.over
    for options, sealed in (({}, False), ({"log_alone": True}, True)):
        shown, code = await verify(encode_id("auc", lot.id), **options)
        assert code == 0
        assert "SOLD (SOLD)" in shown
        assert f"{lot.bid_count} taken again" in shown
        assert ("stay sealed" in shown) is sealed


async def test_a_log_that_was_changed_is_rejected_with_the_event_at_fault(db, lot_of, verify):
    lot = await lot_of("SOLD")
    async with db.engine.begin() as connection:
        await connection.execute(
            text(
                "UPDATE event SET payload = jsonb_set(payload, '{amount}', to_jsonb(1))"
                " WHERE topic = :topic AND sequence = 3"
            ),
            {"topic": f"auction:{lot.id.hex}"},
        )
    shown, code = await verify(encode_id("auc", lot.id))
    assert code == 1
    assert "REJECTED: event 3: the rules make something else of this bid" in shown


async def test_a_lot_without_a_result_or_no_lot_at_all_is_said_to_be_so(lot_of, verify):
    lot = await lot_of("OPEN")
    nothing = "mela: the auction has no result (yet)"
    for public_id in (encode_id("auc", lot.id), "auc_" + "0" * 32):
        shown, code = await verify(public_id)
        assert (shown.strip(), code) == (nothing, 1)
    shown, code = await verify("nonsense")
    assert code == 1
    assert shown.startswith("mela: ")
