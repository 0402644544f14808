"""Tables of sales: one order for each, whether an auction or a purchase made it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, Uuid
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field, SQLModel

from models.auctions import ASSET_KNOWN
from models.columns import UUID, datetime, key, minor_units, moment, reference, words


def _transfer_ids() -> Any:
    return Field(
        default_factory=list, sa_type=ARRAY(Uuid), sa_column_kwargs={"server_default": "{}"}
    )


class SaleOrder(SQLModel, table=True):
    """What somebody bought of a stall, and paid when it was made.

    PAID, then FULFILLED when the seller has handed it over, or REFUNDED (before or after that).
    `transfer_ids` are the ledger's, in order: those of the sale, then those of the refund.
    """

    __tablename__ = "sale_order"
    __table_args__ = (
        CheckConstraint("status IN ('PAID', 'FULFILLED', 'REFUNDED')", name="status_known"),
        CheckConstraint(ASSET_KNOWN, name="asset_known"),
        CheckConstraint("quantity BETWEEN 1 AND 1000", name="quantity_range"),
        CheckConstraint("auction_id IS NULL OR quantity = 1", name="one_of_a_lot"),
        CheckConstraint("unit_price_minor > 0", name="unit_price_positive"),
        CheckConstraint("price_minor = quantity * unit_price_minor", name="price_is_of_all"),
        CheckConstraint("fee_minor BETWEEN 0 AND price_minor", name="fee_within_price"),
        CheckConstraint("buyer_id <> seller_id", name="two_people"),
        CheckConstraint("cardinality(transfer_ids) <= 20", name="transfers_bounded"),
        CheckConstraint("status <> 'PAID' OR fulfilled_at IS NULL", name="not_fulfilled_if_paid"),
        CheckConstraint(
            "status <> 'FULFILLED' OR fulfilled_at IS NOT NULL", name="fulfilled_at_if_fulfilled"
        ),
        CheckConstraint(
            "(status = 'REFUNDED') = (refunded_at IS NOT NULL)", name="refunded_at_if_refunded"
        ),
        UniqueConstraint("auction_id"),
        Index("ix_sale_order_buyer", "buyer_id", "created_at", "id"),
        Index("ix_sale_order_stall", "stall_id", "created_at", "id"),
        Index("ix_sale_order_product", "product_id", "created_at", "id"),
    )

    id: UUID = key()
    auction_id: UUID | None = reference("auction.id", nullable=True)
    product_id: UUID = reference("product.id")
    stall_id: UUID = reference("stall.id")
    seller_id: UUID = reference("user_account.id")
    buyer_id: UUID = reference("user_account.id")
    quantity: int = Field(default=1)
    unit_price_minor: int = minor_units()
    price_minor: int = minor_units()
    fee_minor: int = minor_units()
    asset: str = words()
    status: str = words(default="PAID")
    transfer_ids: list[UUID] = _transfer_ids()
    created_at: datetime = moment(now=True)
    fulfilled_at: datetime | None = moment(nullable=True)
    refunded_at: datetime | None = moment(nullable=True)
