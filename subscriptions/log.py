"""Reading the event log, and events as they travel. Writing is `core/database.py`'s alone."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import asyncpg
import orjson
import structlog
from sqlalchemy import ARRAY, Text, any_, literal, select
from sqlalchemy.exc import ProgrammingError, SQLAlchemyError
from sqlmodel import col

from core.database import Database
from core.events import CommittedEvent
from core.jsontext import to_json
from models.events import Event, EventTopic
from subscriptions.cursors import encode_cursor

log = structlog.get_logger(__name__)

T = TypeVar("T")

PAGE = 500
"""Rows of one read of the log."""

FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 2.0


@dataclass(frozen=True, slots=True)
class LogEvent:
    """An event as subscribers see it, the same whether it came by Redis or from the log.

    All subscribers in one process get the same object of a live event: `shared` is theirs to keep
    what they would otherwise each compute from it. Do not change `payload`.
    """

    topic: str
    sequence: int
    id: UUID
    type: str
    payload: Mapping[str, Any]
    actor_id: UUID | None
    occurred_at: datetime
    shared: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    @property
    def cursor(self) -> str:
        """Resume after this event."""
        cursor: str | None = self.shared.get("cursor")
        if cursor is None:
            cursor = self.shared["cursor"] = encode_cursor(self.topic, self.sequence)
        return cursor


def encode_event(event: CommittedEvent) -> bytes:
    """The message that carries an event to other processes."""
    return to_json(
        {
            "topic": event.topic,
            "sequence": event.sequence,
            "id": event.id,
            "type": event.type,
            "payload": event.payload,
            "actor_id": event.actor_id,
            "occurred_at": event.occurred_at,
        }
    ).encode()


def decode_event(message: bytes | str) -> LogEvent:
    """The event in a message. Raises ValueError, KeyError or TypeError for any other message."""
    raw = orjson.loads(message)
    actor = raw["actor_id"]
    return LogEvent(
        topic=raw["topic"],
        sequence=raw["sequence"],
        id=UUID(raw["id"]),
        type=raw["type"],
        payload=raw["payload"],
        actor_id=None if actor is None else UUID(actor),
        occurred_at=datetime.fromisoformat(raw["occurred_at"]),
    )


async def read_page(db: Database, topic: str, *, after: int) -> list[LogEvent]:
    """The next rows of a topic, in order, at most `PAGE`.

    Sequences have no gaps and retention deletes the oldest first: a first row other than
    `after + 1` means that the rows between are no longer kept.
    """
    statement = (
        select(
            col(Event.sequence),
            col(Event.id),
            col(Event.type),
            col(Event.payload),
            col(Event.actor_id),
            col(Event.occurred_at),
        )
        .where(col(Event.topic) == topic, col(Event.sequence) > after)
        .order_by(col(Event.sequence))
        .limit(PAGE)
    )
    async with db.read() as session:
        rows = (await session.execute(statement)).all()
    return [LogEvent(topic, *row) for row in rows]


async def read_heads(db: Database, topics: Sequence[str]) -> dict[str, int]:
    """The last sequence of each topic, in one statement; 0 for a topic without events."""
    statement = select(col(EventTopic.topic), col(EventTopic.head)).where(
        col(EventTopic.topic) == any_(literal(list(topics), ARRAY(Text)))
    )
    async with db.read() as session:
        rows = (await session.execute(statement)).all()
    found = {row.topic: row.head for row in rows}
    return {topic: found.get(topic, 0) for topic in topics}


async def outlast(read: Callable[[], Awaitable[T]]) -> T:
    """Repeat a read until the database answers, with growing, jittered pauses up to two seconds.

    A restart of PostgreSQL must not end anybody's stream. What is wrong with the statement itself
    is raised.
    """
    pause_s = FIRST_PAUSE_S
    while True:
        try:
            return await read()
        except ProgrammingError:
            raise
        except (SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            log.warning("log_unreadable", error=str(error)[:200], retry_in_s=round(pause_s, 2))
        await asyncio.sleep(random.uniform(pause_s / 2, pause_s))
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
