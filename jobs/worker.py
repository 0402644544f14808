"""Runs the jobs on pgqueuer: connects, works, reconnects, stops. What a job does stands beside.

Any number of processes may run one: rows are claimed, and every job may run twice.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

import asyncpg
import orjson
import structlog
from pgqueuer import (
    AsyncpgDriver,
    DatabaseRetryEntrypointExecutor,
    Job,
    PgQueuer,
    Queries,
    RetryRequested,
)
from pgqueuer.adapters.persistence.qb import (
    QueryBuilderEnvironment,
    QueryQueueBuilder,
    QuerySchedulerBuilder,
)
from pgqueuer.executors import EntrypointExecutorParameters
from pgqueuer.models import Schedule
from sqlalchemy import text

from core import metrics
from core.clock import utc_now
from core.database import Database, plain_url
from core.ports import Couriers, Platforms
from core.settings import Settings
from jobs.auctions import Sweep, close_at_end, open_at_start, sweep_auctions
from jobs.catalogue import refresh, tell_watchers_of, watch_ends
from jobs.delivering import deliver_asked, redeliver
from jobs.notifications import notify_people, sweep_ending_soon
from jobs.platforms import POLLS, poll_batch, start_polls
from jobs.queue_names import QUEUE_NAMES
from jobs.recommendations import refresh_recommendations
from jobs.retention import delete_expired
from jobs.wallets import expire_due_holds, tell_wallets_of
from models.content.platforms import Scope
from services.auctions.closing import CLOSE_AUCTION, OPEN_AUCTION
from services.content.availability import TELL_WATCHERS
from services.content.polling import POLL_PLATFORM
from services.users.notifications import DELIVER, NOTIFY
from services.wallets.changes import TELL_WALLETS

T = TypeVar("T")

log = structlog.get_logger(__name__)

SWEEP = "sweep_auctions"
RETENTION = "delete_expired"
EXPIRE_HOLDS = "expire_holds"
ENDING_SOON = "tell_ending_soon"
REDELIVER = "redeliver"
WATCH_ENDS = "watch_ends"
REFRESH_TRENDS = "refresh_trends"
RECOMMEND = "refresh_recommendations"
EVERY_MINUTE = "* * * * *"
EVERY_FIVE_MINUTES = "2/5 * * * *"
EVERY_HOUR = "17 * * * *"
LATER_EVERY_HOUR = "37 * * * *"

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

_LAST_SWEEP = text("SELECT max(last_run) FROM pgqueuer_schedules WHERE entrypoint = :name")


@dataclass(slots=True)
class Worker:
    """What a process's worker says of itself. `runs` counts jobs by (name, outcome): "ok" or the
    error's class; `connections` counts from 1, and each further one was a reconnection.
    """

    settings: Settings
    db: Database
    database_url: str
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


@asynccontextmanager
async def run_worker(
    settings: Settings,
    db: Database,
    database_url: str,
    *,
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
    worker = Worker(settings, db, database_url, couriers, platforms)
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
    _register(worker, queue)
    return queue


def _register(worker: Worker, queue: PgQueuer) -> None:
    db = worker.db

    async def open_(job: Job) -> None:
        await _run_job(worker, OPEN_AUCTION, lambda: open_at_start(db, _auction_of(job)))

    async def close(job: Job) -> None:
        await _run_job(worker, CLOSE_AUCTION, lambda: close_at_end(db, _auction_of(job)))

    async def sweep(_: Schedule) -> None:
        await _sweep(worker)

    async def tell(job: Job) -> None:
        await _run_job(worker, TELL_WALLETS, lambda: tell_wallets_of(db, job.payload))

    async def expire(_: Schedule) -> None:
        stopping = worker.stopping.is_set
        await _run(worker, EXPIRE_HOLDS, lambda: expire_due_holds(db, stopping=stopping))

    async def retain(_: Schedule) -> None:
        stopping = worker.stopping.is_set
        deleted = await _run(worker, RETENTION, lambda: delete_expired(db, stopping=stopping))
        log.info("expired_deleted", **deleted)

    queue.entrypoint(OPEN_AUCTION, executor_factory=_retrying)(open_)
    queue.entrypoint(CLOSE_AUCTION, executor_factory=_retrying)(close)
    queue.entrypoint(TELL_WALLETS, executor_factory=_retrying)(tell)
    queue.schedule(SWEEP, EVERY_MINUTE)(sweep)
    queue.schedule(EXPIRE_HOLDS, EVERY_MINUTE)(expire)
    queue.schedule(RETENTION, EVERY_HOUR)(retain)
    _register_notifications(worker, queue)
    _register_catalogue(worker, queue)
    _register_platforms(worker, queue)


def _register_catalogue(worker: Worker, queue: PgQueuer) -> None:
    db, stopping = worker.db, worker.stopping.is_set

    async def tell(job: Job) -> None:
        await _run_job(worker, TELL_WATCHERS, lambda: tell_watchers_of(db, job.payload))

    async def end(_: Schedule) -> None:
        await _run(worker, WATCH_ENDS, lambda: watch_ends(db, stopping=stopping))

    async def trend(_: Schedule) -> None:
        await _run(worker, REFRESH_TRENDS, lambda: refresh(db))

    async def recommend(_: Schedule) -> None:
        await _run(worker, RECOMMEND, lambda: refresh_recommendations(db))

    queue.entrypoint(TELL_WATCHERS, executor_factory=_retrying)(tell)
    queue.schedule(WATCH_ENDS, EVERY_MINUTE)(end)
    queue.schedule(REFRESH_TRENDS, EVERY_FIVE_MINUTES)(trend)
    queue.schedule(RECOMMEND, LATER_EVERY_HOUR)(recommend)


def _register_platforms(worker: Worker, queue: PgQueuer) -> None:
    db, platforms = worker.db, worker.platforms
    if platforms is None:
        return

    async def poll(job: Job) -> None:
        await _run_job(worker, POLL_PLATFORM, lambda: poll_batch(db, platforms, job.payload))

    def start(scope: Scope) -> Callable[[Schedule], Awaitable[None]]:
        async def begin(_: Schedule) -> None:
            await _run(worker, f"start_{scope.lower()}_polls", lambda: start_polls(db, scope))

        return begin

    # A platform that takes its time must not keep lots from being closed.
    queue.entrypoint(POLL_PLATFORM, executor_factory=_retrying, concurrency_limit=2)(poll)
    for scope, when in POLLS.items():
        queue.schedule(f"start_{scope.lower()}_polls", when)(start(scope))


def _register_notifications(worker: Worker, queue: PgQueuer) -> None:
    db, couriers, stopping = worker.db, worker.couriers, worker.stopping.is_set

    async def notify(job: Job) -> None:
        await _run_job(worker, NOTIFY, lambda: notify_people(db, job.payload))

    async def end_soon(_: Schedule) -> None:
        window_s = worker.settings.ending_soon_s
        await _run(
            worker,
            ENDING_SOON,
            lambda: sweep_ending_soon(db, window_s=window_s, stopping=stopping),
        )

    queue.entrypoint(NOTIFY, executor_factory=_retrying)(notify)
    queue.schedule(ENDING_SOON, EVERY_MINUTE)(end_soon)
    if couriers is None:
        return

    async def send(job: Job) -> None:
        await _run_job(worker, DELIVER, lambda: deliver_asked(db, couriers, job.payload))

    async def send_again(_: Schedule) -> None:
        await _run(worker, REDELIVER, lambda: redeliver(db, couriers, stopping=stopping))

    # A mail server that does not answer must not keep lots from being closed.
    queue.entrypoint(DELIVER, executor_factory=_retrying, concurrency_limit=2)(send)
    queue.schedule(REDELIVER, EVERY_MINUTE)(send_again)


def _retrying(parameters: EntrypointExecutorParameters) -> DatabaseRetryEntrypointExecutor:
    # A wake that fails for good is dropped: the sweep finds its lot each minute.
    return DatabaseRetryEntrypointExecutor(
        parameters,
        max_attempts=5,
        initial_delay=timedelta(seconds=0.2),
        max_delay=timedelta(seconds=10),
    )


def _auction_of(job: Job) -> UUID:
    return UUID(hex=orjson.loads(job.payload or b"{}")["auction"])


async def _run_job(worker: Worker, name: str, work: Callable[[], Awaitable[None]]) -> None:
    try:
        await _run(worker, name, work)
    except asyncio.CancelledError:
        # pgqueuer takes a cancelled job for one that nobody wants any more, and drops it.
        raise RetryRequested(reason="the worker stopped") from None


async def _run(worker: Worker, name: str, work: Callable[[], Awaitable[T]]) -> T:
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


async def _sweep(worker: Worker) -> Sweep:
    stopping = worker.stopping.is_set
    done = await _run(worker, SWEEP, lambda: sweep_auctions(worker.db, stopping=stopping))
    worker.last_sweep_at = utc_now()
    if done.opened or done.closed or done.failed:
        log.info("swept", opened=done.opened, closed=done.closed, failed=len(done.failed))
    return done


async def _sweep_at_start(worker: Worker) -> None:
    """The pool's connections may all be dead after a restart of the server: it takes some tries."""
    for attempt in range(1, 6):
        try:
            await _sweep(worker)
            return
        except Exception as error:
            log.warning("sweep_at_start_failed", attempt=attempt, error=repr(error))
            await _pause(worker.stopping, 0.2 * 2**attempt)
