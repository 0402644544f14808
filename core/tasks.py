"""Ending background tasks."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

AGAIN_S = 0.2


async def stop_all(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks and wait until they have ended, whatever they end with.

    Again until it has an effect: Python 3.11's wait_for, which the drivers use, loses a
    cancellation that comes as the awaited thing completes.
    """
    running = set(tasks)
    while running:
        for task in running:
            task.cancel()
        done, running = await asyncio.wait(running, timeout=AGAIN_S)
        for task in done:
            # Seen, so that nobody is told of an error that nobody can do anything about any more.
            _ = task.cancelled() or task.exception()
