"""The stream of a stall: which of its events it passes on, and what they say."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from loaders.rows import Money
from services.auctions.stock import stall_topic
from subscriptions.feeds import Feed
from subscriptions.log import LogEvent

KINDS: Mapping[str, str] = {
    "StallChanged": "STALL",
    "ProductCreated": "PRODUCT_ADDED",
    "ProductChanged": "PRODUCT",
    "ProductDeleted": "PRODUCT_REMOVED",
    "StockChanged": "STOCK",
    "LowStock": "LOW_STOCK",
}
"""What an event changed, as a value of the GraphQL enum `StallChangeKind`. A stall's orders are on
its topic too, and are not passed on."""

_TYPES = frozenset(KINDS)


def stall_changes(stall_id: UUID) -> Feed:
    """What changes at a stall: itself, its products, their prices and stock."""
    return Feed(stall_topic(stall_id), types=_TYPES)


def stall_of(event: LogEvent) -> UUID:
    """The stall that an event is of."""
    return UUID(hex=event.topic.partition(":")[2])


def is_for_sellers(event: LogEvent) -> bool:
    """Whether only the stall's own people are to see it."""
    return event.type == "LowStock"


class StallChangeRow(NamedTuple):
    """One change, as of the moment of its event."""

    cursor: str
    occurred_at: datetime
    kinds: list[str]
    stall_id: UUID
    product_id: UUID | None
    price: Money | None
    stock: int | None


def change_of(event: LogEvent) -> StallChangeRow:
    """What an event of a stall's topic says."""
    payload = event.payload
    product, price = payload.get("product"), payload.get("price")
    kinds = [KINDS[event.type]]
    if payload.get("priceChanged"):
        kinds.append("PRICE")
    return StallChangeRow(
        cursor=event.cursor,
        occurred_at=event.occurred_at,
        kinds=kinds,
        stall_id=stall_of(event),
        product_id=None if product is None else UUID(hex=product),
        price=None if price is None else Money(int(price), payload["asset"]),
        stock=payload.get("stock"),
    )
