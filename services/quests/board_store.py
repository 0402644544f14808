"""Leaderboards in Redis: the scripts that make each change and each read one step, and calls of
them. What a board is stands in boards.py, what feeds them in board_feeding.py.

Keys: `boards:current` names the generation that is read. Of a generation, `at` is the place in the
impact log up to which it was fed, `ready` that it has been fed wholly once; `b:{board}` is a sorted
set, `m:{board}` each player's member in it, `v:{board}` counts its changes. The place moves in the
script that adds, so each entry counts once, whoever feeds and however often; what is lost is lost
with its place, and fed again. A script names its keys itself, so Redis Cluster will not do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any
from uuid import UUID

import orjson
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from core.ids import new_id
from services.quests.boards import (
    NEIGHBOURS,
    Additions,
    Leaderboard,
    Standing,
    Window,
    moment_hex,
    standing_of,
)

REDIS_TIMEOUT_S = 2.0
CONNECTIONS = 4
SCAN_COUNT = 1_000
BEGINNING = "0:0"

UNREACHABLE = (RedisError, OSError)
"""What calls raise when Redis is away."""

_APPLY = """
local p = KEYS[1] .. ARGV[1] .. ':'
local at = redis.call('GET', p .. 'at')
if at ~= ARGV[2] then return at end
local given = cjson.decode(ARGV[4])
for board, sums in pairs(given.sums) do
  local set, members = p .. 'b:' .. board, p .. 'm:' .. board
  for i = 1, #sums, 3 do
    local user, moment, xp = sums[i], sums[i + 1], tonumber(sums[i + 2])
    local old = redis.call('HGET', members, user)
    if old then
      xp = xp - tonumber(redis.call('ZSCORE', set, old))
      if string.sub(old, 1, 16) > moment then moment = string.sub(old, 1, 16) end
      redis.call('ZREM', set, old)
    end
    redis.call('ZADD', set, string.format('%.0f', -xp), moment .. user)
    redis.call('HSET', members, user, moment .. user)
  end
  redis.call('INCR', p .. 'v:' .. board)
  local expires = given.boards[board]
  if expires > 0 then
    for _, kind in ipairs({'b:', 'm:', 'v:'}) do
      redis.call('EXPIREAT', p .. kind .. board, expires)
    end
  end
end
redis.call('SET', p .. 'at', ARGV[3])
return ARGV[3]
"""
_BEGIN = """
local current = redis.call('GET', KEYS[1] .. 'current')
if current and redis.call('EXISTS', KEYS[1] .. current .. ':at') == 1 then return current end
redis.call('SET', KEYS[1] .. 'current', ARGV[1])
redis.call('SET', KEYS[1] .. ARGV[1] .. ':at', ARGV[2])
return ARGV[1]
"""
_SWITCH = """
if redis.call('EXISTS', KEYS[1] .. ARGV[1] .. ':at') == 0 then return 0 end
redis.call('SET', KEYS[1] .. ARGV[1] .. ':ready', 1)
redis.call('SET', KEYS[1] .. 'current', ARGV[1])
return 1
"""
# Of all that reads: the generation, if it is whole.
_CURRENT = """
local current = redis.call('GET', KEYS[1] .. 'current')
if not current then return nil end
local p = KEYS[1] .. current .. ':'
if redis.call('EXISTS', p .. 'ready') == 0 then return nil end
"""
_READ = (
    _CURRENT
    + """
local set = p .. 'b:' .. ARGV[1]
local first, user, near = tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4])
local top = first > 0 and redis.call('ZRANGE', set, 0, first - 1, 'WITHSCORES') or {}
local start, around = -1, {}
local own = user ~= '' and redis.call('HGET', p .. 'm:' .. ARGV[1], user)
if own then
  local rank = redis.call('ZRANK', set, own)
  start = math.max(0, rank - near)
  around = redis.call('ZRANGE', set, start, rank + near, 'WITHSCORES')
end
return {redis.call('ZCARD', set), top, start, around}
"""
)
_SOME = (
    _CURRENT
    + """
local found = {}
for i = 2, #ARGV do
  local member = redis.call('HGET', p .. 'm:' .. ARGV[1], ARGV[i])
  if member then
    found[#found + 1] = member
    found[#found + 1] = redis.call('ZSCORE', p .. 'b:' .. ARGV[1], member)
  end
end
return found
"""
)
_VERSIONS = (
    _CURRENT
    + """
local found = {}
for i = 1, #ARGV do
  found[i] = current .. ':' .. (redis.call('GET', p .. 'v:' .. ARGV[i]) or '0')
end
return found
"""
)
_SCRIPTS = {
    "apply": _APPLY,
    "begin": _BEGIN,
    "switch": _SWITCH,
    "read": _READ,
    "some": _SOME,
    "versions": _VERSIONS,
}


@dataclass(frozen=True, slots=True)
class Place:
    """How far a generation was fed: `transaction:row`, as of the impact log."""

    generation: str
    at: str


class BoardStore:
    """Every call is one step in Redis, save `switch`, which also clears away. All raise
    `UNREACHABLE`; those that read give None where there are no whole boards."""

    def __init__(self, redis_url: str, *, prefix: str) -> None:
        pool = BlockingConnectionPool.from_url(
            redis_url,
            max_connections=CONNECTIONS,
            timeout=REDIS_TIMEOUT_S,
            socket_timeout=REDIS_TIMEOUT_S,
            socket_connect_timeout=REDIS_TIMEOUT_S,
            retry=Retry(NoBackoff(), 1),
            decode_responses=True,
        )
        self._redis = Redis.from_pool(pool)
        self._prefix = f"{prefix}:boards:"
        self._scripts = {name: self._redis.register_script(body) for name, body in _SCRIPTS.items()}

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()

    # Feeding

    async def begin(self) -> Place:
        """The generation that is read, and how far it is; a new one where there is none."""
        generation = await self._run("begin", [new_id().hex, BEGINNING])
        at: Any = await self._redis.get(f"{self._prefix}{generation}:at")
        return Place(generation, at or BEGINNING)

    async def begin_anew(self) -> Place:
        """A generation that nobody reads yet."""
        place = Place(new_id().hex, BEGINNING)
        await self._redis.set(f"{self._prefix}{place.generation}:at", place.at)
        return place

    async def apply(self, place: Place, to: str, added: Additions) -> Place | None:
        """Add, and move the place, if it is still where it was; else the place it is at, None
        where the generation is gone."""
        sums: dict[str, list[str]] = {}
        for (board, player_id), (xp, reached) in added.sums.items():
            sums.setdefault(board, []).extend((player_id.hex, moment_hex(reached), str(xp)))
        given = orjson.dumps({"boards": added.boards, "sums": sums}).decode()
        at = await self._run("apply", [place.generation, place.at, to, given])
        return None if at is None else Place(place.generation, at)

    async def switch(self, generation: str) -> bool:
        """Let a generation be read from now on, and remove all others; False where it is gone."""
        if not await self._run("switch", [generation]):
            return False
        kept = (f"{self._prefix}{generation}:", f"{self._prefix}current")
        found = self._redis.scan_iter(match=f"{self._prefix}*", count=SCAN_COUNT)
        old: list[str] = []
        async for key in found:
            if not key.startswith(kept):
                old.append(key)
            if len(old) >= SCAN_COUNT:
                await self._redis.unlink(*old)
                old.clear()
        if old:
            await self._redis.unlink(*old)
        return True

    async def is_ready(self, generation: str) -> bool:
        """Whether it has been fed wholly once."""
        return bool(await self._redis.exists(f"{self._prefix}{generation}:ready"))

    # Reading

    async def read(
        self, board: str, window: Window, *, first: int, viewer_id: UUID | None
    ) -> Leaderboard | None:
        """The first players, the viewer's place and who is around it, in one step."""
        user = "" if viewer_id is None else viewer_id.hex
        found = await self._run("read", [board, str(first), user, str(NEIGHBOURS)])
        if found is None:
            return None
        total, top, start, near = found
        around = tuple(_standings(near, start + 1))
        own = next((one for one in around if one.player_id == viewer_id), None)
        return Leaderboard(window, tuple(_standings(top, 1)), total, own, around)

    async def some(self, board: str, player_ids: Sequence[UUID]) -> list[tuple[str, float]] | None:
        """Members and scores of those of these players who are on a board."""
        found = await self._run("some", [board, *(one.hex for one in player_ids)])
        return None if found is None else list(_pairs(found))

    async def versions(self, boards: Sequence[str]) -> list[str] | None:
        """What differs after each change of a board."""
        found: list[str] | None = await self._run("versions", list(boards))
        return found

    async def _run(self, name: str, given: Sequence[str]) -> Any:
        return await self._scripts[name](keys=[self._prefix], args=list(given))


def _pairs(flat: Sequence[str]) -> Iterator[tuple[str, float]]:
    for member, score in zip(islice(flat, 0, None, 2), islice(flat, 1, None, 2), strict=True):
        yield member, float(score)


def _standings(flat: Sequence[str], rank: int) -> Iterator[Standing]:
    for n, (member, score) in enumerate(_pairs(flat)):
        yield standing_of(member, score, rank + n)
