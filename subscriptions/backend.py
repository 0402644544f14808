"""A broadcaster backend on Redis pub/sub that survives Redis. It knows channels and bytes, no
events.

Broadcaster's own neither reconnects nor bounds its queue. Messages may be lost here (while Redis
is away, or when a process publishes faster than Redis takes): who needs them all has a log to read.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import structlog
from broadcaster import BroadcastBackend, Event
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError, RedisError

log = structlog.get_logger(__name__)

CONNECT_TIMEOUT_S = 2.0
CONFIRM_TIMEOUT_S = 1.0
IDLE_S = 10.0
"""Silence after which the connection is asked for a sign of life; as long again, and it is dead."""
FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 2.0
INCOMING = 256
"""Messages read and not yet handed on; past it we stop reading: Redis holds them or drops us."""
OUTGOING = 10_000
"""Messages waiting for Redis; past it the oldest are dropped."""
PIPELINE = 500

Failure = (RedisError, OSError, TimeoutError)


class RedisBackend(BroadcastBackend):
    """Publishes and subscribes; reconnects and subscribes again by itself.

    `on_connect` is called when every wanted channel is confirmed on a new connection, and
    `on_disconnect` when a connection is lost. Neither may block or raise.
    """

    def __init__(
        self, url: str, *, on_connect: Callable[[], None], on_disconnect: Callable[[], None]
    ) -> None:
        # The base's __init__ raises NotImplementedError: it is meant to be replaced, not called.
        self.connected = False
        self.dropped = 0
        self._url = url
        self._on_connect = on_connect
        self._on_disconnect = on_disconnect
        self._channels: dict[str, asyncio.Event] = {}
        self._unconfirmed: set[str] = set()
        self._pubsub: PubSub | None = None
        self._incoming: asyncio.Queue[Event] = asyncio.Queue(INCOMING)
        self._outgoing: deque[tuple[str, bytes]] = deque()
        self._has_outgoing = asyncio.Event()
        self._all_sent = asyncio.Event()
        self._all_sent.set()
        self._tried = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def connect(self) -> None:
        """Begin; waits up to two seconds for Redis and goes on without it."""
        # Reading reconnects by our own loop; a publication is worth one more try at once, because
        # a pooled connection may be older than Redis' last restart.
        self._reader = self._client(retries=0)
        self._writer = self._client(retries=1)
        self._tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._write())]
        with suppress(TimeoutError):
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await self._tried.wait()

    async def disconnect(self) -> None:
        """Hand what waits to Redis, for a second at most, and close."""
        with suppress(TimeoutError):
            async with asyncio.timeout(CONFIRM_TIMEOUT_S):
                await self._all_sent.wait()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        self.connected = False
        await self._reader.aclose()
        await self._writer.aclose()

    async def subscribe(self, channel: str) -> None:
        """Listen to a channel, now if Redis is there and whenever it is there again.

        Returns when Redis has confirmed, or after a second without it. Never raises.
        """
        confirmed = self._channels[channel] = asyncio.Event()
        if self._pubsub is None:
            return
        with suppress(*Failure):
            await self._pubsub.subscribe(channel)
            async with asyncio.timeout(CONFIRM_TIMEOUT_S):
                await confirmed.wait()

    async def unsubscribe(self, channel: str) -> None:
        """Stop listening. Never raises."""
        self._channels.pop(channel, None)
        if self._pubsub is not None:
            with suppress(*Failure):
                await self._pubsub.unsubscribe(channel)

    async def publish(self, channel: str, message: Any) -> None:
        """Queue a message; whatever waits goes to Redis in one round trip. Returns at once."""
        if len(self._outgoing) >= OUTGOING:
            self._outgoing.popleft()
            self.dropped += 1
        self._outgoing.append((channel, message))
        self._has_outgoing.set()
        self._all_sent.clear()

    async def next_published(self) -> Event:
        """The next message of a channel we listen to. Never raises: broadcaster's only listener
        would die of it.
        """
        return await self._incoming.get()

    def _client(self, *, retries: int) -> Redis:
        return Redis.from_url(
            self._url,
            socket_connect_timeout=CONNECT_TIMEOUT_S,
            socket_timeout=CONNECT_TIMEOUT_S,
            retry=Retry(NoBackoff(), retries),
        )

    async def _read(self) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                await self._read_one_connection()
            except Exception as error:
                # Whatever it was, a new connection is the cure: nobody would start this task again.
                if self.connected:
                    pause_s = FIRST_PAUSE_S
                self._lost(error)
            await asyncio.sleep(random.uniform(pause_s / 2, pause_s))
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def _read_one_connection(self) -> None:
        """Connect, subscribe to all channels, and read until the connection breaks."""
        pubsub = self._reader.pubsub()
        try:
            await pubsub.connect()  # type: ignore[no-untyped-call]
            # From here on `subscribe` sends by itself; what was wanted before is sent here.
            self._pubsub = pubsub
            self._unconfirmed = set(self._channels)
            if self._channels:
                await pubsub.subscribe(*self._channels)
            else:
                self._reached()
            await self._read_messages(pubsub)
        finally:
            self._pubsub = None
            with suppress(*Failure):
                await pubsub.aclose()  # type: ignore[no-untyped-call]

    async def _read_messages(self, pubsub: PubSub) -> None:
        asked = False
        while True:
            response = await pubsub.parse_response(block=False, timeout=IDLE_S)
            if response is None:
                if asked:
                    raise ConnectionError(f"no sign of life for {2 * IDLE_S:.0f} s")
                asked = True
                await pubsub.ping()
                continue
            asked = False
            if isinstance(response, list):
                await self._take(response)

    async def _take(self, response: list[Any]) -> None:
        kind, channel = response[0], response[1]
        if kind == b"message":
            await self._incoming.put(Event(channel.decode(), response[2]))
        elif kind == b"subscribe":
            self._confirm(channel.decode())

    def _confirm(self, channel: str) -> None:
        self._unconfirmed.discard(channel)
        if channel in self._channels:
            self._channels[channel].set()
        if not self.connected and not self._unconfirmed:
            self._reached()

    def _reached(self) -> None:
        self.connected = True
        self._tried.set()
        self._on_connect()

    def _lost(self, error: BaseException) -> None:
        """Say so once for each outage, not for each try."""
        if self.connected or not self._tried.is_set():
            log.warning("redis_lost", error=str(error)[:200])
            self._tried.set()
            self.connected = False
            self._on_disconnect()

    async def _write(self) -> None:
        while True:
            await self._has_outgoing.wait()
            batch = [self._outgoing.popleft() for _ in range(min(PIPELINE, len(self._outgoing)))]
            if not self.connected or not await self._send(batch):
                self.dropped += len(batch)
            if not self._outgoing:
                self._has_outgoing.clear()
                self._all_sent.set()

    async def _send(self, batch: list[tuple[str, bytes]]) -> bool:
        try:
            async with self._writer.pipeline(transaction=False) as pipeline:
                for channel, message in batch:
                    pipeline.publish(channel, message)
                await pipeline.execute()
        except Failure as error:
            log.warning("publication_lost", count=len(batch), error=str(error)[:200])
            return False
        return True
