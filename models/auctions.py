"""Tables of stalls, products, auctions and bids."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, LargeBinary, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field, SQLModel

from models.columns import json, key, minor_units, moment, reference, words

ASSET_KNOWN = "asset IN ('USD', 'EUR', 'INR', 'JPY', 'SPARK')"
# 99,999,999.99, or the whole part of it where the asset has no decimal places.
PRICE_LIMITED = (
    "price_minor <= CASE asset WHEN 'JPY' THEN 99999999 WHEN 'SPARK' THEN 99999999990000"
    " ELSE 9999999999 END"
)


def _tags() -> Any:
    return Field(
        default_factory=list,
        sa_type=ARRAY(Text),
        sa_column_kwargs={"server_default": "{}"},
    )


class Stall(SQLModel, table=True):
    """An artisan's shop front, public at its slug."""

    __tablename__ = "stall"
    __table_args__ = (
        CheckConstraint("char_length(name) BETWEEN 1 AND 100", name="name_length"),
        CheckConstraint("char_length(description) <= 5000", name="description_length"),
        CheckConstraint("slug ~ '^[a-z0-9](-?[a-z0-9]){2,59}$'", name="slug_form"),
        UniqueConstraint("slug"),
        Index("ix_stall_owner", "owner_id", "created_at", "id"),
    )

    id: UUID = key()
    owner_id: UUID = reference("user_account.id")
    name: str = words()
    description: str = words(default="")
    slug: str = words()
    theme: dict[str, Any] = json()
    active: bool = Field(default=True, sa_column_kwargs={"server_default": text("true")})
    created_at: datetime = moment(now=True)


class StallMember(SQLModel, table=True):
    """An account that shares the stall with its owner, and so may not bid on its auctions."""

    __tablename__ = "stall_member"
    __table_args__ = (Index("ix_stall_member_user", "user_id"),)

    stall_id: UUID = reference("stall.id", primary_key=True)
    user_id: UUID = reference("user_account.id", primary_key=True)
    created_at: datetime = moment(now=True)


class Product(SQLModel, table=True):
    """A thing a stall sells. One that was deleted stays as a row: orders and lots refer to it."""

    __tablename__ = "product"
    __table_args__ = (
        CheckConstraint("kind IN ('PHYSICAL', 'DIGITAL')", name="kind_known"),
        CheckConstraint("char_length(name) BETWEEN 1 AND 200", name="name_length"),
        CheckConstraint("char_length(description) <= 10000", name="description_length"),
        CheckConstraint("char_length(story) <= 10000", name="story_length"),
        CheckConstraint("char_length(category) BETWEEN 1 AND 60", name="category_length"),
        CheckConstraint("region ~ '^[A-Z]{2}$'", name="region_iso3166"),
        CheckConstraint("price_minor > 0", name="price_positive"),
        CheckConstraint(PRICE_LIMITED, name="price_limited"),
        CheckConstraint(ASSET_KNOWN, name="asset_known"),
        CheckConstraint("inventory_count >= 0", name="inventory_not_negative"),
        CheckConstraint("low_stock_threshold >= 0", name="threshold_not_negative"),
        CheckConstraint("cardinality(tags) <= 20", name="tags_bounded"),
        CheckConstraint("cardinality(image_urls) <= 10", name="images_bounded"),
        Index("ix_product_stall", "stall_id", "created_at", "id"),
    )

    id: UUID = key()
    stall_id: UUID = reference("stall.id")
    kind: str = words()
    name: str = words()
    description: str = words(default="")
    story: str = words(default="")
    category: str = words()
    region: str | None = words(nullable=True)
    tags: list[str] = _tags()
    image_urls: list[str] = _tags()
    price_minor: int | None = minor_units(nullable=True)
    asset: str = words()
    inventory_count: int = Field(default=1)
    low_stock_threshold: int = Field(default=0)
    created_at: datetime = moment(now=True)
    deleted_at: datetime | None = moment(nullable=True)


class Auction(SQLModel, table=True):
    """A lot: its terms, and the state the rules fold its bids into (`services/auctions/rules`).

    In a sealed lot the price stays the starting price to the end, while leader and maxima are
    known here alone. A Dutch lot's price stays there until it is taken: what it is at a moment
    follows from step, interval and floor. `reserve_nonce` is the secret of the commitment to the
    reserve that is announced with the lot.

    Category, region and tags are the product's when the auction was made; the fee is what the
    platform took then. `stock_reserved`: one of the product's stock stands aside for it.
    """

    __tablename__ = "auction"
    __table_args__ = (
        CheckConstraint(
            "format IN ('ENGLISH', 'SEALED_SECOND_PRICE', 'DUTCH')", name="format_known"
        ),
        CheckConstraint(
            "status IN ('SCHEDULED', 'OPEN', 'SOLD', 'UNSOLD', 'CANCELLED')", name="status_known"
        ),
        CheckConstraint(ASSET_KNOWN, name="asset_known"),
        CheckConstraint("char_length(title) BETWEEN 1 AND 200", name="title_length"),
        CheckConstraint("char_length(description) <= 10000", name="description_length"),
        CheckConstraint("starting_price_minor > 0", name="starting_price_positive"),
        CheckConstraint("reserve_minor >= starting_price_minor", name="reserve_not_below_start"),
        CheckConstraint("buy_now_minor >= starting_price_minor", name="buy_now_not_below_start"),
        CheckConstraint("buy_now_minor >= reserve_minor", name="buy_now_not_below_reserve"),
        CheckConstraint("format = 'ENGLISH' OR buy_now_minor IS NULL", name="buy_now_if_english"),
        CheckConstraint("octet_length(reserve_nonce) = 16", name="reserve_nonce_length"),
        CheckConstraint(
            "num_nonnulls(price_step_minor, step_interval_s, floor_minor)"
            " = CASE format WHEN 'DUTCH' THEN 3 ELSE 0 END",
            name="dutch_terms_if_dutch",
        ),
        CheckConstraint("format <> 'DUTCH' OR reserve_minor IS NULL", name="dutch_has_floor"),
        CheckConstraint("price_step_minor > 0", name="price_step_positive"),
        CheckConstraint("step_interval_s BETWEEN 1 AND 86400", name="step_interval_range"),
        CheckConstraint(
            "floor_minor > 0 AND floor_minor < starting_price_minor", name="floor_below_start"
        ),
        CheckConstraint(
            "current_price_minor >= coalesce(floor_minor, starting_price_minor)",
            name="price_not_below_start",
        ),
        # Who buys at once pays more than anybody's maximum.
        CheckConstraint(
            "leader_maximum_minor >= current_price_minor"
            " OR status = 'SOLD' AND current_price_minor = buy_now_minor",
            name="price_not_above_maximum",
        ),
        CheckConstraint("starts_at < ends_at", name="starts_before_it_ends"),
        CheckConstraint("soft_close_window_s BETWEEN 0 AND 86400", name="soft_close_window_range"),
        CheckConstraint(
            "soft_close_extension_s BETWEEN 0 AND 86400", name="soft_close_extension_range"
        ),
        CheckConstraint("fee_basis_points BETWEEN 0 AND 10000", name="fee_range"),
        CheckConstraint("bid_count >= 0", name="bid_count_not_negative"),
        CheckConstraint(
            "(bid_count = 0) = (leader_id IS NULL)"
            " AND (leader_id IS NULL) = (leader_bid_id IS NULL)"
            " AND (leader_id IS NULL) = (leader_maximum_minor IS NULL)",
            name="leader_if_bids",
        ),
        CheckConstraint("(status = 'SOLD') = (winner_id IS NOT NULL)", name="winner_if_sold"),
        CheckConstraint(
            "(status IN ('SOLD', 'UNSOLD', 'CANCELLED')) = (closed_at IS NOT NULL)",
            name="closed_at_if_closed",
        ),
        Index("ix_auction_ends_at", "ends_at", "id"),
        Index("ix_auction_created_at", "created_at", "id"),
        Index("ix_auction_current_price", "current_price_minor", "id"),
        Index("ix_auction_bid_count", "bid_count", "id"),
        Index("ix_auction_status_ends_at", "status", "ends_at", "id"),
        Index("ix_auction_seller", "seller_id", "created_at", "id"),
        Index("ix_auction_stall", "stall_id", "created_at", "id"),
        Index("ix_auction_product", "product_id"),
        Index("ix_auction_tags", "tags", postgresql_using="gin"),
        Index("ix_auction_to_open", "starts_at", postgresql_where=text("status = 'SCHEDULED'")),
        Index("ix_auction_to_close", "ends_at", postgresql_where=text("status = 'OPEN'")),
    )

    id: UUID = key()
    product_id: UUID = reference("product.id")
    stall_id: UUID = reference("stall.id")
    seller_id: UUID = reference("user_account.id")
    title: str = words()
    description: str = words(default="")
    category: str = words()
    region: str | None = words(nullable=True)
    tags: list[str] = _tags()
    format: str = words(default="ENGLISH")
    asset: str = words()
    starting_price_minor: int = minor_units()
    reserve_minor: int | None = minor_units(nullable=True)
    reserve_nonce: bytes | None = Field(default=None, sa_type=LargeBinary)
    buy_now_minor: int | None = minor_units(nullable=True)
    price_step_minor: int | None = minor_units(nullable=True)
    step_interval_s: int | None = Field(default=None)
    floor_minor: int | None = minor_units(nullable=True)
    increments: list[dict[str, int | None]] | None = json(nullable=True)
    soft_close_window_s: int = Field(default=120)
    soft_close_extension_s: int = Field(default=120)
    fee_basis_points: int = Field(default=250, sa_column_kwargs={"server_default": text("250")})
    stock_reserved: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    starts_at: datetime = moment()
    ends_at: datetime = moment()
    status: str = words(default="SCHEDULED")
    current_price_minor: int = minor_units()
    bid_count: int = Field(default=0)
    leader_id: UUID | None = reference("user_account.id", nullable=True)
    leader_bid_id: UUID | None = Field(default=None)
    leader_maximum_minor: int | None = minor_units(nullable=True)
    runner_up_maximum_minor: int | None = minor_units(nullable=True)
    reserve_met: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    extension_count: int = Field(default=0)
    winner_id: UUID | None = reference("user_account.id", nullable=True)
    opened_at: datetime | None = moment(nullable=True)
    closed_at: datetime | None = moment(nullable=True)
    created_at: datetime = moment(now=True)


class Bid(SQLModel, table=True):
    """An accepted bid. `amount_minor` is what all may see, null while it is sealed; the maximum is
    the bidder's secret. `won`: it is the bid that the lot was sold to.
    `asset` is the auction's, here too so that a bid is read without it.

    `commitment` is SHA-256(nonce ‖ bid id ‖ maximum), published with the bid and opened at the
    end, so that anyone may check the result (auctions.md, What must be shown).
    """

    __tablename__ = "bid"
    __table_args__ = (
        CheckConstraint("sequence >= 1", name="sequence_positive"),
        CheckConstraint(ASSET_KNOWN, name="asset_known"),
        CheckConstraint("amount_minor > 0", name="amount_positive"),
        CheckConstraint("maximum_minor >= amount_minor", name="amount_not_above_maximum"),
        CheckConstraint("octet_length(commitment) = 32", name="commitment_sha256"),
        CheckConstraint("octet_length(nonce) = 16", name="nonce_length"),
        UniqueConstraint("auction_id", "sequence"),
        Index(
            "ix_bid_auction_top",
            "auction_id",
            text("amount_minor DESC"),
            text("won DESC"),
            "sequence",
        ),
        Index("ix_bid_bidder", "bidder_id", "placed_at", "id"),
        Index("ix_bid_auction_bidder", "auction_id", "bidder_id", text("maximum_minor DESC")),
    )

    id: UUID = key()
    auction_id: UUID = reference("auction.id")
    bidder_id: UUID = reference("user_account.id")
    sequence: int
    asset: str = words()
    amount_minor: int | None = minor_units(nullable=True)
    maximum_minor: int = minor_units()
    won: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    nonce: bytes = Field(sa_type=LargeBinary)
    commitment: bytes = Field(sa_type=LargeBinary)
    placed_at: datetime = moment()


class AuctionWatch(SQLModel, table=True):
    """A viewer's wish to hear of an auction."""

    __tablename__ = "auction_watch"
    __table_args__ = (Index("ix_auction_watch_auction", "auction_id"),)

    user_id: UUID = reference("user_account.id", primary_key=True)
    auction_id: UUID = reference("auction.id", primary_key=True)
    created_at: datetime = moment(now=True)
