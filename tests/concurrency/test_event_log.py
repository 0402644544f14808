"""The event log under contention, and streams between real processes, one of which is killed."""

import asyncio
import itertools
import json
import os
import signal
import sys
import time
from contextlib import aclosing
from pathlib import Path

import asyncpg
import pytest

from core.database import Database, PoolSettings
from core.events import NewEvent
from subscriptions.hub import Hub
from subscriptions.stream import stream

ROOT = Path(__file__).parents[2]
# One try: a deadlock must be an error here, not a retry.
POOL = PoolSettings(maximum=20, transaction_tries=1)

PREAMBLE = """
import asyncio, json, os, signal, sys
from contextlib import aclosing
import structlog
from core.database import Database
from core.events import NewEvent
from subscriptions.hub import Hub
from subscriptions.stream import stream

database_url, redis_url, prefix, topic = sys.argv[1:]
structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))

async def write(db):
    async def work(tx):
        tx.collect(NewEvent(topic, "Happened", {"by": os.getpid()}))
    await db.transaction(work)
"""

WRITES_AND_FOLLOWS = """
async def main():
    hub = Hub(redis_url, prefix=prefix)
    db = Database(database_url, after_commit=hub.publish)
    await hub.start(db)
    seen = []
    async def follow():
        async with aclosing(stream(hub, db, topic)) as events:
            async for event in events:
                seen.append(event.sequence)
                if len(seen) == 100:
                    return
    following = asyncio.create_task(follow())
    while hub.status().live == 0:
        await asyncio.sleep(0.005)
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    for _ in range(50):
        await write(db)
    await asyncio.wait_for(following, 20)
    print(json.dumps(seen), flush=True)
    await hub.close()
    await db.close()

asyncio.run(main())
"""

DIES_BEFORE_PUBLISHING = """
async def die(events):
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(write(Database(database_url, after_commit=die)))
"""


@pytest.fixture
async def process(redis_url, redis_prefix, database_url):
    """A hub and its database, and what another process needs to be of the same system."""
    hub = Hub(redis_url, prefix=redis_prefix)
    db = Database(database_url, pool=POOL, after_commit=hub.publish)
    await hub.start(db)
    yield hub, db, (database_url, redis_url, redis_prefix)
    await hub.close()
    await db.close()


async def other_process(code, *arguments):
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        PREAMBLE + code,
        *arguments,
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"},
    )


def raising(*topics):
    async def work(tx):
        for topic in topics:
            tx.collect(NewEvent(topic, "Happened", {"topics": list(topics)}))

    return work


async def log_of(database_url):
    connection = await asyncpg.connect(database_url)
    heads = dict(await connection.fetch("SELECT topic, head FROM event_topic"))
    rows = await connection.fetch(
        "SELECT topic, sequence, transaction_id::text::bigint AS xid FROM event"
        " ORDER BY topic, sequence"
    )
    await connection.close()
    log = {
        topic: [(row["sequence"], row["xid"]) for row in found]
        for topic, found in itertools.groupby(rows, lambda row: row["topic"])
    }
    return heads, log


async def test_units_that_touch_the_same_topics_in_opposite_order_never_deadlock(database_url):
    db = Database(database_url, pool=POOL)
    pairs = [("user:a", "user:b"), ("user:b", "user:a")]
    wide = [f"user:{letter}" for letter in "abcdefghij"]
    units = [raising(*pair) for _ in range(200) for pair in pairs]
    units += [raising(*topics) for _ in range(20) for topics in (wide, wide[::-1])]
    limit = asyncio.Semaphore(POOL.maximum)

    async def run(work):
        async with limit:
            await db.transaction(work)

    await asyncio.gather(*(run(work) for work in units))
    await db.close()
    heads, log = await log_of(database_url)
    assert heads == {topic: 440 if topic in ("user:a", "user:b") else 40 for topic in wide}
    for topic, rows in log.items():
        assert [sequence for sequence, _ in rows] == list(range(1, heads[topic] + 1))


async def test_a_topics_events_become_visible_in_the_order_of_their_numbers(database_url):
    """Whoever sees number n can read all before it: else healing by sequence would skip."""
    db = Database(database_url, pool=POOL)
    reader = await asyncpg.connect(database_url)
    writing = asyncio.gather(
        *(db.transaction(raising("user:a", *[f"user:{n}"] * 2)) for n in range(100))
    )
    seen = []
    while not writing.done():
        seen.append(
            await reader.fetchrow(
                "SELECT count(*) AS rows, coalesce(max(sequence), 0) AS newest"
                " FROM event WHERE topic = 'user:a'"
            )
        )
    await writing
    await reader.close()
    await db.close()
    assert all(row["rows"] == row["newest"] for row in seen)
    assert len({row["newest"] for row in seen}) > 2


async def test_units_that_roll_back_leave_no_gap(database_url):
    db = Database(database_url, pool=POOL)

    async def refused(tx):
        await raising("user:a", "user:b")(tx)
        raise LookupError

    units = [raising("user:a", "user:b") if n % 3 else refused for n in range(90)]
    outcomes = await asyncio.gather(
        *(db.transaction(work) for work in units), return_exceptions=True
    )
    await db.close()
    assert sum(isinstance(outcome, LookupError) for outcome in outcomes) == 30
    heads, log = await log_of(database_url)
    assert heads == {"user:a": 60, "user:b": 60}
    assert [sequence for sequence, _ in log["user:a"]] == list(range(1, 61))


async def test_two_processes_that_write_at_once_both_see_all_once_in_order(process):
    hub, db, addresses = process
    other = await other_process(WRITES_AND_FOLLOWS, *addresses, "auction:1")
    assert await asyncio.wait_for(other.stdout.readline(), 20) == b"ready\n"
    async with aclosing(stream(hub, db, "auction:1")) as events:
        first = asyncio.create_task(anext(events))
        async with asyncio.timeout(20):
            while hub.status().live == 0:  # noqa: ASYNC110 (the hub tells nobody)
                await asyncio.sleep(0.005)
            other.stdin.write(b"go\n")
            writing = asyncio.gather(*(db.transaction(raising("auction:1")) for _ in range(50)))
            seen = [await first]
            while len(seen) < 100:
                seen.append(await anext(events))
            await writing
    there = json.loads(await asyncio.wait_for(other.stdout.readline(), 20))
    assert await other.wait() == 0
    assert [event.sequence for event in seen] == there == list(range(1, 101))
    assert sum(event.payload.get("by") == other.pid for event in seen) == 50


async def test_what_a_process_committed_and_died_before_publishing_arrives(process):
    hub, db, addresses = process
    async with aclosing(stream(hub, db, "auction:1")) as events:
        waiting = asyncio.create_task(anext(events))
        other = await other_process(DIES_BEFORE_PUBLISHING, *addresses, "auction:1")
        assert await asyncio.wait_for(other.wait(), 20) == -signal.SIGKILL
        died = time.monotonic()
        event = await asyncio.wait_for(waiting, 5)
    assert time.monotonic() - died < 2
    assert (event.sequence, event.payload) == (1, {"by": other.pid})
