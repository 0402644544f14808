"""The base of whoever follows the whole event log (notifications, search, leaderboards): reads it
in commit order from where it stands, and moves on in the same transaction as what it does.

No consumer's rules stand here; how often and in which process they run stands in jobs/.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from core.database import Transaction

BATCH = 500
"""Events of one transaction."""

_TRY_LOCK = text(
    "SELECT pg_try_advisory_xact_lock(hashtextextended('log-consumer:' || :consumer, 0))"
)
_POSITION = text(
    "SELECT CAST(transaction_id AS text), row_id FROM log_consumer WHERE name = :consumer"
)
# A transaction below the oldest that still runs has ended: nothing can come before these rows any
# more, however late it commits.
_NEXT = text(
    """
    SELECT topic, sequence, id, CAST(transaction_id AS text) AS transaction_id, type, payload,
           actor_id, occurred_at
    FROM event
    WHERE (transaction_id, id) > (CAST(CAST(:transaction AS text) AS xid8), CAST(:row AS uuid))
      AND transaction_id < pg_snapshot_xmin(pg_current_snapshot())
    ORDER BY transaction_id, id LIMIT :limit
    """
)
_MOVE = text(
    """
    INSERT INTO log_consumer AS c (name, transaction_id, row_id, taken)
    VALUES (:consumer, CAST(CAST(:transaction AS text) AS xid8), :row, :taken)
    ON CONFLICT (name) DO UPDATE SET
        transaction_id = excluded.transaction_id, row_id = excluded.row_id,
        taken = c.taken + excluded.taken, moved_at = clock_timestamp()
    """
)
_BEGINNING = ("0", UUID(int=0))


@dataclass(frozen=True, slots=True)
class FollowedEvent:
    """An event as the log holds it; `transaction_id` and `id` are its place among all."""

    topic: str
    sequence: int
    id: UUID
    transaction_id: str
    type: str
    payload: Mapping[str, Any]
    actor_id: UUID | None
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class Followed:
    """What one unit did. `busy`: another process is at it. `more`: there may be more to do."""

    taken: int = 0
    more: bool = False
    busy: bool = False


Take = Callable[[Transaction, Sequence[FollowedEvent]], Awaitable[int]]
"""Does what follows from events, which come in commit order, and says how many of them it took from
the start, at least one. It may take fewer than it was given: a transaction has ten topics. It must
bear to be run again for the same events, by a transaction that is retried."""


async def follow_log(tx: Transaction, *, consumer: str, take: Take, limit: int = BATCH) -> Followed:
    """Take the next events for a consumer, at most `limit`, each exactly once: its position moves
    with what `take` writes, or neither does. One process at a time; the others are told `busy`.

    A consumer that has no position begins with the oldest event there is.
    """
    if not await tx.scalar(_TRY_LOCK, {"consumer": consumer}):
        return Followed(busy=True)
    events = await _next(tx, consumer, limit)
    if not events:
        return Followed()
    taken = await take(tx, events)
    if not 1 <= taken <= len(events):
        raise ValueError(f"{consumer} took {taken} of {len(events)} events")
    await _move(tx, consumer, events[taken - 1], taken)
    return Followed(taken, more=taken < len(events) or len(events) == limit)


async def pass_over(tx: Transaction, *, consumer: str) -> FollowedEvent | None:
    """Leave out the next event, for one that cannot be taken; which it was."""
    if not await tx.scalar(_TRY_LOCK, {"consumer": consumer}):
        return None
    events = await _next(tx, consumer, 1)
    if not events:
        return None
    await _move(tx, consumer, events[0], 0)
    return events[0]


async def _next(tx: Transaction, consumer: str, limit: int) -> list[FollowedEvent]:
    stands = (await tx.execute(_POSITION, {"consumer": consumer})).one_or_none()
    transaction, row = _BEGINNING if stands is None else stands
    asked = {"transaction": transaction, "row": row, "limit": limit}
    return [FollowedEvent(*found) for found in await tx.execute(_NEXT, asked)]


async def _move(tx: Transaction, consumer: str, last: FollowedEvent, taken: int) -> None:
    place = {"transaction": last.transaction_id, "row": last.id}
    await tx.execute(_MOVE, {"consumer": consumer, "taken": taken, **place})
