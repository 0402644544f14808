"""How often one may try to sign in: moving windows by account and by address, kept in Redis.

Where Redis cannot be asked, each process counts for itself, and the log says so.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict, deque

import structlog
from limits import RateLimitItemPerSecond
from limits.aio.storage import RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter
from redis.asyncio import ConnectionPool
from redis.exceptions import RedisError

from core.errors import RateLimited

log = structlog.get_logger(__name__)

WINDOW_S = 15 * 60
REDIS_TIMEOUT_S = 0.5
LOCAL_KEYS_MAX = 10_000


class Throttle:
    """The windows of one server. Every try counts; a success forgives the account's."""

    def __init__(
        self, redis_url: str, *, prefix: str, tries_per_account: int, tries_per_address: int
    ) -> None:
        self._pool = ConnectionPool.from_url(
            redis_url, socket_timeout=REDIS_TIMEOUT_S, socket_connect_timeout=REDIS_TIMEOUT_S
        )
        storage = RedisStorage(
            "async+redis://",
            implementation="redispy",
            key_prefix=f"{prefix}:tries",
            connection_pool=self._pool,  # type: ignore[arg-type]
        )
        self._windows = MovingWindowRateLimiter(storage)
        self._local = _LocalWindows()
        self._account = RateLimitItemPerSecond(tries_per_account, WINDOW_S, namespace="account")
        self._address = RateLimitItemPerSecond(tries_per_address, WINDOW_S, namespace="address")

    async def try_account(self, key: str) -> None:
        """Count a try on an account. Raises `RateLimited` if there were too many before it."""
        await self._try(self._account, key)

    async def try_address(self, address: str | None) -> None:
        """Count a try from an address (None: unknown, uncounted). Raises `RateLimited`."""
        if address is not None:
            await self._try(self._address, address)

    async def forgive_account(self, key: str) -> None:
        """Begin the account's window anew: who knows the password is no guesser."""
        self._local.clear(self._account, key)
        try:
            await self._windows.clear(self._account, key)
        except (RedisError, OSError) as error:
            log.warning("throttle_without_redis", reason=str(error))

    async def close(self) -> None:
        """Close the connections."""
        await self._pool.disconnect()

    async def _try(self, limit: RateLimitItemPerSecond, key: str) -> None:
        try:
            wait_s = await self._shared(limit, key)
        except (RedisError, OSError) as error:
            log.warning("throttle_without_redis", reason=str(error))
            wait_s = self._local.hit(limit, key)
        if wait_s is not None:
            raise RateLimited(
                "too many tries to sign in; wait a while",
                retry_after_s=max(1, math.ceil(wait_s)),
                limit=limit.amount,
            )

    async def _shared(self, limit: RateLimitItemPerSecond, key: str) -> float | None:
        if await self._windows.hit(limit, key):
            return None
        window = await self._windows.get_window_stats(limit, key)
        return window.reset_time - time.time()


class _LocalWindows:
    """The same windows in memory; the key that was used longest ago makes room."""

    def __init__(self) -> None:
        self._hits: OrderedDict[tuple[str, str], deque[float]] = OrderedDict()

    def hit(self, limit: RateLimitItemPerSecond, key: str) -> float | None:
        """Count a try; or, where the window is full, the seconds until it is not."""
        now = time.monotonic()
        name = (limit.namespace, key)
        hits = self._hits.setdefault(name, deque(maxlen=limit.amount))
        self._hits.move_to_end(name)
        if len(self._hits) > LOCAL_KEYS_MAX:
            self._hits.popitem(last=False)
        while hits and hits[0] <= now - WINDOW_S:
            hits.popleft()
        if len(hits) >= limit.amount:
            return hits[0] + WINDOW_S - now
        hits.append(now)
        return None

    def clear(self, limit: RateLimitItemPerSecond, key: str) -> None:
        self._hits.pop((limit.namespace, key), None)
