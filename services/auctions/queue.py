"""Bids that wait on one lot are taken together: one lock, one commit, each with its own answer."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from uuid import UUID

import structlog
from sqlalchemy import text

from core.database import Database, is_outage
from core.errors import DomainError, NotFound, Unavailable
from services.auctions.bidding import BidRequest, PlacedBid, place_bids

log = structlog.get_logger(__name__)

ASSETS_MAX = 10_000
"""Lots whose asset is remembered."""

_ASSET = text("SELECT asset FROM auction WHERE id = :auction_id")

Outcome = PlacedBid | DomainError
Observer = Callable[[list[Outcome]], None]


@dataclass(slots=True)
class _Waiting:
    request: BidRequest
    now: datetime | None
    answer: asyncio.Future[Outcome]


@dataclass(slots=True)
class BidQueue:
    """Owns the transaction of every bid. One queue a lot, `capacity` long; a task drains it for as
    long as anyone waits. `observe` hears of each batch's outcomes (metrics)."""

    db: Database
    capacity: int = 1_000
    batch: int = 200
    observe: Observer | None = None
    _waiting: dict[UUID, deque[_Waiting]] = field(default_factory=dict)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _assets: OrderedDict[UUID, str] = field(default_factory=OrderedDict)
    _looking: dict[UUID, asyncio.Task[str | None]] = field(default_factory=dict)
    _closed: bool = False

    async def asset_of(self, auction_id: UUID) -> str:
        """What a lot is paid in. That never changes and is remembered, so bids on a lot that is bid
        on stand in line in the order they came, and wait for no read. Raises `NotFound`."""
        asset = self._assets.get(auction_id)
        if asset is not None:
            self._assets.move_to_end(auction_id)
            return asset
        # One look for all who ask at once: a lot that opens is bid on by many in the same moment.
        looking = self._looking.get(auction_id)
        if looking is None:
            looking = self._looking[auction_id] = asyncio.create_task(self._look(auction_id))
            looking.add_done_callback(lambda _: self._looking.pop(auction_id, None))
        found = await asyncio.shield(looking)
        if found is None:
            raise NotFound("auction")
        self._assets[auction_id] = found
        if len(self._assets) > ASSETS_MAX:
            self._assets.popitem(last=False)
        return found

    async def _look(self, auction_id: UUID) -> str | None:
        async with self.db.read() as session:
            result = await session.execute(_ASSET, {"auction_id": auction_id})
            found: str | None = result.scalar_one_or_none()
            return found

    async def place(self, request: BidRequest, *, now: datetime | None = None) -> PlacedBid:
        """The accepted bid, committed and published; or raises its refusal (see `place_bids`),
        or `Unavailable` when too many wait on this lot or the server is going down.

        A caller that stops waiting does not take its bid back. `now` is for replay alone.
        """
        if self._closed:
            raise Unavailable("the server is shutting down; bid again")
        queue = self._waiting.get(request.auction_id)
        if queue is None:
            queue = self._waiting[request.auction_id] = deque()
            self._start(request.auction_id)
        if len(queue) >= self.capacity:
            raise Unavailable("too many bids wait on this auction; bid again")
        waiting = _Waiting(request, now, asyncio.get_running_loop().create_future())
        queue.append(waiting)
        outcome = await asyncio.shield(waiting.answer)
        if isinstance(outcome, DomainError):
            raise outcome
        return outcome

    async def close(self) -> None:
        """Take no more, answer all that wait, then return."""
        self._closed = True
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start(self, auction_id: UUID) -> None:
        task = asyncio.create_task(self._drain(auction_id), name=f"bids:{auction_id.hex}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _drain(self, auction_id: UUID) -> None:
        queue = self._waiting[auction_id]
        try:
            while queue:
                await self._take(auction_id, _next_batch(queue, self.batch))
        finally:
            del self._waiting[auction_id]
            for left in queue:  # only if this task is cancelled: nobody may wait for ever
                _fail(left, Unavailable("the bid was not taken; bid again"))

    async def _take(self, auction_id: UUID, batch: list[_Waiting]) -> None:
        requests = [waiting.request for waiting in batch]
        work = partial(place_bids, auction_id=auction_id, requests=requests, now=batch[0].now)
        try:
            outcomes = await self.db.transaction(work)
        except Exception as error:
            if is_outage(error):  # each alone would fail the same way, after as long a wait
                for waiting in batch:
                    _fail(waiting, Unavailable("the database does not answer in time; bid again"))
            else:
                await self._take_one_by_one(auction_id, batch, error)
            return
        if self.observe is not None:
            self.observe(outcomes)
        for waiting, outcome in zip(batch, outcomes, strict=True):
            if not waiting.answer.done():
                waiting.answer.set_result(outcome)

    async def _take_one_by_one(
        self, auction_id: UUID, batch: list[_Waiting], error: Exception
    ) -> None:
        """The batch rolled back as a whole: one poisonous bid must not fail the others."""
        if len(batch) == 1:
            _fail(batch[0], error)
            return
        log.warning("bid_batch_split", auction=auction_id.hex, size=len(batch), error=repr(error))
        for waiting in batch:
            await self._take(auction_id, [waiting])


def _next_batch(queue: deque[_Waiting], limit: int) -> list[_Waiting]:
    """What is taken at one moment: replayed bids carry their own and so go one by one."""
    batch = [queue.popleft()]
    while queue and len(batch) < limit and batch[0].now is None and queue[0].now is None:
        batch.append(queue.popleft())
    return batch


def _fail(waiting: _Waiting, error: Exception) -> None:
    if not waiting.answer.done():
        waiting.answer.set_exception(error)
