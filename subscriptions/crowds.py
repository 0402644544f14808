"""Subscribers who ask the same of the same events: one execution and one text for all, written to
each socket at once. Who waits for nothing is woken for nothing.

A crowd stands in its topic as one subscriber; its members' own streams rest meanwhile. What a
member has got is a sequence, as for any other, so that it may leave the crowd at any event and go
on alone. Nothing here knows GraphQL or sockets.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Hashable
from contextlib import aclosing
from contextvars import Context
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID

import structlog

from core.errors import RequestError, SlowConsumer
from subscriptions.cursors import encode_cursor
from subscriptions.fanout import Subscription, Topic
from subscriptions.feeds import Feed
from subscriptions.hub import Hub
from subscriptions.log import LogEvent

log = structlog.get_logger(__name__)

FEWEST = 2
"""Subscribers of one question from whom on a crowd is worth its own execution."""
TURN = 100
"""Members written to before others get a turn."""


class Outlet(Protocol):
    """A subscriber's way out, which takes what it is given at once or not at all."""

    @property
    def question(self) -> Hashable | None:
        """Equal for those whom one answer serves; None where an answer is this subscriber's own."""

    def answers(self, events: AsyncGenerator[LogEvent, None]) -> AsyncGenerator[Any, None]:
        """What to write for each event, as anybody with the same question would get it; None where
        each must make it alone. Holds nothing of this subscriber."""

    def write(self, answer: Any) -> bool:
        """Send an answer; False, and nothing sent, while the subscriber takes none."""

    def when_writable(self, call: Callable[[], None]) -> None:
        """Call once when it takes answers again."""


class Seat:
    """One subscriber's place: alone in its topic at first, in the crowd once there is one.

    `last` is the sequence of the last event written; what waits is bounded by the crowd's limit.
    """

    __slots__ = (
        "_done",
        "_ending",
        "_error",
        "_waiting",
        "crowd",
        "floor",
        "last",
        "outlet",
        "own",
    )

    def __init__(self, crowd: Crowd, own: Subscription, outlet: Outlet, floor: int) -> None:
        self.crowd = crowd
        self.own = own
        self.outlet = outlet
        self.floor = self.last = floor
        self._waiting: deque[tuple[int, Any]] | None = None
        self._done: asyncio.Future[None] | None = None
        self._ending = False
        self._error: Exception | None = None

    def take(self, answer: Any, sequence: int) -> None:
        """Write an answer, or keep it until the subscriber reads; too many end the ride with
        `SlowConsumer`, and with the ride alone what waits is forgotten."""
        if self._ending:
            return
        if self._waiting is None and self.outlet.write(answer):
            self.last = sequence
            return
        if self._waiting is None:
            self._waiting = deque()
            self.outlet.when_writable(self._flush)
        self._waiting.append((sequence, answer))
        if len(self._waiting) > self.crowd.limit:
            self._waiting = None
            self.crowd.count_slow()
            self.end(self.slow())

    def slow(self) -> SlowConsumer:
        """The error that tells where to resume."""
        return SlowConsumer(encode_cursor(self.own.topic.name, self.last))

    @property
    def backlog(self) -> int:
        """Answers waiting for the subscriber to read."""
        return 0 if self._waiting is None else len(self._waiting)

    def end(self, error: Exception | None) -> None:
        """End the ride after what waits; without an error the subscriber goes on alone."""
        if not self._ending:
            self._ending, self._error = True, error
            if self._waiting is None:
                self._finish()

    async def ride(self) -> int:
        """Be written to by the crowd until it ends; the sequence up to which all is done. Raises
        what ended the stream."""
        if not self._ending:
            self._done = asyncio.get_running_loop().create_future()
            await self._done
        if self._error is not None:
            # One error may end many rides: each raises it afresh.
            raise self._error.with_traceback(None)
        return max(self.last, self.crowd.settled)

    def stop(self) -> None:
        """Take nothing more: the subscriber is gone."""
        self._ending, self._waiting = True, None

    def _flush(self) -> None:
        waiting = self._waiting
        if waiting is None:
            return
        while waiting:
            sequence, answer = waiting[0]
            if not self.outlet.write(answer):
                self.outlet.when_writable(self._flush)
                return
            self.last = sequence
            waiting.popleft()
        self._waiting = None
        if self._ending:
            self._finish()

    def _finish(self) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_result(None)


class _Source(Subscription):
    """The crowd in its topic: whoever heals a gap waits for its members too."""

    __slots__ = ("crowd",)

    def __init__(self, crowd: Crowd, topic: Topic) -> None:
        super().__init__(topic, limit=crowd.limit, types=crowd.feed.types)
        self.crowd = crowd

    @property
    def backlog(self) -> int:
        """Events waiting for the crowd, or answers for its slowest member."""
        return max(super().backlog, *(seat.backlog for seat in self.crowd.seats), 0)


@dataclass(eq=False, slots=True)
class Crowd:
    """All who ask one question of one feed in this process. `settled` is the last event that all
    who may have it have got."""

    hub: Hub
    feed: Feed
    key: Hashable
    limit: int
    alone: dict[Subscription, None] = field(default_factory=dict)
    seats: dict[Seat, UUID | None] = field(default_factory=dict)
    source: _Source | None = None
    settled: int = 0
    over: bool = False
    _current: LogEvent | None = None
    _error: Exception | None = None
    _task: asyncio.Task[None] | None = None

    def count_slow(self) -> None:
        """One member was ended for not reading."""
        self.hub.counts.slow += 1

    def arrive(self, own: Subscription) -> None:
        """A subscriber is live who would ride along."""
        self.alone[own] = None
        if self.source is None and self.called():
            for waiting in self.alone:
                waiting.call()

    def called(self) -> bool:
        """Whether there are enough to ride."""
        return not self.over and (self.source is not None or len(self.alone) >= FEWEST)

    def board(
        self, own: Subscription, outlet: Outlet, viewer_id: UUID | None, position: int
    ) -> Seat:
        """Take in a subscriber who has had all up to `position` and all that was delivered."""
        topic = own.topic
        assert topic.delivered is not None
        self.alone.pop(own, None)
        if self.source is None:
            self._start(own, outlet)
        del topic.live[own]
        topic.riders += 1
        seat = Seat(self, own, outlet, max(position, topic.delivered))
        self.seats[seat] = viewer_id
        return seat

    def leave(self, own: Subscription, seat: Seat | None) -> None:
        """Let a subscriber go; the last one out closes the crowd. Twice is harmless."""
        self.alone.pop(own, None)
        if seat is not None:
            seat.stop()
            if seat in self.seats:
                del self.seats[seat]
                own.topic.riders -= 1
        if not self.alone and not self.seats:
            if self._task is not None:
                self._task.cancel()
            self._disband()

    def _start(self, own: Subscription, outlet: Outlet) -> None:
        topic = own.topic
        assert topic.delivered is not None
        self.settled = topic.delivered
        source = self.source = _Source(self, topic)
        source.floor = topic.delivered
        topic.members.add(source)
        topic.sources += 1
        topic.live[source] = None
        # In a context of its own: the log must not name the request of whoever came first.
        self._task = self.hub.spawn(self._run(outlet.answers(self._events())), context=Context())

    async def _run(self, answers: AsyncGenerator[Any, None]) -> None:
        try:
            async with aclosing(answers):
                async for answer in answers:
                    event = self._current
                    if answer is None or event is None:
                        log.warning("crowd_disbanded", topic=self.feed.topic, seats=len(self.seats))
                        break
                    await self._deliver(event, answer)
        except Exception:
            log.exception("crowd_failed", topic=self.feed.topic)
        finally:
            self._disband()

    async def _events(self) -> AsyncGenerator[LogEvent, None]:
        source = self.source
        assert source is not None
        try:
            while True:
                while (event := source.take()) is not None:
                    if self.feed.passes(event) and self._has_takers(event):
                        self._current = event
                        yield event
                        self._current = None
                    self.settled = event.sequence
                await source.wait()
        except RequestError as error:
            self._error = error

    def _has_takers(self, event: LogEvent) -> bool:
        shown, n = self.feed.shown, event.sequence
        return any(
            seat.floor < n and (shown is None or shown(event, viewer_id))
            for seat, viewer_id in self.seats.items()
        )

    async def _deliver(self, event: LogEvent, answer: Any) -> None:
        shown, n = self.feed.shown, event.sequence
        for i, (seat, viewer_id) in enumerate(tuple(self.seats.items()), 1):
            if seat.floor < n and (shown is None or shown(event, viewer_id)):
                seat.take(answer, n)
            if i % TURN == 0:
                await asyncio.sleep(0)

    def _disband(self) -> None:
        """Let everybody go, with what ended the topic's stream if anything did."""
        if self.over:
            return
        self.over = True
        del self.hub.crowds[self.key]
        source = self.source
        if source is None:
            return
        source.topic.sources -= 1
        self.hub.leave(source)
        error = self._error or source.error
        slow = isinstance(error, SlowConsumer)
        for seat in tuple(self.seats):
            if slow:
                self.count_slow()
            seat.end(seat.slow() if slow else error)


@dataclass(slots=True)
class Boarding:
    """A subscriber who would ride along with those who ask the same."""

    hub: Hub
    feed: Feed
    outlet: Outlet
    viewer_id: UUID | None
    _crowd: Crowd | None = None
    _seat: Seat | None = None

    def arrive(self, own: Subscription) -> None:
        """Say that the subscriber is live."""
        question = self.outlet.question
        if question is None:
            return
        key = (self.feed, question)
        crowd = self.hub.crowds.get(key)
        if crowd is None:
            crowd = Crowd(self.hub, self.feed, key, self.hub.buffer)
            self.hub.crowds[key] = crowd
        self._crowd = crowd
        crowd.arrive(own)

    def called(self) -> bool:
        """Whether to ride, now that the subscriber has had all there is."""
        return self._crowd is not None and self._crowd.called()

    async def ride(self, own: Subscription, position: int) -> int:
        """From `position` on; see `Seat.ride`."""
        assert self._crowd is not None
        self._seat = self._crowd.board(own, self.outlet, self.viewer_id, position)
        try:
            return await self._seat.ride()
        finally:
            self.leave(own)

    def leave(self, own: Subscription) -> None:
        """The subscriber is gone, or goes on alone. Twice is harmless."""
        if self._crowd is not None:
            self._crowd.leave(own, self._seat)
            self._crowd = None
