"""The seeded world: as large as promised, the same again, and what the rules make of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import groupby
from uuid import UUID

import asyncpg
import orjson
import pytest

from core.database import Database, plain_url
from services.auctions.bidding import bid_request
from services.auctions.closing import close_auction
from services.auctions.increments import default_increments, increments_from_json
from services.auctions.queue import BidQueue
from services.auctions.rules import (
    Accepted,
    AuctionState,
    Offer,
    close,
    decide,
    minimum_bid_minor,
)
from services.auctions.sealing import commitment
from services.auctions.state import auction_topic
from services.auctions.verify import verify_log
from services.seed.demo import DEMO_USERNAME, read_demo, seed_demo
from services.seed.world import SeedRefused, seed_world
from services.users.accounts import clean_email, clean_username
from services.users.passwords import Passwords
from subscriptions.log import read_page

SCALE = 0.05
NOW = datetime(2026, 5, 4, 12, 30, tzinfo=UTC)
TABLES = (
    *("user_account", "profile", "user_role", "follow", "stall", "stall_member", "product"),
    *("auction", "bid", "auction_watch", "event_topic", "event"),
)


async def seed(url: str, *, seed: int = 7, now: datetime = NOW, force: bool = False):
    return await seed_world(
        url, scale=SCALE, seed=seed, password_hash="shared", now=now, force=force
    )


async def rows(url: str, statement: str, *arguments: object) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(plain_url(url))
    try:
        return await connection.fetch(statement, *arguments)
    finally:
        await connection.close()


async def fingerprints(url: str) -> dict[str, tuple[int, str]]:
    """Number and hash of each table's rows, but for the transaction that wrote them."""
    found = {}
    for table in TABLES:
        shown = f"to_jsonb({table}) - 'transaction_id'"
        [row] = await rows(
            url,
            f"SELECT count(*), coalesce(md5(string_agg(({shown})::text, E'\\n'"
            f" ORDER BY ({shown})::text)), '') FROM {table}",
        )
        found[table] = (row[0], row[1])
    return found


# --- how much -----------------------------------------------------------------------------------


async def test_a_world_is_as_large_as_its_scale_says(database_url):
    told: list[tuple[str, int, int]] = []
    summary = await seed_world(
        database_url,
        scale=SCALE,
        seed=7,
        password_hash="shared",
        now=NOW,
        progress=lambda *step: told.append(step),
    )
    counts = {table: count for table, (count, _) in (await fingerprints(database_url)).items()}
    assert (counts["user_account"], counts["stall"], counts["auction"]) == (250, 25, 100)
    assert (summary.users, summary.stalls, summary.auctions.total()) == (250, 25, 100)
    assert counts["bid"] == summary.bids >= 5_000
    assert counts["product"] == summary.products == 150
    assert counts["event"] == summary.events > summary.bids
    assert counts["follow"] == summary.follows > 500
    assert counts["profile"] == 250
    assert counts["user_role"] == 25
    assert {step for step, _, _ in told} == {"people", "stalls", "bids", "statistics"}
    done = [done for step, done, _ in told if step == "bids"]
    assert done == sorted(done)
    assert done[-1] == told[-3][2] >= 5_000


async def test_lots_are_in_every_state_and_open_ones_end_within_the_week(database_url):
    summary = await seed(database_url)
    assert set(summary.auctions) == {"SCHEDULED", "OPEN", "SOLD", "UNSOLD", "CANCELLED"}
    lots = await rows(database_url, "SELECT * FROM auction")
    ends = [lot["ends_at"] - NOW for lot in lots if lot["status"] == "OPEN"]
    assert timedelta(0) < min(ends) < timedelta(minutes=31)
    assert timedelta(days=4) < max(ends) <= timedelta(days=7)
    unsold = {lot["bid_count"] > 0 for lot in lots if lot["status"] == "UNSOLD"}
    assert unsold == {True, False}
    assert all(lot["starts_at"] > NOW for lot in lots if lot["status"] == "SCHEDULED")
    assert all(lot["closed_at"] < NOW for lot in lots if lot["status"] in ("SOLD", "UNSOLD"))
    assert any(lot["extension_count"] for lot in lots)
    assert {lot["increments"] is None for lot in lots} == {True, False}


async def test_a_scale_out_of_range_is_refused(database_url):
    for scale in (0, -1, 51):
        with pytest.raises(ValueError, match="the scale must be more than 0 and 50 at most"):
            await seed_world(database_url, scale=scale, seed=1, password_hash="x")


# --- the same again -----------------------------------------------------------------------------


async def test_the_same_seed_and_moment_make_the_same_rows(make_database, template_database):
    first, second, other = (make_database(template_database) for _ in range(3))
    await seed(first)
    await seed(second)
    await seed(other, seed=8)
    assert await fingerprints(first) == await fingerprints(second)
    changed = await fingerprints(other)
    assert all(changed[t] != found for t, found in (await fingerprints(first)).items())


async def test_a_database_with_people_in_it_is_left_alone(database_url):
    await seed(database_url)
    before = await fingerprints(database_url)
    with pytest.raises(SeedRefused, match=r"not empty: .* --force"):
        await seed(database_url, seed=8)
    with pytest.raises(SeedRefused, match="seed 7 is in the database already"):
        await seed(database_url, force=True)
    assert await fingerprints(database_url) == before


async def test_force_adds_a_second_world(database_url):
    await seed(database_url)
    summary = await seed(database_url, seed=8, force=True)
    counts = {table: count for table, (count, _) in (await fingerprints(database_url)).items()}
    assert (counts["user_account"], counts["stall"]) == (500, 50)
    assert counts["bid"] > summary.bids >= 5_000


# --- by the rules -------------------------------------------------------------------------------


async def test_every_lot_is_what_the_rules_make_of_its_bids(database_url):
    await seed(database_url)
    lots = await rows(
        database_url,
        "SELECT a.*, s.owner_id || ARRAY(SELECT user_id FROM stall_member m"
        " WHERE m.stall_id = a.stall_id) AS seller_ids,"
        " (e.payload->>'endsAt')::timestamptz AS planned"
        " FROM auction a JOIN stall s ON s.id = a.stall_id JOIN event e"
        " ON e.topic = 'auction:' || replace(a.id::text, '-', '') AND e.sequence = 1",
    )
    bids = await rows(database_url, "SELECT * FROM bid ORDER BY auction_id, sequence")
    of = {lot: list(group) for lot, group in groupby(bids, key=lambda bid: bid["auction_id"])}
    for lot in lots:
        refold(lot, of.get(lot["id"], []))
    assert sum(lot["status"] == "SOLD" for lot in lots) >= 30


def refold(lot: asyncpg.Record, bids: list[asyncpg.Record]) -> None:
    """The row from its terms and its bids alone, by the rules; and each bid as it is shown."""
    state = opening_state(lot)
    shown: dict[UUID, int] = {}
    for number, bid in enumerate(bids, start=1):
        offer = Offer(bid["id"], bid["bidder_id"], bid["maximum_minor"])
        decision = decide(state, [offer], bid["placed_at"])
        assert isinstance(decision.outcomes[0], Accepted), decision.outcomes
        assert bid["sequence"] == number
        state = decision.state
        shown.update(decision.shown_minor)
        assert bytes(bid["commitment"]) == commitment(
            bytes(bid["nonce"]), bid["id"], bid["maximum_minor"]
        )
    assert shown == {bid["id"]: bid["amount_minor"] for bid in bids}
    assert (
        state.price_minor or state.starting_price_minor,
        state.bid_count,
        state.leader_id,
        state.leader_bid_id,
        state.leader_maximum_minor,
        state.runner_up_maximum_minor,
        state.reserve_met,
        state.extensions,
        state.ends_at,
    ) == (
        lot["current_price_minor"],
        lot["bid_count"],
        lot["leader_id"],
        lot["leader_bid_id"],
        lot["leader_maximum_minor"],
        lot["runner_up_maximum_minor"],
        lot["reserve_met"],
        lot["extension_count"],
        lot["ends_at"],
    )
    if lot["status"] in ("SOLD", "UNSOLD"):
        closing = close(state, lot["closed_at"])
        assert closing is not None
        assert (closing.status, closing.winner_id) == (lot["status"], lot["winner_id"])
    else:
        assert lot["winner_id"] is None
        assert lot["status"] == "OPEN" or not bids


def opening_state(lot: asyncpg.Record) -> AuctionState:
    return AuctionState(
        id=lot["id"],
        status="OPEN",
        asset=lot["asset"],
        starting_price_minor=lot["starting_price_minor"],
        increments=default_increments(lot["asset"])
        if lot["increments"] is None
        else increments_from_json(orjson.loads(lot["increments"])),
        starts_at=lot["starts_at"],
        ends_at=lot["planned"],
        reserve_minor=lot["reserve_minor"],
        soft_close_window_s=lot["soft_close_window_s"],
        soft_close_extension_s=lot["soft_close_extension_s"],
        seller_ids=frozenset(lot["seller_ids"]),
    )


async def test_every_seeded_result_follows_from_its_log_alone(database_url):
    await seed(database_url)
    lots = await rows(database_url, "SELECT * FROM auction WHERE status IN ('SOLD', 'UNSOLD')")
    assert {lot["status"] for lot in lots} == {"SOLD", "UNSOLD"}
    db = Database(database_url)
    try:
        for lot in lots:
            found = verify_log(lot["id"], await read_page(db, auction_topic(lot["id"]), after=0))
            assert (found.status, found.winner_id) == (lot["status"], lot["winner_id"])
            assert found.price_minor in (lot["current_price_minor"], None)
            assert found.reserve_committed
    finally:
        await db.close()


async def test_the_log_tells_of_every_bid_and_every_end(database_url):
    await seed(database_url)
    lots = await rows(database_url, "SELECT * FROM auction ORDER BY bid_count DESC")
    heads = dict(await rows(database_url, "SELECT topic, head FROM event_topic"))
    db = Database(database_url)
    try:
        busiest, cancelled = lots[0], next(lot for lot in lots if lot["status"] == "CANCELLED")
        logged = await read_page(db, auction_topic(busiest["id"]), after=0)
        resumed = await read_page(db, auction_topic(busiest["id"]), after=10)
        ended = await read_page(db, auction_topic(cancelled["id"]), after=0)
    finally:
        await db.close()
    assert set(heads) == {auction_topic(lot["id"]) for lot in lots}
    assert resumed == logged[10:] != []
    assert [event.type for event in ended] == [
        "AuctionScheduled",
        "AuctionOpened",
        "AuctionCancelled",
    ]
    placed = [event for event in logged if event.type == "BidPlaced"]
    bids = await rows(
        database_url, "SELECT * FROM bid WHERE auction_id = $1 ORDER BY sequence", busiest["id"]
    )
    assert len(placed) == len(bids) == busiest["bid_count"]
    assert [event.payload["bid"] for event in placed] == [bid["id"].hex for bid in bids]
    assert placed[-1].payload["price"] == busiest["current_price_minor"]
    assert placed[-1].payload["leader"] == busiest["leader_id"].hex
    assert [e.occurred_at for e in placed] == [bid["placed_at"] for bid in bids]
    assert sorted(logged, key=lambda event: event.id) == logged
    [gaps] = await rows(
        database_url,
        "SELECT count(*) FROM (SELECT topic, max(sequence) AS last, count(*) AS rows FROM event"
        " GROUP BY topic) e JOIN event_topic t USING (topic) WHERE last <> rows OR head <> last",
    )
    assert gaps[0] == 0


async def test_seeded_lots_live_on_through_the_real_services(database_url, fund):
    await seed(database_url, now=datetime.now(UTC))
    [lot] = await rows(
        database_url,
        "SELECT a.*, ARRAY(SELECT u.id FROM user_account u WHERE u.id <> a.seller_id AND"
        " u.id NOT IN (SELECT user_id FROM stall_member)) AS others FROM auction a"
        " WHERE status = 'OPEN' AND bid_count > 0 ORDER BY ends_at DESC LIMIT 1",
    )
    lot_id = UUID(int=lot["id"].int)
    bidder = next(UUID(int=id.int) for id in lot["others"] if id != lot["leader_id"])
    state = replace(
        opening_state({**lot, "planned": lot["ends_at"], "seller_ids": []}),  # type: ignore[arg-type]
        price_minor=lot["current_price_minor"],
        bid_count=lot["bid_count"],
        leader_id=lot["leader_id"],
        leader_maximum_minor=lot["leader_maximum_minor"],
    )
    maximum = max(minimum_bid_minor(state, bidder), lot["leader_maximum_minor"] * 2)
    db = Database(database_url)
    try:
        await fund(db, bidder, asset=lot["asset"], amount_minor=maximum)
        placed = await BidQueue(db).place(
            bid_request(
                auction_id=lot_id,
                bidder_id=bidder,
                maximum_minor=maximum,
                idempotency_key="first",
            )
        )
        late = lot["ends_at"] + timedelta(hours=1)
        closing = await db.transaction(lambda tx: close_auction(tx, lot_id, now=late))
    finally:
        await db.close()
    assert placed.sequence == lot["bid_count"] + 1
    assert closing is not None
    assert closing.winner_id in (bidder, None)


async def test_each_lot_that_is_not_over_is_woken_for(database_url):
    await seed(database_url)
    waiting = await rows(
        database_url,
        "SELECT convert_from(payload, 'utf8')::jsonb->>'auction' AS lot FROM pgqueuer"
        " WHERE entrypoint = 'close_auction'",
    )
    live = await rows(database_url, "SELECT id FROM auction WHERE status IN ('SCHEDULED', 'OPEN')")
    assert {row["lot"] for row in waiting} == {row["id"].hex for row in live} != set()


# --- believable ---------------------------------------------------------------------------------


async def test_people_have_names_and_addresses_that_the_services_take(database_url):
    await seed(database_url)
    people = await rows(database_url, "SELECT * FROM user_account")
    for person in people:
        assert clean_username(person["username"]) == person["username"]
        assert clean_email(person["email"]) == person["email"]
        assert person["created_at"] < NOW
        assert person["last_login_at"] <= NOW
    assert len({person["display_name"] for person in people}) > 200
    assert any(not person["display_name"].isascii() for person in people)
    assert {person["password_hash"] for person in people} == {"shared"}


async def test_nobody_follows_or_watches_before_they_came(database_url):
    await seed(database_url)
    [early] = await rows(
        database_url,
        "SELECT count(*) FROM follow f JOIN user_account a ON a.id = follower_id"
        " JOIN user_account b ON b.id = followee_id"
        " WHERE f.created_at < greatest(a.created_at, b.created_at) OR f.created_at > $1",
        NOW,
    )
    assert early[0] == 0


# --- the demo -----------------------------------------------------------------------------------


async def test_the_demo_can_be_signed_in_to_and_keeps_its_password(database_url, tmp_path):
    passwords = Passwords(memory_kib=1_024, time_cost=1)
    try:
        access = await seed_demo(database_url, state_dir=tmp_path, passwords=passwords)
        assert access is not None
        [user] = await rows(
            database_url, "SELECT * FROM user_account WHERE username = $1", DEMO_USERNAME
        )
        assert await passwords.verify(user["password_hash"], access.password)
        [count] = await rows(database_url, "SELECT count(*) FROM user_account")
        assert count[0] > 90
        before = await fingerprints(database_url)
        again = await seed_demo(database_url, state_dir=tmp_path, passwords=passwords)
    finally:
        passwords.close()
    assert again == access == read_demo(tmp_path)
    assert await fingerprints(database_url) == before
    assert (tmp_path / "demo.json").stat().st_mode & 0o777 == 0o600


async def test_a_database_that_is_not_the_demos_stays_as_it_is(database_url, tmp_path):
    await seed(database_url)
    before = await fingerprints(database_url)
    passwords = Passwords(memory_kib=1_024, time_cost=1)
    try:
        assert await seed_demo(database_url, state_dir=tmp_path, passwords=passwords) is None
    finally:
        passwords.close()
    assert await fingerprints(database_url) == before
    assert not (tmp_path / "demo.json").exists()
