"""A process's worker as it stands, and how each job is run: counted, timed, tried again."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

from pgqueuer import DatabaseRetryEntrypointExecutor, RetryRequested
from pgqueuer.executors import EntrypointExecutorParameters
from sqlalchemy import text

from core import metrics
from core.database import Database
from core.ports import Couriers, PaymentProvider, Platforms, Storage
from core.settings import Settings

T = TypeVar("T")

SWEEP = "sweep_auctions"
_LAST_SWEEP = text("SELECT max(last_run) FROM pgqueuer_schedules WHERE entrypoint = :name")


@dataclass(slots=True)
class Worker:
    """What a process's worker says of itself. `runs` counts jobs by (name, outcome): "ok" or the
    error's class; `connections` counts from 1, and each further one was a reconnection. Without
    `payments` no stuck payment is asked about, without `storage` no file is removed, and without
    `couriers` or `platforms` mails, pushes and polls wait for a worker that has some.
    """

    settings: Settings
    db: Database
    database_url: str
    payments: PaymentProvider | None = None
    storage: Storage | None = None
    couriers: Couriers | None = None
    platforms: Platforms | None = None
    connected: bool = False
    connections: int = 0
    last_sweep_at: datetime | None = None
    runs: Counter[tuple[str, str]] = field(default_factory=Counter)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    async def last_sweep(self) -> datetime | None:
        """When any process last swept, this one or, by the database, another (for /readyz)."""
        async with self.db.read() as session:
            found: datetime | None = await session.scalar(_LAST_SWEEP, {"name": SWEEP})
        return max((at for at in (found, self.last_sweep_at) if at is not None), default=None)


def retrying(parameters: EntrypointExecutorParameters) -> DatabaseRetryEntrypointExecutor:
    """How a job that fails is tried again, soon and a few times."""
    # A wake that fails for good is dropped: the sweep finds its lot each minute.
    return DatabaseRetryEntrypointExecutor(
        parameters,
        max_attempts=5,
        initial_delay=timedelta(seconds=0.2),
        max_delay=timedelta(seconds=10),
    )


async def run_job(worker: Worker, name: str, work: Callable[[], Awaitable[None]]) -> None:
    """As `run`, for a job of the queue: one that is cancelled goes back to it."""
    try:
        await run(worker, name, work)
    except asyncio.CancelledError:
        # pgqueuer takes a cancelled job for one that nobody wants any more, and drops it.
        raise RetryRequested(reason="the worker stopped") from None


async def run(worker: Worker, name: str, work: Callable[[], Awaitable[T]]) -> T:
    """Do it and count it; errors are counted by class and raised."""
    began = time.perf_counter()
    outcome = "cancelled"
    try:
        result = await work()
        outcome = "ok"
        return result
    except Exception as error:
        outcome = type(error).__name__
        raise
    finally:
        worker.runs[name, outcome] += 1
        metrics.observe_job(name, outcome, time.perf_counter() - began)
