"""Turns on what a process tells of itself: its log, its spans, and its engine's numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import event as sa_event
from sqlalchemy.ext.asyncio import AsyncEngine

from core.logging import configure_logging
from core.metrics import add_pool_in_use
from core.settings import Settings
from core.tracing import configure_tracing, trace_statements


def start_telemetry(settings: Settings) -> Callable[[], None]:
    """Set up logging and tracing; once in every process, before the engine is made.

    Returns what stops it, to be called in a thread at the end: it waits for the collector.
    """
    configure_logging(settings)
    return configure_tracing(settings)


def watch_engine(engine: AsyncEngine) -> None:
    """Count the engine's connections in use and trace its statements; once for each engine."""
    pool = engine.sync_engine.pool

    def taken(*args: Any) -> None:
        add_pool_in_use(1)

    def returned(*args: Any) -> None:
        add_pool_in_use(-1)

    sa_event.listen(pool, "checkout", taken)
    sa_event.listen(pool, "checkin", returned)
    sa_event.listen(pool, "detach", returned)
    trace_statements(engine.sync_engine)
