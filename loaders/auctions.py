"""Batched reads of stalls, products, auctions and bids. No reserve, no maximum and no nonce is in
a row here: what is secret is read by loaders that know the viewer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, DateTime, Text, case, cast, func, or_, select, text
from sqlmodel import col

from core.database import Database
from core.pagination import PageRequest
from core.reads import by_rows
from loaders.base import Computed, many_by, one_by, page_by, read_page
from loaders.beside import WHOLE, Shown
from loaders.pages import Page, order
from loaders.rows import Money, moneys, moneys_or_null, row_of
from models.auctions import Auction, Bid, Product, Stall
from models.events import EventTopic

TOP_BIDS_MAX = 20


# Read in the row's own statement, so in its snapshot: who subscribes after this position misses
# nothing that the row does not show yet.
_STALL_SEQUENCE = (
    select(col(EventTopic.head))
    .where(col(EventTopic.topic) == "stall:" + func.replace(cast(Stall.id, Text), "-", ""))
    .correlate(Stall)
    .scalar_subquery()
    .label("event_sequence")
)


class StallRow(row_of(Stall, "stl", extra=(_STALL_SEQUENCE,))):  # type: ignore[misc]
    """A stall as anyone may see it; `event_sequence` is the last event the row reflects."""

    __slots__ = ()


class ProductRow(row_of(Product, "prd")):  # type: ignore[misc]
    """A product as anyone may see it."""

    __slots__ = ()

    @property
    @by_rows(moneys_or_null("price_minor"))
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


def _of_dutch(name: str, moment: Any) -> Any:
    """A moment in Dutch lots' rows: a moment is the dearest of columns to read, and of other lots
    nobody looks at these."""
    return case((col(Auction.format) == "DUTCH", moment)).label(name)


# The database's clock: by it a Dutch lot's price is told, as by it the price is taken. One moment
# for all that a statement reads, so that what follows from it agrees.
_NOW = func.statement_timestamp(type_=DateTime(timezone=True))
_DUTCH = (
    _of_dutch("read_at", _NOW),
    _of_dutch("falls_from", col(Auction.starts_at)),
    _of_dutch(
        "priced_at",
        func.least(func.coalesce(col(Auction.closed_at), _NOW), col(Auction.ends_at)),
    ),
)

_SECRET = ("reserve_minor", "reserve_nonce", "leader_maximum_minor", "runner_up_maximum_minor")


class AuctionRow(
    row_of(Auction, "auc", without=_SECRET, extra=(_EVENT_SEQUENCE, *_DUTCH))  # type: ignore[misc]
):
    """An auction as anyone may see it; `event_sequence` is the last event the row reflects,
    `read_at` when a Dutch one was read, and `priced_at` the moment that its price is of."""

    __slots__ = ()

    @property
    @by_rows(moneys("starting_price_minor"))
    def starting_price(self) -> Money:
        """Where bidding begins."""
        return Money(self.starting_price_minor, self.asset)


class BidRow(row_of(Bid, "bid", without=("maximum_minor", "nonce", "won"))):  # type: ignore[misc]
    """A bid as anyone may see it."""

    __slots__ = ()

    @property
    @by_rows(moneys_or_null("amount_minor"))
    def amount(self) -> Money | None:
        """What the bid shows: the price while it leads, else where it was outbid. None while it is
        sealed."""
        return None if self.amount_minor is None else Money(self.amount_minor, self.asset)


class OpeningRow(NamedTuple):
    """What a bid's commitment was made of."""

    nonce: bytes
    maximum: Money


def bid_visible(viewer_id: UUID | None) -> ColumnElement[bool]:
    """A sealed bid is its bidder's alone until it shows an amount."""
    shown: ColumnElement[bool] = col(Bid.amount_minor).is_not(None)
    return shown if viewer_id is None else or_(shown, col(Bid.bidder_id) == viewer_id)


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

NOT_DELETED = col(Product.deleted_at).is_(None)

stall_by_id = one_by("stall_by_id", StallRow, Stall.id)
product_by_id = one_by("product_by_id", ProductRow, Product.id)
listed_product_by_id = one_by("listed_product_by_id", ProductRow, Product.id, where=NOT_DELETED)
auction_by_id = one_by("auction_by_id", AuctionRow, Auction.id)
bid_by_id = one_by("bid_by_id", BidRow, Bid.id, visible=bid_visible)
stall_by_slug = Computed("stall_by_slug", lambda db, viewer, slugs: _stalls_by_slug(db, slugs))

# By amount falling, then sequence rising: a bid of the leader comes first, and of two equal ones
# the earlier (see `lots.Decision.shown_minor`). Of equal sealed ones, once open, the winning one.
# Sealed bids are no viewer's here, not even one's own: their order would tell something.
top_bids_by_auction_id = many_by(
    "top_bids_by_auction_id",
    BidRow,
    Bid.auction_id,
    order_by=(col(Bid.amount_minor).desc(), col(Bid.won).desc(), Bid.sequence),
    limit=TOP_BIDS_MAX,
    where=col(Bid.amount_minor).is_not(None),
)
bids_by_auction_id = page_by(
    "bids_by_auction_id", BidRow, Bid.auction_id, order=NEWEST_BIDS, visible=bid_visible
)
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
    "products_by_stall_id",
    ProductRow,
    Product.stall_id,
    order=NEWEST_PRODUCTS,
    where=NOT_DELETED,
)
stalls_by_owner_id = page_by("stalls_by_owner_id", StallRow, Stall.owner_id, order=NEWEST_STALLS)

viewer_maximum_by_auction_id = Computed(
    "viewer_maximum_by_auction_id",
    lambda db, viewer, keys: _viewer_maxima(db, viewer, keys),
    viewer=True,
)
opening_by_bid_id = Computed(
    "opening_by_bid_id",
    lambda db, viewer, keys: _openings(db, viewer, keys, every=False),
    viewer=True,
)
moderator_opening_by_bid_id = Computed(
    "moderator_opening_by_bid_id",
    lambda db, viewer, keys: _openings(db, viewer, keys, every=True),
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


async def _openings(
    db: Database, viewer_id: UUID | None, bid_ids: Sequence[UUID], *, every: bool
) -> list[OpeningRow | None]:
    """What the viewer may know of bids on lots that have a result: as `openings.is_opened` says,
    and all of their own; `every` one for moderators."""
    statement = text(
        "SELECT b.id, b.nonce, b.maximum_minor, b.asset FROM bid AS b"
        " JOIN auction AS a ON a.id = b.auction_id"
        " WHERE b.id = ANY(CAST(:keys AS uuid[])) AND a.status IN ('SOLD', 'UNSOLD')"
        " AND (:every OR b.bidder_id = CAST(:viewer AS uuid)"
        " OR b.bidder_id IS DISTINCT FROM a.winner_id OR b.maximum_minor <= a.current_price_minor)"
    )
    asked = {"viewer": viewer_id, "keys": list(bid_ids), "every": every}
    async with db.read() as session:
        rows = await session.execute(statement, asked)
        found = {r.id: OpeningRow(r.nonce, Money(r.maximum_minor, r.asset)) for r in rows}
    return [found.get(key) for key in bid_ids]


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
    db: Database,
    wanted: AuctionFilter,
    ordering: str,
    request: PageRequest,
    shown: Shown = WHOLE,
) -> Page:
    """One page of all auctions under a filter, in one of `AUCTION_ORDERS`, with what is shown of
    them."""
    order = AUCTION_ORDERS[ordering]
    return await read_page(db, AuctionRow, order, request, _conditions(wanted), shown)


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
