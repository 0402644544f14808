"""What a glance at the index tells, for /metrics and `mela search status`."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import text

from core.database import ReadSession, Transaction
from services.search.feeding import CONSUMER

COUNTED_MAX: Final = 10_000
"""Waiting events that are counted: more is said to be this many."""


class IndexLag(NamedTuple):
    """Events that the index has not taken, and for how long the oldest of them waits."""

    events: int
    oldest_s: float


class SlotState(NamedTuple):
    """A slot of the index as it stands."""

    slot: int
    state: str
    generation: int
    documents: int
    mean_length: float
    begun_at: datetime | None
    ready_at: datetime | None


_LAG = text(
    """
    WITH waiting AS (
        SELECT e.occurred_at FROM event AS e,
            (SELECT transaction_id, row_id FROM log_consumer WHERE name = :consumer) AS c
        WHERE (e.transaction_id, e.id) > (c.transaction_id, c.row_id)
        ORDER BY e.transaction_id, e.id LIMIT :limit
    )
    SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(occurred_at)), 0)
    FROM waiting
    """
)
_GLANCE = text(
    f"""
    SELECT lag.events, lag.oldest_s, s.documents, s.generation
    FROM ({_LAG.text}) AS lag(events, oldest_s), search_slot AS s WHERE s.state = 'ACTIVE'
    """
)
_STATES = text(
    """
    SELECT slot, state, generation, documents, mean_length, begun_at, ready_at FROM search_slot
    ORDER BY state, slot
    """
)
_KINDS = text(
    """
    SELECT kind, count(*) FROM search_document
    WHERE slot = (SELECT slot FROM search_slot WHERE state = 'ACTIVE')
    GROUP BY kind ORDER BY kind
    """
)


async def index_glance(session: ReadSession | Transaction) -> tuple[IndexLag, int, int]:
    """How far the index is behind, its documents, and its generation, by one statement."""
    asked: dict[str, Any] = {"consumer": CONSUMER, "limit": COUNTED_MAX}
    row = (await session.execute(_GLANCE, asked)).one()
    return IndexLag(row.events, max(float(row.oldest_s), 0.0)), row.documents, row.generation


async def index_lag(session: ReadSession | Transaction) -> IndexLag:
    """How far the index is behind the event log."""
    asked: dict[str, Any] = {"consumer": CONSUMER, "limit": COUNTED_MAX}
    events, oldest_s = (await session.execute(_LAG, asked)).one()
    return IndexLag(events, max(float(oldest_s), 0.0))


async def slot_states(session: ReadSession | Transaction) -> list[SlotState]:
    """Both slots, the one in use first."""
    return [SlotState(*row) for row in await session.execute(_STATES)]


async def documents_by_kind(session: ReadSession) -> dict[str, int]:
    """How many documents of each kind are found."""
    return {row[0]: row[1] for row in await session.execute(_KINDS)}
