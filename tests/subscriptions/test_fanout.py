"""A topic's order and completeness, and a subscription's bounds, without any server."""

import asyncio
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import SlowConsumer
from subscriptions.cursors import decode_cursor
from subscriptions.fanout import MAX_PENDING, Counts, Subscription, Topic
from subscriptions.log import LogEvent


def event(sequence, key=0, type="Happened"):
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    return LogEvent("t", sequence, UUID(int=sequence), type, {"key": key}, None, moment)


def live(topic, limit=1_000, **arguments):
    subscription = Subscription(topic, limit=limit, **arguments)
    topic.members.add(subscription)
    assert topic.go_live(subscription, topic.delivered)
    return subscription


def topic_at(head):
    topic = Topic("t", Counts())
    topic.start_at(head)
    return topic


def drain(subscription):
    taken = []
    while (found := subscription.take()) is not None:
        taken.append(found.sequence)
    return taken


@given(
    arrivals=st.lists(st.integers(1, 30), max_size=80),
    start=st.integers(0, 10),
    head_known_after=st.integers(0, 80),
)
def test_any_arrivals_come_out_in_order_and_once(arrivals, start, head_known_after):
    topic = Topic("t", Counts())
    for n in arrivals[:head_known_after]:
        topic.receive(event(n))
    topic.start_at(start)
    first = topic.delivered
    subscription = live(topic)
    for n in arrivals[head_known_after:]:
        topic.receive(event(n))
    got = drain(subscription)
    assert got == list(range(first + 1, first + 1 + len(got)))
    # Nothing that can be delivered is held back, and what is missing is known to be.
    assert topic.delivered + 1 not in topic.pending
    assert topic.behind() == (max([start, *arrivals]) > topic.delivered)
    for n in range(1, 31):
        topic.receive(event(n))
    assert got + drain(subscription) == list(range(first + 1, 31))
    assert topic.pending == {}


def test_what_waits_for_a_missing_event_is_bounded():
    topic = topic_at(0)
    for n in range(2, MAX_PENDING + 100):
        topic.receive(event(n))
    assert len(topic.pending) == MAX_PENDING
    assert topic.target == MAX_PENDING + 99


def test_a_full_buffer_ends_the_subscription_and_gives_its_memory_back():
    topic = topic_at(10)
    subscription = live(topic, limit=3)
    for n in range(11, 15):
        topic.receive(event(n))
    assert len(subscription) == 0
    assert subscription not in topic.live
    assert topic.counts.slow == 1
    with pytest.raises(SlowConsumer) as raised:
        subscription.take()
    assert decode_cursor(raised.value.last_cursor, "t") == 10


def test_a_slow_consumer_resumes_after_what_it_took():
    topic = topic_at(0)
    subscription = live(topic, limit=3)
    for n in range(1, 4):
        topic.receive(event(n))
    assert [subscription.take().sequence, subscription.take().sequence] == [1, 2]
    for n in range(4, 7):
        topic.receive(event(n))
    with pytest.raises(SlowConsumer) as raised:
        subscription.take()
    assert decode_cursor(raised.value.last_cursor, "t") == 2


def test_the_slow_cursor_is_never_before_where_the_subscription_began():
    topic = topic_at(5)
    subscription = Subscription(topic, limit=2)
    topic.members.add(subscription)
    assert topic.go_live(subscription, 8)
    for n in range(6, 9):
        topic.receive(event(n))
    with pytest.raises(SlowConsumer) as raised:
        subscription.take()
    assert decode_cursor(raised.value.last_cursor, "t") == 8


def test_past_its_buffer_a_conflating_subscription_keeps_the_newest_of_each_key():
    topic = topic_at(0)
    subscription = live(topic, limit=4, conflate_key=lambda e: e.payload["key"])
    for n in range(1, 5):
        topic.receive(event(n, key=n % 3))
    assert len(subscription) == 4
    for n in range(5, 100):
        topic.receive(event(n, key=n % 3))
        assert len(subscription) == 3
    assert drain(subscription) == [97, 98, 99]
    topic.receive(event(100))
    topic.receive(event(101))
    assert drain(subscription) == [100, 101]


def test_more_keys_than_the_buffer_holds_is_slow_too():
    topic = topic_at(0)
    subscription = live(topic, limit=4, conflate_key=lambda e: e.payload["key"])
    for n in range(1, 6):
        topic.receive(event(n, key=n))
    with pytest.raises(SlowConsumer):
        subscription.take()


def test_other_types_take_no_room():
    topic = topic_at(0)
    subscription = live(topic, limit=2, types=frozenset({"BidPlaced"}))
    for n in range(1, 50):
        topic.receive(event(n, type="BidPlaced" if n in {10, 40} else "Extended"))
    assert drain(subscription) == [10, 40]


def test_history_must_be_read_before_a_subscription_goes_live():
    topic = topic_at(5)
    subscription = Subscription(topic, limit=2)
    topic.members.add(subscription)
    assert not topic.go_live(subscription, 4)
    assert topic.live == {}


async def test_what_ends_a_subscription_comes_after_what_is_in_hand():
    topic = topic_at(0)
    subscription = live(topic)
    topic.receive(event(1))
    topic.end(SlowConsumer(None))
    topic.receive(event(2))
    await subscription.wait()
    assert subscription.take().sequence == 1
    await subscription.wait()
    with pytest.raises(SlowConsumer):
        subscription.take()


async def test_a_cancelled_wait_leaves_the_subscription_usable():
    topic = topic_at(0)
    subscription = live(topic)
    waiter = asyncio.ensure_future(subscription.wait())
    await asyncio.sleep(0)
    waiter.cancel()
    topic.receive(event(1))
    with pytest.raises(asyncio.CancelledError):
        await waiter
    await subscription.wait()
    assert drain(subscription) == [1]
