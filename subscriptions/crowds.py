"""Subscribers who ask the same of the same events: one execution and one text for all, written to
each socket at once. Nobody is woken, and a subscriber who rides along has no task of its own.

A crowd stands in its topic as one subscriber. How far a member has got is a sequence, as for any
other, so that it may leave the crowd at any event and go on alone. Nothing here knows GraphQL or
sockets.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Hashable
from contextlib import AbstractContextManager, aclosing
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

TURN = 100
"""Members written to before others get a turn."""


@dataclass(frozen=True, slots=True)
class Resuming:
    """Where a subscriber goes on alone after a ride: behind `position` of the feed's topic, or
    nowhere, with the error that ended its stream."""

    feed: Feed
    position: int
    error: Exception | None


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

    def seated(self, seat: Seat) -> None:
        """From now on the crowd writes here, until `seat.leave()` or `resume`."""

    def resume(self, resuming: Resuming) -> None:
        """The ride is over, and the subscriber is not."""


class Seat:
    """One subscriber's place in a crowd. `last` is the sequence of the last event written; what
    waits is bounded by the hub's buffer."""

    __slots__ = ("_ending", "_error", "_waiting", "_while", "crowd", "floor", "last", "outlet")

    def __init__(
        self, crowd: Crowd, outlet: Outlet, floor: int, during: AbstractContextManager[object]
    ) -> None:
        self.crowd = crowd
        self.outlet = outlet
        self.floor = self.last = floor
        self._while: AbstractContextManager[object] | None = during
        self._waiting: deque[tuple[int, Any]] | None = None
        self._ending = False
        self._error: Exception | None = None
        during.__enter__()

    @property
    def backlog(self) -> int:
        """Answers waiting for the subscriber to read."""
        return 0 if self._waiting is None else len(self._waiting)

    def take(self, answer: Any, sequence: int) -> None:
        """Write an answer, or keep it until the subscriber reads; too many end the ride with
        `SlowConsumer`, and what waited is forgotten: who resumes reads the log."""
        if self._ending:
            return
        if self._waiting is None:
            if self.outlet.write(answer):
                self.last = sequence
                return
            self._waiting = deque()
            self.outlet.when_writable(self._flush)
        self._waiting.append((sequence, answer))
        if len(self._waiting) > self.crowd.hub.buffer:
            self._waiting = None
            self.end_slow()

    def end_slow(self) -> None:
        """End the ride with the error that tells where to resume."""
        self.crowd.hub.counts.slow += 1
        self.end(SlowConsumer(encode_cursor(self.crowd.feed.topic, self.last)))

    def end(self, error: Exception | None) -> None:
        """End the ride after what waits; without an error the subscriber goes on alone."""
        if not self._ending:
            self._ending, self._error = True, error
            if self._waiting is None:
                self._finish()

    def leave(self) -> None:
        """Take nothing more: the subscriber is gone. Twice is harmless."""
        self._ending, self._waiting = True, None
        self._give_up()

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
        if self._while is None:
            return
        self._give_up()
        position = max(self.last, self.crowd.settled)
        self.outlet.resume(Resuming(self.crowd.feed, position, self._error))

    def _give_up(self) -> None:
        during, self._while = self._while, None
        if during is not None:
            during.__exit__(None, None, None)
            self.crowd.let_go(self)


class _Source(Subscription):
    """A crowd in its topic: whoever heals a gap waits for its members too. It runs from its first
    event on."""

    __slots__ = ("crowd",)

    def __init__(self, crowd: Crowd, topic: Topic) -> None:
        super().__init__(topic, limit=crowd.hub.buffer, types=crowd.feed.types)
        self.crowd = crowd

    @property
    def backlog(self) -> int:
        """Events waiting for the crowd, or answers for its slowest member."""
        return max(super().backlog, *(seat.backlog for seat in self.crowd.seats), 0)

    def push(self, event: LogEvent) -> bool:
        """See `Subscription.push`."""
        self.crowd.begin()
        return super().push(event)

    def end(self, error: Exception) -> None:
        """See `Subscription.end`."""
        self.crowd.begin()
        super().end(error)


@dataclass(eq=False, slots=True)
class Crowd:
    """All who ask one question of one feed in this process. `settled` is the last event that all
    who may have it have got."""

    hub: Hub
    feed: Feed
    question: Hashable
    topic: Topic
    settled: int
    seats: dict[Seat, UUID | None] = field(default_factory=dict)
    source: _Source = field(init=False)
    _over: bool = False
    _current: LogEvent | None = None
    _error: Exception | None = None
    _run: asyncio.Task[None] | None = None

    def __post_init__(self) -> None:
        topic = self.topic
        source = self.source = _Source(self, topic)
        source.floor = self.settled
        topic.members.add(source)
        topic.live[source] = None
        topic.sources += 1
        self.hub.crowds[self.feed, self.question] = self

    def begin(self) -> None:
        """Execute what comes from now on."""
        if self._run is None and not self._over:
            answers = next(iter(self.seats)).outlet.answers(self._events())
            # In a context of its own: the log must not name the request of whoever came first.
            self._run = self.hub.spawn(self._write(answers), context=Context())

    def let_go(self, seat: Seat) -> None:
        """One member less; the last one out closes the crowd."""
        if seat in self.seats:
            del self.seats[seat]
            self.topic.riders -= 1
        if not self.seats and not self._over:
            if self._run is not None:
                self._run.cancel()
            self.disband()

    async def _write(self, answers: AsyncGenerator[Any, None]) -> None:
        try:
            async with aclosing(answers):
                async for answer in answers:
                    event = self._current
                    if answer is None or event is None:
                        log.info("crowd_disbanded", topic=self.feed.topic, members=len(self.seats))
                        break
                    await self._deliver(event, answer)
        except Exception:
            log.exception("crowd_failed", topic=self.feed.topic)
        finally:
            self.disband()

    async def _events(self) -> AsyncGenerator[LogEvent, None]:
        try:
            while True:
                while (event := self.source.take()) is not None:
                    if self.feed.passes(event) and self._has_takers(event):
                        self._current = event
                        yield event
                        self._current = None
                    self.settled = event.sequence
                await self.source.wait()
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

    def disband(self) -> None:
        """Let everybody go, with what ended the topic's stream if anything did."""
        if self._over:
            return
        self._over = True
        del self.hub.crowds[self.feed, self.question]
        self.topic.sources -= 1
        self.hub.leave(self.source)
        error = self._error or self.source.error
        for seat in tuple(self.seats):
            if isinstance(error, SlowConsumer):
                seat.end_slow()
            else:
                seat.end(error)


@dataclass(frozen=True, slots=True)
class Boarding:
    """A subscriber who is ready to ride along; `during` is entered for the ride."""

    hub: Hub
    feed: Feed
    outlet: Outlet
    viewer_id: UUID | None
    during: Callable[[], AbstractContextManager[object]]

    def board(self, own: Subscription, position: int) -> bool:
        """Take a place for a subscriber who has had all up to `position`, and all that its topic
        delivered; False where it must go on alone. A place is its own, whoever leaves the topic.
        """
        question = self.outlet.question
        topic = own.topic
        if question is None or topic.delivered is None:
            return False
        crowd = self.hub.crowds.get((self.feed, question))
        if crowd is None:
            crowd = Crowd(self.hub, self.feed, question, topic, topic.delivered)
        seat = Seat(crowd, self.outlet, max(position, topic.delivered), self.during())
        crowd.seats[seat] = self.viewer_id
        topic.riders += 1
        self.outlet.seated(seat)
        return True
