"""Who asks the same rides as one: each member gets the log from where it came in, in order, and
nobody's slowness, error or leaving is another's."""

import asyncio
from contextlib import aclosing, contextmanager

import pytest

from core.errors import SlowConsumer, Unavailable
from subscriptions.crowds import Boarding
from subscriptions.cursors import decode_cursor, encode_cursor
from subscriptions.feeds import Feed
from subscriptions.stream import stream

TOPIC = "auction:1"
FEED = Feed(TOPIC)


class Rider:
    """A subscriber's way out, as a socket has one: it can stop to read, and takes notes."""

    def __init__(self, question="the same"):
        self.question = question
        self.got, self.runs = [], 0
        self.reads = True
        self.seat = self.resuming = None
        self.inside = 0
        self._calls = []

    def answers(self, events):
        self.runs += 1
        return self._answers(events)

    @staticmethod
    async def _answers(events):
        async with aclosing(events):
            async for event in events:
                event.shared["executed"] = event.shared.get("executed", 0) + 1
                yield None if event.type == "Broken" else (event.sequence, event.shared)

    def write(self, answer):
        if self.reads:
            self.got.append(answer[0])
            self.executed = answer[1]["executed"]
        return self.reads

    def when_writable(self, call):
        self._calls.append(call)

    def read(self):
        self.reads = True
        calls, self._calls = self._calls, []
        for call in calls:
            call()

    def seated(self, seat):
        self.seat = seat

    def resume(self, resuming):
        self.seat, self.resuming = None, resuming

    @contextmanager
    def during(self):
        self.inside += 1
        try:
            yield
        finally:
            self.inside -= 1


@pytest.fixture
async def board():
    """`await board(hub, db)`: a rider that a crowd has taken on, and what came before that."""
    riders = []

    async def start(hub, db, *, feed=FEED, viewer_id=None, question="the same", **options):
        rider = Rider(question)
        riders.append(rider)
        boarding = Boarding(hub, feed, rider, viewer_id, rider.during)
        events = stream(hub, db, feed.topic, types=feed.types, boarding=boarding, **options)
        rider.history = [event.sequence async for event in events]
        return rider

    yield start
    for rider in riders:
        if rider.seat is not None:
            rider.seat.leave()


async def test_an_event_is_executed_once_for_all_who_ask_the_same(make_hub, board, helpers):
    hub, db = await make_hub()
    riders = [await board(hub, db) for _ in range(5)]
    other = await board(hub, db, question="another")
    await helpers.write(db, TOPIC, 3)
    await helpers.until(lambda: all(rider.got == [1, 2, 3] for rider in (*riders, other)))
    assert [rider.runs for rider in riders] == [1, 0, 0, 0, 0]
    assert other.runs == 1
    assert {riders[0].executed, other.executed} == {1, 2}  # once for each of the two questions
    assert hub.status().live == 6
    assert hub.counts.delivered == 18


async def test_who_comes_in_later_or_from_a_cursor_gets_each_event_once(make_hub, board, helpers):
    hub, db = await make_hub()
    first = await board(hub, db)
    await helpers.write(db, TOPIC, 4)
    await helpers.until(lambda: len(first.got) == 4)
    late = await board(hub, db)
    after_two = await board(hub, db, after=cursor(2))
    assert (late.history, after_two.history) == ([], [3, 4])
    await helpers.write(db, TOPIC, 2)
    await helpers.until(lambda: all(r.got[-1:] == [6] for r in (first, late, after_two)))
    assert first.got == [1, 2, 3, 4, 5, 6]
    assert late.got == after_two.got == [5, 6]


async def test_publications_that_were_lost_reach_the_crowd_from_the_log(
    make_hub, board, helpers, silent
):
    hub, db = await make_hub()
    riders = [await board(hub, db) for _ in range(2)]
    await helpers.write(silent, TOPIC, 3)
    await helpers.write(db, TOPIC)
    await helpers.until(lambda: all(rider.got == [1, 2, 3, 4] for rider in riders))


async def test_a_rider_who_stops_reading_gets_what_waited_in_order(make_hub, board, helpers):
    hub, db = await make_hub()
    slow, quick = await board(hub, db), await board(hub, db)
    await helpers.write(db, TOPIC)
    await helpers.until(lambda: slow.got == [1])
    slow.reads = False
    await helpers.write(db, TOPIC, 3)
    await helpers.until(lambda: quick.got == [1, 2, 3, 4])
    assert slow.got == [1]
    slow.read()
    assert slow.got == [1, 2, 3, 4]


async def test_one_who_reads_too_little_is_ended_alone_and_told_where_to_resume(
    make_hub, board, helpers
):
    hub, db = await make_hub(buffer=5)
    slow, quick = await board(hub, db), await board(hub, db)
    await helpers.write(db, TOPIC, 2)
    await helpers.until(lambda: slow.got == [1, 2])
    slow.reads = False
    await helpers.write(db, TOPIC, 6)
    await helpers.until(lambda: slow.resuming is not None)
    error = slow.resuming.error
    assert isinstance(error, SlowConsumer)
    assert decode_cursor(error.details["lastCursor"], TOPIC) == 2
    await helpers.write(db, TOPIC, 2)
    await helpers.until(lambda: quick.got == list(range(1, 11)))
    slow.read()
    assert slow.got == [1, 2]
    assert (slow.inside, quick.inside) == (0, 1)
    assert (hub.counts.slow, hub.status().live) == (1, 1)


async def test_who_leaves_takes_nothing_from_anybody_and_the_last_closes_the_topic(
    make_hub, board, helpers
):
    hub, db = await make_hub()
    riders = [await board(hub, db) for _ in range(3)]
    await helpers.write(db, TOPIC)
    await helpers.until(lambda: all(rider.got == [1] for rider in riders))
    riders[0].seat.leave()
    riders[0].seat.leave()
    await helpers.write(db, TOPIC)
    await helpers.until(lambda: riders[1].got == riders[2].got == [1, 2])
    assert riders[0].got == [1]
    for rider in riders[1:]:
        rider.seat.leave()
    assert [rider.inside for rider in riders] == [0, 0, 0]
    status = hub.status()
    assert (status.topics, status.subscribers, status.live) == (0, 0, 0)
    assert not hub.crowds


async def test_what_cannot_be_said_to_all_is_left_to_each_from_that_event_on(
    make_hub, board, helpers
):
    hub, db = await make_hub()
    riders = [await board(hub, db) for _ in range(2)]
    await helpers.write(db, TOPIC, 2)
    await helpers.write(db, TOPIC, type="Broken")
    await helpers.until(lambda: all(rider.resuming is not None for rider in riders))
    for rider in riders:
        assert rider.got == [1, 2]
        assert (rider.resuming.position, rider.resuming.error) == (2, None)
        assert rider.resuming.feed == FEED
    assert not hub.crowds


async def test_events_are_for_those_they_are_shown_to(make_hub, board, helpers):
    hub, db = await make_hub()
    feed = Feed(TOPIC, shown=shown_to_its_own)
    ada = await board(hub, db, feed=feed, viewer_id="ada")
    bob = await board(hub, db, feed=feed, viewer_id="bob")
    await helpers.write(db, TOPIC, 6)  # keys 0, 1, 2, 0, 1, 2
    await helpers.until(lambda: ada.got == [1, 3, 4, 6] and bob.got == [2, 3, 5, 6])
    assert ada.seat.crowd is bob.seat.crowd


async def test_the_end_of_the_hub_ends_rides_after_what_waits(make_hub, board, helpers):
    hub, db = await make_hub()
    slow, quick, idle = [await board(hub, db) for _ in range(3)]
    other = await board(hub, db, question="nothing yet")
    slow.reads = False
    await helpers.write(db, TOPIC, 2)
    await helpers.until(lambda: quick.got == [1, 2])
    idle.seat.leave()
    await hub.close()
    assert isinstance(quick.resuming.error, Unavailable)
    assert isinstance(other.resuming.error, Unavailable)
    assert slow.resuming is None
    slow.read()
    assert slow.got == [1, 2]
    assert isinstance(slow.resuming.error, Unavailable)
    assert idle.resuming is None


async def test_many_events_at_once_to_many_that_come_and_go(make_hub, board, helpers):
    hub, db = await make_hub()
    constant = await board(hub, db)
    writing = asyncio.create_task(helpers.write(db, TOPIC, 60))
    guests = []
    while not writing.done():
        guests.append(await board(hub, db))
        if len(guests) % 3 == 0:
            guests[-2].seat.leave()
        await asyncio.sleep(0.01)
    await helpers.until(lambda: constant.got == list(range(1, 61)))
    for number, guest in enumerate(guests, 1):
        last = guest.got[-1] if number % 3 == 2 and guest.got else 60
        if guest.got:
            assert guest.got == list(range(guest.got[0], last + 1))


def shown_to_its_own(event, viewer_id):
    return viewer_id in {0: ["ada"], 1: ["bob"], 2: ["ada", "bob"]}[event.payload["key"]]


def cursor(sequence):
    return encode_cursor(TOPIC, sequence)
