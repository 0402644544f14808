"""What a unit of work says happened: collected by services, written and numbered at commit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class NewEvent:
    """A fact to append to `topic`. `payload` is JSON of ids, amounts and enums: never personal
    data or free text, so that erasing a person need not touch the log.

    `occurred_at` None means the database's clock at the write.
    """

    topic: str
    type: str
    payload: Mapping[str, object]
    actor_id: UUID | None = None
    occurred_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class CommittedEvent:
    """An event as the log holds it: `sequence` is gapless per topic, in commit order, from 1."""

    topic: str
    sequence: int
    id: UUID
    type: str
    payload: Mapping[str, object]
    actor_id: UUID | None
    occurred_at: datetime
