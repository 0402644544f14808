"""All background work of one process, for servers and for workers alike."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from core.database import Database
from core.ports import Ports
from core.settings import Settings
from jobs.following import Wake
from jobs.ledger_log import run_sequencer
from jobs.notifications import run_notifier
from jobs.running import Worker
from jobs.search import run_indexer
from jobs.search_vectors import run_encoder
from jobs.worker import run_worker


@asynccontextmanager
async def run_jobs(
    settings: Settings,
    db: Database,
    database_url: str,
    ports: Ports,
    *,
    wake: Wake | None = None,
    indexed: Callable[[], None] = lambda: None,
    reindexed: Wake | None = None,
) -> AsyncIterator[Worker]:
    """Jobs from the queue, the ledger's sequencer and the consumers of the event log, while the
    context lasts. `wake` hurries the index of search, and `indexed` is called when it has changed;
    `reindexed` says so of any process.

    Raises `KeyFileError` if the keys of the ledger's log cannot be read.
    """
    async with (
        run_worker(
            settings,
            db,
            database_url,
            payments=ports.payments,
            storage=ports.storage,
            couriers=ports.couriers,
            platforms=ports.platforms,
        ) as worker,
        run_sequencer(settings, db),
        run_notifier(settings, db),
        run_indexer(settings, db, wake=wake, told=indexed),
        run_encoder(db, ports.embedder, listen=reindexed),
    ):
        yield worker
