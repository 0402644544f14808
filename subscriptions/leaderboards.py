"""Leaderboards as they change: one look a second for all that a process watches, so that a storm of
completions is one push a second, and the last push is of the last change.

Which board it is and how it is read stands in services/quests/.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog

from core.clock import Clock, utc_now
from core.database import Database
from core.errors import RequestError, Unavailable
from core.tasks import stop_all
from services.quests.board_feeding import leaderboard
from services.quests.board_store import UNREACHABLE, BoardStore
from services.quests.boards import FIRST_MAX, BoardOf, Leaderboard, name_of, window_at
from subscriptions.newest import Watcher
from subscriptions.reading import GOING_DOWN

log = structlog.get_logger(__name__)

EVERY_S = 1.0
"""The least time between two pushes of one board."""
BOARDS_MAX = 500
"""Boards that a process watches."""


class TooManyBoards(RequestError):
    """This process watches as many boards as it may."""

    code = "RATE_LIMITED"


@dataclass(eq=False, slots=True)
class BoardPush:
    """A board as all its watchers get it, its first `FIRST_MAX` players; `shared` is theirs, for
    what each would read anew."""

    board: Leaderboard
    read_at: datetime
    shared: dict[str, Any] = field(default_factory=dict)


@dataclass(eq=False, slots=True)
class _Watched:
    """One board; `seen` is what it was called and which version of it was read last."""

    board: BoardOf
    watchers: dict[Watcher[BoardPush], None] = field(default_factory=dict)
    seen: tuple[str, str] | None = None
    push: BoardPush | None = None
    reading: asyncio.Lock = field(default_factory=asyncio.Lock)


class BoardWatch:
    """One a process."""

    def __init__(
        self,
        db: Database,
        store: BoardStore,
        *,
        every_s: float = EVERY_S,
        limit: int = BOARDS_MAX,
        clock: Clock = utc_now,
    ) -> None:
        self._db = db
        self.store = store
        self._every_s = every_s
        self._limit = limit
        self._clock = clock
        self._watched: dict[BoardOf, _Watched] = {}
        self._looking: asyncio.Task[None] | None = None
        self._closed = False

    async def close(self) -> None:
        """End every subscription, and close Redis' connections."""
        self._closed = True
        for watched in self._watched.values():
            for watcher in watched.watchers:
                watcher.end(Unavailable(GOING_DOWN))
        if self._looking is not None:
            await stop_all([self._looking])
        await self.store.close()

    async def watch(self, board: BoardOf) -> AsyncGenerator[BoardPush, None]:
        """The board as it is now, then each second in which it changed; a slow consumer gets the
        newest. When its window ends, the next one's board.

        Raises `TooManyBoards`, what reading the first raises, and `Unavailable` when the server
        goes down. Close it (`aclosing`) to give up early.
        """
        watched, watcher = self._join(board)
        try:
            async with watched.reading:
                if watched.push is None:
                    await self._read(watched, await self._place(watched))
            if watched.push is not None and watcher.push is None:
                watcher.tell(watched.push)
            async for push in watcher.pushes():
                yield push
        finally:
            del watched.watchers[watcher]
            if not watched.watchers and self._watched.get(board) is watched:
                del self._watched[board]

    def _join(self, board: BoardOf) -> tuple[_Watched, Watcher[BoardPush]]:
        if self._closed:
            raise Unavailable(GOING_DOWN)
        watched = self._watched.get(board)
        if watched is None:
            if len(self._watched) >= self._limit:
                raise TooManyBoards("too many leaderboards are watched now: try again later")
            watched = self._watched[board] = _Watched(board)
        watcher = Watcher[BoardPush]()
        watched.watchers[watcher] = None
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look(), name="leaderboards")
        return watched, watcher

    async def _look(self) -> None:
        """Look while anybody watches anything; whoever comes after begins another round."""
        while self._watched:
            await asyncio.sleep(self._every_s)
            try:
                await self._look_once()
            except Exception as error:
                # Redis or the database may be away: the next look finds what changed meanwhile.
                log.warning("leaderboards_not_read", reason=repr(error)[:200])

    async def _look_once(self) -> None:
        all_watched = list(self._watched.values())
        if not all_watched:
            return
        names = [self._name(watched) for watched in all_watched]
        versions = await self.store.versions(names)
        if versions is None:
            return  # not whole at the moment: what is whole next is another version
        for watched, place in zip(all_watched, zip(names, versions, strict=True), strict=True):
            if watched.push is not None and place != watched.seen:
                async with watched.reading:
                    await self._read(watched, place)

    async def _place(self, watched: _Watched) -> tuple[str, str] | None:
        name = self._name(watched)
        try:
            versions = await self.store.versions([name])
        except UNREACHABLE:
            return None
        return None if versions is None else (name, versions[0])

    async def _read(self, watched: _Watched, place: tuple[str, str] | None) -> None:
        """Read a board whose version was `place` before: what changes from now on is seen."""
        now = self._clock()
        board = await leaderboard(
            self._db, self.store, watched.board, now=now, first=FIRST_MAX, viewer_id=None
        )
        watched.seen = place
        watched.push = BoardPush(board, now)
        for watcher in watched.watchers:
            watcher.tell(watched.push)

    def _name(self, watched: _Watched) -> str:
        return name_of(watched.board, window_at(watched.board.window, self._clock()))
