"""How many look at an auction at this moment."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, cast

import strawberry

from loaders import auctions as loaders
from resolvers.presence import ViewersRow, watch_viewers
from schema.auctions.types import Auction
from schema.fields import Context, argument, attribute, loaded, subscription


@strawberry.type(description="How many look at an auction.")
class AuctionPresence:
    watchers: int = attribute(
        "Open connections, signed in or not, with a subscription to this auction: `bidPlaced`, "
        "`auctionChanged` or `auctionPresence`. Each counts once."
    )
    auction: Auction = loaded(
        loaders.auction_by_id, key="auction_id", description="The auction as it is now."
    )

    @classmethod
    def is_type_of(cls, obj: object, info: object) -> bool:
        return isinstance(obj, ViewersRow)


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
