"""The demo's bots: a lot that is always alive, one process at a time, whatever happens to it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from core.database import Database
from core.ids import decode_id
from jobs.demo import DemoPace, keep_demo_alive, run_demo_bots
from services.auctions.bidding import bid_request
from services.auctions.queue import BidQueue
from services.seed.demo import BOTS, HOST, ensure_cast, read_demo, seed_demo
from services.users.passwords import Passwords

QUICK = DemoPace(least_s=0.01, most_s=0.03, quiet_s=5.0, retry_s=0.2)


@asynccontextmanager
async def bots(db: Database, pace: DemoPace = QUICK) -> AsyncIterator[list[str]]:
    """Bots at work; yields the lots that they told of."""
    told: list[str] = []
    queue = BidQueue(db)
    task = asyncio.create_task(keep_demo_alive(db, queue, on_lot=told.append, pace=pace))
    try:
        yield told
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await queue.close()


async def until(holds: Callable[[], Awaitable[Any]], *, within_s: float = 20.0) -> Any:
    """The first truthy answer; fails at the deadline."""
    deadline = time.monotonic() + within_s
    while True:
        if found := await holds():
            return found
        assert time.monotonic() < deadline, "it did not come about in time"
        await asyncio.sleep(0.02)


async def count(db: Database, statement: str, **values: object) -> int:
    async with db.read() as session:
        return int(await session.scalar(text(statement), values) or 0)


async def bids(db: Database) -> int:
    return await count(db, "SELECT count(*) FROM bid")


async def test_bots_bid_on_a_lot_of_the_demo_stall(db):
    async with bots(db) as told:
        await until(lambda: _at_least(bids(db), 8))
    async with db.read() as session:
        [lot] = (await session.execute(text("SELECT * FROM auction"))).all()
        rows = (
            await session.execute(
                text(
                    "SELECT u.username, b.sequence FROM bid b"
                    " JOIN user_account u ON u.id = b.bidder_id ORDER BY b.sequence"
                )
            )
        ).all()
        host = await session.scalar(
            text("SELECT username FROM user_account WHERE id = :id"), {"id": lot.seller_id}
        )
    assert [decode_id(lot_id, "auc") for lot_id in told] == [lot.id]
    assert (host, lot.status, lot.title.split(":")[0]) == (HOST, "OPEN", "The demo lot")
    assert {row.username for row in rows} <= {username for username, _ in BOTS}
    assert len({row.username for row in rows}) >= 3
    assert [row.sequence for row in rows] == list(range(1, lot.bid_count + 1))
    waiting = "SELECT count(*) FROM pgqueuer WHERE entrypoint = 'close_auction'"
    assert await count(db, waiting) == 1


async def _at_least(number: Awaitable[int], wanted: int) -> bool:
    return await number >= wanted


async def test_a_lot_that_became_too_dear_is_left_for_a_new_one(db):
    async with bots(db, replace(QUICK, too_dear_minor=20_00, live_lots=3)) as told:
        await until(lambda: _lots(db, 3))
        # No more than three at once, however dear they are.
        await until(lambda: _all_dear(db))
        before = await bids(db)
        await asyncio.sleep(0.3)
        assert (await _count_lots(db), await bids(db)) == (3, before)
    assert len(set(told)) == len(told) == 3


async def _count_lots(db: Database) -> int:
    return await count(db, "SELECT count(*) FROM auction")


async def _lots(db: Database, wanted: int) -> bool:
    return await _count_lots(db) == wanted


async def _all_dear(db: Database) -> bool:
    return await count(db, "SELECT count(*) FROM auction WHERE current_price_minor < 2000") == 0


async def test_a_lot_near_its_end_is_left_to_people(db):
    pace = replace(QUICK, duration_s=62.0, quiet_s=60.5)
    async with bots(db, pace) as told:
        await until(lambda: _at_least(_many(told), 2))
    left_alone = (
        "SELECT count(*) FROM bid b JOIN auction a ON a.id = b.auction_id"
        " WHERE b.placed_at > a.ends_at - interval '60 seconds'"
    )
    assert await bids(db) > 0
    assert await count(db, left_alone) == 0


async def _many(told: list[str]) -> int:
    return len(told)


async def test_one_process_runs_the_bots_and_another_takes_over(db, database_url):
    other = Database(database_url)
    try:
        async with AsyncExitStack() as waiting:
            async with bots(other) as running:
                await until(lambda: _at_least(bids(db), 1))
                idle = await waiting.enter_async_context(bots(db))
                await asyncio.sleep(1.0)
                assert (len(running), idle) == (1, [])
            before = await bids(other)
            await until(lambda: _at_least(bids(other), before + 2))
            # It went on with the lot that the first one had opened.
            assert idle == running
    finally:
        await other.close()


async def test_a_lost_connection_is_got_over(db):
    async with bots(db) as told:
        await until(lambda: _at_least(bids(db), 3))
        await _cut(db)
        before = await _bids_now(db)
        await until(lambda: _at_least(_bids_now(db), before + 3))
    assert len(set(told)) == 1


async def _cut(db: Database) -> None:
    outsider = Database(db.engine.url.render_as_string(hide_password=False))
    try:
        await count(
            outsider,
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
    finally:
        await outsider.close()


async def _bids_now(db: Database) -> int:
    outsider = Database(db.engine.url.render_as_string(hide_password=False))
    try:
        return await bids(outsider)
    finally:
        await outsider.close()


async def test_the_lock_is_given_back_to_the_next(db):
    for number in (1, 2):
        async with bots(db) as told:
            await until(lambda told=told: _at_least(_many(told), 1), within_s=10)
        assert await count(db, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == 0
        assert await _count_lots(db) == 1, number


async def test_a_person_may_take_part(db, fund):
    async def someone(tx):
        await tx.execute(
            text(
                "INSERT INTO user_account (id, email, username, password_hash, display_name)"
                " VALUES (gen_random_uuid(), 'p@x.test', 'person', '!', 'P')"
            )
        )
        return await tx.scalar(text("SELECT id FROM user_account WHERE username = 'person'"))

    person = await db.transaction(someone)
    await fund(db, person)
    async with bots(db) as told:
        await until(lambda: _at_least(bids(db), 2))
        placed = await BidQueue(db).place(
            bid_request(
                auction_id=decode_id(told[0], "auc"),
                bidder_id=person,
                maximum_minor=5_000_00,
                idempotency_key="mine",
            )
        )
        await until(lambda: _at_least(bids(db), placed.sequence + 5))
    leading = "SELECT count(*) FROM auction WHERE leader_id = :person"
    assert await count(db, leading, person=person) == 1


async def test_nobodys_account_is_taken_for_a_bots(db):
    async def squat(tx):
        await tx.execute(
            text(
                "INSERT INTO user_account (id, email, username, password_hash, display_name)"
                " VALUES (gen_random_uuid(), 'real@person.test', 'bot_ada', '!', 'Ada')"
            )
        )

    await db.transaction(squat)
    with pytest.raises(Exception, match="uq_user_account_username"):
        await db.transaction(ensure_cast)
    async with bots(db) as told:
        await asyncio.sleep(0.5)
    assert (told, await bids(db)) == ([], 0)


async def test_the_demos_file_says_which_lot_is_alive(db, database_url, tmp_path):
    passwords = Passwords(memory_kib=1_024, time_cost=1)
    access = await seed_demo(database_url, state_dir=tmp_path, passwords=passwords)
    passwords.close()
    assert access is not None
    assert access.auction_id is None
    queue = BidQueue(db)

    async def published() -> str | None:
        found = read_demo(tmp_path)
        return found.auction_id if found else None

    async with run_demo_bots(db, queue, state_dir=tmp_path, pace=QUICK):
        lot_id = await until(published)
    await queue.close()
    found = read_demo(tmp_path)
    assert found == replace(access, auction_id=lot_id)
    lot = decode_id(lot_id, "auc")
    title = "SELECT count(*) FROM auction WHERE id = :id AND title LIKE 'The demo lot: %'"
    assert await count(db, title, id=lot) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["demo.json"]
