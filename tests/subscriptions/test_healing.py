"""Lost, doubled and crossed publications, and servers that restart: still exactly the log."""

import asyncio
import os
import signal
import time
from contextlib import suppress
from dataclasses import replace

import asyncpg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import SQLAlchemyError

from core.database import Database, PoolSettings, Transaction
from core.errors import CursorExpired
from core.events import NewEvent
from core.migrations import upgrade
from subscriptions.cursors import encode_cursor

TOPIC = "auction:1"


async def test_a_lost_last_publication_arrives_within_two_seconds(
    make_hub, subscribe, helpers, silent
):
    hub, db = await make_hub()
    consumer = await subscribe(hub, db, TOPIC)
    await helpers.write(silent, TOPIC, 1)
    committed = time.monotonic()
    await consumer.has(1)
    assert time.monotonic() - committed < 2
    assert consumer.sequences == [1]
    assert hub.counts.healed == 1


async def test_a_gap_is_read_from_the_log_at_once(make_hub, subscribe, helpers, silent):
    hub, db = await make_hub(heads_interval_s=60)
    consumer = await subscribe(hub, db, TOPIC)
    await helpers.write(db, TOPIC, 2)
    await helpers.write(silent, TOPIC, 3)
    await helpers.write(db, TOPIC, 1)
    await consumer.has(6, timeout_s=1)
    assert consumer.sequences == [1, 2, 3, 4, 5, 6]
    assert hub.counts.healed >= 3


async def test_healing_goes_at_the_pace_of_its_consumers(make_hub, subscribe, helpers, silent):
    hub, db = await make_hub(buffer=20)
    consumers = [await subscribe(hub, db, TOPIC) for _ in range(5)]
    await helpers.write_at_once(silent, TOPIC, 1_100)
    for consumer in consumers:
        await consumer.has(1_100)
        assert consumer.sequences == list(range(1, 1_101))
    assert hub.counts.slow == 0


async def test_one_read_heals_a_topic_for_all_its_subscribers(
    make_hub, subscribe, helpers, silent, monkeypatch
):
    hub, db = await make_hub()
    consumers = [await subscribe(hub, db, TOPIC) for _ in range(20)]
    reads = []
    read = hub.reader.fresh_page
    monkeypatch.setattr(hub.reader, "fresh_page", lambda *a, **k: reads.append(k) or read(*a, **k))
    await helpers.write_at_once(silent, TOPIC, 3)
    for consumer in consumers:
        await consumer.has(3)
    assert reads == [{"after": 0}]
    assert len({id(consumer.events[2]) for consumer in consumers}) == 1


async def test_without_redis_from_the_start_the_log_is_polled(
    make_hub, subscribe, helpers, silent, tmp_path
):
    hub, db = await make_hub(f"unix://{tmp_path}/absent.sock", heads_interval_s=0.1)
    assert hub.status().mode == "polling"
    consumer = await subscribe(hub, db, TOPIC)
    began = time.monotonic()
    await helpers.write(db, TOPIC, 50)
    assert time.monotonic() - began < 2  # Committing does not wait for Redis.
    await helpers.write(silent, TOPIC, 2)
    await consumer.has(52)
    assert consumer.sequences == list(range(1, 53))


async def test_a_restart_of_redis_loses_nothing_and_doubles_nothing(
    make_hub, subscribe, helpers, silent, private_servers
):
    url = private_servers.redis_url
    # Only reconnecting may heal here: the regular look is a minute away.
    one, one_db = await make_hub(url, heads_interval_s=60)
    two, two_db = await make_hub(url, heads_interval_s=60)
    consumers = [await subscribe(hub, db, TOPIC) for hub, db in ((one, one_db), (two, two_db))]

    async def keep_writing():
        for _ in range(120):
            await helpers.write(one_db, TOPIC)
            await asyncio.sleep(0.01)

    writer = asyncio.create_task(keep_writing())
    await consumers[1].has(20)
    private_servers._valkey.stop()
    await helpers.until(lambda: two.status().mode == one.status().mode == "polling")
    await helpers.write(silent, TOPIC, 5)
    await asyncio.to_thread(private_servers.restart_valkey)
    await writer
    await helpers.until(lambda: two.status().mode == one.status().mode == "push")
    for consumer in consumers:
        await consumer.has(125)
        assert consumer.sequences == list(range(1, 126))
    assert two.status().connects == 2
    healed = two.counts.healed
    await helpers.write(one_db, TOPIC, 3)
    await consumers[1].has(128)
    assert consumers[1].sequences[125:] == [126, 127, 128]
    assert two.counts.healed == healed  # By push again.


async def test_a_connection_that_is_back_brings_what_was_missed_at_once(
    make_hub, subscribe, helpers, silent, private_servers
):
    hub, db = await make_hub(private_servers.redis_url, heads_interval_s=60)
    consumer = await subscribe(hub, db, TOPIC)
    private_servers._valkey.stop()
    await helpers.until(lambda: hub.status().mode == "polling")
    await helpers.write(silent, TOPIC, 3)
    assert consumer.events == []
    await asyncio.to_thread(private_servers.restart_valkey)
    await consumer.has(3)
    assert consumer.sequences == [1, 2, 3]


async def test_a_redis_that_hangs_is_noticed_and_an_idle_one_is_left_alone(
    make_hub, subscribe, helpers, private_servers, monkeypatch
):
    monkeypatch.setattr("subscriptions.backend.IDLE_S", 0.1)
    hub, db = await make_hub(private_servers.redis_url, heads_interval_s=0.1)
    consumer = await subscribe(hub, db, TOPIC)
    await asyncio.sleep(0.5)  # Five times as long as silence may last without a sign of life.
    assert hub.status().connects == 1
    os.kill(private_servers.valkey_pid, signal.SIGSTOP)
    try:
        await helpers.until(lambda: hub.status().mode == "polling")
        await helpers.write(db, TOPIC, 3)
        await consumer.has(3)
    finally:
        os.kill(private_servers.valkey_pid, signal.SIGCONT)
    await helpers.until(lambda: hub.status().mode == "push")
    await helpers.write(db, TOPIC, 1)
    await consumer.has(4)
    assert consumer.sequences == [1, 2, 3, 4]


async def test_a_publication_of_what_the_log_does_not_have_is_not_believed(
    make_hub, subscribe, helpers, silent
):
    hub, db = await make_hub(heads_interval_s=60)
    consumer = await subscribe(hub, db, TOPIC)
    [true] = await commit(silent, "auction:2", 1)
    await hub.publish([replace(true, topic=TOPIC, sequence=3)])
    await helpers.until(lambda: not hub._topics[TOPIC].behind())
    await helpers.write(db, TOPIC, 4)
    await consumer.has(4)
    assert consumer.sequences == [1, 2, 3, 4]
    assert true.id not in {event.id for event in consumer.events}


async def test_a_restart_of_postgres_ends_nobodys_stream(
    make_hub, subscribe, helpers, private_servers
):
    database = private_servers.database_url
    await upgrade(database)
    hub, db = await make_hub(database=database, heads_interval_s=0.1)
    consumers = [await subscribe(hub, db, TOPIC) for _ in range(3)]
    await helpers.write(db, TOPIC, 3)
    await asyncio.to_thread(private_servers._postgres.stop)
    during = await subscribe(hub, db, TOPIC, after=encode_cursor(TOPIC, 1), wait=False)
    other = await subscribe(hub, db, "auction:2", wait=False)
    await asyncio.sleep(0.5)
    assert not any(consumer.task.done() for consumer in [*consumers, during, other])
    await asyncio.to_thread(private_servers.restart_postgres)
    await helpers.until(lambda: hub.status().live == 5)
    unpublished = Database(database, pool=PoolSettings(maximum=1))
    await helpers.write(unpublished, TOPIC, 2)
    await unpublished.close()
    with suppress(SQLAlchemyError):  # A connection from before the restart.
        await helpers.write(db, "auction:2", 1)
    await helpers.write(db, "auction:2", 1)
    for consumer in consumers:
        await consumer.has(5)
        assert consumer.sequences == [1, 2, 3, 4, 5]
    await during.has(4)
    assert during.sequences == [2, 3, 4, 5]
    await other.has(1)
    assert other.sequences[0] == 1


async def test_a_log_that_went_back_ends_its_streams(make_hub, subscribe, helpers, database_url):
    hub, db = await make_hub(heads_interval_s=0.05)
    consumer = await subscribe(hub, db, TOPIC)
    await helpers.write(db, TOPIC, 5)
    await consumer.has(5)
    connection = await asyncpg.connect(database_url)
    await connection.execute("DELETE FROM event WHERE sequence > 2")
    await connection.execute("UPDATE event_topic SET head = 2")
    await connection.close()
    await helpers.until(consumer.task.done)
    assert isinstance(consumer.error, CursorExpired)
    again = await subscribe(hub, db, TOPIC)
    await helpers.write(db, TOPIC, 1)
    await again.has(1)
    assert again.sequences == [3]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(1, 4)),
        st.tuples(st.just("publish"), st.lists(st.integers(0, 40), max_size=6)),
        st.tuples(st.just("join"), st.booleans()),
        st.tuples(st.just("pause"), st.integers(0, 8)),
    ),
    min_size=4,
    max_size=25,
)


async def test_any_loss_doubling_and_crossing_still_gives_exactly_the_log(
    make_hub, subscribe, helpers, silent
):
    hub, db = await make_hub(heads_interval_s=0.05)
    loop = asyncio.get_running_loop()
    numbers = iter(range(1_000))

    async def example(steps):
        topic = f"quest:{next(numbers)}"
        committed, joined = [], []
        for step, argument in steps:
            if step == "write":
                committed += await commit(silent, topic, argument)
            elif step == "publish" and committed:
                await hub.publish([committed[n % len(committed)] for n in argument])
            elif step == "join":
                after = encode_cursor(topic, 0) if argument else None
                head = len(committed)
                consumer = await subscribe(hub, db, topic, after=after)
                joined.append((consumer, 0 if argument else head))
            elif step == "pause":
                await asyncio.sleep(argument / 1_000)
        for consumer, start in joined:
            await consumer.has(len(committed) - start, timeout_s=5)
            assert consumer.sequences == list(range(start + 1, len(committed) + 1))
            await consumer.stop()

    @settings(
        max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    @given(steps=STEPS)
    def examples(steps):
        asyncio.run_coroutine_threadsafe(example(steps), loop).result(timeout=30)

    await asyncio.to_thread(examples)


async def commit(db, topic, count):
    """Commit `count` events at once, publish nothing, and return them as committed."""
    held = []

    async def work(tx: Transaction):
        held.append(tx)
        for n in range(count):
            tx.collect(NewEvent(topic, "Happened", {"n": n}))

    await db.transaction(work)
    return held[-1].committed
