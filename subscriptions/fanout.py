"""One topic's subscribers in this process: bounded buffers, and the tight loop that fills them.

All of it is synchronous: the event loop's turns are its only lock. No Redis and no SQL here.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

from core.errors import RequestError, SlowConsumer
from core.metrics import count_events_delivered
from subscriptions.cursors import encode_cursor
from subscriptions.log import LogEvent

ConflateKey = Callable[[LogEvent], Hashable]

MAX_PENDING = 1_000
"""Events kept while one before them is missing; past it they are read from the log as well."""


class Subscription:
    """What waits for one subscriber: filled by its topic, emptied by one consumer.

    `floor` is the sequence at which it went live; the consumer drops what is not above it.
    """

    __slots__ = (
        "_buffer",
        "_conflate_key",
        "_error",
        "_limit",
        "_newest",
        "_waiter",
        "floor",
        "topic",
        "types",
    )

    def __init__(
        self,
        topic: Topic,
        *,
        limit: int,
        types: frozenset[str] | None = None,
        conflate_key: ConflateKey | None = None,
    ) -> None:
        self.topic = topic
        self.types = types
        self.floor = 0
        self._limit = limit
        self._conflate_key = conflate_key
        self._buffer: deque[LogEvent] | None = None  # an empty one takes 700 bytes
        self._newest: OrderedDict[Hashable, LogEvent] | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._error: Exception | None = None

    def __len__(self) -> int:
        if self._newest is not None:
            return len(self._newest)
        return 0 if self._buffer is None else len(self._buffer)

    @property
    def backlog(self) -> int:
        """Events waiting, each of which the consumer must get."""
        return 0 if self._buffer is None else len(self._buffer)

    def take(self) -> LogEvent | None:
        """The next event in hand, or None. Raises what ended the subscription once it is empty."""
        if self._buffer:
            return self._buffer.popleft()
        if self._newest:
            return self._newest.popitem(last=False)[1]
        self._newest = None
        self.check()
        return None

    def check(self) -> None:
        """Raise what ended the subscription, if anything did."""
        if self._error is not None:
            # One error may end many subscriptions: each raises it afresh.
            raise self._error.with_traceback(None)

    async def wait(self) -> None:
        """Return when `take` has something. One caller at a time."""
        if not self and self._error is None:
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None

    def end(self, error: Exception) -> None:
        """Let the consumer have what is in hand, then `error`."""
        if self._error is None:
            self._error = error
        self._wake()

    def push(self, event: LogEvent) -> bool:
        """Add an event; False when it is too much, and the subscription has ended with
        `SlowConsumer`.
        """
        if self._buffer is None:
            self._buffer = deque()
        if self._newest is None and len(self._buffer) < self._limit:
            self._buffer.append(event)
        elif not self._conflate(event):
            self._end_slow()
            return False
        if self._waiter is not None:
            self._wake()
        return True

    @property
    def error(self) -> Exception | None:
        """What ended the subscription, whatever is still in hand."""
        return self._error

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _conflate(self, event: LogEvent) -> bool:
        """Keep the newest event of each key, until the consumer has taken all of them."""
        key_of = self._conflate_key
        if key_of is None:
            return False
        if self._newest is None:
            self._newest = OrderedDict()
            for waiting in self._buffer or ():
                self._keep_newest(key_of(waiting), waiting, self._newest)
            self._buffer = None
        self._keep_newest(key_of(event), event, self._newest)
        return len(self._newest) <= self._limit

    @staticmethod
    def _keep_newest(
        key: Hashable, event: LogEvent, newest: OrderedDict[Hashable, LogEvent]
    ) -> None:
        newest[key] = event
        newest.move_to_end(key)

    def _end_slow(self) -> None:
        """Give the memory back at once: who resumes reads the log, from what was not taken."""
        assert self._newest or self._buffer
        first = next(iter(self._newest.values() if self._newest else self._buffer or ()))
        self._buffer = self._newest = None
        resume = max(self.floor, first.sequence - 1)
        self.end(SlowConsumer(encode_cursor(first.topic, resume)))


@dataclass(slots=True)
class Counts:
    """Totals of this process since its start. `delivered` is events times live subscribers, before
    filters; `healed` events were missed by push and read from the log; `slow` subscribers ended.
    """

    published: int = 0
    received: int = 0
    delivered: int = 0
    healed: int = 0
    slow: int = 0


@dataclass(eq=False, slots=True)
class Topic:
    """Where this process stands in one topic, and who follows it here.

    `delivered` is the last sequence handed to every live subscriber, None until the log's head is
    known; `target` the highest sequence known to exist. `sources` of the live ones are crowds, and
    stand for `riders` subscribers (`subscriptions/crowds.py`).
    """

    name: str
    counts: Counts
    delivered: int | None = None
    target: int = 0
    pending: dict[int, LogEvent] = field(default_factory=dict)
    members: set[Subscription] = field(default_factory=set)
    live: dict[Subscription, None] = field(default_factory=dict)
    opened: asyncio.Event = field(default_factory=asyncio.Event)
    sources: int = 0
    riders: int = 0
    listening: bool = False
    pump: asyncio.Task[None] | None = None
    heal: asyncio.Task[None] | None = None

    def start_at(self, head: int) -> None:
        """All up to `head` is history; what came meanwhile follows it."""
        self.delivered = head
        self.forget(head)
        self._deliver_pending()
        self.opened.set()

    def forget(self, limit: int) -> None:
        """Wait for nothing up to `limit` any longer: the log does not have it."""
        assert self.delivered is not None
        self.pending = {n: event for n, event in self.pending.items() if n > limit}
        self.target = max(self.pending, default=self.delivered)

    def receive(self, event: LogEvent) -> None:
        """Take an event from anywhere, in any order, any number of times; deliver it once, in its
        turn.
        """
        n = event.sequence
        self.target = max(self.target, n)
        if self.delivered is not None and n <= self.delivered:
            return
        if self.delivered is None or n > self.delivered + 1:
            if len(self.pending) < MAX_PENDING:
                self.pending[n] = event
            return
        self.pending.pop(n, None)
        self._deliver(event)
        self._deliver_pending()

    def go_live(self, subscription: Subscription, position: int) -> bool:
        """From now on everything after `position` is pushed. False when the log must be read
        first, because some of it has been delivered already.
        """
        assert self.delivered is not None
        if position < self.delivered:
            return False
        subscription.floor = position
        if subscription in self.members:
            self.live[subscription] = None
        return True

    def behind(self) -> bool:
        """Whether something is known to exist that has not been delivered."""
        return self.delivered is not None and self.delivered < self.target

    @property
    def subscribers(self) -> int:
        """All subscribers, those who still read history too."""
        return len(self.members) - self.sources + self.riders

    @property
    def followers(self) -> int:
        """The subscribers who are pushed what comes, alone or in a crowd."""
        return len(self.live) - self.sources + self.riders

    def fullest(self) -> int:
        """The length of the longest buffer; one that conflates by now can take any number."""
        return max((subscription.backlog for subscription in self.live), default=0)

    def end(self, error: RequestError) -> None:
        """End every subscription of the topic with `error`."""
        self.live.clear()
        for member in self.members:
            member.end(error)

    def _deliver_pending(self) -> None:
        assert self.delivered is not None
        while self.pending:
            event = self.pending.pop(self.delivered + 1, None)
            if event is None:
                return
            self._deliver(event)

    def _deliver(self, event: LogEvent) -> None:
        self.delivered = event.sequence
        followers = self.followers
        self.counts.delivered += followers
        count_events_delivered(followers)
        kind = event.type
        slow = [
            subscription
            for subscription in self.live
            if (subscription.types is None or kind in subscription.types)
            and not subscription.push(event)
        ]
        self.counts.slow += len(slow)
        for subscription in slow:
            del self.live[subscription]
