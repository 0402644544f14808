"""Batched reads of stalls, products, auctions and bids. No reserve, no maximum and no nonce is in
a row here: what is secret is read by loaders that know the viewer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Text, cast, func, select, text
from sqlmodel import col

from core.database import Database
from core.pagination import PageRequest
from loaders.base import Computed, many_by, one_by, page_by, read_page
from loaders.pages import Page, order
from loaders.rows import Money, row_of
from models.auctions import Auction, Bid, Product, Stall
from models.events import EventTopic

TOP_BIDS_MAX = 20


class StallRow(row_of(Stall, "stl")):  # type: ignore[misc]
    """A stall as anyone may see it."""

    __slots__ = ()


class ProductRow(row_of(Product, "prd")):  # type: ignore[misc]
    """A product as anyone may see it."""

    __slots__ = ()

    @property
    def price(self) -> Money | None:
        """The fixed price, if it has one."""
        return None if self.price_minor is None else Money(self.price_minor, self.asset)


# Read in the row's own statement, so in its snapshot: who subscribes after this position misses
# nothing that the row does not show yet. Read later, it could skip an event in between.
_EVENT_SEQUENCE = (
    select(col(EventTopic.head))
    .where(col(EventTopic.topic) == "auction:" + func.replace(cast(Auction.id, Text), "-", ""))
    .correlate(Auction)
    .scalar_subquery()
    .label("event_sequence")
)


class AuctionRow(
    row_of(  # type: ignore[misc]
        Auction,
        "auc",
        without=("reserve_minor", "leader_maximum_minor", "runner_up_maximum_minor"),
        extra=(_EVENT_SEQUENCE,),
    )
):
    """An auction as anyone may see it; `event_sequence` is the last event the row reflects."""

    __slots__ = ()

    @property
    def current_price(self) -> Money:
        """Where bidding stands; the starting price before the first bid."""
        return Money(self.current_price_minor, self.asset)

    @property
    def starting_price(self) -> Money:
        """Where bidding begins."""
        return Money(self.starting_price_minor, self.asset)


class BidRow(row_of(Bid, "bid", without=("maximum_minor", "nonce"))):  # type: ignore[misc]
    """A bid as anyone may see it."""

    __slots__ = ()

    @property
    def amount(self) -> Money:
        """What the bid shows: the price while it leads, else where it was outbid."""
        return Money(self.amount_minor, self.asset)


AUCTION_ORDERS = {
    "ENDING_SOON": order("ending_soon", Auction.ends_at, Auction.id),
    "NEWEST": order("newest", Auction.created_at, Auction.id, descending=True),
    "PRICE": order("price", Auction.current_price_minor, Auction.id),
    "PRICE_DESC": order("price_desc", Auction.current_price_minor, Auction.id, descending=True),
    "MOST_BIDS": order("most_bids", Auction.bid_count, Auction.id, descending=True),
}
NEWEST_BIDS = order("newest_bids", Bid.sequence, Bid.id, descending=True)
OWN_BIDS = order("own_bids", Bid.placed_at, Bid.id, descending=True)
NEWEST_STALLS = order("stalls", Stall.created_at, Stall.id, descending=True)
NEWEST_PRODUCTS = order("products", Product.created_at, Product.id, descending=True)

ACTIVE_STALL = Stall.active.is_(True)  # type: ignore[attr-defined]

stall_by_id = one_by("stall_by_id", StallRow, Stall.id)
product_by_id = one_by("product_by_id", ProductRow, Product.id)
auction_by_id = one_by("auction_by_id", AuctionRow, Auction.id)
bid_by_id = one_by("bid_by_id", BidRow, Bid.id)
stall_by_slug = Computed("stall_by_slug", lambda db, viewer, slugs: _stalls_by_slug(db, slugs))

# By amount falling, then sequence rising: a bid of the leader comes first, and of two equal ones
# the earlier (see `rules.Decision.shown_minor`).
top_bids_by_auction_id = many_by(
    "top_bids_by_auction_id",
    BidRow,
    Bid.auction_id,
    order_by=(Bid.amount_minor.desc(), Bid.sequence),  # type: ignore[attr-defined]
    limit=TOP_BIDS_MAX,
)
bids_by_auction_id = page_by("bids_by_auction_id", BidRow, Bid.auction_id, order=NEWEST_BIDS)
bids_by_bidder_id = page_by("bids_by_bidder_id", BidRow, Bid.bidder_id, order=OWN_BIDS)
auctions_by_seller_id = page_by(
    "auctions_by_seller_id", AuctionRow, Auction.seller_id, order=AUCTION_ORDERS["NEWEST"]
)
auctions_by_stall_id = page_by(
    "auctions_by_stall_id", AuctionRow, Auction.stall_id, order=AUCTION_ORDERS["NEWEST"]
)
auctions_by_product_id = page_by(
    "auctions_by_product_id", AuctionRow, Auction.product_id, order=AUCTION_ORDERS["NEWEST"]
)
products_by_stall_id = page_by(
    "products_by_stall_id", ProductRow, Product.stall_id, order=NEWEST_PRODUCTS
)
stalls_by_owner_id = page_by("stalls_by_owner_id", StallRow, Stall.owner_id, order=NEWEST_STALLS)

viewer_maximum_by_auction_id = Computed(
    "viewer_maximum_by_auction_id",
    lambda db, viewer, keys: _viewer_maxima(db, viewer, keys),
    viewer=True,
)
viewer_watches_auction_id = Computed(
    "viewer_watches_auction_id",
    lambda db, viewer, keys: _viewer_watches(db, viewer, keys),
    viewer=True,
)


async def _stalls_by_slug(db: Database, slugs: Sequence[str]) -> list[StallRow | None]:
    async with db.read() as session:
        found = await session.execute(
            select(*StallRow.__columns__).where(Stall.slug.in_(slugs))  # type: ignore[attr-defined]
        )
        by_slug = {row.slug: StallRow._make(row) for row in found}
    return [by_slug.get(slug) for slug in slugs]


async def _viewer_maxima(
    db: Database, viewer_id: UUID | None, auction_ids: Sequence[UUID]
) -> list[Money | None]:
    """The viewer's own highest maximum on each auction: nobody else's is ever read."""
    if viewer_id is None:
        return [None] * len(auction_ids)
    statement = text(
        "SELECT auction_id, asset, max(maximum_minor) AS maximum FROM bid"
        " WHERE bidder_id = :viewer AND auction_id = ANY(CAST(:keys AS uuid[]))"
        " GROUP BY auction_id, asset"
    )
    async with db.read() as session:
        rows = await session.execute(statement, {"viewer": viewer_id, "keys": list(auction_ids)})
        found = {row.auction_id: Money(row.maximum, row.asset) for row in rows}
    return [found.get(key) for key in auction_ids]


async def _viewer_watches(
    db: Database, viewer_id: UUID | None, auction_ids: Sequence[UUID]
) -> list[bool]:
    if viewer_id is None:
        return [False] * len(auction_ids)
    statement = text(
        "SELECT auction_id FROM auction_watch"
        " WHERE user_id = :viewer AND auction_id = ANY(CAST(:keys AS uuid[]))"
    )
    async with db.read() as session:
        rows = await session.execute(statement, {"viewer": viewer_id, "keys": list(auction_ids)})
        found = set(rows.scalars())
    return [key in found for key in auction_ids]


@dataclass(frozen=True, slots=True)
class AuctionFilter:
    """What `auctions` narrows by; None means any. Prices are in minor units of `asset`."""

    statuses: Sequence[str] | None = None
    category: str | None = None
    region: str | None = None
    tags: Sequence[str] | None = None
    seller_id: UUID | None = None
    asset: str | None = None
    price_from_minor: int | None = None
    price_to_minor: int | None = None
    ends_before: datetime | None = None


async def auctions_page(
    db: Database, wanted: AuctionFilter, ordering: str, request: PageRequest
) -> Page:
    """One page of all auctions under a filter, in one of `AUCTION_ORDERS`."""
    order = AUCTION_ORDERS[ordering]
    return await read_page(db, AuctionRow, order, request, _conditions(wanted))


def _conditions(wanted: AuctionFilter) -> list[ColumnElement[bool]]:
    auction: Any = Auction  # its attributes are columns, which SQLModel's types do not say
    conditions: list[tuple[object, Callable[[Any], ColumnElement[bool]]]] = [
        (wanted.statuses, auction.status.in_),
        (wanted.category, auction.category.__eq__),
        (wanted.region, auction.region.__eq__),
        (wanted.tags, lambda tags: auction.tags.contains(list(tags))),
        (wanted.seller_id, auction.seller_id.__eq__),
        (wanted.asset, auction.asset.__eq__),
        (wanted.price_from_minor, auction.current_price_minor.__ge__),
        (wanted.price_to_minor, auction.current_price_minor.__le__),
        (wanted.ends_before, auction.ends_at.__lt__),
    ]
    return [condition(value) for value, condition in conditions if value is not None]
