"""Transfers that wait are taken together: one lock, one commit, each with its own answer."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from functools import partial
from uuid import UUID

import structlog

from core.database import Database, is_outage
from core.errors import DomainError, Unavailable
from services.wallets.ledger import MAX_STEPS, Written
from services.wallets.transfers import MOST_TOLD, Outcome, TransferRequest, take_transfers

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Waiting:
    request: TransferRequest
    answer: asyncio.Future[Outcome]


@dataclass(slots=True)
class TransferQueue:
    """Owns the transaction of every `transferFunds`. One line, `capacity` long; at most `takers`
    tasks take from its head for as long as anyone waits, so that one's work goes on while another's
    waits for the database. Who comes to an empty line is taken at once.

    A batch changes the wallets of `MOST_TOLD` people at most, the most that are told in their
    transaction; a payment to more goes alone.
    """

    db: Database
    capacity: int = 1_000
    takers: int = 2
    _line: deque[_Waiting] = field(default_factory=deque)
    _taking: int = 0
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _closed: bool = False

    async def transfer(self, request: TransferRequest) -> list[Written]:
        """Its transfers, a leg each, committed and published; or raises its refusal (see
        `take_transfers`), or `Unavailable` when too many wait or the server is going down.

        A caller that stops waiting does not take it back.
        """
        if self._closed:
            raise Unavailable("the server is shutting down; try again")
        if len(self._line) >= self.capacity:
            raise Unavailable("too many transfers wait; try again")
        waiting = _Waiting(request, asyncio.get_running_loop().create_future())
        self._line.append(waiting)
        if self._taking < self.takers:
            self._taking += 1
            task = asyncio.create_task(self._drain(), name="transfers")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        outcome = await asyncio.shield(waiting.answer)
        if isinstance(outcome, DomainError):
            raise outcome
        return outcome

    async def close(self) -> None:
        """Take no more, answer all that wait, then return."""
        self._closed = True
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _drain(self) -> None:
        batch: list[_Waiting] = []
        try:
            while self._line:
                batch = _next_batch(self._line)
                await self._take(batch)
        finally:
            self._taking -= 1  # and not once the task is done: who comes in between begins another
            for left in batch:  # only if this task is cancelled: nobody may wait for ever
                _fail(left, Unavailable("the transfer was not taken; try again"))

    async def _take(self, batch: list[_Waiting]) -> None:
        requests = [waiting.request for waiting in batch]
        try:
            outcomes = await self.db.transaction(partial(take_transfers, requests=requests))
        except Exception as error:
            if is_outage(error):  # each alone would fail the same way, after as long a wait
                for waiting in batch:
                    _fail(waiting, Unavailable("the database does not answer in time; try again"))
            else:
                await self._take_one_by_one(batch, error)
            return
        for waiting, outcome in zip(batch, outcomes, strict=True):
            if not waiting.answer.done():
                waiting.answer.set_result(outcome)

    async def _take_one_by_one(self, batch: list[_Waiting], error: Exception) -> None:
        """The batch rolled back as a whole: one poisonous request must not fail the others."""
        if len(batch) == 1:
            _fail(batch[0], error)
            return
        log.warning("transfer_batch_split", size=len(batch), error=repr(error))
        for waiting in batch:
            await self._take([waiting])


def _next_batch(line: deque[_Waiting]) -> list[_Waiting]:
    """From the head of the line, as many as change few enough people's wallets."""
    batch = [line.popleft()]
    people: set[UUID] = set(batch[0].request.user_ids)
    steps = len(batch[0].request.steps)
    while line:
        people |= line[0].request.user_ids
        steps += len(line[0].request.steps)
        if len(people) > MOST_TOLD or steps > MAX_STEPS:
            break
        batch.append(line.popleft())
    return batch


def _fail(waiting: _Waiting, error: Exception) -> None:
    if not waiting.answer.done():
        waiting.answer.set_exception(error)
