"""What runs when: each job's name, what wakes it, and the work that stands in its domain's file."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from uuid import UUID

import orjson
import structlog
from pgqueuer import Job, PgQueuer
from pgqueuer.models import Schedule

from core.clock import utc_now
from jobs.auctions import Sweep, close_at_end, open_at_start, sweep_auctions
from jobs.catalogue import refresh, tell_new_title_of, tell_watchers_of, watch_ends
from jobs.delivering import deliver_asked, redeliver
from jobs.files import remove_unwanted_files
from jobs.notifications import notify_people, sweep_ending_soon
from jobs.platforms import POLLS, poll_batch, start_polls
from jobs.recommendations import refresh_recommendations
from jobs.retention import delete_expired
from jobs.running import SWEEP, Worker, retrying, run, run_job
from jobs.search import catch_up_index, sweep_index, sweep_offers
from jobs.wallets import ask_about_stuck_payments, expire_due_holds, tell_wallets_of
from models.content.platforms import Scope
from services.auctions.closing import CLOSE_AUCTION, OPEN_AUCTION
from services.content.availability import TELL_WATCHERS
from services.content.new_titles import TELL_NEW_TITLE
from services.content.polling import POLL_PLATFORM
from services.search.feeding import CATCH_UP
from services.users.notifications import DELIVER, NOTIFY
from services.wallets.changes import TELL_WALLETS

log = structlog.get_logger(__name__)

RETENTION = "delete_expired"
REMOVE_FILES = "remove_unwanted_files"
EXPIRE_HOLDS = "expire_holds"
ASK_PAYMENTS = "ask_about_stuck_payments"
ENDING_SOON = "tell_ending_soon"
REDELIVER = "redeliver"
WATCH_ENDS = "watch_ends"
REFRESH_TRENDS = "refresh_trends"
RECOMMEND = "refresh_recommendations"
SWEEP_OFFERS = "search_sweep_offers"
SWEEP_INDEX = "search_sweep"
EVERY_MINUTE = "* * * * *"
EVERY_FIVE_MINUTES = "2/5 * * * *"
LATER_EVERY_FIVE_MINUTES = "4/5 * * * *"
EVERY_HOUR = "17 * * * *"
LATER_EVERY_HOUR = "37 * * * *"


def register(worker: Worker, queue: PgQueuer) -> None:
    """Tell the queue of every job."""
    db = worker.db

    async def open_(job: Job) -> None:
        await run_job(worker, OPEN_AUCTION, lambda: open_at_start(db, _auction_of(job)))

    async def close(job: Job) -> None:
        await run_job(worker, CLOSE_AUCTION, lambda: close_at_end(db, _auction_of(job)))

    async def sweep(_: Schedule) -> None:
        await sweep_now(worker)

    async def tell(job: Job) -> None:
        await run_job(worker, TELL_WALLETS, lambda: tell_wallets_of(db, job.payload))

    async def expire(_: Schedule) -> None:
        stopping = worker.stopping.is_set
        await run(worker, EXPIRE_HOLDS, lambda: expire_due_holds(db, stopping=stopping))

    async def ask(_: Schedule) -> None:
        await _ask_about_payments(worker)

    async def retain(_: Schedule) -> None:
        stopping = worker.stopping.is_set
        deleted = await run(worker, RETENTION, lambda: delete_expired(db, stopping=stopping))
        log.info("expired_deleted", **deleted)

    async def remove(_: Schedule) -> None:
        storage, stopping = worker.storage, worker.stopping.is_set
        if storage is not None:
            work = partial(remove_unwanted_files, db, storage, stopping=stopping)
            log.info("files_removed", count=await run(worker, REMOVE_FILES, work))

    queue.entrypoint(OPEN_AUCTION, executor_factory=retrying)(open_)
    queue.entrypoint(CLOSE_AUCTION, executor_factory=retrying)(close)
    queue.entrypoint(TELL_WALLETS, executor_factory=retrying)(tell)
    queue.schedule(SWEEP, EVERY_MINUTE)(sweep)
    queue.schedule(EXPIRE_HOLDS, EVERY_MINUTE)(expire)
    queue.schedule(ASK_PAYMENTS, EVERY_MINUTE)(ask)
    queue.schedule(RETENTION, EVERY_HOUR)(retain)
    queue.schedule(REMOVE_FILES, EVERY_HOUR)(remove)
    _register_notifications(worker, queue)
    _register_catalogue(worker, queue)
    _register_platforms(worker, queue)
    _register_search(worker, queue)


def _register_search(worker: Worker, queue: PgQueuer) -> None:
    db, url, stopping = worker.db, worker.database_url, worker.stopping.is_set

    async def catch_up(_: Job) -> None:
        async def work() -> None:
            written = await catch_up_index(db, url, stopping=stopping)
            log.info("index_caught_up", written=written)

        await run_job(worker, CATCH_UP, work)

    async def offers(_: Schedule) -> None:
        await run(worker, SWEEP_OFFERS, lambda: sweep_offers(db, stopping=stopping))

    async def sweep(_: Schedule) -> None:
        await run(worker, SWEEP_INDEX, lambda: sweep_index(db, stopping=stopping))

    # A minute's work after an import: it must not keep lots from being closed.
    queue.entrypoint(CATCH_UP, executor_factory=retrying, concurrency_limit=1)(catch_up)
    queue.schedule(SWEEP_OFFERS, EVERY_MINUTE)(offers)
    queue.schedule(SWEEP_INDEX, LATER_EVERY_FIVE_MINUTES)(sweep)


def _register_catalogue(worker: Worker, queue: PgQueuer) -> None:
    db, stopping = worker.db, worker.stopping.is_set

    async def tell(job: Job) -> None:
        await run_job(worker, TELL_WATCHERS, lambda: tell_watchers_of(db, job.payload))

    async def tell_new(job: Job) -> None:
        await run_job(worker, TELL_NEW_TITLE, lambda: tell_new_title_of(db, job.payload))

    async def end(_: Schedule) -> None:
        await run(worker, WATCH_ENDS, lambda: watch_ends(db, stopping=stopping))

    async def trend(_: Schedule) -> None:
        await run(worker, REFRESH_TRENDS, lambda: refresh(db))

    async def recommend(_: Schedule) -> None:
        await run(worker, RECOMMEND, lambda: refresh_recommendations(db))

    queue.entrypoint(TELL_WATCHERS, executor_factory=retrying)(tell)
    # Thousands may come with an import: they must not keep lots from being closed.
    queue.entrypoint(TELL_NEW_TITLE, executor_factory=retrying, concurrency_limit=2)(tell_new)
    queue.schedule(WATCH_ENDS, EVERY_MINUTE)(end)
    queue.schedule(REFRESH_TRENDS, EVERY_FIVE_MINUTES)(trend)
    queue.schedule(RECOMMEND, LATER_EVERY_HOUR)(recommend)


def _register_platforms(worker: Worker, queue: PgQueuer) -> None:
    db, platforms = worker.db, worker.platforms
    if platforms is None:
        return

    async def poll(job: Job) -> None:
        await run_job(worker, POLL_PLATFORM, lambda: poll_batch(db, platforms, job.payload))

    def start(scope: Scope) -> Callable[[Schedule], Awaitable[None]]:
        async def begin(_: Schedule) -> None:
            await run(worker, f"start_{scope.lower()}_polls", lambda: start_polls(db, scope))

        return begin

    # A platform that takes its time must not keep lots from being closed.
    queue.entrypoint(POLL_PLATFORM, executor_factory=retrying, concurrency_limit=2)(poll)
    for scope, when in POLLS.items():
        queue.schedule(f"start_{scope.lower()}_polls", when)(start(scope))


def _register_notifications(worker: Worker, queue: PgQueuer) -> None:
    db, couriers, stopping = worker.db, worker.couriers, worker.stopping.is_set

    async def notify(job: Job) -> None:
        await run_job(worker, NOTIFY, lambda: notify_people(db, job.payload))

    async def end_soon(_: Schedule) -> None:
        window_s = worker.settings.ending_soon_s
        await run(
            worker,
            ENDING_SOON,
            lambda: sweep_ending_soon(db, window_s=window_s, stopping=stopping),
        )

    queue.entrypoint(NOTIFY, executor_factory=retrying)(notify)
    queue.schedule(ENDING_SOON, EVERY_MINUTE)(end_soon)
    if couriers is None:
        return

    async def send(job: Job) -> None:
        await run_job(worker, DELIVER, lambda: deliver_asked(db, couriers, job.payload))

    async def send_again(_: Schedule) -> None:
        await run(worker, REDELIVER, lambda: redeliver(db, couriers, stopping=stopping))

    # A mail server that does not answer must not keep lots from being closed.
    queue.entrypoint(DELIVER, executor_factory=retrying, concurrency_limit=2)(send)
    queue.schedule(REDELIVER, EVERY_MINUTE)(send_again)


async def sweep_now(worker: Worker) -> Sweep:
    """Open and close all lots that are due, and remember when that was done."""
    stopping = worker.stopping.is_set
    done = await run(worker, SWEEP, lambda: sweep_auctions(worker.db, stopping=stopping))
    worker.last_sweep_at = utc_now()
    if done.opened or done.closed or done.failed:
        log.info("swept", opened=done.opened, closed=done.closed, failed=len(done.failed))
    return done


async def _ask_about_payments(worker: Worker) -> None:
    provider, after_s = worker.payments, worker.settings.payment_ask_again_s
    if provider is None:
        return
    work = partial(
        ask_about_stuck_payments,
        worker.db,
        provider,
        after_s=after_s,
        stopping=worker.stopping.is_set,
    )
    said = await run(worker, ASK_PAYMENTS, work)
    if said:
        log.info("payments_asked_again", **said)


def _auction_of(job: Job) -> UUID:
    return UUID(hex=orjson.loads(job.payload or b"{}")["auction"])
