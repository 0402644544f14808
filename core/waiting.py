"""Calls after a while that are nearly always called off before: all of one length share one timer
of the loop, for what began first is due first."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from contextvars import Context
from typing import Final, Self

EARLY_S: Final = 0.001
"""A timer may ring so much before its time: uvloop counts milliseconds."""


class Waiting:
    """A call that is to come; `cancel` calls it off, and may be called after it, too."""

    __slots__ = ("_line", "call", "due")

    def __init__(self, line: _Line, call: Callable[[], object], due: float) -> None:
        self._line = line
        self.call = call
        self.due = due

    def cancel(self) -> None:
        """Do not call."""
        self._line.waiting.pop(self, None)


class _Line:
    """Calls of one length on one loop, in the order in which they are due. Its timer rings for the
    first of those that there were when it was set."""

    __slots__ = ("armed", "delay_s", "loop", "waiting")

    def __init__(self, loop: asyncio.AbstractEventLoop, delay_s: float) -> None:
        self.loop = loop
        self.delay_s = delay_s
        self.armed = False
        self.waiting: OrderedDict[Waiting, None] = OrderedDict()

    def add(self, call: Callable[[], object]) -> Waiting:
        due = self.loop.time() + self.delay_s
        added = Waiting(self, call, due)
        self.waiting[added] = None
        if not self.armed:
            self._arm(due)
        return added

    def _arm(self, due: float) -> None:
        self.armed = True
        # In nobody's context: who sets the timer is not whom it rings for.
        self.loop.call_at(due, self._ring, context=Context())

    def _ring(self) -> None:
        self.armed = False
        now = self.loop.time() + EARLY_S
        while self.waiting:
            first = next(iter(self.waiting))
            if first.due > now:
                self._arm(first.due)
                return
            del self.waiting[first]
            first.call()


_lines: dict[float, _Line] = {}


def call_after(delay_s: float, call: Callable[[], object]) -> Waiting:
    """Call so many seconds from now on the running loop, unless it is called off; `call` must not
    raise. For delays that are the same for many, as settings have them: each length has a line."""
    loop = asyncio.get_running_loop()
    line = _lines.get(delay_s)
    if line is None or line.loop is not loop:
        line = _lines[delay_s] = _Line(loop, delay_s)
    return line.add(call)


class TimeLimit:
    """`with TimeLimit(seconds):` is as asyncio's `timeout`: what runs in it for longer is
    cancelled, and `TimeoutError` raised in its place. `expired` says whether that has happened."""

    __slots__ = ("_cancelling", "_limit_s", "_task", "_waiting", "expired")

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self.expired = False

    def __enter__(self) -> Self:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a time limit is for what runs in a task")
        self._task = task
        self._cancelling = task.cancelling()
        self._waiting = call_after(self._limit_s, self._expire)
        return self

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> None:
        self._waiting.cancel()
        del self._waiting  # which refers back to here
        if not self.expired or self._task.uncancel() > self._cancelling:
            return
        if kind is asyncio.CancelledError:
            raise TimeoutError from error

    def _expire(self) -> None:
        self.expired = True
        self._task.cancel()
