"""How long an operation may take: the work of one that takes longer is stopped, not left behind."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TypeVar

from core.errors import TimedOut
from core.waiting import TimeLimit

T = TypeVar("T")


async def within(limit_s: float | None, work: Awaitable[T], *, changes: bool) -> T:
    """What `work` gives, if it does within so many seconds (None: whenever). `changes` says whether
    it may have changed something when it is stopped.

    Raises `TimedOut`; the work has then been cancelled and has ended, its statements too.
    """
    if limit_s is None:
        return await work
    limit = TimeLimit(limit_s)
    try:
        with limit:
            return await work
    except TimeoutError as error:
        if limit.expired:
            raise TimedOut(limit_s=limit_s, changes=changes) from error
        raise
