"""What stands around each call of a platform: a limit of calls, a bulkhead, a circuit breaker, a
timeout, and tries again. Nothing here knows what is asked. Limits hold in one process.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal, TypeVar

import structlog
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt

from core.errors import (
    DomainError,
    PlatformInvalidResponse,
    PlatformRateLimited,
    PlatformUnavailable,
)
from core.ports import PlatformLimits

log = structlog.get_logger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Timing:
    """The clock of a guard, in seconds from anywhere, and its dice; tests bring their own."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    dice: Callable[[], float] = random.random


@dataclass(frozen=True, slots=True)
class GuardTerms:
    """The numbers of a guard. A call's waiting for its turn is no part of its timeout."""

    timeout_s: float = 3.0
    at_once: int = 10
    patience_s: float = 10.0
    """How long a call waits for a place or a token; longer, and it is refused."""
    retries: int = 3
    pause_s: float = 1.0
    pause_max_s: float = 10.0
    jitter: float = 0.3
    """Pauses grow by up to this part, by chance: many who failed together come back apart."""
    calls_seen: int = 20
    calls_least: int = 10
    failures_part: float = 0.5
    open_s: float = 30.0
    closing_successes: int = 2


class Failed(Exception):
    """A call that may be tried again: no answer, a broken one, or a server's own error."""


class Refused(Exception):
    """A call that would fail again: the platform does not take it from us."""


class Malformed(Exception):
    """An answer came, and it cannot be read."""


class Busy(Exception):
    """The platform asks for a pause. `retry_after_s` is its own word, None if it said none."""

    def __init__(self, retry_after_s: float | None) -> None:
        super().__init__(retry_after_s)
        self.retry_after_s = retry_after_s


class _Open(Exception):
    """The circuit is open: nobody was asked."""


@dataclass(slots=True)
class _Bucket:
    """Tokens of one limit: `capacity` at most, one more every `every_s`."""

    capacity: float
    every_s: float
    tokens: float
    at: float

    def wait_s(self, now: float) -> float:
        """How long until there is a token; 0 if there is one."""
        self.tokens = min(self.capacity, self.tokens + max(0.0, now - self.at) / self.every_s)
        self.at = now
        # A hair less than one counts: sums of parts of a second are not exact.
        return 0.0 if self.tokens >= 1 - 1e-9 else (1 - self.tokens) * self.every_s


class TokenBucket:
    """How often calls may begin: a bucket for each limit, and one token from each a call."""

    def __init__(self, limits: PlatformLimits, timing: Timing) -> None:
        self._timing = timing
        self._blocked_until = -math.inf
        now = timing.now()
        given = [
            (count, span_s)
            for count, span_s in (
                (limits.per_second, 1.0),
                (limits.per_minute, 60.0),
                (limits.per_hour, 3600.0),
            )
            if count is not None
        ]
        # A burst is what may come at once: the size of the shortest limit's bucket.
        sizes = [limits.burst or count if i == 0 else count for i, (count, _) in enumerate(given)]
        self._buckets = [
            _Bucket(size, span_s / count, size, now)
            for size, (count, span_s) in zip(sizes, given, strict=True)
        ]

    def block(self, seconds: float) -> None:
        """Nobody may call for so long: the platform said so."""
        self._blocked_until = max(self._blocked_until, self._timing.now() + seconds)

    def wait_s(self) -> float:
        """How long the next call would wait."""
        now = self._timing.now()
        waits = [bucket.wait_s(now) for bucket in self._buckets]
        return max(0.0, self._blocked_until - now, *waits)

    async def take(self, patience_s: float) -> float:
        """Take a token, waiting for it up to `patience_s`. 0; or, where none would come in time,
        after how many seconds one may: then none was taken."""
        deadline = self._timing.now() + patience_s
        while (wait := self.wait_s()) > 0:
            if self._timing.now() + wait > deadline:
                return wait
            await self._timing.sleep(wait)
        for bucket in self._buckets:
            bucket.tokens -= 1
        return 0.0


State = Literal["CLOSED", "OPEN", "HALF_OPEN"]


class Breaker:
    """Opens when half of the last calls failed, ten at least; half-open after 30 s, one call at a
    time; closes after two successes."""

    def __init__(self, terms: GuardTerms, timing: Timing) -> None:
        self._terms, self._timing = terms, timing
        self._seen: deque[bool] = deque(maxlen=terms.calls_seen)
        self._opened_at: float | None = None
        self._successes = 0
        self._trying = False

    @property
    def state(self) -> State:
        """What it is now."""
        if self._opened_at is None:
            return "CLOSED"
        waited_s = self._timing.now() - self._opened_at
        return "OPEN" if waited_s < self._terms.open_s else "HALF_OPEN"

    @asynccontextmanager
    async def call(self, *, failures: tuple[type[Exception], ...]) -> AsyncIterator[None]:
        """Around one call: these exceptions are failures, others tell nothing. Raises `_Open`."""
        state = self.state
        if state == "OPEN" or (state == "HALF_OPEN" and self._trying):
            raise _Open
        trial = state == "HALF_OPEN"
        self._trying = self._trying or trial
        try:
            yield
        except failures:
            self._failed(trial)
            raise
        else:
            self._succeeded(trial)
        finally:
            if trial:
                self._trying = False

    def _failed(self, trial: bool) -> None:
        self._seen.append(False)
        enough = len(self._seen) >= self._terms.calls_least
        failures = self._seen.count(False)
        if trial or (enough and failures >= self._terms.failures_part * len(self._seen)):
            self._opened_at, self._successes = self._timing.now(), 0

    def _succeeded(self, trial: bool) -> None:
        if self._opened_at is not None and not trial:
            return  # it began before the circuit opened
        self._seen.append(True)
        if not trial:
            return
        self._successes += 1
        if self._successes >= self._terms.closing_successes:
            self._opened_at, self._successes = None, 0
            self._seen.clear()


@dataclass(slots=True)
class Guard:
    """What stands around all calls of one platform. `platform` is its slug, for errors."""

    platform: str
    limits: PlatformLimits = field(default_factory=PlatformLimits)
    terms: GuardTerms = field(default_factory=GuardTerms)
    timing: Timing = field(default_factory=Timing)
    bucket: TokenBucket = field(init=False)
    breaker: Breaker = field(init=False)
    inside: int = 0
    _places: asyncio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        self.bucket = TokenBucket(self.limits, self.timing)
        self.breaker = Breaker(self.terms, self.timing)
        self._places = asyncio.Semaphore(self.terms.at_once)

    async def call(self, ask: Callable[[], Awaitable[T]]) -> T:
        """What `ask` answers; it raises `Failed`, `Refused`, `Malformed` or `Busy` where it fails.

        Raises `PlatformUnavailable`, `PlatformRateLimited`, `PlatformInvalidResponse`.
        """
        tries = AsyncRetrying(
            stop=stop_after_attempt(1 + self.terms.retries),
            retry=retry_if_exception_type((Failed, Busy)),
            wait=self._pause_s,
            sleep=self.timing.sleep,
            reraise=True,
        )
        try:
            # tenacity's own type says Any.
            answer: T = await tries(self._once, ask)
            return answer
        except (Failed, Refused, Malformed, Busy, _Open) as error:
            raise self._told(error) from error

    async def _once(self, ask: Callable[[], Awaitable[T]]) -> T:
        async with self._place(), self.breaker.call(failures=(Failed, Refused, Malformed)):
            wait_s = await self.bucket.take(self.terms.patience_s)
            if wait_s > 0:
                raise PlatformRateLimited(self.platform, math.ceil(wait_s))
            return await self._in_time(ask)

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        """One of the places. Who waits for longer than a call's patience is turned away."""
        try:
            await asyncio.wait_for(self._places.acquire(), self.terms.patience_s)
        except TimeoutError:
            raise PlatformRateLimited(self.platform, 1) from None
        self.inside += 1
        try:
            yield
        finally:
            self.inside -= 1
            self._places.release()

    async def _in_time(self, ask: Callable[[], Awaitable[T]]) -> T:
        try:
            async with asyncio.timeout(self.terms.timeout_s):
                return await ask()
        except TimeoutError:
            raise Failed(f"no answer in {self.terms.timeout_s} s") from None
        except Busy as busy:
            if busy.retry_after_s is not None:
                self.bucket.block(busy.retry_after_s)
                if busy.retry_after_s > self.terms.pause_max_s:
                    # Not worth waiting for here: whoever asks comes back then.
                    raise self._told(busy) from busy
            raise

    def _pause_s(self, state: RetryCallState) -> float:
        terms, outcome = self.terms, state.outcome
        error = outcome.exception() if outcome is not None else None
        if isinstance(error, Busy) and error.retry_after_s is not None:
            return error.retry_after_s
        pause_s = terms.pause_s * 2.0 ** (state.attempt_number - 1)
        return min(pause_s, terms.pause_max_s) * (1 + terms.jitter * self.timing.dice())

    def _told(self, error: Exception) -> DomainError:
        log.warning(
            "platform_call_failed",
            platform=self.platform,
            error=type(error).__name__.lstrip("_"),
            reason=str(error)[:200],
            circuit=self.breaker.state,
        )
        if isinstance(error, Busy):
            wait_s = max(self.bucket.wait_s(), error.retry_after_s or self.terms.pause_max_s)
            return PlatformRateLimited(self.platform, max(1, math.ceil(wait_s)))
        if isinstance(error, Malformed):
            return PlatformInvalidResponse(self.platform)
        return PlatformUnavailable(self.platform)
