"""The streams of an auction: which of its events each one passes on, and what they say."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from loaders.auctions import BidRow
from loaders.rows import Money
from services.auctions.state import auction_topic
from subscriptions.feeds import Feed
from subscriptions.log import LogEvent

BID_PLACED = frozenset({"BidPlaced"})


def bids_placed(auction_id: UUID) -> Feed:
    """Accepted bids, in sequence; of sealed ones the viewer's own."""
    return Feed(auction_topic(auction_id), types=BID_PLACED, shown=shown_to)


def shown_to(event: LogEvent, viewer_id: UUID | None) -> bool:
    """Whether a viewer may see a `BidPlaced`: a sealed bid is its bidder's alone, and its event
    stays one after the end."""
    if event.payload["amount"] is not None:
        return True
    return viewer_id is not None and event.payload["bidder"] == viewer_id.hex


def auction_changes(auction_id: UUID) -> Feed:
    """What changes the auction: opening, closing, cancelling, and each bid that moved its price,
    its end or met its reserve."""
    return Feed(auction_topic(auction_id), passes=changes_something)


def changes_something(event: LogEvent) -> bool:
    """Whether an event changed what is told of an auction."""
    return bool(changes_of(event))


def changes_of(event: LogEvent) -> list[str]:
    """What an event changed: values of the GraphQL enum `AuctionChangeKind`."""
    if event.type != "BidPlaced":
        kind = {
            "AuctionOpened": "OPENED",
            "AuctionClosed": "CLOSED",
            "AuctionCancelled": "CANCELLED",
        }.get(event.type)
        return [] if kind is None else [kind]
    payload = event.payload
    moved = {
        "PRICE": payload["priceMoved"],
        "EXTENDED": payload["extended"],
        "RESERVE_MET": payload["reserveMetNow"],
    }
    return [kind for kind, happened in moved.items() if happened]


class AuctionChangeRow(NamedTuple):
    """One change, as of the moment of its event."""

    cursor: str
    occurred_at: datetime
    kinds: list[str]
    status: str
    ends_at: datetime
    current_price: Money | None
    reserve_met: bool | None
    auction_id: UUID


def change_of(event: LogEvent) -> AuctionChangeRow:
    """What an event of an auction's topic says of the auction."""
    payload = event.payload
    price = payload.get("price")
    return AuctionChangeRow(
        cursor=event.cursor,
        occurred_at=event.occurred_at,
        kinds=changes_of(event),
        status=payload.get("status", "OPEN"),
        ends_at=datetime.fromisoformat(payload["endsAt"]),
        current_price=None if price is None else Money(int(price), payload["asset"]),
        reserve_met=payload.get("reserveMet"),
        auction_id=UUID(hex=event.topic.partition(":")[2]),
    )


def bid_of(event: LogEvent) -> BidRow:
    """The bid that a `BidPlaced` event tells of, as its row would read at that moment. Made once
    for all who get the event."""
    bid: BidRow | None = event.shared.get("bid")
    if bid is None:
        bid = event.shared["bid"] = _bid_of(event)
    return bid


def _bid_of(event: LogEvent) -> BidRow:
    payload = event.payload
    return BidRow(
        id=UUID(hex=payload["bid"]),
        auction_id=UUID(hex=payload["auction"]),
        bidder_id=UUID(hex=payload["bidder"]),
        sequence=payload["sequence"],
        asset=payload["asset"],
        amount_minor=payload["amount"],
        commitment=bytes.fromhex(payload["commitment"]),
        placed_at=datetime.fromisoformat(payload["placedAt"]),
    )
