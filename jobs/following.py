"""Keeps a consumer of the event log going beside whatever else the process does. What it takes, and
how its place is kept, stands in services/.

Any number of processes may run one consumer.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import partial

import structlog

from core.database import Database, is_outage
from core.metrics import observe_job
from core.tasks import stop_all
from services.following import BATCH, Take, follow_log, pass_over

log = structlog.get_logger(__name__)

TRIES = 5
"""Tries of an event that fails alone; then it is left out, and the log says which."""
LONGEST_PAUSE_S = 30.0
STOP_S = 5.0
ROUND_S = 0.05
"""The least time between two looks: under a storm of writes each takes more, and none is late."""
AGAIN_S = (0.01, 0.02, 0.04, 0.08, 0.16)
"""Pauses after being woken: what woke us may stand behind a transaction that still runs."""

Wake = Callable[[Callable[[], None]], AbstractContextManager[None]]
"""Calls whenever the log may have grown, while its context lasts; it may miss some."""


@dataclass(slots=True)
class Follower:
    """A consumer's state in this process. After a failure it takes one event at a time, so that
    the one that fails is found and cannot hold up the others for good."""

    db: Database
    consumer: str
    take: Take
    batch: int = BATCH
    failures: int = 0

    async def catch_up(self, *, stopping: Callable[[], bool] = bool) -> int:
        """Take all there is; how many events. Raises what `take` or the database raises."""
        total = 0
        while not stopping():
            limit = 1 if self.failures else self.batch
            unit = partial(follow_log, consumer=self.consumer, take=self.take, limit=limit)
            done = await self.db.transaction(unit)
            total += done.taken
            found_well = done.taken and self.failures
            if found_well:
                self.failures = 0
            if not done.more and not found_well:
                break
        return total

    async def failed(self, error: Exception) -> None:
        """Remember a failure; leave an event out that has failed alone too often. An outage is
        nobody's fault."""
        if is_outage(error):
            return
        self.failures += 1
        if self.failures > TRIES:
            event = await self.db.transaction(partial(pass_over, consumer=self.consumer))
            self.failures = 0
            if event is not None:
                log.error(
                    "event_left_out",
                    consumer=self.consumer,
                    topic=event.topic,
                    sequence=event.sequence,
                )


@asynccontextmanager
async def run_follower(
    db: Database,
    consumer: str,
    take: Take,
    *,
    every_s: float,
    wake: Wake | None = None,
    told: Callable[[], None] = lambda: None,
) -> AsyncIterator[Follower]:
    """Follow the log while the context lasts: every so often, and at once when woken. `told` is
    called after events were taken. Errors are logged and tried again, less and less often."""
    stopping, woken = asyncio.Event(), asyncio.Event()
    follower = Follower(db, consumer, take)
    with nullcontext() if wake is None else wake(woken.set):
        loop = _loop(follower, stopping, woken, every_s, told)
        task = asyncio.create_task(loop, name=f"follow-{consumer}")
        try:
            yield follower
        finally:
            stopping.set()
            woken.set()
            await asyncio.wait({task}, timeout=STOP_S)
            await stop_all([task])


async def _loop(
    follower: Follower,
    stopping: asyncio.Event,
    woken: asyncio.Event,
    every_s: float,
    told: Callable[[], None],
) -> None:
    clock = asyncio.get_running_loop().time
    pause_s, looks = every_s, len(AGAIN_S)
    while not stopping.is_set():
        began = clock()
        woken.clear()
        try:
            if await follower.catch_up(stopping=stopping.is_set):
                told()
                looks = max(looks, len(AGAIN_S) - 1)
            pause_s = every_s
        except Exception as error:
            # Whatever it was, a consumer that stops for good is found out far too late.
            log.warning("follower_failed", consumer=follower.consumer, error=repr(error)[:300])
            observe_job(f"follow_{follower.consumer}", type(error).__name__, 0.0)
            with suppress(Exception):
                await follower.failed(error)
            pause_s, looks = min(2 * pause_s, LONGEST_PAUSE_S), len(AGAIN_S)
        again_s = AGAIN_S[looks] if looks < len(AGAIN_S) else pause_s * random.uniform(0.8, 1.2)
        looks += 1
        with suppress(TimeoutError):
            await asyncio.wait_for(woken.wait(), again_s)
            looks = 0
            # After a failure nobody's waking may hurry it.
            least_s = ROUND_S if pause_s == every_s else pause_s
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), max(0.0, began + least_s - clock()))
