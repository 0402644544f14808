"""From a field of orders to one unit of work: the viewer, checked input, a service."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any
from uuid import UUID

from core.money import to_minor
from loaders import orders as loaders
from loaders.orders import OrderRow
from loaders.wallets import own_transfer_by_id
from resolvers.auctions import MODERATOR_SCOPE, find, named_key
from resolvers.context import OperationContext
from resolvers.wallets import Amount
from services.auctions.fulfilling import fulfil_order, refund_order, refund_request
from services.auctions.shop import purchase_product, purchase_request


def moderates(context: OperationContext) -> bool:
    """Whether the viewer sees every order, and may refund it."""
    return context.viewer is not None and context.viewer.has(MODERATOR_SCOPE)


async def order(context: OperationContext, order_id: str) -> Any:
    """An order that the viewer may see, or None."""
    loader = loaders.order_by_id if moderates(context) else loaders.own_order_by_id
    return await find(context, loader, order_id, "ord")


async def order_of(context: OperationContext, auction_id: UUID) -> Any:
    """The order that an auction ended in, if there is one that the viewer may see."""
    every, own = loaders.order_by_auction_id, loaders.own_order_by_auction_id
    return await context.loaders.load(every if moderates(context) else own, auction_id)


async def own_orders(context: OperationContext, user_id: UUID, *page: Any) -> Any:
    """A page of what the viewer bought; None for anyone else's."""
    if user_id != context.viewer_id:
        return None
    request = context.page_request(loaders.NEWEST_ORDERS, *page)
    return await context.loaders.load(loaders.orders_by_buyer_id, (user_id, request))


async def stall_orders(context: OperationContext, stall_id: UUID, *page: Any) -> Any:
    """A page of what a stall sold, for who owns or shares it; else None."""
    request = context.page_request(loaders.NEWEST_ORDERS, *page)
    if not await sells_at(context, stall_id):
        return None
    return await context.loaders.load(loaders.orders_by_stall_id, (stall_id, request))


async def sells_at(context: OperationContext, stall_id: UUID) -> bool:
    """Whether the viewer owns or shares a stall."""
    sells: bool = await context.loaders.load(loaders.viewer_sells_at_stall_id, stall_id)
    return sells


async def shown_fee(context: OperationContext, row: OrderRow) -> Any:
    """The platform's fee, for the selling side and moderators; else None."""
    selling = row.seller_id == context.viewer_id or moderates(context)
    return row.fee if selling or await sells_at(context, row.stall_id) else None


async def transfers_of(context: OperationContext, row: OrderRow) -> list[Any]:
    """Those of an order's transfers that the viewer is a party to, in order."""
    load = partial(context.loaders.load, own_transfer_by_id)
    found = await asyncio.gather(*(load(key) for key in row.transfer_ids))
    return [transfer for transfer in found if transfer is not None]


async def purchase(
    context: OperationContext,
    product_id: str,
    quantity: int,
    unit_price: Amount,
    idempotency_key: str,
) -> Any:
    """Buy a product for the viewer; the order. Raises the refusals of `purchase_product`."""
    request = purchase_request(
        product_id=named_key(product_id, "prd", "product"),
        buyer_id=context.signed_in().user_id,
        quantity=quantity,
        unit_price_minor=to_minor(unit_price.amount, unit_price.asset, field="unitPrice"),
        asset=unit_price.asset,
        idempotency_key=idempotency_key,
    )
    key = await context.transact(partial(purchase_product, request=request))
    context.forget()
    return await context.loaders.load(loaders.own_order_by_id, key)


async def fulfil(context: OperationContext, order_id: str) -> Any:
    """Mark an order of the viewer's stall as handed over; the order."""
    viewer = context.signed_in()
    key = named_key(order_id, "ord", "order")
    await context.transact(partial(fulfil_order, order_id=key, viewer_id=viewer.user_id))
    context.forget()
    return await context.loaders.load(loaders.own_order_by_id, key)


async def refund(context: OperationContext, order_id: str, idempotency_key: str) -> Any:
    """Give an order's money back, for its seller or a moderator; the order."""
    viewer = context.signed_in()
    key = named_key(order_id, "ord", "order")
    request = refund_request(
        order_id=key,
        actor_id=viewer.user_id,
        is_moderator=moderates(context),
        idempotency_key=idempotency_key,
    )
    await context.transact(partial(refund_order, request=request))
    context.forget()
    return await context.loaders.load(loaders.order_by_id, key)
