"""The streams of availability: of one title, and of all titles on a viewer's watchlist."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from core.database import Database
from loaders.rows import Money
from services.content.availability import AVAILABILITY_CHANGED
from services.content.availability_ends import WATCHLIST_CHANGED
from services.content.titles import title_topic
from services.users.accounts import user_topic
from subscriptions.feeds import Feed
from subscriptions.hub import Hub
from subscriptions.log import LogEvent
from subscriptions.stream import stream

_OF_TITLE = frozenset({AVAILABILITY_CHANGED})
_OF_WATCHLIST = frozenset({WATCHLIST_CHANGED})


@dataclass(frozen=True, slots=True)
class _InRegion:
    """Passes what is of one region, or of any (None)."""

    region: str | None

    def __call__(self, event: LogEvent) -> bool:
        return self.region in (None, event.payload["region"])


def title_changes(title_id: UUID, *, region: str | None) -> Feed:
    """Changes of a title's offers, in all regions or in one."""
    # Not conflated: a change is no state, and the one before may be of another offer.
    return Feed(title_topic(title_id), types=_OF_TITLE, passes=_InRegion(region))


def watchlist_changes(
    hub: Hub, db: Database, user_id: UUID, *, after: str | None
) -> AsyncGenerator[LogEvent, None]:
    """Changes of the titles on a viewer's watchlist, in their region. Errors as `stream`."""
    return stream(hub, db, user_topic(user_id), after=after, types=_OF_WATCHLIST)


class AvailabilityChangeRow(NamedTuple):
    """One change, as of right after it."""

    cursor: str
    occurred_at: datetime
    kind: str
    region: str
    tier: str
    price: Money | None
    old_price: Money | None
    available_until: datetime | None
    offer_id: UUID
    platform_id: UUID
    title_id: UUID


def change_of(event: LogEvent) -> AvailabilityChangeRow:
    """What an event says."""
    payload = event.payload
    until = payload["availableUntil"]
    return AvailabilityChangeRow(
        cursor=event.cursor,
        occurred_at=event.occurred_at,
        kind=payload["kind"],
        region=payload["region"],
        tier=payload["tier"],
        price=_money(payload["price"], payload["asset"]),
        old_price=_money(payload["oldPrice"], payload["oldAsset"]),
        available_until=None if until is None else datetime.fromisoformat(until),
        offer_id=UUID(hex=payload["offer"]),
        platform_id=UUID(hex=payload["platform"]),
        title_id=UUID(hex=payload["title"]),
    )


def _money(minor_units: Any, asset: str | None) -> Money | None:
    return None if minor_units is None or asset is None else Money(int(minor_units), asset)
