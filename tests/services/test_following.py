"""Following the whole log: every committed event once, in commit order, however late it commits and
however many follow at once."""

import asyncio
from functools import partial

import pytest
from sqlalchemy import text

from core.database import Database, Transaction
from core.events import NewEvent
from jobs.following import TRIES, Follower, run_follower
from services.following import Followed, follow_log, pass_over


@pytest.fixture
def happen(db):
    async def happen(*topics, type="Happened"):
        async def work(tx):
            for topic in topics:
                tx.collect(NewEvent(topic, type, {}))

        await db.transaction(work)

    return happen


class Taker:
    """Keeps what it took in a table, so that it is undone with its transaction."""

    def __init__(self, most=1_000, bad=None):
        self.most, self.bad = most, bad
        self.runs = 0

    async def __call__(self, tx, events):
        self.runs += 1
        some = events[: self.most]
        for event in some:
            await tx.execute(
                text("INSERT INTO taken (topic, sequence) VALUES (:t, :s)"),
                {"t": event.topic, "s": event.sequence},
            )
            if event.topic == self.bad:
                raise RuntimeError("cannot be taken")
        return len(some)


@pytest.fixture
async def taken(db):
    async with db.engine.begin() as session:
        await session.execute(text("CREATE TABLE taken (n bigserial, topic text, sequence bigint)"))

    async def taken():
        async with db.read() as session:
            rows = await session.execute(text("SELECT topic, sequence FROM taken ORDER BY n"))
            return [tuple(row) for row in rows]

    return taken


async def settled(db):
    """Nothing committed so far is held back by a transaction of another test."""
    async with asyncio.timeout(30):
        while True:
            async with db.read() as session:
                waiting = await session.scalar(
                    text(
                        "SELECT count(*) FROM event"
                        " WHERE transaction_id >= pg_snapshot_xmin(pg_current_snapshot())"
                    )
                )
            if not waiting:
                return
            await asyncio.sleep(0.02)


def follow(db, taker, limit=100):
    return db.transaction(partial(follow_log, consumer="test", take=taker, limit=limit))


async def test_events_are_taken_in_order_once_in_bounded_units(db, happen, taken):
    for n in range(7):
        await happen(f"t:{n % 2}")
    await settled(db)
    taker = Taker(most=2)
    assert await follow(db, taker, limit=3) == Followed(2, more=True)
    assert await follow(db, taker, limit=3) == Followed(2, more=True)
    assert await follow(db, Taker(), limit=3) == Followed(3, more=True)
    assert await follow(db, Taker(), limit=3) == Followed()
    assert await taken() == [
        ("t:0", 1), ("t:1", 1), ("t:0", 2), ("t:1", 2), ("t:0", 3), ("t:1", 3), ("t:0", 4),
    ]  # fmt: skip


async def test_an_event_waits_while_an_older_transaction_runs_and_is_never_passed(
    db, happen, taken
):
    async with Transaction(db.engine) as older:
        await older.execute(text("SELECT pg_current_xact_id()"))
        await happen("t:young")
        assert await follow(db, Taker()) == Followed()
        await older.execute(
            text(
                "INSERT INTO event (topic, sequence, id, type, occurred_at)"
                " VALUES ('t:old', 1, gen_random_uuid(), 'Happened', now())"
            )
        )
        assert await follow(db, Taker()) == Followed()
        await older.commit()
    await settled(db)
    await follow(db, Taker())
    assert await taken() == [("t:old", 1), ("t:young", 1)]


async def test_position_and_effect_are_kept_together_or_not_at_all(db, happen, taken):
    await happen("t:a")
    await happen("t:bad")
    await settled(db)
    with pytest.raises(RuntimeError):
        await follow(db, Taker(bad="t:bad"))
    assert await taken() == []
    await follow(db, Taker())
    assert await taken() == [("t:a", 1), ("t:bad", 1)]
    for wrong in (0, 3):

        async def take(tx, events, wrong=wrong):
            return wrong

        await happen("t:c")
        await settled(db)
        with pytest.raises(ValueError, match=f"took {wrong}"):
            await follow(db, take)


async def test_one_process_follows_at_a_time_and_all_together_take_each_event_once(
    db, happen, taken, database_url
):
    for _ in range(60):
        await happen("t:a", "t:b")
    await settled(db)
    others = [Database(database_url) for _ in range(3)]
    followers = [Follower(each, "test", Taker(most=5), batch=20) for each in (db, *others)]

    async def work(follower):
        async with asyncio.timeout(30):
            while len(await taken()) < 120:
                await follower.catch_up()

    await asyncio.gather(*(work(follower) for follower in followers))
    found = await taken()
    assert len(found) == len(set(found)) == 120
    async with db.read() as session:
        row = (await session.execute(text("SELECT * FROM log_consumer WHERE name = 'test'"))).one()
    assert row.taken == 120
    for other in others:
        await other.close()


async def test_busy_is_said_where_another_follows(db, happen):
    await happen("t:a")
    await settled(db)
    entered, leave = asyncio.Event(), asyncio.Event()

    async def slow(tx, events):
        entered.set()
        await leave.wait()
        return len(events)

    first = asyncio.create_task(follow(db, slow))
    await entered.wait()
    assert await follow(db, Taker()) == Followed(busy=True)
    async with Transaction(db.engine) as tx:
        assert await pass_over(tx, consumer="test") is None
    leave.set()
    assert (await first).taken == 1


async def test_an_event_that_cannot_be_taken_is_left_out_alone(db, happen, taken):
    for topic in ("t:a", "t:bad", "t:b", "t:c"):
        await happen(topic)
    await settled(db)
    follower = Follower(db, "test", Taker(bad="t:bad"))
    for _ in range(2 * TRIES):
        try:
            await follower.catch_up()
        except RuntimeError as error:
            await follower.failed(error)
    assert await taken() == [("t:a", 1), ("t:b", 1), ("t:c", 1)]
    await follower.failed(ConnectionError())
    assert follower.failures == 0


async def test_followers_run_by_themselves_until_they_are_left(db, happen, taken):
    async with run_follower(db, "test", Taker(), every_s=0.02):
        await happen("t:a")
        async with asyncio.timeout(20):
            while await taken() != [("t:a", 1)]:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
    await happen("t:b")
    await settled(db)
    assert await taken() == [("t:a", 1)]
    assert (await follow(db, Taker())).taken == 1
