"""Stalls, products, auctions and bids as clients see them, and what auctions add to a user."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, cast

import strawberry

from core.clock import utc_now
from core.reads import by_rows
from loaders import auctions as loaders
from loaders import users as user_loaders
from loaders.auctions import AuctionRow, BidRow, OpeningRow, ProductRow, StallRow
from resolvers.auctions import bid_opening, own_bids
from schema.auctions import prices
from schema.auctions.downloads import DownloadProductFields
from schema.auctions.orders import OrderAuctionFields, OrderStallFields, OrderUserFields
from schema.auctions.prices import DutchRow
from schema.common import Connection, Money, Node
from schema.fields import (
    After,
    Before,
    Context,
    First,
    Last,
    attribute,
    bounded,
    connected,
    loaded,
    loaded_first,
    page_size,
    resolved,
)
from schema.rows import found_by, shows
from schema.scalars import JSON, URL, AssetCode, Cursor
from services.auctions.stalls import MAX_IMAGES, MAX_TAGS
from services.auctions.state import auction_topic
from subscriptions.cursors import encode_cursor

if TYPE_CHECKING:
    from schema.users.types import User

LazyUser = Annotated["User", strawberry.lazy("schema.users.types")]


@strawberry.enum(description="Where an auction is in its life.")
class AuctionStatus(Enum):
    SCHEDULED = strawberry.enum_value("SCHEDULED", description="It opens at `startsAt`.")
    OPEN = strawberry.enum_value("OPEN", description="It takes bids until `endsAt`.")
    SOLD = strawberry.enum_value("SOLD", description="It ended, and the leader won.")
    UNSOLD = strawberry.enum_value(
        "UNSOLD", description="It ended without a bid, or below its reserve."
    )
    CANCELLED = strawberry.enum_value(
        "CANCELLED", description="The seller or a moderator took it back."
    )


@strawberry.enum(description="How bids make a price.")
class AuctionFormat(Enum):
    ENGLISH = strawberry.enum_value(
        "ENGLISH",
        description="Bidders give a secret maximum; the system bids for them, as little as wins.",
    )
    SEALED_SECOND_PRICE = strawberry.enum_value(
        "SEALED_SECOND_PRICE",
        description="Nobody sees an amount before the end. The highest maximum wins and pays the "
        "second-highest, at least the reserve (Vickrey).",
    )
    DUTCH = strawberry.enum_value(
        "DUTCH",
        description="The price falls by a step each interval; the first taker has it at the price "
        "of that moment.",
    )


@strawberry.enum(description="What kind of thing is sold.")
class ProductKind(Enum):
    PHYSICAL = strawberry.enum_value("PHYSICAL", description="Sent to the buyer.")
    DIGITAL = strawberry.enum_value("DIGITAL", description="Downloaded by the buyer.")


@strawberry.federation.type(keys=["id"], description="A maker's shop front, public at its slug.")
@shows(StallRow)
@found_by(loaders.stall_by_id, "stl", shown_as="Stall")
class Stall(OrderStallFields, Node):
    name: str = attribute("What the stall is called.")
    description: str = attribute("What the maker says of it.")
    slug: str = attribute("Its place in the public address: a-z, 0-9 and hyphens.")
    theme: JSON = attribute("Colours and the like, as the maker's client stored them.")
    active: bool = attribute("Whether it takes part in trade.")
    created_at: datetime = attribute("When it opened.")
    owner: LazyUser = loaded(
        user_loaders.user_by_id, key="owner_id", description="Whose stall it is."
    )
    products: Connection[Annotated[Product, strawberry.lazy("schema.auctions.types")]] = connected(
        loaders.products_by_stall_id, key="id", description="What it lists, newest first."
    )
    auctions: Connection[Annotated[Auction, strawberry.lazy("schema.auctions.types")]] = connected(
        loaders.auctions_by_stall_id, key="id", description="Its auctions, newest first."
    )


@strawberry.federation.type(keys=["id"], description="A thing that a stall sells.")
@shows(ProductRow)
@found_by(loaders.product_by_id, "prd", shown_as="Product")
class Product(DownloadProductFields, Node):
    kind: ProductKind = attribute("Sent or downloaded.")
    name: str = attribute("What it is.")
    description: str = attribute("What the maker says of it.")
    story: str = attribute("How it came to be.")
    category: str = attribute("Where it belongs: `Pottery`, `Weaving` …")
    region: str | None = attribute("Where its craft is from: ISO 3166-1, as `FR`.")
    tags: list[str] = attribute("Words to find it by.", list_size=bounded(MAX_TAGS))
    image_urls: list[URL] = attribute("Its pictures.", list_size=bounded(MAX_IMAGES))
    asset: AssetCode = attribute("What it is priced in.")
    price: Money | None = attribute("Its fixed price, if it has one.")
    inventory_count: int = attribute("How many are there.")
    created_at: datetime = attribute("When it was listed.")
    deleted_at: datetime | None = attribute(
        "When its seller took it out of the stall; null while it is listed."
    )
    stall: Stall = loaded(loaders.stall_by_id, key="stall_id", description="Whose it is.")
    auctions: Connection[Annotated[Auction, strawberry.lazy("schema.auctions.types")]] = connected(
        loaders.auctions_by_product_id, key="id", description="Its auctions, newest first."
    )


@strawberry.type(description="What a bid's commitment was made of; anyone can compute it again.")
@shows(OpeningRow)
class BidOpening:
    maximum: Money = attribute("The bidder's maximum: the most they would have paid.")

    @resolved("The 16 secret bytes before the bid's id and the maximum, in hex.")
    def nonce(root: strawberry.Parent[Any]) -> str:
        return str(root.nonce.hex())


@strawberry.type(description="How the price of a Dutch auction falls.")
@shows(DutchRow)
class DutchTerms:
    price_step: Money = attribute("By how much it falls each time.")
    step_interval_s: int = attribute(
        "Seconds from one fall to the next.", name="stepIntervalSeconds"
    )
    floor: Money = attribute("Where it stops to fall.")
    next_price_at: datetime | None = attribute(
        "When it falls next, by the server's clock; null at the floor or when it is over."
    )


@strawberry.federation.type(keys=["id"], description="An accepted bid.")
@shows(BidRow)
@found_by(loaders.bid_by_id, "bid", shown_as="Bid")
class Bid(Node):
    sequence: int = attribute("1 for the auction's first accepted bid, and so on without a gap.")
    amount: Money | None = attribute(
        "What the bid shows: the price while it leads, else where it was outbid. The bidder's "
        "maximum stays secret. Null in a sealed auction until it closes."
    )
    placed_at: datetime = attribute("When the auction took it, by the server's clock.")
    bidder: LazyUser = loaded(
        user_loaders.user_by_id, key="bidder_id", description="Whose bid it is."
    )
    auction: Annotated[Auction, strawberry.lazy("schema.auctions.types")] = loaded(
        loaders.auction_by_id, key="auction_id", description="What was bid on."
    )

    @resolved(
        "SHA-256 over a secret nonce, the bid's id and its maximum, in hex: binds the maximum "
        "now, so that it can be checked when the auction is over."
    )
    def commitment(root: strawberry.Parent[Any]) -> str:
        return str(root.commitment.hex())

    @resolved(
        "What the commitment was made of, once the auction is SOLD or UNSOLD: everyone's to see "
        "of who lost; of the winner, what goes beyond the price is told to themselves and to "
        "moderators alone.",
        viewer=True,
    )
    async def opening(root: strawberry.Parent[Any], info: Context) -> BidOpening | None:
        return await bid_opening(info.context, root.id)


@strawberry.federation.type(keys=["id"], description="A lot and its bidding.")
@shows(AuctionRow)
@found_by(loaders.auction_by_id, "auc", shown_as="Auction")
class Auction(OrderAuctionFields, Node):
    title: str = attribute("What is sold, in a line.")
    description: str = attribute("What the seller says of it.")
    category: str = attribute("The product's category when the auction was made.")
    region: str | None = attribute("The product's region when the auction was made.")
    tags: list[str] = attribute("The product's tags then.", list_size=bounded(MAX_TAGS))
    format: AuctionFormat = attribute("How bids make the price.")
    status: AuctionStatus = attribute("Where it is in its life.")
    asset: AssetCode = attribute("What is bid in.")
    starting_price: Money = attribute("Where bidding begins.")
    bid_count: int = attribute(
        "How many bids were accepted; the last one's sequence. Of sealed bids too."
    )
    reserve_met: bool = attribute(
        "Whether the seller's secret reserve is reached; true where there is none. In a sealed "
        "auction with a reserve, false until it closes."
    )
    starts_at: datetime = attribute("When it opens.")
    ends_at: datetime = attribute(
        "When it closes, as it stands: a bid in the last moments moves it on (soft close)."
    )
    created_at: datetime = attribute("When it was made.")
    closed_at: datetime | None = attribute("When it was closed; null until then.")
    soft_close_window_s: int = attribute(
        "A bid in this many last seconds extends the auction; 0 switches that off.",
        name="softCloseWindowSeconds",
    )
    soft_close_extension_s: int = attribute(
        "Seconds that such a bid leaves for an answer.", name="softCloseExtensionSeconds"
    )
    seller: LazyUser = loaded(user_loaders.user_by_id, key="seller_id", description="Who sells.")
    winner: LazyUser | None = loaded(
        user_loaders.user_by_id, key="winner_id", description="Who won; null unless SOLD."
    )
    product: Product = loaded(loaders.product_by_id, key="product_id", description="What is sold.")
    stall: Stall = loaded(loaders.stall_by_id, key="stall_id", description="Where it is sold.")
    top_bids: list[Bid] = loaded_first(
        loaders.top_bids_by_auction_id,
        key="id",
        default=3,
        description="The highest bids, the leader's first; of equal ones, the earlier. None in a "
        "sealed auction until it closes.",
    )
    bids: Connection[Bid] = connected(
        loaders.bids_by_auction_id,
        key="id",
        description="All accepted bids, newest first; in a sealed auction only your own until it "
        "closes.",
        viewer=True,
    )
    viewer_maximum: Money | None = loaded(
        loaders.viewer_maximum_by_auction_id,
        key="id",
        description="Your own highest maximum here, told to you alone; null without one.",
        viewer=True,
    )
    viewer_watches: bool = loaded(
        loaders.viewer_watches_auction_id,
        key="id",
        description="Whether you watch this auction.",
        viewer=True,
    )

    @resolved(
        "Where bidding stands; the starting price before any bid, and in a sealed auction until "
        "it closes. Of a Dutch auction, the price of this moment.",
        cost=0,
    )
    @by_rows(prices.current_prices)
    def current_price(root: strawberry.Parent[Any]) -> Money:
        return cast(Money, prices.current_price(root))

    @resolved("The least maximum a newcomer may offer now.")
    def minimum_bid(root: strawberry.Parent[Any]) -> Money:
        return cast(Money, prices.minimum_bid(root))

    @resolved(
        "What `buyNow` costs, while it is offered: until a bid reaches the reserve, or, without a "
        "reserve, until the first bid. Null when it is gone, or never was.",
        cost=0,
    )
    def buy_now_price(root: strawberry.Parent[Any]) -> Money | None:
        return cast(Money | None, prices.buy_now_price(root))

    @resolved("How a DUTCH auction's price falls; null for others.", cost=0)
    def dutch(root: strawberry.Parent[Any]) -> DutchTerms | None:
        return cast(DutchTerms | None, prices.dutch_terms(root))

    @resolved(
        "Whether you lead the bidding; false in a sealed auction until it closes.", viewer=True
    )
    def viewer_is_leading(root: strawberry.Parent[Any], info: Context) -> bool:
        if prices.is_sealed(root):
            return False
        return root.leader_id is not None and root.leader_id == info.context.viewer_id

    @resolved("Whole seconds until it ends, by the server's clock; 0 when it is over.")
    def time_left(root: strawberry.Parent[Any]) -> int:
        if root.closed_at is not None:
            return 0
        return max(0, int((root.ends_at - utc_now()).total_seconds()))

    @resolved(
        "The last event that these fields reflect. Subscribe with it as `after`, and nothing is "
        "missed between this query and the subscription."
    )
    def event_cursor(root: strawberry.Parent[Any]) -> Cursor:
        return Cursor(encode_cursor(auction_topic(root.id), root.event_sequence or 0))


@strawberry.type
class AuctionUserFields(OrderUserFields):
    """What auctions add to a user."""

    stalls: Connection[Stall] = connected(
        loaders.stalls_by_owner_id, key="id", description="Stalls they own, newest first."
    )
    auctions: Connection[Auction] = connected(
        loaders.auctions_by_seller_id, key="id", description="What they sell, newest first."
    )

    @resolved(
        "Your own bids, newest first; null for anyone but yourself.",
        viewer=True,
        list_size=page_size(),
    )
    async def bids(
        root: strawberry.Parent[Any],
        info: Context,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Bid] | None:
        return await own_bids(info.context, root.id, first, after, last, before)
