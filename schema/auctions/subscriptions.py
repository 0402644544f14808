"""What an auction pushes: its bids and its changes."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import datetime
from enum import Enum
from typing import Annotated, cast

import strawberry

from loaders import auctions as loaders
from resolvers.auctions import watch_bids, watch_changes
from schema.auctions.types import Auction, AuctionStatus, Bid
from schema.auctions.watching import WatchingSubscription
from schema.common import Money
from schema.fields import Context, argument, attribute, bounded, loaded, subscription
from schema.rows import shows
from schema.scalars import Cursor
from subscriptions.auctions import AuctionChangeRow, bid_of, change_of

AuctionId = Annotated[strawberry.ID, argument("Which auction.")]
AfterEvent = Annotated[
    Cursor | None,
    argument(
        "Go on after this event: the last `cursor` you saw, or `Auction.eventCursor`. From now on "
        "if not given. `CURSOR_EXPIRED` where the log no longer goes back so far."
    ),
]


@strawberry.enum(description="What happened to an auction.")
class AuctionChangeKind(Enum):
    OPENED = strawberry.enum_value("OPENED", description="It takes bids now.")
    PRICE = strawberry.enum_value("PRICE", description="The current price moved.")
    EXTENDED = strawberry.enum_value("EXTENDED", description="A late bid moved its end.")
    RESERVE_MET = strawberry.enum_value("RESERVE_MET", description="The reserve was reached.")
    CLOSED = strawberry.enum_value("CLOSED", description="It ended, SOLD or UNSOLD.")
    CANCELLED = strawberry.enum_value("CANCELLED", description="It was taken back.")


@strawberry.type(description="A bid was accepted.")
class BidPlaced:
    cursor: Cursor = attribute("Where this event is in the auction's stream: resume after it.")
    occurred_at: datetime = attribute("When it happened, by the server's clock.")
    bid: Bid = attribute("The bid, as of then.")


@strawberry.type(description="Something about an auction changed. The fields tell it as of then.")
@shows(AuctionChangeRow)
class AuctionChange:
    cursor: Cursor = attribute("Where this event is in the auction's stream: resume after it.")
    occurred_at: datetime = attribute("When it happened, by the server's clock.")
    kinds: list[AuctionChangeKind] = attribute("All that changed.", list_size=bounded(6))
    status: AuctionStatus = attribute("Its state then.")
    ends_at: datetime = attribute("Its end as it stood then.")
    current_price: Money | None = attribute("The price then; null where no bid moved it.")
    reserve_met: bool | None = attribute("Whether the reserve was met then; null before any bid.")
    auction: Auction = loaded(
        loaders.auction_by_id, key="auction_id", description="The auction as it is now."
    )


@strawberry.type
class AuctionSubscription(WatchingSubscription):
    @subscription(
        "Each accepted bid on an auction, once, in sequence; of sealed ones, only your own.",
        cost=2,
        viewer=True,
    )
    async def bid_placed(
        self, info: Context, auction_id: AuctionId, after: AfterEvent = None
    ) -> AsyncGenerator[BidPlaced, None]:
        async with aclosing(watch_bids(info.context, auction_id, after)) as events:
            async for event in events:
                yield BidPlaced(
                    cursor=Cursor(event.cursor), occurred_at=event.occurred_at, bid=bid_of(event)
                )

    @subscription("What changes an auction: opening, price, extensions, reserve, closing.", cost=2)
    async def auction_changed(
        self, info: Context, auction_id: AuctionId, after: AfterEvent = None
    ) -> AsyncGenerator[AuctionChange, None]:
        async with aclosing(watch_changes(info.context, auction_id, after)) as events:
            async for event in events:
                yield cast(AuctionChange, change_of(event))
