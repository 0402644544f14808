"""What viewers may spend: leaky buckets of points in Redis, leased in blocks to processes and spent
there in memory, so that a usual request asks Redis nothing.

All processes together allow at most a bucket's maximum, what was restored meanwhile, and the leases
they hold. Where Redis does not answer, each process keeps buckets of its own, and the log says so.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import structlog
from redis.asyncio import BlockingConnectionPool, Redis
from redis.exceptions import RedisError

from core.errors import RateLimited

log = structlog.get_logger(__name__)

REDIS_TIMEOUT_S = 0.5
CONNECTIONS_MAX = 16
LEASES_MAX = 10_000
"""Viewers whose leases a process remembers; the one that was here longest ago makes room."""
LEASE_S = 30.0
"""A lease that is not spent by then is given back."""
SWEEP_S = 2.0
BLOCKS = 10
"""A lease is a tenth of the bucket, or what one operation needs."""
DOWN_S = 1.0
"""Pause before Redis is asked again that did not answer."""
DAY_S = 86_400

# Points, moment, day and what was spent on it, of one bucket. Gives back, restores, then lends
# between need and want, or nothing. What is told: lent, left, left of the day.
_LEASE = """
local maximum, rate, daily = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local back, need, want = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1000000
local today = math.floor(now / 86400)
local kept = redis.call('HMGET', KEYS[1], 'points', 'at', 'day', 'spent')
local points, at = tonumber(kept[1]) or maximum, tonumber(kept[2]) or now
local spent = tonumber(kept[3]) == today and tonumber(kept[4]) or 0
points = math.min(maximum, points + math.max(0, now - at) * rate + back)
spent = math.max(0, spent - back)
local left = daily > 0 and daily - spent or maximum
local lent = 0
if need > 0 and math.min(points, left) >= need then
  lent = math.min(want, points, left)
end
points, spent = points - lent, spent + lent
redis.call('HSET', KEYS[1], 'points', string.format('%.6f', points),
  'at', string.format('%.6f', now), 'day', today, 'spent', string.format('%.6f', spent))
local keep = math.ceil((maximum - points) / rate) + 1
if spent > 0 and daily > 0 then keep = math.max(keep, 86400 - math.floor(now) % 86400) end
redis.call('EXPIRE', KEYS[1], keep)
return {string.format('%.6f', lent), string.format('%.6f', points),
  string.format('%.6f', left - lent)}
"""


@dataclass(frozen=True, slots=True)
class Terms:
    """What one may spend: at most `maximum` points at once, restored by `restore_rate` a second,
    and `daily` on a day of UTC (None: no such bound). `name` tells buckets of one key apart."""

    name: str
    maximum: int
    restore_rate: float
    daily: int | None = None

    @property
    def block(self) -> float:
        """What a process leases at a time."""
        return max(1.0, self.maximum / BLOCKS)


@dataclass(slots=True, eq=False)
class Lease:
    """What a process holds of a bucket, and what was left there when it was last asked."""

    terms: Terms
    key: str
    ends_at: float
    points: float = 0.0
    shared: float = 0.0
    day_left: float = math.inf
    asked_at: float | None = None
    day: int = 0
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)

    def told(self, *, points: float, day_left: float, now: float) -> None:
        """Remember what is left in the bucket."""
        self.shared, self.asked_at = points, now
        self.day_left = day_left if self.terms.daily is not None else math.inf
        self.day = _today()

    def within(self, now: float) -> float:
        """What could be spent by now, if nobody else has spent of it meanwhile."""
        if self.asked_at is None:
            return float(self.terms.maximum)
        restored = (now - self.asked_at) * self.terms.restore_rate
        shared = min(self.terms.maximum, self.shared + restored)
        if self.day == _today():
            shared = min(shared, max(0.0, self.day_left))
        return min(self.terms.maximum, self.points + shared)

    @property
    def available(self) -> int:
        """About how many points could be spent now."""
        return max(0, math.floor(self.within(time.monotonic())))

    def refusal(self, points: float) -> RateLimited:
        """What is said to who wants so many and cannot have them."""
        now = time.monotonic()
        within = self.within(now)
        until_full_s = (self.terms.maximum - within) / self.terms.restore_rate
        wait_s = (points - within) / self.terms.restore_rate
        if self.day == _today() and self.points + self.day_left < points:
            until_full_s = wait_s = DAY_S - time.time() % DAY_S
        return RateLimited(
            f"too much at once: {points:g} of at most {self.terms.maximum:g}; wait a while",
            retry_after_s=max(1, math.ceil(wait_s)),
            limit=self.terms.maximum,
            remaining=max(0, math.floor(within)),
            reset_at=datetime.now(UTC) + timedelta(seconds=until_full_s),
        )


def _today() -> int:
    return int(time.time() // DAY_S)


@dataclass(slots=True)
class _Own:
    """A bucket of this process alone, while Redis is away."""

    points: float
    at: float

    def take(self, terms: Terms, need: float, now: float) -> float:
        """What is lent: the need, or nothing."""
        self.points = min(terms.maximum, self.points + (now - self.at) * terms.restore_rate)
        self.at = now
        lent = need if self.points >= need else 0.0
        self.points -= lent
        return lent


class Budgets:
    """The buckets of one server process. Close it at the end: what is held is given back."""

    def __init__(self, redis_url: str, *, prefix: str) -> None:
        pool = BlockingConnectionPool.from_url(
            redis_url,
            max_connections=CONNECTIONS_MAX,
            timeout=REDIS_TIMEOUT_S,
            socket_timeout=REDIS_TIMEOUT_S,
            socket_connect_timeout=REDIS_TIMEOUT_S,
        )
        self._redis = Redis.from_pool(pool)
        self._script = self._redis.register_script(_LEASE)
        self._prefix = f"{prefix}:budget"
        self._leases: OrderedDict[tuple[str, str], Lease] = OrderedDict()
        self._own: OrderedDict[tuple[str, str], _Own] = OrderedDict()
        self._down_until = 0.0
        self._leaving: list[tuple[Lease, float]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._giving: set[asyncio.Task[None]] = set()

    def held(self, terms: Terms, key: str, points: float) -> Lease | None:
        """Spend of what is held here already; None if that is too little."""
        lease = self._leases.get((terms.name, key))
        if lease is None or lease.points < points:
            return None
        lease.points -= points
        return lease

    async def take(self, terms: Terms, key: str, points: float) -> Lease:
        """Spend so many points, at most the maximum. Raises `RateLimited`."""
        lease = self.held(terms, key, points)
        if lease is not None:
            return lease
        lease = self._lease(terms, key)
        async with lease.asking:
            # Who waited for another's asking may find enough.
            if lease.points < points:
                if lease.within(time.monotonic()) < points:
                    raise lease.refusal(points)
                await self._refill(lease, points - lease.points)
            if lease.points < points:
                raise lease.refusal(points)
            lease.points -= points
            return lease

    def return_to(self, lease: Lease, points: float) -> None:
        """Have points again that were taken and turned out not to be needed."""
        if self._leases.get((lease.terms.name, lease.key)) is lease:
            lease.points += points
        elif points > 0:  # given back meanwhile: so are these
            self._leaving.append((lease, points))
            self._arm()

    async def close(self) -> None:
        """Give back what is held, and close the connections."""
        if self._timer is not None:
            self._timer.cancel()
        if self._giving:
            await asyncio.wait(self._giving)
        self._leaving += [(lease, lease.points) for lease in self._leases.values()]
        self._leases.clear()
        await self._give_back()
        await self._redis.aclose()

    def _lease(self, terms: Terms, key: str) -> Lease:
        name = (terms.name, key)
        lease = self._leases.get(name)
        if lease is None:
            lease = self._leases[name] = Lease(terms, key, time.monotonic() + LEASE_S)
            if len(self._leases) > LEASES_MAX:
                _, gone = self._leases.popitem(last=False)
                self._leave(gone, gone.points)
            self._arm()
        else:
            self._leases.move_to_end(name)
        return lease

    async def _refill(self, lease: Lease, need: float) -> None:
        """Lease what is needed, or a block where that is more; nothing if there is less."""
        now = time.monotonic()
        if now >= self._down_until:
            try:
                lent, left, day_left = await self._ask(lease, 0.0, need)
            except (RedisError, OSError) as error:
                log.warning("budgets_without_redis", reason=str(error))
                self._down_until = now + DOWN_S
            else:
                lease.points += lent
                lease.ends_at = now + LEASE_S
                lease.told(points=left, day_left=day_left, now=time.monotonic())
                return
        name = (lease.terms.name, lease.key)
        own = self._own.setdefault(name, _Own(lease.terms.maximum, now))
        self._own.move_to_end(name)
        if len(self._own) > LEASES_MAX:
            self._own.popitem(last=False)
        lease.points += own.take(lease.terms, need, now)
        lease.told(points=own.points, day_left=math.inf, now=now)

    async def _ask(self, lease: Lease, back: float, need: float) -> list[float]:
        terms = lease.terms
        want = max(need, terms.block) if need else 0.0
        keys = [f"{self._prefix}:{terms.name}:{lease.key}"]
        args = [terms.maximum, terms.restore_rate, terms.daily or 0, back, need, want]
        return [float(number) for number in await self._script(keys=keys, args=args)]

    def _leave(self, lease: Lease, points: float) -> None:
        lease.points -= points
        if points > 0:
            self._leaving.append((lease, points))

    def _arm(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(SWEEP_S, self._sweep)

    def _sweep(self) -> None:
        """Give back what was not spent in time, and what is more than two blocks: operations that
        cost less than they might have leave it."""
        self._timer = None
        now = time.monotonic()
        for name, lease in list(self._leases.items()):
            spare = lease.points - 2 * lease.terms.block
            if lease.asking.locked():
                continue
            if lease.ends_at <= now:
                del self._leases[name]
                self._leave(lease, lease.points)
            elif spare > 0:
                self._leave(lease, spare)
        if self._leaving:
            task = asyncio.get_running_loop().create_task(self._give_back())
            self._giving.add(task)
            task.add_done_callback(self._giving.discard)
        if self._leases:
            self._arm()

    async def _give_back(self) -> None:
        leaving, self._leaving = self._leaving, []
        if time.monotonic() < self._down_until:
            return  # they were lent before, and are restored by time
        try:
            for lease, points in leaving:
                _, left, day_left = await self._ask(lease, points, 0.0)
                lease.told(points=left, day_left=day_left, now=time.monotonic())
        except (RedisError, OSError) as error:
            log.warning("budgets_without_redis", reason=str(error))
            self._down_until = time.monotonic() + DOWN_S
