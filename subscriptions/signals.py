"""Short-lived messages between processes, by Redis pub/sub: what is said while nobody listens is
lost, and whoever needs to know asks again when told of a new connection.

No log and no order across channels: what must not be lost goes through subscriptions/hub.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

import structlog

from core.tasks import stop_all
from subscriptions.backend import RedisBackend

log = structlog.get_logger(__name__)

Hear = Callable[[bytes], None]
"""Takes one message of a channel. It must not block; what it raises is logged."""


class Signals:
    """One for a process. Reconnects and listens again by itself."""

    def __init__(self, redis_url: str) -> None:
        self._hearers: dict[str, list[Hear]] = {}
        self._reconnected: list[Callable[[], None]] = []
        self._backend = RedisBackend(
            redis_url, on_connect=self._on_connect, on_disconnect=self._on_disconnect
        )
        self._pump: asyncio.Task[None] | None = None

    @property
    def connected(self) -> bool:
        """Whether messages arrive at this moment."""
        return self._backend.connected

    def on_connect(self, call: Callable[[], None]) -> None:
        """Call whenever listening has begun anew: what was said before may have been missed."""
        self._reconnected.append(call)

    async def start(self) -> None:
        """Begin; waits two seconds at most for Redis."""
        await self._backend.connect()
        self._pump = asyncio.create_task(self._deliver(), name="signals")

    async def close(self) -> None:
        """Stop listening."""
        if self._pump is not None:
            await stop_all([self._pump])
            self._pump = None
            await self._backend.disconnect()

    async def listen(self, channel: str, hear: Hear) -> None:
        """Let `hear` have each message of the channel; returns when Redis listens, or after a
        second without it."""
        hearers = self._hearers.setdefault(channel, [])
        hearers.append(hear)
        if len(hearers) == 1:
            await self._backend.subscribe(channel)

    async def forget(self, channel: str, hear: Hear) -> None:
        """The opposite of `listen`."""
        hearers = self._hearers.get(channel, [])
        if hear in hearers:
            hearers.remove(hear)
            if not hearers:
                del self._hearers[channel]
                await self._backend.unsubscribe(channel)

    async def _deliver(self) -> None:
        while True:
            event = await self._backend.next_published()
            for hear in list(self._hearers.get(event.channel, ())):
                try:
                    hear(cast("bytes", event.message))
                except Exception:
                    # One bad message, or one bad hearer, must not make all others deaf.
                    log.exception("signal_not_understood", channel=event.channel)

    def _on_connect(self) -> None:
        for call in self._reconnected:
            call()

    def _on_disconnect(self) -> None:
        log.warning("signals_without_redis")
