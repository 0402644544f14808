"""The stream of titles that have become watchable for a viewer and may interest them."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from core.database import Database
from services.content.new_titles import NEW_CONTENT
from services.users.accounts import user_topic
from subscriptions.hub import Hub
from subscriptions.log import LogEvent
from subscriptions.stream import stream

_TYPES = frozenset({NEW_CONTENT})


def new_content(
    hub: Hub, db: Database, user_id: UUID, *, after: str | None
) -> AsyncGenerator[LogEvent, None]:
    """What a viewer is told of new titles. Errors as `stream`."""
    return stream(hub, db, user_topic(user_id), after=after, types=_TYPES)


class NewContentRow(NamedTuple):
    """A title that is new for a viewer, and why they are told; `because_id` is what they liked."""

    cursor: str
    occurred_at: datetime
    reason: str
    title_id: UUID
    because_id: UUID | None


def new_content_of(event: LogEvent) -> NewContentRow:
    """What an event says."""
    payload = event.payload
    because = payload["because"]
    return NewContentRow(
        cursor=event.cursor,
        occurred_at=event.occurred_at,
        reason=payload["reason"],
        title_id=UUID(hex=payload["title"]),
        because_id=None if because is None else UUID(hex=because),
    )
