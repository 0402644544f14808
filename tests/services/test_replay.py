"""Recorded auctions through real bidding and closing: at once in a scratch database, and live."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest

from core.database import Database, plain_url
from core.settings import Settings
from jobs.worker import run_worker
from services.auctions import replay_stage
from services.auctions.queue import BidQueue
from services.auctions.recorded import (
    RecordedBid,
    expected_class,
    headroom_expected,
    price_expected,
    read_recorded,
)
from services.auctions.replay import replay_at_once, replay_live
from services.auctions.replay_stage import ScratchRefused, stage_people
from tests.data import REAL_AUCTIONS

THREE = Path(__file__).parent / "fixtures" / "three-auctions.csv"
FAST = 40_000.0
"""A day in 2.2 seconds."""


async def fetch(url: str, statement: str, *arguments: object) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(plain_url(url))
    try:
        return await connection.fetch(statement, *arguments)
    finally:
        await connection.close()


@pytest.fixture
def scratch_prefix(monkeypatch) -> str:
    """A prefix of this test's own: others may replay on the same server meanwhile."""
    prefix = f"mela_replay_test_{os.getpid()}_"
    monkeypatch.setattr(replay_stage, "SCRATCH_PREFIX", prefix)
    return prefix


async def scratches(url: str, prefix: str) -> list[str]:
    found = await fetch(
        url, "SELECT datname FROM pg_database WHERE starts_with(datname, $1)", prefix
    )
    return [row[0] for row in found]


@pytest.fixture
async def market(database_url) -> AsyncIterator[tuple[Database, BidQueue, list]]:
    """A database to replay into, live, and all that it publishes."""
    published: list = []

    async def publish(events):
        published.extend(events)

    db = Database(database_url, after_commit=publish)
    bids = BidQueue(db)
    yield db, bids, published
    await bids.close()
    await db.close()


# --- at once ------------------------------------------------------------------------------------


async def test_three_auctions_close_as_the_rules_say(database_url, scratch_prefix):
    told: list[tuple[str, int, int]] = []
    report = await replay_at_once(
        database_url, read_recorded(THREE), progress=lambda *step: told.append(step)
    )
    closed = {lot.recorded.id: (lot.status, lot.price_minor, lot.winner) for lot in report.lots}
    assert closed == {
        "2001": ("SOLD", 10_00, "ann"),
        "2002": ("SOLD", 20_50, "cat"),
        "2003": ("SOLD", 31_00, "dan o'dell"),
    }
    assert (report.at_recorded_price, report.placed) == (2, 6)
    assert report.refused == Counter({"BID_TOO_LOW": 1})
    assert report.faults == []
    [odd] = report.mismatches
    assert odd.explanation.startswith("recorded 40.00 USD, replayed 31.00 USD: the price is above")
    assert told[-2:] == [("bids", 7, 7), ("lots", 3, 3)]


async def test_the_database_named_is_not_touched_and_the_scratch_one_goes(
    database_url, scratch_prefix
):
    await replay_at_once(database_url, read_recorded(THREE))
    [row] = await fetch(
        database_url, "SELECT (SELECT count(*) FROM user_account) + (SELECT count(*) FROM auction)"
    )
    assert row[0] == 0
    assert await scratches(database_url, scratch_prefix) == []


async def test_headroom_shows_that_the_rivals_make_the_price(database_url, scratch_prefix):
    report = await replay_at_once(database_url, read_recorded(THREE), headroom=True)
    closed = {lot.recorded.id: lot.price_minor for lot in report.lots}
    assert closed == {"2001": 10_00, "2002": 20_50, "2003": 31_00}
    assert report.faults == []


async def test_a_replay_that_is_cancelled_leaves_no_database(database_url, scratch_prefix):
    started = asyncio.Event()
    task = asyncio.create_task(
        replay_at_once(database_url, read_recorded(THREE), progress=lambda *_: started.set())
    )
    await asyncio.wait_for(started.wait(), 30)
    assert len(await scratches(database_url, scratch_prefix)) == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await scratches(database_url, scratch_prefix) == []


async def test_what_a_killed_replay_left_is_dropped_and_a_young_one_is_not(
    database_url, scratch_prefix
):
    await _create(database_url, old := f"{scratch_prefix}1000_dead")
    await _create(database_url, young := f"{scratch_prefix}99999999999_live")
    await replay_at_once(database_url, read_recorded(THREE)[:1])
    left = await scratches(database_url, scratch_prefix)
    await fetch(database_url, f'DROP DATABASE "{young}"')
    assert left == [young]
    assert old not in left


async def _create(url: str, name: str) -> None:
    await fetch(url, f'CREATE DATABASE "{name}" TEMPLATE template0')


async def test_a_user_who_may_create_no_database_is_told_so(database_url, scratch_prefix):
    role = f"poor_{os.getpid()}"
    await fetch(database_url, f"CREATE ROLE {role} LOGIN PASSWORD 'poor'")
    try:
        url = _as_user(database_url, role, "poor")
        with pytest.raises(ScratchRefused, match="ALTER ROLE … CREATEDB"):
            await replay_at_once(url, read_recorded(THREE)[:1])
    finally:
        await fetch(database_url, f"DROP ROLE {role}")


def _as_user(url: str, user: str, password: str) -> str:
    from sqlalchemy.engine import make_url

    changed = make_url(url).set(username=user, password=password)
    return changed.render_as_string(hide_password=False)


# --- live ---------------------------------------------------------------------------------------


@pytest.mark.slow
async def test_live_the_databases_clock_and_the_jobs_do_the_work(market, database_url):
    db, bids, published = market
    settings = Settings(profile="test")
    async with run_worker(settings, db, database_url):
        report = await replay_live(db, bids, read_recorded(THREE), speed=FAST)
    closed = {lot.recorded.id: (lot.status, lot.price_minor, lot.winner) for lot in report.lots}
    assert closed == {
        "2001": ("SOLD", 10_00, "ann"),
        "2002": ("SOLD", 20_50, "cat"),
        "2003": ("SOLD", 31_00, "dan o'dell"),
    }
    assert (report.faults, report.closed_late) == ([], 0)
    assert Counter(event.type for event in published if event.topic.startswith("auction:")) == {
        "AuctionScheduled": 3,
        "AuctionOpened": 3,
        "BidPlaced": 6,
        "BidsOpened": 2,
        "AuctionClosed": 3,
    }
    [row] = await fetch(
        database_url,
        "SELECT max(ends_at - starts_at) AS longest, bool_and(closed_at >= ends_at) AS after,"
        " min(created_at) < min(starts_at) AS announced FROM auction",
    )
    assert row["longest"] == timedelta(days=1) / FAST
    assert row["after"]
    assert row["announced"]


async def test_live_without_jobs_the_replay_closes_what_is_left(market):
    db, bids, _ = market
    report = await replay_live(db, bids, read_recorded(THREE), speed=100_000, patience_s=0.2)
    assert (report.at_recorded_price, report.closed_late) == (2, 3)


async def test_live_a_bid_too_late_for_the_faster_clock_is_reported(market):
    db, bids, _ = market
    [lot] = read_recorded(THREE)[:1]
    late = RecordedBid("eve", 50_00, lot.duration - timedelta(milliseconds=1))
    late_lot = replace(lot, bids=(*lot.bids, late))
    report = await replay_live(db, bids, [late_lot], speed=100_000, patience_s=0.2)
    assert report.refused == Counter({"AUCTION_NOT_OPEN": 1})
    assert report.faults == list(report.lots)
    assert report.lots[0].explanation == (
        "recorded 10.00 USD, replayed 10.00 USD: too late on the faster clock, 1 of its bids were"
        " not taken"
    )


async def test_live_a_second_replay_takes_the_same_people_and_stall(market, database_url):
    db, bids, _ = market
    for _ in range(2):
        await replay_live(db, bids, read_recorded(THREE)[:1], speed=100_000, patience_s=0.2)
    [row] = await fetch(
        database_url,
        "SELECT (SELECT count(*) FROM user_account) AS people, (SELECT count(*) FROM stall)"
        " AS stalls, (SELECT count(*) FROM auction) AS lots",
    )
    assert (row["people"], row["stalls"], row["lots"]) == (2, 1, 2)


async def test_live_has_limits(market):
    db, bids, _ = market
    for speed in (0.5, 100_001, float("nan")):
        with pytest.raises(ValueError, match="the speed must be from 1 to 100,000, or max"):
            await replay_live(db, bids, [], speed=speed)
    with pytest.raises(ValueError, match="2000 lots at most"):
        await replay_live(db, bids, read_recorded(THREE) * 700, speed=1_000)


async def test_recorded_names_of_any_form_get_an_account(market, database_url):
    db, _, _ = market
    names = ["b0679", "Ünïcödé 名前", "x" * 500, "a'); DROP TABLE bid; --", "line\u2028break"]
    found = await db.transaction(lambda tx: stage_people(tx, names))
    again = await db.transaction(lambda tx: stage_people(tx, names))
    assert found == again
    assert sorted(found) == sorted(names)
    shown = {row[0] for row in await fetch(database_url, "SELECT display_name FROM user_account")}
    assert {"b0679", "Ünïcödé 名前"} < shown
    assert len(shown) == 5


# --- the real recording -------------------------------------------------------------------------


@pytest.fixture
def real() -> list:
    if not REAL_AUCTIONS.exists():
        pytest.skip("the recorded eBay auctions are not beside the repository (../shared/data)")
    return read_recorded(REAL_AUCTIONS)


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_331_of_343_real_auctions_close_at_their_price(database_url, scratch_prefix, real):
    report = await replay_at_once(database_url, real)
    assert (len(report.lots), report.at_recorded_price) == (343, 331)
    assert (report.placed, report.refused) == (5_898, Counter({"BID_TOO_LOW": 19}))
    assert report.faults == []
    assert [lot.recorded for lot in report.mismatches] == [
        lot for lot in real if not price_expected(lot)
    ]
    assert Counter(expected_class(lot.recorded) for lot in report.mismatches) == {
        "RESERVE_OR_HIDDEN_BID": 10,
        "NO_BID_REACHES": 1,
        "WITHDRAWN_BID": 1,
    }
    assert not [lot for lot in report.mismatches if "at fault" in lot.explanation]
    assert report.took_s < 60


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_with_headroom_the_269_that_rivals_priced_close_at_their_price(
    database_url, scratch_prefix, real
):
    report = await replay_at_once(database_url, real, headroom=True)
    right = [lot.recorded for lot in report.lots if lot.at_recorded_price]
    assert len(right) == 269
    assert right == [lot for lot in real if headroom_expected(lot)]
    assert report.faults == []
