"""How long an operation may take on its server, whatever the transport and the executor."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

from core.errors import TimedOut
from execution.deadlines import within


def limit_s_of(context: Any) -> float | None:
    """The `request_timeout_s` of the operation's server; None without one."""
    server = getattr(context, "server", None)
    return None if server is None else float(server.settings.request_timeout_s)


async def in_time(context: Any, work: Awaitable[Any], *, changes: bool) -> Any:
    """What the work of an operation gives, within its server's `request_timeout_s`; without a
    server, whenever. `changes` says whether it is a mutation.

    Raises `TimedOut`. However the work is stopped, what its loaders read for it stops with it.
    """
    try:
        return await within(limit_s_of(context), work, changes=changes)
    except (TimedOut, asyncio.CancelledError):
        if (loaders := getattr(context, "loaders", None)) is not None:
            loaders.stop()
        raise
