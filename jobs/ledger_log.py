"""The sequencer: appends to the ledger's log every second, beside whatever else the process does,
and signs, with the same key, the credentials of badges that were earned.

Any number of processes may run one; the rules stand in services/wallets/log.py.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import structlog

from core.database import Database
from core.metrics import observe_job
from core.settings import Settings
from core.signing import NoteKeys, ensure_note_keys, read_note_keys
from services.quests.credentials import sign_credentials
from services.wallets.log import BATCH, sequence

log = structlog.get_logger(__name__)

EVERY_S = 1.0
LONGEST_PAUSE_S = 30.0
"""After errors the pauses grow up to this."""
STOP_S = 5.0
UNITS = 100
"""Units of work in one round: a long backlog does not keep the process from looking around."""


def ledger_keys_dir(settings: Settings) -> Path:
    """Where the log's keys are."""
    return settings.ledger_keys_dir or settings.state_dir / "ledger-keys"


def ledger_keys(settings: Settings) -> NoteKeys:
    """The log's keys: as given, or made in the state folder. Raises `KeyFileError`."""
    if settings.ledger_keys_dir is not None:
        return read_note_keys(settings.ledger_keys_dir)
    return ensure_note_keys(ledger_keys_dir(settings))


@asynccontextmanager
async def run_sequencer(
    settings: Settings, db: Database, *, every_s: float = EVERY_S
) -> AsyncIterator[None]:
    """Sequence while the context lasts. Errors are logged and tried again, less and less often.

    Raises `KeyFileError` at once if the keys cannot be read. Keys are read anew each round.
    """
    await asyncio.to_thread(ledger_keys, settings)
    stopping = asyncio.Event()
    task = asyncio.create_task(_loop(settings, db, stopping, every_s), name="sequencer")
    try:
        yield
    finally:
        stopping.set()
        await asyncio.wait({task}, timeout=STOP_S)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def catch_up(
    db: Database, keys: NoteKeys, *, batch: int = BATCH, stopping: Callable[[], bool] = bool
) -> int:
    """Append what is committed, up to a hundred units; returns the number of leaves."""
    appended = 0
    for _ in range(UNITS):
        done = await db.transaction(partial(sequence, keys=keys, limit=batch))
        appended += done.appended
        if not done.more or stopping():
            break
    return appended


async def _loop(settings: Settings, db: Database, stopping: asyncio.Event, every_s: float) -> None:
    pause_s = every_s
    while not stopping.is_set():
        try:
            await _round(settings, db, stopping)
            pause_s = every_s
        except Exception as error:
            # Whatever it was, a log that stops for good is found out only at the next audit.
            log.warning("sequencer_failed", error=repr(error)[:300])
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        with suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), pause_s * random.uniform(0.8, 1.2))


async def _round(settings: Settings, db: Database, stopping: asyncio.Event) -> None:
    keys = await asyncio.to_thread(ledger_keys, settings)
    began = time.perf_counter()
    outcome = "error"
    appended = 0
    try:
        appended = await catch_up(db, keys, stopping=stopping.is_set)
        await db.transaction(partial(sign_credentials, keys=keys))
        outcome = "ok"
    finally:
        if appended or outcome != "ok":
            observe_job("sequence_ledger", outcome, time.perf_counter() - began)
