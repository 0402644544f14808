"""Root fields that read stalls, products and auctions."""

from __future__ import annotations

from typing import Annotated

import strawberry

from loaders import auctions as loaders
from loaders.auctions import AUCTION_ORDERS
from resolvers.auctions import auctions, find, stall_at
from schema.auctions.inputs import AuctionFilterInput, AuctionOrder, auction_filter
from schema.auctions.types import Auction, Product, Stall
from schema.common import Connection
from schema.fields import After, Before, Context, First, Last, argument, page_size, resolved
from schema.scalars import code_of


@strawberry.type
class AuctionQuery:
    @resolved("An auction by its id; null where there is none.")
    async def auction(
        self, info: Context, id: Annotated[strawberry.ID, argument("Begins with `auc_`.")]
    ) -> Auction | None:
        return await find(info.context, loaders.auction_by_id, id, "auc", "Auction")

    @resolved("Auctions, page by page.", list_size=page_size())
    async def auctions(
        self,
        info: Context,
        filter: Annotated[AuctionFilterInput | None, argument("Which; all if not given.")] = None,
        order_by: Annotated[AuctionOrder, argument("In which order.")] = AuctionOrder.NEWEST,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Auction]:
        order = AUCTION_ORDERS[code_of(order_by)]
        page = info.context.page_request(order, first, after, last, before)
        return await auctions(info.context, auction_filter(filter), code_of(order_by), page)

    @resolved("A stall by its public address; null where there is none.")
    async def stall(
        self, info: Context, slug: Annotated[str, argument("As in `Stall.slug`.")]
    ) -> Stall | None:
        return await stall_at(info.context, slug)

    @resolved("A product by its id; null where there is none, or it was deleted.")
    async def product(
        self, info: Context, id: Annotated[strawberry.ID, argument("Begins with `prd_`.")]
    ) -> Product | None:
        return await find(info.context, loaders.listed_product_by_id, id, "prd", "Product")
