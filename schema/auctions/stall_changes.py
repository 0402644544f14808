"""What a stall pushes: its products, their prices and their stock."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import datetime
from enum import Enum
from typing import Annotated, cast

import strawberry

from loaders import auctions as loaders
from resolvers.stall_changes import watch_stall
from schema.auctions.types import Product, Stall
from schema.common import Money
from schema.fields import Context, argument, attribute, bounded, loaded, subscription
from schema.rows import shows
from schema.scalars import Cursor
from subscriptions.stalls import StallChangeRow, change_of


@strawberry.enum(description="What happened at a stall.")
class StallChangeKind(Enum):
    STALL = strawberry.enum_value("STALL", description="What the stall tells of itself changed.")
    PRODUCT_ADDED = strawberry.enum_value("PRODUCT_ADDED", description="It lists a new product.")
    PRODUCT = strawberry.enum_value(
        "PRODUCT", description="What a product tells of itself changed."
    )
    PRODUCT_REMOVED = strawberry.enum_value(
        "PRODUCT_REMOVED", description="It lists a product no longer."
    )
    PRICE = strawberry.enum_value("PRICE", description="A product's fixed price changed.")
    STOCK = strawberry.enum_value("STOCK", description="There are more or fewer of a product.")
    LOW_STOCK = strawberry.enum_value(
        "LOW_STOCK",
        description="A product's stock fell to its threshold or below. Told to the stall's own "
        "people alone, once for each time that it falls so far.",
    )


@strawberry.type(description="Something at a stall changed. The fields tell it as of then.")
@shows(StallChangeRow)
class StallChange:
    cursor: Cursor = attribute("Where this event is in the stall's stream: resume after it.")
    occurred_at: datetime = attribute("When it happened, by the server's clock.")
    kinds: list[StallChangeKind] = attribute("All that changed.", list_size=bounded(2))
    price: Money | None = attribute(
        "The product's fixed price then; null where it has none, or the change is not of it."
    )
    stock: int | None = attribute(
        "How many of the product there were then; null where the change is not of its stock."
    )
    product: Product | None = loaded(
        loaders.product_by_id,
        key="product_id",
        description="The product as it is now; null where the change is the stall's.",
    )
    stall: Stall = loaded(
        loaders.stall_by_id, key="stall_id", description="The stall as it is now."
    )


@strawberry.type
class StallSubscription:
    @subscription(
        "What changes at a stall: its products, their prices and their stock.",
        cost=2,
        viewer=True,
    )
    async def stall_changed(
        self,
        info: Context,
        stall_id: Annotated[strawberry.ID, argument("Which stall.")],
        after: Annotated[
            Cursor | None,
            argument(
                "Go on after this event: the last `cursor` you saw, or `Stall.eventCursor`. From "
                "now on if not given. `CURSOR_EXPIRED` where the log no longer goes back so far."
            ),
        ] = None,
    ) -> AsyncGenerator[StallChange, None]:
        async with aclosing(watch_stall(info.context, stall_id, after)) as events:
            async for event in events:
                yield cast(StallChange, change_of(event))
