"""Orders: what a sale leaves behind, whether an auction or a purchase made it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from core.database import Transaction
from core.events import NewEvent
from core.ids import new_id
from models.shop import SaleOrder
from services.auctions.downloads import grant_download
from services.auctions.stock import stall_topic
from services.users.accounts import user_topic


async def record_sale(
    tx: Transaction,
    *,
    auction_id: UUID | None,
    product_id: UUID,
    stall_id: UUID,
    seller_id: UUID,
    buyer_id: UUID,
    quantity: int,
    unit_price_minor: int,
    fee_minor: int,
    asset: str,
    transfer_ids: Sequence[UUID],
    now: datetime,
    order_id: UUID | None = None,
) -> UUID:
    """Write the order of a sale that is paid: 1 to 1,000 pieces at `unit_price_minor` each, of
    which `fee_minor` went to the platform. The stall, the buyer and the seller are told; what is
    delivered as a file may be downloaded from now on.

    The caller has taken the stock and moved the money in this transaction; an `order_id` of its
    own lets the transfers refer to the order.
    """
    order = SaleOrder(
        id=order_id or new_id(),
        auction_id=auction_id,
        product_id=product_id,
        stall_id=stall_id,
        seller_id=seller_id,
        buyer_id=buyer_id,
        quantity=quantity,
        unit_price_minor=unit_price_minor,
        price_minor=quantity * unit_price_minor,
        fee_minor=fee_minor,
        asset=asset,
        transfer_ids=list(transfer_ids),
        created_at=now,
    )
    tx.add(order)
    await tx.flush()
    await grant_download(tx, order_id=order.id, product_id=product_id, now=now)
    for event in order_events(order, "OrderPlaced", buyer_id, now):
        tx.collect(event)
    return order.id


def order_events(order: SaleOrder, type: str, actor_id: UUID, now: datetime) -> list[NewEvent]:
    """One event to the stall, the buyer and the seller each."""
    payload: dict[str, object] = {
        "order": order.id.hex,
        "auction": None if order.auction_id is None else order.auction_id.hex,
        "product": order.product_id.hex,
        "stall": order.stall_id.hex,
        "buyer": order.buyer_id.hex,
        "seller": order.seller_id.hex,
        "quantity": order.quantity,
        "price": str(order.price_minor),
        "asset": order.asset,
        "status": order.status,
    }
    topics = (
        stall_topic(order.stall_id),
        user_topic(order.buyer_id),
        user_topic(order.seller_id),
    )
    return [NewEvent(topic, type, payload, actor_id, now) for topic in topics]
