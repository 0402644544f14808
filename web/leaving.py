"""Clients that leave before they are answered: the work for them is stopped, where it may be."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from starlette.types import Receive

from core.waiting import call_after
from web.refusing import Gone

T = TypeVar("T")

WATCH_AFTER_S: Final = 0.05
"""Sooner nobody looks whether the client is still there: most answers are out by then, and a task
that waits for it costs more than many of them."""


@dataclass(slots=True)
class _Watch:
    """Looks after the client of the task that made it."""

    working: asyncio.Task[object]
    receive: Receive
    may_stop: Callable[[], bool]
    watching: asyncio.Task[None] | None = None
    has_left: bool = False

    def begin(self) -> None:
        """Wait for the client to leave."""
        self.watching = asyncio.get_running_loop().create_task(self._watch())

    async def _watch(self) -> None:
        while (await self.receive())["type"] != "http.disconnect":
            pass
        if self.may_stop():
            self.has_left = True
            self.working.cancel()

    def end(self) -> None:
        """The work is done: nothing of it may be stopped any more."""
        if self.watching is not None:
            self.watching.cancel()


async def unless_left(work: Awaitable[T], receive: Receive, may_stop: Callable[[], bool]) -> T:
    """What `work` gives. The body has been read from `receive`; when the client then leaves,
    `may_stop` is asked.

    Raises `Gone` for a client that has left and whose work was stopped.
    """
    working = asyncio.current_task()
    assert working is not None
    watch = _Watch(working, receive, may_stop)
    timer = call_after(WATCH_AFTER_S, watch.begin)
    try:
        return await work
    except asyncio.CancelledError:
        if watch.has_left and working.uncancel() == 0:
            raise Gone from None
        raise
    finally:
        timer.cancel()
        watch.end()
