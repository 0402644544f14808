"""How many sockets look at an auction: those with a subscription to its bids, its changes or its
number of watchers. Kept in Redis by expiry, so that what a killed process counted fades by itself.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from uuid import UUID

import structlog
from redis.asyncio import Redis

from core.errors import RequestError, Unavailable
from core.tasks import stop_all
from subscriptions.presence_store import CHUNK, UNREACHABLE, redis_client
from subscriptions.reading import GOING_DOWN

log = structlog.get_logger(__name__)

EVERY_S = 1.0
"""Pause between looks; so also the least time between two pushes of one number."""
PAUSE_S = 0.5

Look = tuple[UUID, str]
"""An auction, and a socket's id."""

_PRELUDE = """
local p = KEYS[1]
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
"""
_TOUCH = """
local ttl = tonumber(ARGV[1])
for i = 2, #ARGV, 2 do
  redis.call('ZREMRANGEBYSCORE', p .. ARGV[i], '-inf', now)
  redis.call('ZADD', p .. ARGV[i], now + ttl, ARGV[i + 1])
  redis.call('PEXPIRE', p .. ARGV[i], ttl)
end
"""
_LEAVE = "for i = 1, #ARGV, 2 do redis.call('ZREM', p .. ARGV[i], ARGV[i + 1]) end"
_COUNT = """
local found = {}
for i = 1, #ARGV do found[i] = redis.call('ZCOUNT', p .. ARGV[i], '(' .. now, '+inf') end
return found
"""


class _Counted:
    """One subscription on a number: holds the newest alone."""

    def __init__(self) -> None:
        self.number: int | None = None
        self.error: RequestError | None = None
        self.changed = asyncio.Event()


class Viewing:
    """One a process. Without Redis no number is pushed."""

    def __init__(self, redis_url: str, *, prefix: str, expiry_s: float, heartbeat_s: float) -> None:
        self._redis: Redis = redis_client(redis_url)
        self._keys = [f"{prefix}:viewing:"]
        self._expiry_ms = round(expiry_s * 1000)
        self._heartbeat_s = heartbeat_s
        self._scripts = {
            name: self._redis.register_script(_PRELUDE + body)
            for name, body in (("touch", _TOUCH), ("leave", _LEAVE), ("count", _COUNT))
        }
        self._looks: Counter[Look] = Counter()
        self._untold: dict[Look, None] = {}
        self._ended: dict[Look, None] = {}
        self._listeners: dict[UUID, set[_Counted]] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin to tell and to look."""
        self._tasks = [
            asyncio.create_task(self._beat(), name="viewing-beat"),
            asyncio.create_task(self._look(), name="viewing-look"),
        ]

    async def close(self) -> None:
        """Take this process's sockets out, and stop."""
        for counted in [c for some in self._listeners.values() for c in some]:
            counted.error = Unavailable(GOING_DOWN)
            counted.changed.set()
        await stop_all(self._tasks)
        with suppress(TimeoutError, *UNREACHABLE):
            async with asyncio.timeout(PAUSE_S):
                await self._run("leave", [*self._ended, *self._looks])
        await self._redis.aclose()

    @contextmanager
    def looking(self, auction_id: UUID, socket_id: str) -> Iterator[None]:
        """Count the socket as one that looks at the auction; several subscriptions count once."""
        look = (auction_id, socket_id)
        self._looks[look] += 1
        self._untold[look] = None
        self._ended.pop(look, None)
        try:
            yield
        finally:
            self._looks[look] -= 1
            if not self._looks[look]:
                del self._looks[look]
                self._untold.pop(look, None)
                self._ended[look] = None

    async def numbers(self, auction_id: UUID) -> AsyncGenerator[int, None]:
        """How many look: the number of now, then each other one, once a second at most; a slow
        consumer gets the newest."""
        counted = _Counted()
        self._listeners.setdefault(auction_id, set()).add(counted)
        told: int | None = None
        try:
            while True:
                await counted.changed.wait()
                counted.changed.clear()
                if counted.error is not None:
                    raise counted.error.with_traceback(None)
                if counted.number is not None and counted.number != told:
                    told = counted.number
                    yield told
        finally:
            listeners = self._listeners[auction_id]
            listeners.discard(counted)
            if not listeners:
                del self._listeners[auction_id]

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._heartbeat_s)
            self._untold |= dict.fromkeys(self._looks)

    async def _look(self) -> None:
        """Tell what began and ended here, and ask for the numbers somebody here wants."""
        while True:
            try:
                await self._tell()
                await self._ask()
            except Exception as error:
                # Whatever it was, the next look may do better.
                log.warning("viewing_not_told", reason=repr(error)[:200])
                self._untold |= dict.fromkeys(self._looks)
            await asyncio.sleep(EVERY_S)

    async def _tell(self) -> None:
        touched, ended = list(self._untold), list(self._ended)
        await self._run("touch", touched, str(self._expiry_ms))
        await self._run("leave", ended)
        for look in touched:
            self._untold.pop(look, None)
        for look in ended:
            if look not in self._looks:
                self._ended.pop(look, None)

    async def _ask(self) -> None:
        wanted = list(self._listeners)
        for i in range(0, len(wanted), CHUNK):
            some = wanted[i : i + CHUNK]
            names = [auction_id.hex for auction_id in some]
            numbers = await self._scripts["count"](keys=self._keys, args=names)
            for auction_id, number in zip(some, numbers, strict=True):
                for counted in self._listeners.get(auction_id, ()):
                    counted.number = int(number)
                    counted.changed.set()

    async def _run(self, name: str, looks: Iterable[Look], *first: str) -> None:
        flat = [(auction_id.hex, socket_id) for auction_id, socket_id in looks]
        for i in range(0, len(flat), CHUNK):
            given: Sequence[str] = [
                *first,
                *(part for look in flat[i : i + CHUNK] for part in look),
            ]
            await self._scripts[name](keys=self._keys, args=list(given))
