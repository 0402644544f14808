"""Batched reads of orders. An order is its buyer's and its selling side's to see; moderators have
loaders of their own."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, false, or_, select, text
from sqlmodel import col

from core.database import Database
from loaders.base import Computed, one_by, page_by
from loaders.pages import order
from loaders.rows import Money, row_of
from models.auctions import Stall, StallMember
from models.shop import SaleOrder

TRANSFERS_MAX = 20


class OrderRow(row_of(SaleOrder, "ord")):  # type: ignore[misc]
    """An order; the fee is for the selling side alone, which its reader sees to."""

    __slots__ = ()

    @property
    def unit_price(self) -> Money:
        """What one of it cost."""
        return Money(self.unit_price_minor, self.asset)

    @property
    def price(self) -> Money:
        """What all of it cost."""
        return Money(self.price_minor, self.asset)

    @property
    def fee(self) -> Money:
        """The platform's part of the price."""
        return Money(self.fee_minor, self.asset)


def _party(viewer_id: UUID | None) -> ColumnElement[bool]:
    if viewer_id is None:
        return false()
    owned = select(col(Stall.id)).where(col(Stall.owner_id) == viewer_id)
    shared = select(col(StallMember.stall_id)).where(col(StallMember.user_id) == viewer_id)
    return or_(
        col(SaleOrder.buyer_id) == viewer_id,
        col(SaleOrder.seller_id) == viewer_id,
        col(SaleOrder.stall_id).in_(owned),
        col(SaleOrder.stall_id).in_(shared),
    )


NEWEST_ORDERS = order("orders", SaleOrder.created_at, SaleOrder.id, descending=True)

order_by_id = one_by("order_by_id", OrderRow, SaleOrder.id)
own_order_by_id = one_by("own_order_by_id", OrderRow, SaleOrder.id, visible=_party)
order_by_auction_id = one_by("order_by_auction_id", OrderRow, SaleOrder.auction_id)
own_order_by_auction_id = one_by(
    "own_order_by_auction_id", OrderRow, SaleOrder.auction_id, visible=_party
)
orders_by_buyer_id = page_by(
    "orders_by_buyer_id", OrderRow, SaleOrder.buyer_id, order=NEWEST_ORDERS
)
orders_by_stall_id = page_by(
    "orders_by_stall_id", OrderRow, SaleOrder.stall_id, order=NEWEST_ORDERS
)
viewer_sells_at_stall_id = Computed(
    "viewer_sells_at_stall_id",
    lambda db, viewer, keys: _viewer_sells(db, viewer, keys),
    viewer=True,
)


async def _viewer_sells(
    db: Database, viewer_id: UUID | None, stall_ids: Sequence[UUID]
) -> list[bool]:
    """Whether the viewer owns or shares each stall."""
    if viewer_id is None:
        return [False] * len(stall_ids)
    statement = text(
        "SELECT id FROM stall AS s WHERE id = ANY(CAST(:keys AS uuid[])) AND (owner_id = :viewer"
        " OR EXISTS (SELECT FROM stall_member AS m"
        " WHERE m.stall_id = s.id AND m.user_id = :viewer))"
    )
    async with db.read() as session:
        rows = await session.execute(statement, {"viewer": viewer_id, "keys": list(stall_ids)})
        found = set(rows.scalars())
    return [key in found for key in stall_ids]
