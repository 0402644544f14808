"""Watched auctions that end soon: one look for all subscribers of a process, every few seconds.

No event says that time has passed, so these are found by the clock and cannot be resumed.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import text

from core.database import Database
from core.errors import RequestError, Unavailable
from core.tasks import stop_all
from subscriptions.reading import GOING_DOWN

log = structlog.get_logger(__name__)

EVERY_S = 2.0
PAGE = 200
"""Subscribers in one statement."""
LOTS_MAX = 100
"""Lots of one subscriber in one look, those that end first; the next look has the others."""

_ENDING = text(
    """
    SELECT l.n, a.id
    FROM unnest(CAST(:numbers AS int[]), CAST(:users AS uuid[]), CAST(:windows AS interval[]))
        AS l(n, user_id, span)
    CROSS JOIN LATERAL (
        SELECT a.id FROM auction_watch AS w JOIN auction AS a ON a.id = w.auction_id
        WHERE w.user_id = l.user_id AND a.status = 'OPEN' AND a.ends_at > statement_timestamp()
          AND a.ends_at <= statement_timestamp() + l.span
        ORDER BY a.ends_at, a.id LIMIT :lots) AS a
    """
)


class _Subscriber:
    """Whose lots, how long before the end, and what they were told or are to be told."""

    def __init__(self, user_id: UUID, window: timedelta) -> None:
        self.user_id, self.window = user_id, window
        self.told: set[UUID] = set()
        self.pending: OrderedDict[UUID, None] = OrderedDict()
        self.changed = asyncio.Event()
        self.error: RequestError | None = None

    def see(self, lots: Sequence[UUID]) -> None:
        """These end soon; the ones that do no longer may be told again."""
        self.pending |= dict.fromkeys(lot for lot in lots if lot not in self.told)
        self.told = set(lots)
        if self.pending:
            self.changed.set()


class Endings:
    """One a process."""

    def __init__(self, db: Database, *, every_s: float = EVERY_S) -> None:
        self._db = db
        self._every_s = every_s
        self._subscribers: dict[_Subscriber, None] = {}
        self._began = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to look, whenever somebody subscribes."""
        self._task = asyncio.create_task(self._look(), name="endings")

    async def close(self) -> None:
        """End every subscription."""
        for subscriber in self._subscribers:
            subscriber.error = Unavailable(GOING_DOWN)
            subscriber.changed.set()
        if self._task is not None:
            await stop_all([self._task])

    async def watched(self, user_id: UUID, window: timedelta) -> AsyncGenerator[UUID, None]:
        """The auctions this person watches that end within the window: those of now, then each as
        its end comes near. Once each, unless a soft close took its end out of the window."""
        subscriber = _Subscriber(user_id, window)
        self._subscribers[subscriber] = None
        self._began.set()
        try:
            while True:
                while subscriber.pending:
                    yield subscriber.pending.popitem(last=False)[0]
                if subscriber.error is not None:
                    raise subscriber.error.with_traceback(None)
                subscriber.changed.clear()
                await subscriber.changed.wait()
        finally:
            del self._subscribers[subscriber]

    async def _look(self) -> None:
        while True:
            await self._began.wait()
            self._began.clear()
            while self._subscribers:
                try:
                    await self._look_once()
                except Exception as error:
                    # Whatever it was, the next look may do better.
                    log.warning("endings_not_read", reason=repr(error)[:200])
                await asyncio.sleep(self._every_s)

    async def _look_once(self) -> None:
        everyone = list(self._subscribers)
        for i in range(0, len(everyone), PAGE):
            some = everyone[i : i + PAGE]
            asked: dict[str, Any] = {
                "numbers": list(range(len(some))),
                "users": [subscriber.user_id for subscriber in some],
                "windows": [subscriber.window for subscriber in some],
                "lots": LOTS_MAX,
            }
            found: list[list[UUID]] = [[] for _ in some]
            async with self._db.read() as session:
                for number, lot in await session.execute(_ENDING, asked):
                    found[number].append(lot)
            for subscriber, lots in zip(some, found, strict=True):
                subscriber.see(lots)
