"""Orders as clients see them, and what they add to auctions, stalls and users."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any

import strawberry

from loaders import auctions as loaders
from loaders import users as user_loaders
from loaders.orders import TRANSFERS_MAX, OrderRow
from resolvers import orders as resolvers
from schema.auctions.downloads import DownloadOrderFields
from schema.common import Connection, Money, Node
from schema.fields import (
    After,
    Before,
    Context,
    First,
    Last,
    attribute,
    bounded,
    loaded,
    page_size,
    resolved,
)
from schema.rows import shows
from schema.scalars import Cursor
from services.auctions.stock import stall_topic
from subscriptions.cursors import encode_cursor

if TYPE_CHECKING:
    from schema.auctions.types import Auction, Product, Stall
    from schema.users.types import User
    from schema.wallets.types import Transfer

LazyUser = Annotated["User", strawberry.lazy("schema.users.types")]
LazyAuction = Annotated["Auction", strawberry.lazy("schema.auctions.types")]
LazyProduct = Annotated["Product", strawberry.lazy("schema.auctions.types")]
LazyTransfer = Annotated["Transfer", strawberry.lazy("schema.wallets.types")]
LazyStall = Annotated["Stall", strawberry.lazy("schema.auctions.types")]


@strawberry.enum(description="How far an order has got.")
class OrderStatus(Enum):
    PAID = strawberry.enum_value("PAID", description="The money has moved; the goods are due.")
    FULFILLED = strawberry.enum_value(
        "FULFILLED", description="The seller says that the goods are with the buyer."
    )
    REFUNDED = strawberry.enum_value("REFUNDED", description="The buyer has all of the money back.")


@strawberry.federation.type(
    keys=["id"],
    description="What somebody bought. Its buyer, its stall's people and moderators see it.",
)
@shows(OrderRow)
class Order(DownloadOrderFields, Node):
    quantity: int = attribute("How many pieces.")
    unit_price: Money = attribute("What one of them cost.")
    price: Money = attribute("What all of them cost: the buyer paid this.")
    status: OrderStatus = attribute("How far it has got.")
    created_at: datetime = attribute("When it was bought and paid.")
    fulfilled_at: datetime | None = attribute("When it was handed over; null until then.")
    refunded_at: datetime | None = attribute("When the money went back; null unless REFUNDED.")
    product: LazyProduct = loaded(
        loaders.product_by_id, key="product_id", description="What was bought."
    )
    stall: LazyStall = loaded(
        loaders.stall_by_id, key="stall_id", description="Where it was bought."
    )
    auction: LazyAuction | None = loaded(
        loaders.auction_by_id,
        key="auction_id",
        description="The auction that it comes from; null of a purchase.",
    )
    buyer: LazyUser = loaded(
        user_loaders.user_by_id, key="buyer_id", description="Who bought it and paid."
    )
    seller: LazyUser = loaded(
        user_loaders.user_by_id, key="seller_id", description="Whose money it became."
    )

    @resolved(
        "The platform's part of the price; null for anyone but the selling side and moderators.",
        viewer=True,
    )
    async def fee(root: strawberry.Parent[Any], info: Context) -> Money | None:
        fee: Money | None = await resolvers.shown_fee(info.context, root)
        return fee

    @resolved(
        "Those of its transfers that you are a party to: of the sale, then of the refund.",
        viewer=True,
        list_size=bounded(TRANSFERS_MAX),
    )
    async def transfers(root: strawberry.Parent[Any], info: Context) -> list[LazyTransfer]:
        return await resolvers.transfers_of(info.context, root)

    @classmethod
    async def resolve_reference(cls, info: Context, id: strawberry.ID) -> Any:
        return await resolvers.order(info.context, id)


@strawberry.type
class OrderAuctionFields:
    """What orders add to an auction."""

    @resolved(
        "What it ended in, for the winner, the stall's people and moderators; else null.",
        viewer=True,
    )
    async def order(root: strawberry.Parent[Any], info: Context) -> Order | None:
        order: Order | None = await resolvers.order_of(info.context, root.id)
        return order


@strawberry.type
class OrderStallFields:
    """What orders add to a stall, and where its events are read from."""

    @resolved(
        "The last event that these fields reflect. Subscribe to `stallChanged` with it as `after`, "
        "and nothing is missed between this query and the subscription."
    )
    def event_cursor(root: strawberry.Parent[Any]) -> Cursor:
        return Cursor(encode_cursor(stall_topic(root.id), root.event_sequence or 0))

    @resolved(
        "What it sold, newest first; null for anyone but its own people.",
        viewer=True,
        list_size=page_size(),
    )
    async def orders(
        root: strawberry.Parent[Any],
        info: Context,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Order] | None:
        page = (first, after, last, before)
        found: Connection[Order] | None = await resolvers.stall_orders(info.context, root.id, *page)
        return found


@strawberry.type
class OrderUserFields:
    """What orders add to a user."""

    @resolved(
        "What you bought, newest first; null for anyone but yourself.",
        viewer=True,
        list_size=page_size(),
    )
    async def orders(
        root: strawberry.Parent[Any],
        info: Context,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Order] | None:
        page = (first, after, last, before)
        found: Connection[Order] | None = await resolvers.own_orders(info.context, root.id, *page)
        return found
