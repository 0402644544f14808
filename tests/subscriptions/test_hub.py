"""What a process does once for all of its subscribers, and what it shares with other processes."""

import asyncio
import random

import pytest
import redis.asyncio

from core.events import NewEvent

TOPIC = "auction:1"


async def listeners(redis_url, redis_prefix, topic=TOPIC):
    async with redis.asyncio.Redis.from_url(redis_url) as client:
        [(_, count)] = await client.pubsub_numsub(f"{redis_prefix}:topic:{topic}")
        return count


async def test_two_hundred_first_subscribers_at_once_are_all_served(
    make_hub, subscribe, helpers, redis_url, redis_prefix
):
    hub, db = await make_hub()
    consumers = [await subscribe(hub, db, TOPIC, wait=False) for _ in range(200)]
    await helpers.until(lambda: hub.status().live == 200)
    assert await listeners(redis_url, redis_prefix) == 1
    await helpers.write(db, TOPIC, 3)
    for consumer in consumers:
        await consumer.has(3)
        assert consumer.sequences == [1, 2, 3]


async def test_the_last_to_leave_closes_the_topic(
    make_hub, subscribe, helpers, redis_url, redis_prefix
):
    hub, db = await make_hub()
    consumers = [await subscribe(hub, db, TOPIC) for _ in range(3)]
    for consumer in consumers[:2]:
        await consumer.stop()
    assert hub.status().topics == 1
    assert await listeners(redis_url, redis_prefix) == 1
    await consumers[2].stop()
    assert hub.status().topics == 0
    async with asyncio.timeout(5):
        while await listeners(redis_url, redis_prefix):  # noqa: ASYNC110 (it is Redis' state)
            await asyncio.sleep(0.01)


async def test_coming_and_going_at_random_moments_breaks_nothing(
    make_hub, subscribe, helpers, redis_url, redis_prefix
):
    # The writer is another process, and nobody looks at the heads: only push can deliver.
    hub, db = await make_hub(heads_interval_s=60)
    _, elsewhere = await make_hub()
    tasks = asyncio.all_tasks()
    generator = random.Random(7)
    pauses_s = [0, 0, 0.0003, 0.0006, 0.001, 0.003]
    for _ in range(40):
        for _ in range(generator.randrange(4)):
            consumer = await subscribe(hub, db, TOPIC, wait=False)
            await asyncio.sleep(generator.choice(pauses_s))
            await consumer.stop()
        staying = await subscribe(hub, db, TOPIC)
        assert await listeners(redis_url, redis_prefix) == 1
        await helpers.write(elsewhere, TOPIC)
        await staying.has(1, timeout_s=2)
        await staying.stop()
    for n in range(40):
        consumer = await subscribe(hub, db, f"user:{n}", wait=False)
        await asyncio.sleep(generator.choice(pauses_s))
        await consumer.stop()
    await helpers.until(lambda: asyncio.all_tasks() <= tasks)
    assert await listeners(redis_url, redis_prefix) == 0
    assert [await listeners(redis_url, redis_prefix, f"user:{n}") for n in range(40)] == [0] * 40


async def test_processes_see_each_others_events_once_and_in_order(make_hub, subscribe, helpers):
    one, one_db = await make_hub(heads_interval_s=60)
    two, two_db = await make_hub(heads_interval_s=60)
    consumers = [await subscribe(one, one_db, TOPIC), await subscribe(two, two_db, TOPIC)]
    await asyncio.gather(helpers.write(one_db, TOPIC, 50), helpers.write(two_db, TOPIC, 50))
    for consumer in consumers:
        await consumer.has(100)
        assert consumer.sequences == list(range(1, 101))
    assert one.counts.received == two.counts.received == 100


async def test_subscribers_of_a_process_share_the_object_of_an_event(make_hub, subscribe, helpers):
    _, one_db = await make_hub()
    two, two_db = await make_hub()
    here = [await subscribe(two, two_db, TOPIC) for _ in range(2)]
    await helpers.write(one_db, TOPIC)
    for consumer in here:
        await consumer.has(1)
    assert here[0].events[0] is here[1].events[0]


async def test_one_process_alone_works_in_memory(make_hub, subscribe, helpers):
    hub, db = await make_hub("memory://")
    consumer = await subscribe(hub, db, TOPIC)
    await helpers.write(db, TOPIC, 5)
    await consumer.has(5)
    assert consumer.sequences == [1, 2, 3, 4, 5]
    assert hub.status().mode == "memory"


async def test_many_topics_do_not_mix(make_hub, subscribe, helpers):
    hub, db = await make_hub()
    consumers = {f"user:{n}": await subscribe(hub, db, f"user:{n}", wait=False) for n in range(40)}
    await helpers.until(lambda: hub.status().live == 40)
    for n, topic in enumerate(consumers):
        await helpers.write(db, topic, n % 4)
    for n, (topic, consumer) in enumerate(consumers.items()):
        await consumer.has(n % 4)
        assert [(event.topic, event.sequence) for event in consumer.events] == [
            (topic, k + 1) for k in range(n % 4)
        ]


async def test_a_unit_that_rolls_back_publishes_nothing_and_takes_no_number(
    make_hub, subscribe, helpers
):
    hub, db = await make_hub()
    consumer = await subscribe(hub, db, TOPIC)

    async def refused(tx):
        tx.collect(NewEvent(TOPIC, "Happened", {}))
        raise LookupError

    with pytest.raises(LookupError):
        await db.transaction(refused)

    async def too_wide(tx):
        for n in range(11):
            tx.collect(NewEvent(f"user:{n}", "Happened", {}))
        tx.collect(NewEvent(TOPIC, "Happened", {}))

    with pytest.raises(ValueError, match="10 at most"):
        await db.transaction(too_wide)
    assert hub.counts.published == 0
    await helpers.write(db, TOPIC)
    await consumer.has(1)
    assert consumer.sequences == [1]
    assert hub.counts.published == 1


async def test_what_is_not_an_event_disturbs_nobody(
    make_hub, subscribe, helpers, redis_url, redis_prefix
):
    hub, db = await make_hub()
    consumer = await subscribe(hub, db, TOPIC)
    async with redis.asyncio.Redis.from_url(redis_url) as client:
        for garbage in (b"", b"{}", b"[1]", b"\xff", b'{"sequence": 1}'):
            await client.publish(f"{redis_prefix}:topic:{TOPIC}", garbage)
    await helpers.until(lambda: hub.counts.received == 5)
    await helpers.write(db, TOPIC)
    await consumer.has(1)
    assert consumer.sequences == [1]
