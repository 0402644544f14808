"""Presence in Redis: the scripts that make each change and its publication one step, and calls of
them. Nothing here knows sockets or subscribers.

Keys: `presence:{user}` is a sorted set of connection ids by expiry (ms), `presence:devices:{user}`
tells of each; `presence:online` has whoever was published as being here, by the last expiry of
their connections; `presence:state` their status; `presence:seen` who left, until PostgreSQL has it.
A script names its keys itself, so Redis Cluster will not do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple
from uuid import UUID

import orjson
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

Status = Literal["ONLINE", "AWAY", "OFFLINE"]

REDIS_TIMEOUT_S = 2.0
CONNECTIONS = 8
"""Of one client: who finds all in use waits."""
CHUNK = 200
"""Connections in one call of a script: Redis does nothing else meanwhile."""
SWEEP_CHUNK = 200

UNREACHABLE = (RedisError, OSError)
"""What calls raise when Redis is away."""

# A transition is published by the script that makes it: a process that is killed right after can
# neither lose nor repeat it. The clock is Redis' own; a version is its time in microseconds.
_PRELUDE = """
local p, channel = KEYS[1], KEYS[2]
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local version = string.format('%.0f', t[1] * 1000000 + t[2])
local online, state, seen = p .. 'online', p .. 'state', p .. 'seen'

local function say(user, status, at)
  redis.call('PUBLISH', channel, table.concat({user, status, version, at}, ' '))
end

local function forget(user, connection)
  redis.call('ZREM', p .. user, connection)
  redis.call('HDEL', p .. 'devices:' .. user, connection)
end

local function expire(user)
  for _, connection in ipairs(redis.call('ZRANGEBYSCORE', p .. user, '-inf', now)) do
    forget(user, connection)
  end
end

local function settle(user, at)
  local last = redis.call('ZRANGE', p .. user, -1, -1, 'WITHSCORES')
  if last[2] then
    redis.call('ZADD', online, 'XX', last[2], user)
  elseif redis.call('ZREM', online, user) == 1 then
    at = string.format('%.0f', at)
    redis.call('HDEL', state, user)
    redis.call('ZADD', seen, at, user)
    say(user, 'OFFLINE', at)
  end
end
"""
_TOUCH = """
local until_ = now + tonumber(ARGV[1])
for i = 2, #ARGV, 4 do
  local user, connection, status, about = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  expire(user)
  redis.call('ZADD', p .. user, until_, connection)
  redis.call('HSET', p .. 'devices:' .. user, connection, about)
  if not redis.call('ZSCORE', online, user) then
    redis.call('HSET', state, user, status)
    say(user, status, '0')
  end
  redis.call('ZADD', online, 'GT', until_, user)
end
"""
_LEAVE = """
for i = 1, #ARGV, 2 do
  forget(ARGV[i], ARGV[i + 1])
  expire(ARGV[i])
  settle(ARGV[i], now)
end
"""
_SWEEP = """
local limit, expiry, patience = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local mark = p .. 'swept'
local last = tonumber(redis.call('HGET', mark, 'at') or 0)
if now - last > patience then redis.call('HSET', mark, 'resume', now + patience) end
redis.call('HSET', mark, 'at', now)
if now < tonumber(redis.call('HGET', mark, 'resume') or 0) then return 0 end
local due = redis.call('ZRANGEBYSCORE', online, '-inf', now, 'WITHSCORES', 'LIMIT', 0, limit)
for i = 1, #due, 2 do
  expire(due[i])
  settle(due[i], due[i + 1] - expiry)
end
return #due / 2
"""
_SET = """
if not redis.call('ZSCORE', online, ARGV[1]) then return 0 end
if redis.call('HGET', state, ARGV[1]) ~= ARGV[2] then
  redis.call('HSET', state, ARGV[1], ARGV[2])
  say(ARGV[1], ARGV[2], '0')
end
return 1
"""
_TELL = """
for i = 1, #ARGV do say(ARGV[i], 'RECHECK', '0') end
"""
_READ = """
redis.call('SET', p .. 'epoch', now, 'NX')
local found = {version, string.format('%.0f', now - redis.call('GET', p .. 'epoch'))}
for i = 1, #ARGV do
  local here = redis.call('ZSCORE', online, ARGV[i])
  found[#found + 1] = here and (redis.call('HGET', state, ARGV[i]) or 'ONLINE') or 'OFFLINE'
  found[#found + 1] = redis.call('ZSCORE', seen, ARGV[i]) or '0'
end
return found
"""
_DEVICES = """
expire(ARGV[1])
return redis.call('HVALS', p .. 'devices:' .. ARGV[1])
"""
_WRITTEN = """
for i = 1, #ARGV, 2 do
  local at = redis.call('ZSCORE', seen, ARGV[i])
  if at and tonumber(at) == tonumber(ARGV[i + 1]) then redis.call('ZREM', seen, ARGV[i]) end
end
"""
_LEAD = """
local lease = p .. 'sweeper'
if redis.call('SET', lease, ARGV[1], 'NX', 'PX', ARGV[2]) then return 1 end
if redis.call('GET', lease) ~= ARGV[1] then return 0 end
redis.call('PEXPIRE', lease, ARGV[2])
return 1
"""
_SCRIPTS = {
    "touch": _TOUCH,
    "leave": _LEAVE,
    "sweep": _SWEEP,
    "set": _SET,
    "tell": _TELL,
    "read": _READ,
    "devices": _DEVICES,
    "written": _WRITTEN,
    "lead": _LEAD,
}


@dataclass(frozen=True, slots=True)
class OpenConnection:
    """A socket of someone signed in. `device` is its user agent, `since` in seconds since 1970."""

    id: str
    user_id: UUID
    session_id: UUID
    device: str
    since: float


class Standing(NamedTuple):
    """How someone is here. `version` orders what is known of one person; `seen_ms` is when they
    left, where Redis still knows (else 0)."""

    status: Status
    version: int
    seen_ms: int = 0


class Device(NamedTuple):
    """A connection, as its owner sees it."""

    device: str
    session_id: UUID
    since: float


def redis_client(url: str) -> Redis:
    """A client for commands: a few connections, that give up after two seconds; once more at once
    where a connection is older than Redis' last restart."""
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=CONNECTIONS,
        timeout=REDIS_TIMEOUT_S,
        socket_timeout=REDIS_TIMEOUT_S,
        socket_connect_timeout=REDIS_TIMEOUT_S,
        retry=Retry(NoBackoff(), 1),
    )
    return Redis.from_pool(pool)


class PresenceStore:
    """Every call is one step in Redis, or some for long lists. All raise `UNREACHABLE`."""

    def __init__(
        self, redis_url: str, *, prefix: str, expiry_s: float, patience_s: float = 0.0
    ) -> None:
        """`patience_s` is how long every process takes to tell of its sockets again."""
        self.channel = f"{prefix}:presence-changes"
        self._redis = redis_client(redis_url)
        self._keys = [f"{prefix}:presence:", self.channel]
        self._expiry_ms = round(expiry_s * 1000)
        self._patience_ms = round(patience_s * 1000)
        self._scripts = {
            name: self._redis.register_script(_PRELUDE + body) for name, body in _SCRIPTS.items()
        }

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()

    async def touch(self, connections: Sequence[tuple[OpenConnection, Status]]) -> None:
        """These are open, for the expiry from now. Who had none before is published as the status
        beside."""
        for i in range(0, len(connections), CHUNK):
            given: list[str | bytes] = [str(self._expiry_ms)]
            for connection, status in connections[i : i + CHUNK]:
                about = [connection.device, connection.session_id.hex, connection.since]
                given += [connection.user_id.hex, connection.id, status, orjson.dumps(about)]
            await self._run("touch", given)

    async def leave(self, connections: Sequence[OpenConnection]) -> None:
        """These are closed. Whose last it was is published as OFFLINE."""
        for i in range(0, len(connections), CHUNK):
            some = connections[i : i + CHUNK]
            await self._run("leave", [part for c in some for part in (c.user_id.hex, c.id)])

    async def sweep(self) -> int:
        """Take some connections away that gave no sign of life; how many people were looked at.
        Safe beside other sweeps: whoever comes first publishes.

        After a time without sweeps (Redis, or everything, was away) none for as long: what has
        expired meanwhile may be about to be told of again."""
        given = [str(SWEEP_CHUNK), str(self._expiry_ms), str(self._patience_ms)]
        return int(await self._run("sweep", given))

    async def lead(self, name: str, *, lease_s: float) -> bool:
        """Whether `name` is the one that sweeps now; the lease is then longer by as much."""
        return bool(await self._run("lead", [name, str(round(lease_s * 1000))]))

    async def set_status(self, user_id: UUID, status: Status) -> bool:
        """Publish a status, if it is another; False where no connection is open."""
        return bool(await self._run("set", [user_id.hex, status]))

    async def tell_recheck(self, user_ids: Sequence[UUID]) -> None:
        """Who watches these must look again whether they may."""
        await self._run("tell", [user_id.hex for user_id in user_ids])

    async def read(self, user_ids: Sequence[UUID]) -> list[Standing]:
        """Everyone's standing, in order; one call for 500."""
        return (await self.read_surely(user_ids))[0]

    async def read_surely(self, user_ids: Sequence[UUID]) -> tuple[list[Standing], bool]:
        """As `read`, and whether who seems to have gone has: not so right after Redis lost what it
        knew."""
        found: list[Standing] = []
        sure = True
        for i in range(0, len(user_ids), 500):
            some = [user_id.hex for user_id in user_ids[i : i + 500]]
            version, remembers_ms, *flat = await self._run("read", some)
            sure = sure and int(remembers_ms) >= self._patience_ms
            found += [
                Standing(flat[n].decode(), int(version), int(float(flat[n + 1])))
                for n in range(0, len(flat), 2)
            ]
        return found, sure

    async def devices(self, user_id: UUID) -> list[Device]:
        """The open connections of one person, the oldest first."""
        told = [orjson.loads(about) for about in await self._run("devices", [user_id.hex])]
        found = [Device(device, UUID(hex=session), since) for device, session, since in told]
        return sorted(found, key=lambda device: device.since)

    async def unwritten(self, limit: int) -> list[tuple[UUID, int]]:
        """Who left and is not in the database yet, and when (ms)."""
        rows: Any = await self._redis.zrange(f"{self._keys[0]}seen", 0, limit - 1, withscores=True)
        return [(UUID(hex=member.decode()), int(score)) for member, score in rows]

    async def written(self, rows: Sequence[tuple[UUID, int]]) -> None:
        """These are in the database now; who left anew since stays."""
        for i in range(0, len(rows), CHUNK):
            some = rows[i : i + CHUNK]
            await self._run("written", [part for u, at in some for part in (u.hex, str(at))])

    async def _run(self, name: str, given: Sequence[str | bytes]) -> Any:
        return await self._scripts[name](keys=self._keys, args=list(given))
