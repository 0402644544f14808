"""One subscriber's view: exactly the log, from where it began, in order."""

import asyncio
from contextlib import aclosing

import asyncpg
import pytest

from core.errors import BadUserInput, CursorExpired, SlowConsumer, Unavailable
from core.events import NewEvent
from subscriptions.cursors import decode_cursor, encode_cursor
from subscriptions.log import read_page
from subscriptions.stream import stream

TOPIC = "auction:1"


async def remove_up_to(database_url, sequence):
    connection = await asyncpg.connect(database_url)
    await connection.execute("DELETE FROM event WHERE sequence <= $1", sequence)
    await connection.close()


async def begin(hub, db, after):
    """Raise what refuses the cursor."""
    async with aclosing(stream(hub, db, TOPIC, after=after)) as events:
        await asyncio.wait_for(anext(events), 5)


async def test_a_subscriber_gets_what_is_committed_after_it_began(make_hub, subscribe, helpers):
    hub, db = await make_hub()
    await helpers.write(db, TOPIC, 3)
    consumer = await subscribe(hub, db, TOPIC)
    await helpers.write(db, TOPIC, 4)
    await consumer.has(4)
    assert consumer.sequences == [4, 5, 6, 7]


async def test_a_second_subscriber_does_not_get_what_was_committed_before_it(
    make_hub, subscribe, helpers, silent
):
    hub, db = await make_hub(heads_interval_s=60)
    first = await subscribe(hub, db, TOPIC)
    await helpers.write(silent, TOPIC, 3)
    second = await subscribe(hub, db, TOPIC)
    await helpers.write(db, TOPIC, 1)
    await first.has(4)
    await second.has(1)
    assert first.sequences == [1, 2, 3, 4]
    assert second.sequences == [4]


async def test_pushed_and_stored_events_are_equal(make_hub, subscribe, helpers):
    hub, db = await make_hub()
    consumer = await subscribe(hub, db, TOPIC)

    async def work(tx):
        payload = {"text": "é", "big": 2**60, "list": [1.5, None, True], "nested": {"b": 1, "a": 2}}
        tx.collect(NewEvent(TOPIC, "Happened", payload))

    await db.transaction(work)
    await consumer.has(1)
    assert consumer.events == await read_page(db, TOPIC, after=0)


async def test_resuming_by_any_cursor_gives_exactly_the_rest(make_hub, subscribe, helpers):
    hub, db = await make_hub()
    watching = await subscribe(hub, db, TOPIC)
    await helpers.write(db, TOPIC, 6)
    await watching.has(6)
    for event in watching.events:
        resumed = await subscribe(hub, db, TOPIC, after=event.cursor)
        await resumed.has(6 - event.sequence)
        assert resumed.sequences == list(range(event.sequence + 1, 7))


async def test_a_long_history_joins_what_is_live_without_a_seam(
    make_hub, subscribe, helpers, silent
):
    hub, db = await make_hub(buffer=10)
    await helpers.write_at_once(silent, TOPIC, 1_200)
    consumer = await subscribe(hub, db, TOPIC, after=encode_cursor(TOPIC, 0), wait=False)
    await helpers.write(db, TOPIC, 20)
    await consumer.has(1_220)
    assert consumer.sequences == list(range(1, 1_221))


async def test_those_who_come_back_with_the_same_cursor_share_one_read(
    make_hub, subscribe, helpers, silent, monkeypatch
):
    hub, db = await make_hub()
    await helpers.write_at_once(silent, TOPIC, 20)
    reads = []
    read = hub.reader.fresh_page
    monkeypatch.setattr(hub.reader, "fresh_page", lambda *a, **k: reads.append(k) or read(*a, **k))
    after = encode_cursor(TOPIC, 5)
    consumers = [await subscribe(hub, db, TOPIC, after=after, wait=False) for _ in range(100)]
    for consumer in consumers:
        await consumer.has(15)
        assert consumer.sequences == list(range(6, 21))
        assert consumer.events[0] is consumers[0].events[0]
    assert reads == [{"after": 5}]


async def test_a_burst_in_one_transaction_makes_nobody_slow(make_hub, subscribe, helpers):
    one, one_db = await make_hub()
    two, two_db = await make_hub()
    consumers = [await subscribe(hub, db, TOPIC) for hub, db in [(one, one_db), (two, two_db)] * 3]
    await helpers.write_at_once(one_db, TOPIC, 4_000)
    for consumer in consumers:
        await consumer.has(4_000)
        assert consumer.sequences == list(range(1, 4_001))
    assert one.counts.slow == two.counts.slow == 0


async def test_a_reader_of_history_is_never_too_slow(make_hub, subscribe, helpers):
    hub, db = await make_hub(buffer=5)
    await helpers.write(db, TOPIC, 30)
    consumer = await subscribe(hub, db, TOPIC, after=encode_cursor(TOPIC, 0), wait=False)
    consumer.go_on.clear()
    await consumer.has(1)
    await helpers.write(db, TOPIC, 30)
    consumer.go_on.set()
    await consumer.has(60)
    assert consumer.error is None
    assert consumer.sequences == list(range(1, 61))


async def test_a_cursor_older_than_the_log_has_expired(make_hub, subscribe, helpers, database_url):
    hub, db = await make_hub()
    await helpers.write(db, TOPIC, 8)
    await remove_up_to(database_url, 5)
    for gone in (0, 2, 4):
        with pytest.raises(CursorExpired):
            await begin(hub, db, encode_cursor(TOPIC, gone))
    kept = await subscribe(hub, db, TOPIC, after=encode_cursor(TOPIC, 5))
    await kept.has(3)
    assert kept.sequences == [6, 7, 8]


async def test_a_cursor_into_a_log_of_which_nothing_is_kept_has_expired(
    make_hub, subscribe, helpers, database_url
):
    hub, db = await make_hub()
    await helpers.write(db, TOPIC, 8)
    await remove_up_to(database_url, 8)
    with pytest.raises(CursorExpired):
        await begin(hub, db, encode_cursor(TOPIC, 3))
    newest = await subscribe(hub, db, TOPIC, after=encode_cursor(TOPIC, 8))
    await helpers.write(db, TOPIC, 1)
    await newest.has(1)
    assert newest.sequences == [9]


async def test_cursors_that_cannot_exist_are_refused(make_hub, helpers):
    hub, db = await make_hub()
    await helpers.write(db, TOPIC, 2)
    for cursor in ("nonsense", encode_cursor("auction:2", 1), encode_cursor(TOPIC, 3)):
        with pytest.raises(BadUserInput):
            await begin(hub, db, cursor)
    assert hub.status().topics == 0


async def test_types_filter_history_and_what_is_live(make_hub, subscribe, helpers):
    hub, db = await make_hub()
    for type in ("Opened", "BidPlaced", "Extended"):
        await helpers.write(db, TOPIC, 1, type)
    wanted = frozenset({"BidPlaced"})
    consumer = await subscribe(hub, db, TOPIC, after=encode_cursor(TOPIC, 0), types=wanted)
    for type in ("Extended", "BidPlaced", "Closed"):
        await helpers.write(db, TOPIC, 1, type)
    await consumer.has(2)
    await helpers.until(lambda: hub.counts.delivered >= 3)
    assert consumer.sequences == [2, 5]


async def test_a_consumer_that_stops_reading_is_ended_and_can_resume(make_hub, subscribe, helpers):
    hub, db = await make_hub(buffer=5)
    stuck = await subscribe(hub, db, TOPIC)
    keen = await subscribe(hub, db, TOPIC)
    stuck.go_on.clear()
    await helpers.write(db, TOPIC, 20)
    await keen.has(20)
    assert hub.status().live == 1
    stuck.go_on.set()
    await helpers.until(stuck.task.done)
    assert isinstance(stuck.error, SlowConsumer)
    assert stuck.sequences == [1]
    assert decode_cursor(stuck.error.last_cursor, TOPIC) == 1
    resumed = await subscribe(hub, db, TOPIC, after=stuck.error.last_cursor)
    await resumed.has(19)
    assert resumed.sequences == list(range(2, 21))
    assert hub.counts.slow == 1


async def test_a_conflating_consumer_that_falls_behind_gets_the_newest_of_each_key(
    make_hub, subscribe, helpers
):
    hub, db = await make_hub(buffer=5)
    stuck = await subscribe(hub, db, TOPIC, conflate_key=lambda event: event.payload["key"])
    keen = await subscribe(hub, db, TOPIC)
    stuck.go_on.clear()
    await helpers.write(db, TOPIC, 30)
    await keen.has(30)
    stuck.go_on.set()
    await stuck.has(4)
    assert stuck.sequences == [1, 28, 29, 30]
    assert stuck.error is None


async def test_giving_up_leaves_nothing_behind(make_hub, helpers):
    hub, db = await make_hub()
    tasks = asyncio.all_tasks()
    await helpers.write(db, TOPIC, 3)
    for after in (None, encode_cursor(TOPIC, 0)):
        events = stream(hub, db, TOPIC, after=after)
        waiting = asyncio.create_task(anext(events))
        await helpers.until(lambda w=waiting: hub.status().live == 1 or w.done())
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await events.aclose()
        await helpers.until(lambda: asyncio.all_tasks() <= tasks)
    at_once = asyncio.create_task(anext(stream(hub, db, TOPIC)))
    await asyncio.sleep(0)
    at_once.cancel()
    await asyncio.gather(at_once, return_exceptions=True)
    await helpers.until(lambda: asyncio.all_tasks() <= tasks)
    assert hub.status().topics == hub.status().subscribers == 0


async def test_going_down_ends_streams_with_an_error_that_asks_to_retry(make_hub, subscribe):
    hub, db = await make_hub()
    consumer = await subscribe(hub, db, TOPIC)
    await hub.close()
    await asyncio.wait_for(consumer.task, 2)
    assert isinstance(consumer.error, Unavailable)
    with pytest.raises(Unavailable):
        await anext(stream(hub, db, TOPIC))
