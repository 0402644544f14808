"""Whether the parts a server needs are well, as bounded questions; no HTTP here."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy import text

from core.clock import Clock
from core.database import Database

log = structlog.get_logger(__name__)

PROBE_TIMEOUT_S: Final = 1.0
SWEEP_MAX_AGE: Final = timedelta(minutes=3)


@dataclass(frozen=True, slots=True)
class Health:
    """One part's state; `detail` is shown to anyone, so it holds no address and no secret."""

    ok: bool
    detail: str


Probe = Callable[[], Awaitable[Health]]


async def ask(name: str, probe: Probe) -> Health:
    """The probe's answer, or that there was none in a second. Never raises what a probe raises."""
    task = asyncio.ensure_future(probe())
    try:
        done, _ = await asyncio.wait({task}, timeout=PROBE_TIMEOUT_S)
    finally:
        # Not awaited: a probe that does not let itself be cancelled must not hold the answer.
        task.cancel()
    if not done or task.cancelled():
        return Health(False, f"no answer in {PROBE_TIMEOUT_S:g} s")
    error = task.exception()
    if error is not None:
        log.warning("probe_failed", probe=name, error=error)
        return Health(False, type(error).__name__)
    return task.result()


def database_probe(database: Database) -> Probe:
    """Whether a connection can be had and answers."""

    async def probe() -> Health:
        async with database.read() as session:
            await session.execute(text("SELECT 1"))
        return Health(True, "answers")

    return probe


def sweep_probe(last_sweep: Callable[[], Awaitable[datetime | None]], now: Clock) -> Probe:
    """Whether the jobs' sweep has run in the last three minutes; `last_sweep` says when it did."""

    async def probe() -> Health:
        last = await last_sweep()
        if last is None:
            return Health(False, "no sweep yet")
        age = now() - last
        return Health(age <= SWEEP_MAX_AGE, f"last sweep {age.total_seconds():.0f} s ago")

    return probe
