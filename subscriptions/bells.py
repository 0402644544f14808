"""Bells between processes: "look now", without a content. Whoever misses one looks by the clock.

Nothing here knows what a bell is rung for; what must not be lost goes through subscriptions/hub.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog
from broadcaster import Broadcast

log = structlog.get_logger(__name__)

GATHER_S = 0.005
"""Rings of so long are sent as one."""


class Bells:
    """A process's, on its hub's connection to Redis. Rings before `start` and after `close` are
    lost."""

    def __init__(self, broadcast: Broadcast, *, prefix: str) -> None:
        self._broadcast = broadcast
        self._prefix = prefix
        self._hearers: dict[str, dict[Callable[[], None], None]] = {}
        self._pumps: dict[str, asyncio.Task[None]] = {}
        self._rung: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._started = False

    def start(self) -> None:
        """The broadcast is connected, or tries to be."""
        self._started = True
        for name in self._hearers:
            self._listen_to(name)

    async def close(self) -> None:
        """Send what is about to be sent, and hear nothing more."""
        self._started = False
        for pump in self._pumps.values():
            pump.cancel()
        await asyncio.gather(*self._tasks, *self._pumps.values(), return_exceptions=True)

    def ring(self, name: str) -> None:
        """Let all processes hear the bell, this one too, within some milliseconds."""
        if self._started and name not in self._rung:
            self._rung.add(name)
            task = asyncio.create_task(self._send(name))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    @contextmanager
    def heard(self, name: str, call: Callable[[], None]) -> Iterator[None]:
        """Call whenever the bell is rung, while the context lasts. It must not block or raise."""
        self._hearers.setdefault(name, {})[call] = None
        if self._started:
            self._listen_to(name)
        try:
            yield
        finally:
            # The channel stays open: broadcaster cannot well leave one that it is just joining.
            self._hearers[name].pop(call, None)

    async def _send(self, name: str) -> None:
        await asyncio.sleep(GATHER_S)
        self._rung.discard(name)
        try:
            await self._broadcast.publish(self._channel(name), b"!")
        except Exception as error:
            log.warning("bell_not_rung", bell=name, reason=repr(error)[:200])

    def _listen_to(self, name: str) -> None:
        if name not in self._pumps:
            self._pumps[name] = asyncio.create_task(self._pump(name), name=f"bell-{name}")

    async def _pump(self, name: str) -> None:
        async with self._broadcast.subscribe(self._channel(name)) as subscriber:
            while True:
                await subscriber.get()
                for call in list(self._hearers[name]):
                    call()

    def _channel(self, name: str) -> str:
        return f"{self._prefix}:bell:{name}"
