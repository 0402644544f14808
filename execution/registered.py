"""Texts that clients register under their hash (automatic persisted queries): in the memory of the
process, and in Redis so that several agree. Both are bounded, and the oldest are forgotten."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import Any, Final, cast

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from execution.trusted import hash_of

log = structlog.get_logger(__name__)

MAX_TEXT_LENGTH: Final = 20_000
"""Characters of one text; who sends a longer one is asked for it each time."""
MAX_BYTES: Final = 8 * 1024 * 1024
"""Of all texts in a process's memory."""
KEPT_S: Final = 24 * 3600
"""Redis forgets all of them when none was registered for so long."""
REDIS_TIMEOUT_S: Final = 0.5
WRITTEN_AGAIN_S: Final = 600.0
"""A text that is registered again is written to Redis again after so long: it may have lost it."""

# One hash of texts and one index of when each came, so that there are never more than the limit,
# whoever registers what.
_KEEP: Final = """
local now = redis.call('TIME')
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('ZADD', KEYS[2], now[1] * 1000000 + now[2], ARGV[1])
local over = redis.call('ZCARD', KEYS[2]) - tonumber(ARGV[3])
if over > 0 then
  local gone = redis.call('ZPOPMIN', KEYS[2], over)
  for i = 1, #gone, 2 do redis.call('HDEL', KEYS[1], gone[i]) end
end
redis.call('EXPIRE', KEYS[1], ARGV[4])
redis.call('EXPIRE', KEYS[2], ARGV[4])
return over
"""


class RegisteredTexts:
    """The registered texts of one process, `maximum` of them at most; without a Redis, its own
    alone."""

    def __init__(
        self, redis_url: str | None = None, *, prefix: str = "mela", maximum: int = 1_000
    ) -> None:
        self.maximum = maximum
        self._keys = [f"{{{prefix}:documents}}:texts", f"{{{prefix}:documents}}:registered"]
        self._texts: OrderedDict[str, str] = OrderedDict()
        self._written: dict[str, float] = {}
        self._bytes = 0
        self._redis: Redis | None = None
        if redis_url is not None:
            self._redis = Redis.from_url(
                redis_url, socket_timeout=REDIS_TIMEOUT_S, socket_connect_timeout=REDIS_TIMEOUT_S
            )

    async def find(self, name: str) -> str | None:
        """The text of this hash: from memory, else asked of Redis once; None where neither has it,
        or Redis does not answer."""
        text = self._texts.get(name)
        if text is not None:
            self._texts.move_to_end(name)
            return text
        text = await self._shared(name)
        if text is not None:
            self._remember(name, text)
        return text

    async def keep(self, name: str, text: str) -> None:
        """Register a text under its hash, which must be right; one that is too long is not kept."""
        if len(text) > MAX_TEXT_LENGTH or self.maximum == 0:
            return
        now = time.monotonic()
        if name in self._texts and now - self._written.get(name, -KEPT_S) < WRITTEN_AGAIN_S:
            return
        self._remember(name, text)
        self._written[name] = now
        if self._redis is not None:
            given: list[Any] = [*self._keys, name, text, self.maximum, KEPT_S]
            try:
                await cast(Any, self._redis.eval(_KEEP, 2, *given))
            except (RedisError, OSError) as error:
                log.warning("documents_without_redis", reason=str(error))

    async def close(self) -> None:
        """Close the connections."""
        if self._redis is not None:
            await self._redis.aclose()

    async def _shared(self, name: str) -> str | None:
        if self._redis is None or self.maximum == 0:
            return None
        try:
            found = await cast(Any, self._redis.hget(self._keys[0], name))
        except (RedisError, OSError) as error:
            log.warning("documents_without_redis", reason=str(error))
            return None
        if found is None:
            return None
        text: str = found.decode("utf-8", "replace")
        return text if hash_of(text) == name else None

    def _remember(self, name: str, text: str) -> None:
        before = self._texts.pop(name, None)
        self._bytes += len(text) - (0 if before is None else len(before))
        self._texts[name] = text
        while len(self._texts) > self.maximum or self._bytes > MAX_BYTES:
            gone, old = self._texts.popitem(last=False)
            self._written.pop(gone, None)
            self._bytes -= len(old)
