"""Who is typing under a post: said by Redis, kept nowhere, over by itself after some seconds."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import NamedTuple
from uuid import UUID

from core.errors import RequestError, Unavailable
from subscriptions.presence_store import UNREACHABLE, redis_client
from subscriptions.reading import GOING_DOWN
from subscriptions.signals import Signals

TYPERS_MAX = 200
"""People typing under one post that a subscriber hears of; more are not told."""

# Who says it again and again is published once a second at most: the others count from then on.
_SAY = """
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local ttl = tonumber(ARGV[3])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
local before = tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or 0)
if ARGV[2] == '1' then
  if before > now + ttl - math.min(1000, ttl / 4) then return 0 end
  redis.call('ZADD', KEYS[1], now + ttl, ARGV[1])
  redis.call('PEXPIRE', KEYS[1], ttl)
elseif redis.call('ZREM', KEYS[1], ARGV[1]) == 0 then
  return 0
end
redis.call('PUBLISH', KEYS[2], ARGV[1] .. ' ' .. ARGV[2])
return 1
"""
_READ = """
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local found = redis.call(
  'ZRANGEBYSCORE', KEYS[1], '(' .. now, '+inf', 'WITHSCORES', 'LIMIT', 0, 200)
for i = 2, #found, 2 do found[i] = string.format('%.0f', found[i] - now) end
return found
"""


class TypingChange(NamedTuple):
    """Someone began to type, or stopped."""

    user_id: UUID
    typing: bool


class _Listener:
    """One subscription: what it was not told yet, one entry a person."""

    def __init__(self) -> None:
        self.pending: OrderedDict[UUID, bool] = OrderedDict()
        self.changed = asyncio.Event()
        self.error: RequestError | None = None
        self._ends: dict[UUID, asyncio.TimerHandle] = {}

    def hear(self, user_id: UUID, typing: bool, for_s: float) -> None:
        """`typing` ends by itself after `for_s`: the one who typed may be gone."""
        timer = self._ends.pop(user_id, None)
        if timer is not None:
            timer.cancel()
        if typing and len(self._ends) >= TYPERS_MAX:
            return
        if typing:
            loop = asyncio.get_running_loop()
            self._ends[user_id] = loop.call_later(for_s, self.hear, user_id, False, 0.0)
        if typing != (timer is not None):
            self._tell(user_id, typing)

    def _tell(self, user_id: UUID, typing: bool) -> None:
        if self.pending.pop(user_id, typing) == typing:
            self.pending[user_id] = typing
            self.changed.set()

    def close(self) -> None:
        """Stop the timers."""
        for timer in self._ends.values():
            timer.cancel()


class Typing:
    """One a process."""

    def __init__(self, signals: Signals, redis_url: str, *, prefix: str, ends_s: float) -> None:
        self._signals = signals
        self._redis = redis_client(redis_url)
        self._prefix = f"{prefix}:typing:"
        self._ends_s = ends_s
        self._say = self._redis.register_script(_SAY)
        self._read = self._redis.register_script(_READ)
        self._listeners: set[_Listener] = set()

    async def close(self) -> None:
        """End every subscription."""
        for listener in self._listeners:
            listener.error = Unavailable(GOING_DOWN)
            listener.changed.set()
        await self._redis.aclose()

    async def say(self, post_id: UUID, user_id: UUID, *, typing: bool) -> None:
        """Someone types (say it again while they do), or has stopped. Raises `Unavailable`."""
        args = [user_id.hex, "1" if typing else "0", str(round(self._ends_s * 1000))]
        try:
            await self._say(keys=[self._key(post_id), self._channel(post_id)], args=args)
        except UNREACHABLE:
            raise Unavailable("nobody can be told now") from None

    async def changes(self, post_id: UUID) -> AsyncGenerator[TypingChange, None]:
        """Who types now, then everyone who begins or stops; conflated for each person."""
        listener = _Listener()

        def hear(message: bytes) -> None:
            user, typing = message.decode().split(" ")
            listener.hear(UUID(hex=user), typing == "1", self._ends_s)

        self._listeners.add(listener)
        try:
            await self._signals.listen(self._channel(post_id), hear)
            with suppress(*UNREACHABLE):
                found = await self._read(keys=[self._key(post_id)])
                for user, left_ms in zip(found[::2], found[1::2], strict=True):
                    listener.hear(UUID(hex=user.decode()), True, int(left_ms) / 1000)
            while True:
                while listener.pending:
                    yield TypingChange(*listener.pending.popitem(last=False))
                if listener.error is not None:
                    raise listener.error.with_traceback(None)
                listener.changed.clear()
                await listener.changed.wait()
        finally:
            listener.close()
            self._listeners.discard(listener)
            await self._signals.forget(self._channel(post_id), hear)

    def _key(self, post_id: UUID) -> str:
        return f"{self._prefix}{post_id.hex}"

    def _channel(self, post_id: UUID) -> str:
        return f"{self._prefix}said:{post_id.hex}"
