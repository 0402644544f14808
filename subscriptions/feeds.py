"""What a subscription field passes on of a topic, as a value: who asks for equal feeds gets the
same events. No reading and no sockets here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from subscriptions.log import LogEvent

Passes = Callable[[LogEvent], bool]
Shown = Callable[[LogEvent, UUID | None], bool]


def every(event: LogEvent) -> bool:
    """Passes everything."""
    return True


@dataclass(frozen=True, slots=True)
class Feed:
    """Events of `topic`, of these `types`, that `passes` takes, and of those the ones `shown` to a
    viewer (None: all).

    Feeds are compared, so both functions must be of a module, or frozen dataclasses: never made
    anew for each subscriber.
    """

    topic: str
    types: frozenset[str] | None = None
    passes: Passes = every
    shown: Shown | None = None
