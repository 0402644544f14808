"""One hub a process: publishes committed events, listens for everybody's, and misses none.

Redis is the fast way; the log is the sure one. What a topic lacks is read from the log once for all
of its subscribers here. Nothing here knows what an event means.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Hashable, Sequence
from contextlib import suppress
from contextvars import Context
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import structlog
from broadcaster import Broadcast

from core.clock import utc_now
from core.database import Database
from core.errors import CursorExpired, RequestError, Unavailable
from core.events import CommittedEvent
from core.metrics import count_events_healed, count_events_published
from subscriptions.backend import RedisBackend
from subscriptions.bells import Bells
from subscriptions.fanout import ConflateKey, Counts, Subscription, Topic
from subscriptions.log import LogEvent, decode_event, encode_event, outlast, read_heads
from subscriptions.reading import EXPIRED, GOING_DOWN, LogReader

log = structlog.get_logger(__name__)

GAP_GRACE_S = 0.005
"""Two processes' publications often cross: wait this long before reading the log for a gap."""
BURST = 100
"""Events delivered before consumers get a turn."""
ROOM_S = 0.25
"""The longest that healing waits for a consumer to make room."""
LOG_BELL, INDEX_BELL = "log", "index"
"""Rung after each publication, for those who follow the whole log; and when the index of search has
followed it."""


@dataclass(frozen=True, slots=True)
class HubStatus:
    """For /readyz and metrics. `mode` is "polling" while Redis is away: late, yet complete.

    `dropped` counts publications that never reached Redis, since the start.
    """

    mode: Literal["push", "polling", "memory"]
    connected: bool
    connects: int
    last_connected_at: datetime | None
    topics: int
    subscribers: int
    live: int
    dropped: int


class Hub:
    """Made by `app.py` and `cli.py`: `Database(after_commit=hub.publish)`, then `start(db)`.

    `url` is `redis://…`, `rediss://…`, `unix://…`, or `memory://` for one process alone.
    """

    def __init__(
        self, url: str, *, prefix: str = "mela", buffer: int = 1_000, heads_interval_s: float = 1.0
    ) -> None:
        self.counts = Counts()
        self.reader = LogReader()
        self.buffer = buffer
        self._prefix = prefix
        self._interval_s = heads_interval_s
        self._redis: RedisBackend | None = None
        if url.startswith("memory://"):
            self._broadcast = Broadcast(url)
        else:
            self._redis = RedisBackend(
                url, on_connect=self._on_connect, on_disconnect=self._on_disconnect
            )
            self._broadcast = Broadcast(backend=self._redis)
        self.bells = Bells(self._broadcast, prefix=prefix)
        self.crowds: dict[Hashable, Any] = {}
        """Those of `subscriptions/crowds.py`, by what they follow and ask."""
        self._topics: dict[str, Topic] = {}
        self._look = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._pumps: dict[str, asyncio.Task[None]] = {}
        self._started = False
        self._connects = 0
        self._last_connected_at: datetime | None = None

    async def start(self, db: Database) -> None:
        """Begin to listen. Redis may be away: the log is polled until it comes."""
        self._db = db
        self._started = True
        await self._broadcast.connect()
        self.bells.start()
        self.spawn(self._watch_heads())

    async def close(self) -> None:
        """End what is left of the streams, hand the last publications to Redis, and stop."""
        if not self._started:
            return
        self._started = False
        self.end_all(Unavailable(GOING_DOWN))
        for topic in list(self._topics.values()):
            self._close_topic(topic)
        # Pumps end by themselves, or were cancelled where that is safe: see `_close_topic`.
        for task in self._tasks.difference(self._pumps.values()):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.bells.close()
        for crowd in list(self.crowds.values()):
            crowd.disband()  # one that was stopped before it began
        await self.reader.close()
        await self._broadcast.disconnect()

    def end_all(self, error: RequestError) -> None:
        """End every stream with `error`, after what it has in hand (for a graceful shutdown)."""
        for topic in self._topics.values():
            topic.end(error)

    def status(self) -> HubStatus:
        """Where the hub stands now."""
        redis = self._redis
        connected = redis is None or redis.connected
        return HubStatus(
            mode="memory" if redis is None else "push" if connected else "polling",
            connected=connected,
            connects=self._connects,
            last_connected_at=self._last_connected_at,
            topics=len(self._topics),
            subscribers=sum(topic.subscribers for topic in self._topics.values()),
            live=sum(topic.followers for topic in self._topics.values()),
            dropped=0 if redis is None else redis.dropped,
        )

    async def publish(self, events: Sequence[CommittedEvent]) -> None:
        """Deliver committed events here and send them to the other processes.

        Never raises and never waits for Redis: whoever misses one finds it in the log.
        """
        try:
            for n, event in enumerate(events, 1):
                message = encode_event(event)
                self._receive(event.topic, message)
                if self._started:
                    await self._broadcast.publish(self._channel(event.topic), message)
                self.counts.published += 1
                count_events_published(1)
                if n % BURST == 0:
                    await asyncio.sleep(0)
            self.bells.ring(LOG_BELL)
        except Exception:
            log.exception("publication_failed", topics=sorted({event.topic for event in events}))

    async def join(
        self,
        name: str,
        *,
        types: frozenset[str] | None = None,
        conflate_key: ConflateKey | None = None,
    ) -> Subscription:
        """Become a member of a topic; returns when the process listens to it. Nothing is pushed
        before `Topic.go_live`. Whoever joined must `leave`.
        """
        if not self._started:
            raise Unavailable(GOING_DOWN)
        topic = self._topics.get(name) or self._open_topic(name)
        subscription = Subscription(
            topic, limit=self.buffer, types=types, conflate_key=conflate_key
        )
        topic.members.add(subscription)
        try:
            await topic.opened.wait()
            if topic.delivered is None:
                raise Unavailable("events cannot be read now")
        except BaseException:
            self.leave(subscription)
            raise
        return subscription

    def leave(self, subscription: Subscription) -> None:
        """Give the subscription up; the last one out closes the topic. Twice is harmless."""
        topic = subscription.topic
        topic.live.pop(subscription, None)
        topic.members.discard(subscription)
        if not topic.members and self._topics.get(topic.name) is topic:
            self._close_topic(topic)

    # Topics: opened by the first member, closed by the last

    def _open_topic(self, name: str) -> Topic:
        topic = self._topics[name] = Topic(name, self.counts)
        pump = self.spawn(self._pump(topic, former=self._pumps.get(name)))
        topic.pump = self._pumps[name] = pump
        return topic

    def _close_topic(self, topic: Topic) -> None:
        del self._topics[topic.name]
        topic.opened.set()
        if topic.heal is not None:
            topic.heal.cancel()
        # Broadcaster breaks when it is cancelled while it subscribes: such a pump ends by itself.
        if topic.listening and topic.pump is not None:
            topic.pump.cancel()

    async def _pump(self, topic: Topic, *, former: asyncio.Task[None] | None) -> None:
        """Listen to the topic's channel for as long as the topic is open."""
        try:
            if former is not None:
                # Broadcaster cannot subscribe to a channel that it is just leaving.
                await asyncio.wait({former})
            await self._listen(topic)
        except Exception:
            log.exception("topic_failed", topic=topic.name)
            topic.end(Unavailable("events cannot be read now"))
            if self._topics.get(topic.name) is topic:
                self._close_topic(topic)
        finally:
            if self._pumps.get(topic.name) is asyncio.current_task():
                del self._pumps[topic.name]

    async def _listen(self, topic: Topic) -> None:
        async with self._broadcast.subscribe(self._channel(topic.name)) as subscriber:
            topic.listening = True
            if self._topics.get(topic.name) is not topic:
                return
            topic.start_at(await self.reader.head(self._db, topic.name))
            self._heal_if_behind(topic)
            while True:
                message = await subscriber.get()
                self.counts.received += 1
                self._receive(topic.name, message.message)

    def _receive(self, name: str, message: bytes | str) -> None:
        topic = self._topics.get(name)
        if topic is None:
            return
        try:
            event = decode_event(message)
        except (ValueError, KeyError, TypeError):
            log.warning("not_an_event", topic=name)
            return
        topic.receive(event)
        self._heal_if_behind(topic)

    def _channel(self, name: str) -> str:
        return f"{self._prefix}:topic:{name}"

    def spawn(
        self, work: Coroutine[Any, Any, None], *, context: Context | None = None
    ) -> asyncio.Task[None]:
        """Work that ends with the hub at the latest."""
        task = asyncio.create_task(work, context=context)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # Healing: what push lost is read from the log

    def _heal_if_behind(self, topic: Topic) -> None:
        if topic.behind() and (topic.heal is None or topic.heal.done()):
            topic.heal = self.spawn(self._heal(topic))

    async def _heal(self, topic: Topic) -> None:
        await asyncio.sleep(GAP_GRACE_S)
        try:
            while topic.behind():
                assert topic.delivered is not None
                target = topic.target
                page = await self.reader.fresh_page(self._db, topic.name, after=topic.delivered)
                if not page:
                    log.warning("sequence_beyond_log", topic=topic.name, sequence=target)
                    topic.forget(target)
                    continue
                await self._deliver_page(topic, page)
        except CursorExpired as error:
            log.error("events_removed_before_delivery", topic=topic.name)
            self._fail(topic, error)
        except Exception:
            log.exception("healing_failed", topic=topic.name)

    async def _deliver_page(self, topic: Topic, page: Sequence[LogEvent]) -> None:
        """Deliver a page at a pace that consumers can follow: it is no fault of theirs."""
        chunk = max(1, min(BURST, self.buffer // 4))
        for start in range(0, len(page), chunk):
            for event in page[start : start + chunk]:
                if topic.delivered is not None and event.sequence > topic.delivered:
                    self.counts.healed += 1
                    count_events_healed(1)
                    topic.receive(event)
            await self._room(topic)

    async def _room(self, topic: Topic) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + ROOM_S
        await asyncio.sleep(0)
        # Looked at, not waited for: an event would burden every `take` for this rare moment.
        while topic.fullest() > self.buffer // 2 and loop.time() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    def _fail(self, topic: Topic, error: RequestError) -> None:
        topic.end(error)
        if self._topics.get(topic.name) is topic:
            self._close_topic(topic)

    # Heads: what the log has, against what was delivered

    async def _watch_heads(self) -> None:
        """Look at the heads of all topics once an interval and after each connect."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._interval_s):
                    await self._look.wait()
            self._look.clear()
            try:
                await self._compare_all()
            except Exception:
                log.exception("heads_unreadable")

    async def _compare_all(self) -> None:
        delivered = {t: t.delivered for t in self._topics.values() if t.delivered is not None}
        if not delivered:
            return
        names = [topic.name for topic in delivered]
        heads = await outlast(lambda: read_heads(self._db, names))
        for topic, before in delivered.items():
            self._compare(topic, before, heads[topic.name])

    def _compare(self, topic: Topic, delivered: int, head: int) -> None:
        if self._topics.get(topic.name) is not topic:
            return
        if head < delivered:
            # Only a restore from a backup does this. What was delivered since is no longer true.
            log.error("log_went_back", topic=topic.name, delivered=delivered, head=head)
            self._fail(topic, CursorExpired(EXPIRED))
            return
        topic.target = max(topic.target, head)
        self._heal_if_behind(topic)

    def _on_connect(self) -> None:
        self._connects += 1
        self._last_connected_at = utc_now()
        log.info("realtime_by_push", connects=self._connects)
        self._look.set()

    def _on_disconnect(self) -> None:
        log.warning("realtime_by_polling", interval_s=self._interval_s)
