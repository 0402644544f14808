"""Runs the jobs on pgqueuer: connects, works, reconnects, stops. What a job does stands beside.

Any number of processes may run one: rows are claimed, and every job may run twice.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

import asyncpg
import structlog
from pgqueuer import (
    AsyncpgDriver,
    PgQueuer,
    Queries,
)
from pgqueuer.adapters.persistence.qb import (
    QueryBuilderEnvironment,
    QueryQueueBuilder,
    QuerySchedulerBuilder,
)

from core.database import Database, plain_url
from core.ports import Couriers, PaymentProvider, Platforms, Storage
from core.settings import Settings
from jobs.queue_names import QUEUE_NAMES
from jobs.running import Worker
from jobs.schedule import register, sweep_now

log = structlog.get_logger(__name__)

STOP_S = 8.0
"""Patience with running jobs at shutdown; then they are cancelled, and run elsewhere or later."""
BATCH = 4
MAX_JOBS = 8
"""Jobs a process runs at once: below the pool's size, so that requests find connections too."""
POLL = timedelta(seconds=2)
"""New jobs are notified of and due ones waited for; a job put back after a failure is found so."""
HEARTBEAT = timedelta(seconds=20)
"""After so long without a sign a job counts as its worker's victim, and another worker takes it."""
RECONNECT_MIN_S = 0.1
RECONNECT_MAX_S = 5.0


@asynccontextmanager
async def run_worker(
    settings: Settings,
    db: Database,
    database_url: str,
    *,
    payments: PaymentProvider | None = None,
    storage: Storage | None = None,
    couriers: Couriers | None = None,
    platforms: Platforms | None = None,
    patience_s: float = STOP_S,
) -> AsyncIterator[Worker]:
    """Run jobs while the context lasts; leaving it gives running ones `patience_s`, and ends within
    two seconds more.

    Uses one connection of its own, and `db` for what the jobs do (so that their events are
    published by its after-commit hook). Without `couriers`, mails and pushes wait for a worker that
    has some; without `platforms`, polls do. Never fails for want of the database: it keeps trying.
    """
    worker = Worker(settings, db, database_url, payments, storage, couriers, platforms)
    task = asyncio.create_task(_supervise(worker), name="jobs")
    try:
        yield worker
    finally:
        worker.stopping.set()
        await _end(task, patience_s=patience_s)


async def _end(task: asyncio.Task[None], *, patience_s: float) -> None:
    await asyncio.wait({task}, timeout=patience_s)
    if not task.done():
        log.warning("jobs_cancelled", after_s=patience_s)
        task.cancel()
        await asyncio.wait({task}, timeout=2.0)


async def _supervise(worker: Worker) -> None:
    pause_s = RECONNECT_MIN_S
    while not worker.stopping.is_set():
        began = time.monotonic()
        try:
            await _connect_and_work(worker)
        except Exception as error:
            # Whatever it was, a worker that gives up would leave lots open until a restart.
            log.warning("jobs_disconnected", error=repr(error))
        if time.monotonic() - began > 2 * RECONNECT_MAX_S:
            pause_s = RECONNECT_MIN_S
        await _pause(worker.stopping, pause_s * random.uniform(0.5, 1.5))
        pause_s = min(pause_s * 2, RECONNECT_MAX_S)


async def _pause(stopping: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(stopping.wait(), seconds)


async def _connect_and_work(worker: Worker) -> None:
    """Work until told to stop or the connection is lost; raises what connecting raises."""
    timeout_s = worker.settings.statement_timeout_s
    connection = await asyncpg.connect(
        plain_url(worker.database_url),
        timeout=worker.settings.connect_timeout_s,
        command_timeout=timeout_s * 2,
        server_settings={
            "application_name": "mela-jobs",
            "statement_timeout": str(int(timeout_s * 1000)),
            "timezone": "UTC",
        },
    )
    try:
        await _work(worker, connection)
    finally:
        worker.connected = False
        connection.terminate()


async def _work(worker: Worker, connection: Any) -> None:
    queue = _queue(worker, connection)
    # At once, not at the next statement: that one may be seconds away.
    connection.add_termination_listener(lambda _: queue.shutdown.set())
    worker.connected = True
    worker.connections += 1
    log.info("jobs_connected", connections=worker.connections)
    helpers = [
        asyncio.create_task(_stop_queue(worker, queue)),
        # What was missed while no process was connected need not wait for the next minute.
        asyncio.create_task(_sweep_at_start(worker)),
    ]
    try:
        await queue.run(
            dequeue_timeout=POLL,
            batch_size=BATCH,
            max_concurrent_tasks=MAX_JOBS,
            shutdown_on_listener_failure=True,
            heartbeat_timeout=HEARTBEAT,
            log_aggregation_interval=timedelta(0),  # Prometheus has the numbers
        )
    finally:
        for helper in helpers:
            helper.cancel()
        await asyncio.gather(*helpers, return_exceptions=True)


async def _stop_queue(worker: Worker, queue: PgQueuer) -> None:
    await worker.stopping.wait()
    queue.shutdown.set()


def _queue(worker: Worker, connection: Any) -> PgQueuer:
    driver = AsyncpgDriver(connection)
    queries = Queries(
        driver,
        qbe=QueryBuilderEnvironment(QUEUE_NAMES),
        qbq=QueryQueueBuilder(QUEUE_NAMES),
        qbs=QuerySchedulerBuilder(QUEUE_NAMES),
    )
    queue = PgQueuer(driver, channel=QUEUE_NAMES.channel, queries=queries)
    register(worker, queue)
    return queue


async def _sweep_at_start(worker: Worker) -> None:
    """The pool's connections may all be dead after a restart of the server: it takes some tries."""
    for attempt in range(1, 6):
        try:
            await sweep_now(worker)
            return
        except Exception as error:
            log.warning("sweep_at_start_failed", attempt=attempt, error=repr(error))
            await _pause(worker.stopping, 0.2 * 2**attempt)
