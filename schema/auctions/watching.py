"""How many look at an auction at this moment, and which of one's watched ones end soon."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, NamedTuple, cast
from uuid import UUID

import strawberry

from loaders import auctions as loaders
from resolvers.presence import ViewersRow, watch_endings, watch_viewers
from schema.auctions.types import Auction
from schema.fields import Context, argument, attribute, loaded, subscription
from schema.rows import shows


@strawberry.type(description="How many look at an auction.")
@shows(ViewersRow)
class AuctionPresence:
    watchers: int = attribute(
        "Open connections, signed in or not, with a subscription to this auction: `bidPlaced`, "
        "`auctionChanged` or `auctionPresence`. Each counts once."
    )
    auction: Auction = loaded(
        loaders.auction_by_id, key="auction_id", description="The auction as it is now."
    )


class EndingRow(NamedTuple):
    """An auction whose end is near."""

    auction_id: UUID


@strawberry.type(description="An auction that you watch ends soon.")
@shows(EndingRow)
class AuctionEndingSoon:
    auction: Auction = loaded(
        loaders.auction_by_id, key="auction_id", description="The auction as it is now."
    )


@strawberry.type
class WatchingSubscription:
    @subscription(
        "How many look at an auction: the number of now, then each change, once a second at most.",
        cost=2,
    )
    async def auction_presence(
        self, info: Context, auction_id: Annotated[strawberry.ID, argument("Which auction.")]
    ) -> AsyncGenerator[AuctionPresence, None]:
        numbers = watch_viewers(info.context, auction_id)
        async with aclosing(numbers):
            async for row in numbers:
                yield cast(AuctionPresence, row)

    @subscription(
        "The auctions you watch, each as its end comes near: those of now first. It cannot be "
        "resumed; `notificationReceived` tells the same once.",
        authenticated=True,
        viewer=True,
    )
    async def auction_ending_soon(
        self,
        info: Context,
        window: Annotated[
            int, argument("How long before the end, in seconds: 10 to 86,400; 900 if not given.")
        ] = 900,
    ) -> AsyncGenerator[AuctionEndingSoon, None]:
        lots = watch_endings(info.context, window)
        async with aclosing(lots):
            async for lot in lots:
                yield cast(AuctionEndingSoon, EndingRow(lot))
