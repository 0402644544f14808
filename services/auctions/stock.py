"""A product's stock: what is taken of it and given back, each in one statement, and who is told.

`update_product` alone sets it to another number; it tells by `stock_events` too.
"""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from sqlalchemy import text

from core.database import Transaction
from core.errors import NotFound
from core.events import NewEvent
from services.auctions.errors import OutOfStock

_RESERVE = text(
    """
    UPDATE product SET inventory_count = inventory_count - :quantity
    WHERE id = :id AND inventory_count >= :quantity AND deleted_at IS NULL
    RETURNING stall_id, inventory_count AS stock, low_stock_threshold AS threshold
    """
)
_GIVE_BACK = text(
    """
    UPDATE product SET inventory_count = inventory_count + :quantity WHERE id = :id
    RETURNING stall_id, inventory_count AS stock, low_stock_threshold AS threshold
    """
)
_LEFT = text("SELECT inventory_count FROM product WHERE id = :id AND deleted_at IS NULL")


def stall_topic(stall_id: UUID) -> str:
    """The topic of what happens at a stall: its products, their stock, its orders."""
    return f"stall:{stall_id.hex}"


async def reserve_stock(
    tx: Transaction, product_id: UUID, quantity: int, *, actor_id: UUID | None = None
) -> int:
    """Take `quantity` of a product's stock, which is then locked; how many are left. Raises
    `OutOfStock` where there are fewer, none for a product that is gone."""
    asked = {"id": product_id, "quantity": quantity}
    row = (await tx.execute(_RESERVE, asked)).one_or_none()
    if row is None:
        left = (await tx.execute(_LEFT, {"id": product_id})).scalar_one_or_none()
        raise OutOfStock(left or 0)
    before = row.stock + quantity
    for event in stock_events(row.stall_id, product_id, before, row.stock, row.threshold, actor_id):
        tx.collect(event)
    return int(row.stock)


async def give_back_stock(
    tx: Transaction, product_id: UUID, quantity: int, *, actor_id: UUID | None = None
) -> int:
    """Give back what was taken; how many there are then. A product that was deleted meanwhile
    gets it too. Raises `NotFound`."""
    asked = {"id": product_id, "quantity": quantity}
    row = (await tx.execute(_GIVE_BACK, asked)).one_or_none()
    if row is None:
        raise NotFound("product")
    before = row.stock - quantity
    for event in stock_events(row.stall_id, product_id, before, row.stock, row.threshold, actor_id):
        tx.collect(event)
    return int(row.stock)


def stock_events(
    stall_id: UUID,
    product_id: UUID,
    before: int,
    after: int,
    threshold: int,
    actor_id: UUID | None = None,
) -> Iterator[NewEvent]:
    """What to tell of a stock that was `before` and is `after`: the change, and that it ran low
    once it comes from above the threshold to it or below. The members of the stall alone are to
    see the second."""
    if before == after:
        return
    topic = stall_topic(stall_id)
    facts = {"product": product_id.hex, "stock": after}
    yield NewEvent(topic, "StockChanged", facts, actor_id)
    if before > threshold >= after:
        yield NewEvent(topic, "LowStock", {**facts, "threshold": threshold}, actor_id)
