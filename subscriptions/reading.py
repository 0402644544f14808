"""Reads of the log for many at once: who asks the same at the same time shares one answer.

After a restart a thousand clients come back with the same cursor: that must be one read, and one
object for each event. Every read waits out an outage of the database.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Coroutine
from functools import partial
from typing import Any, Generic, TypeVar

from core.database import Database
from core.errors import CursorExpired, Unavailable
from subscriptions.log import LogEvent, outlast, read_heads, read_page

T = TypeVar("T")

READS_AT_ONCE = 4
"""Reads of pages together: subscribers must not take the requests' connections."""

RECENT_MAX = 2_000
RECENT_S = 5.0
"""Events read lately are handed out as the same objects, so that a crowd that catches up from
different cursors computes what they share (`LogEvent.shared`) once; for seconds only, because what
is shared grows old."""

EXPIRED = "the log no longer holds what follows this cursor"
GOING_DOWN = "the server is shutting down"


class Answer(Generic[T]):
    """A value that many wait for; each may give up without disturbing the others."""

    def __init__(self) -> None:
        self._future: asyncio.Future[T] = asyncio.get_running_loop().create_future()

    async def get(self) -> T:
        """The value. Raises what `fail` was given."""
        return await asyncio.shield(self._future)

    def set(self, value: T) -> None:
        self._future.set_result(value)

    def fail(self, error: BaseException) -> None:
        """A cancelled reader must not look to those who wait as if they had been cancelled."""
        self._future.set_exception(
            error if isinstance(error, Exception) else Unavailable(GOING_DOWN)
        )
        self._future.exception()  # Marks it as seen: all who waited may have left.


class LogReader:
    """One for a process. `close` fails whoever still waits, with `Unavailable`."""

    def __init__(self) -> None:
        self._heads: dict[str, Answer[int]] = {}
        self._pages: dict[tuple[str, int], Answer[list[LogEvent]]] = {}
        self._recent: OrderedDict[tuple[str, int], tuple[float, LogEvent]] = OrderedDict()
        self._limit = asyncio.Semaphore(READS_AT_ONCE)
        self._reading_heads: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def head(self, db: Database, topic: str) -> int:
        """The last sequence of a topic, as the log says after this call began."""
        answer = self._heads.get(topic)
        if answer is None:
            answer = self._heads[topic] = Answer()
            if self._reading_heads is None or self._reading_heads.done():
                self._reading_heads = self._spawn(self._read_heads(db))
        return await answer.get()

    async def page(self, db: Database, topic: str, *, after: int) -> list[LogEvent]:
        """The rows that follow `after`, perhaps from a read that others began a moment ago.

        Raises `CursorExpired` if the next row is no longer kept.
        """
        key = (topic, after)
        answer = self._pages.get(key)
        if answer is None:
            answer = self._pages[key] = Answer()
            self._spawn(self._read_page(db, key, answer))
        return await answer.get()

    async def fresh_page(self, db: Database, topic: str, *, after: int) -> list[LogEvent]:
        """As `page`, and empty only if `after` was the log's head after this call began."""

        async def read() -> list[LogEvent]:
            async with self._limit:
                return await read_page(db, topic, after=after)

        page = await outlast(read)
        if not page and await self.head(db, topic) > after:
            # Written since, or removed by retention: the next read tells.
            page = await outlast(read)
            if not page:
                raise CursorExpired(EXPIRED)
        if page and page[0].sequence != after + 1:
            raise CursorExpired(EXPIRED)
        return self._same_objects(page)

    def _same_objects(self, page: list[LogEvent]) -> list[LogEvent]:
        """The page, with the objects that others got lately for the same rows."""
        now = time.monotonic()
        while self._recent:
            read_at, _ = next(iter(self._recent.values()))
            if len(self._recent) <= RECENT_MAX and now - read_at <= RECENT_S:
                break
            self._recent.popitem(last=False)
        same = []
        for event in page:
            _, kept = self._recent.setdefault((event.topic, event.sequence), (now, event))
            # A log that went back (restored from a backup) may hold another event there.
            same.append(kept if kept.id == event.id else event)
        return same

    async def close(self) -> None:
        """Stop reading."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _read_heads(self, db: Database) -> None:
        while self._heads:
            # Who asks from here on must not get an answer that was on its way before.
            asked, self._heads = self._heads, {}
            try:
                heads = await outlast(partial(read_heads, db, list(asked)))
            except BaseException as error:
                for answer in [*asked.values(), *self._heads.values()]:
                    answer.fail(error)
                self._heads = {}
                if not isinstance(error, Exception):
                    raise
                return
            for topic, answer in asked.items():
                answer.set(heads[topic])

    async def _read_page(
        self, db: Database, key: tuple[str, int], answer: Answer[list[LogEvent]]
    ) -> None:
        topic, after = key
        try:
            answer.set(await self.fresh_page(db, topic, after=after))
        except BaseException as error:
            answer.fail(error)
            if not isinstance(error, Exception):
                raise
        finally:
            del self._pages[key]

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
