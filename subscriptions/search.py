"""Live results: what is searched by somebody who watches is searched again when a change of the
index concerns it. One search for all who ask the same, of the same viewer.

The index says what changed by rows; the bell says that there are some. How a change is judged
stands in services/search/changes.py.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import structlog

from core.clock import utc_now
from core.database import Database
from core.errors import RequestError, Unavailable
from core.settings import Settings
from core.tasks import stop_all
from services.search.changes import (
    Awaited,
    Change,
    Place,
    awaited,
    concerned,
    place_of_now,
    read_changes,
    words_of,
)
from services.search.contract import SearchPage, SearchQuery
from subscriptions.bells import Bells
from subscriptions.hub import INDEX_BELL
from subscriptions.newest import Watcher
from subscriptions.reading import GOING_DOWN

log = structlog.get_logger(__name__)

PUSH_S = 0.25
"""The least time between two pushes of one result."""
LOOK_S = 1.0
"""A bell that was not heard is made up for after so long."""
SEARCHES_AT_ONCE = 2
"""Results that a process finds anew at the same time: requests need the database too."""
TRIES = 5
"""Tries of a search that fails, before its subscribers are told."""

Search = Callable[[SearchQuery], Awaitable[SearchPage]]


class TooManySearches(RequestError):
    """This process or this socket keeps as many live searches as it may."""

    code = "RATE_LIMITED"


@dataclass(eq=False, slots=True)
class Push:
    """One result as all its subscribers get it; `shared` is theirs, for what each would read
    anew."""

    page: SearchPage
    found_at: datetime = field(default_factory=utc_now)
    shared: dict[str, Any] = field(default_factory=dict)


@dataclass(eq=False, slots=True)
class _Live:
    """One search that somebody watches. `touched` holds the documents whose change concerns it."""

    query: SearchQuery
    watchers: dict[Watcher[Push], None] = field(default_factory=dict)
    wanted: Awaited | None = None
    push: Push | None = None
    touched: asyncio.Event = field(default_factory=asyncio.Event)
    documents: set[int | None] = field(default_factory=set)
    task: asyncio.Task[None] | None = None

    def judge(self, changes: list[Change]) -> None:
        """Search again if any of these concerns it. Before the first result, any does."""
        wanted = self.wanted
        if wanted is None or concerned(changes, wanted):
            self.documents |= {change.document for change in changes}
            self.touched.set()


class LiveSearches:
    """One a process. `limit` searches at once, `per_socket` of them for one socket."""

    def __init__(
        self, db: Database, bells: Bells, search: Search, *, limit: int = 500, per_socket: int = 10
    ) -> None:
        self._db = db
        self._bells = bells
        self._search = search
        self._limit = limit
        self._per_socket = per_socket
        self._live: dict[SearchQuery, _Live] = {}
        self._sockets: Counter[str] = Counter()
        self._turns = asyncio.Semaphore(SEARCHES_AT_ONCE)
        self._rung = asyncio.Event()
        self._following: asyncio.Task[None] | None = None
        self._begun = asyncio.Event()
        self._closed = False

    async def close(self) -> None:
        """End every subscription."""
        self._closed = True
        lives = list(self._live.values())
        for live in lives:
            for watcher in live.watchers:
                watcher.end(Unavailable(GOING_DOWN))
        tasks = [live.task for live in lives if live.task is not None]
        if self._following is not None:
            tasks.append(self._following)
        await stop_all(tasks)

    @property
    def searches(self) -> int:
        """How many different searches are kept up to date."""
        return len(self._live)

    async def watch(self, query: SearchQuery, socket: str) -> AsyncGenerator[Push, None]:
        """The result of now, then each other one as the index changes; of several that come at
        once, a slow consumer gets the newest.

        Raises `TooManySearches`, what the search raises, and `Unavailable` when the server goes
        down. Close it (`aclosing`) to give up early.
        """
        asked = replace(query, after=None)
        watcher = Watcher[Push]()
        self._take_place(asked, socket)
        try:
            live = self._join(asked, watcher)
            try:
                async for push in watcher.pushes():
                    yield push
            finally:
                self._leave(live, watcher)
        finally:
            self._sockets[socket] -= 1
            if not self._sockets[socket]:
                del self._sockets[socket]

    def _take_place(self, asked: SearchQuery, socket: str) -> None:
        if self._closed:
            raise Unavailable(GOING_DOWN)
        if self._sockets[socket] >= self._per_socket:
            raise TooManySearches(
                f"{self._per_socket} live searches on one connection", {"limit": self._per_socket}
            )
        if asked not in self._live and len(self._live) >= self._limit:
            raise TooManySearches("too many live searches now: try again later")
        self._sockets[socket] += 1

    def _join(self, asked: SearchQuery, watcher: Watcher[Push]) -> _Live:
        live = self._live.get(asked)
        if live is None:
            live = self._live[asked] = _Live(asked)
            live.touched.set()
            live.task = asyncio.create_task(self._keep(live), name="live-search")
            if self._following is None or self._following.done():
                self._begun.clear()
                self._following = asyncio.create_task(self._follow(), name="live-searches")
        live.watchers[watcher] = None
        if live.push is not None:
            watcher.tell(live.push)
        return live

    def _leave(self, live: _Live, watcher: Watcher[Push]) -> None:
        live.watchers.pop(watcher, None)
        if not live.watchers and self._live.get(live.query) is live:
            del self._live[live.query]
            if live.task is not None:
                live.task.cancel()

    # One search: found anew when it was touched, not more often than may be

    async def _keep(self, live: _Live) -> None:
        await self._begun.wait()
        clock = asyncio.get_running_loop().time
        pushed_at, failures = -PUSH_S, 0
        while True:
            await live.touched.wait()
            await asyncio.sleep(max(0.0, pushed_at + PUSH_S - clock()))
            live.touched.clear()
            documents, live.documents = live.documents, set()
            try:
                page = await self._find(live)
            except RequestError as error:
                self._fail(live, error)
                return
            except Exception as error:
                failures += 1
                log.warning("live_search_failed", reason=repr(error)[:300], failures=failures)
                if failures >= TRIES:
                    self._fail(live, Unavailable("this cannot be searched now"))
                    return
                live.documents |= documents
                live.touched.set()
                await asyncio.sleep(PUSH_S * failures)
                continue
            failures = 0
            if live.push is None or _differs(live.push.page, page, documents):
                pushed_at = clock()
                live.push = Push(page)
                for watcher in live.watchers:
                    watcher.tell(live.push)

    async def _find(self, live: _Live) -> SearchPage:
        async with self._turns:
            page = await self._search(live.query)
            shown = [hit.document for hit in page.hits]
            words, before = page.interpretation.remaining, live.push
            if (
                before is None
                or live.wanted is None
                or before.page.interpretation.remaining != words
            ):
                async with self._db.read() as session:
                    terms, name = await words_of(session, words)
            else:
                terms, name = live.wanted.terms, live.wanted.name
        understood = page.interpretation.filters
        live.wanted = awaited(live.query, understood, terms, name, shown)
        return page

    def _fail(self, live: _Live, error: RequestError) -> None:
        for watcher in live.watchers:
            watcher.end(error)
        if self._live.get(live.query) is live:
            del self._live[live.query]

    # All of them: what changed, read once for the process

    async def _follow(self) -> None:
        """Read what changed while anybody watches anything."""
        place: Place | None = None
        with self._bells.heard(INDEX_BELL, self._rung.set):
            while self._live:
                self._rung.clear()
                try:
                    place = await self._look(place)
                except Exception as error:
                    # What was missed is not known: everything may be different.
                    log.warning("changes_not_read", reason=repr(error)[:200])
                    place = None
                self._begun.set()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._rung.wait(), LOOK_S)
        # Whoever comes now begins another round.

    async def _look(self, place: Place | None) -> Place:
        async with self._db.read() as session:
            if place is None:
                place, changes = await place_of_now(session), [Change(None)]
            else:
                changes, place = await read_changes(session, place)
        if changes:
            for live in self._live.values():
                live.judge(changes)
        return place


def _differs(before: SearchPage, now: SearchPage, documents: set[int | None]) -> bool:
    """Whether subscribers would see a difference: other hits or counts, or a hit that itself
    changed."""
    shown = {hit.document for hit in now.hits}
    if not shown.isdisjoint(documents):
        return True
    return _seen(before) != _seen(now)


def _seen(page: SearchPage) -> tuple[Any, ...]:
    hits = [(hit.document, hit.highlights) for hit in page.hits]
    return hits, page.total, page.facets, page.has_next_page, page.did_you_mean


def make_live_searches(
    settings: Settings, db: Database, bells: Bells, search: Search
) -> LiveSearches:
    """A process's, by its settings."""
    return LiveSearches(
        db,
        bells,
        search,
        limit=settings.live_searches,
        per_socket=settings.live_searches_per_socket,
    )
