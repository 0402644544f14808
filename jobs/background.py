"""All background work of one process, for servers and for workers alike."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from core.database import Database
from core.ports import PaymentProvider, Storage
from core.settings import Settings
from jobs.ledger_log import run_sequencer
from jobs.worker import Worker, run_worker


@asynccontextmanager
async def run_jobs(
    settings: Settings,
    db: Database,
    database_url: str,
    payments: PaymentProvider,
    storage: Storage,
) -> AsyncIterator[Worker]:
    """Jobs from the queue and the ledger's sequencer, while the context lasts.

    Raises `KeyFileError` if the keys of the ledger's log cannot be read.
    """
    async with (
        run_worker(settings, db, database_url, payments=payments, storage=storage) as worker,
        run_sequencer(settings, db),
    ):
        yield worker
