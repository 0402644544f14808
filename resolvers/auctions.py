"""From a field of auctions to one unit of work: the viewer, checked input, a service."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

from core.errors import BadUserInput, NotFound
from core.ids import decode_id
from core.money import to_minor
from core.pagination import PageRequest
from loaders import auctions as loaders
from loaders.auctions import AuctionFilter, AuctionRow, BidRow
from resolvers.context import OperationContext
from resolvers.following import follow
from services.auctions import closing, selling, stalls
from services.auctions.bidding import PlacedBid, bid_request
from services.auctions.buying import buy_auction_now, buy_request
from services.auctions.increments import IncrementSchedule
from services.auctions.stalls import ProductDetails
from subscriptions.auctions import auction_changes, bids_placed
from subscriptions.feeds import Feed
from subscriptions.log import LogEvent

MODERATOR_SCOPE = "post:delete"


def public_key(public_id: str, prefix: str) -> UUID | None:
    """The key a query's id names, or None: what cannot exist is answered like what does not."""
    try:
        return decode_id(public_id, prefix)
    except BadUserInput:
        return None


def named_key(public_id: str, prefix: str, what: str) -> UUID:
    """The key a mutation's id names. Raises `NotFound(what)` for a malformed one."""
    key = public_key(public_id, prefix)
    if key is None:
        raise NotFound(what)
    return key


async def find(
    context: OperationContext,
    loader: Any,
    public_id: str,
    prefix: str,
    shown_as: str | None = None,
) -> Any:
    """The row a query's id names, or None; of one that is only shown, as that type, what is shown
    of it."""
    key = public_key(public_id, prefix)
    return None if key is None else await context.loaders.show(loader, key, shown_as)


async def stall_at(context: OperationContext, slug: str) -> Any:
    """The stall at a public address, or None. What no stall could have is not looked for: some of
    it (NUL) the database would not even take."""
    if not stalls.is_slug(slug):
        return None
    return await context.loaders.load(loaders.stall_by_slug, slug)


async def auctions(
    context: OperationContext, wanted: AuctionFilter, ordering: str, request: PageRequest
) -> Any:
    """A page of auctions; the rows are remembered for `node` and references."""
    shown = context.loaders.shown(AuctionRow, "Auction", loaders.AUCTION_ORDERS[ordering])
    page = await loaders.auctions_page(context.server.db, wanted, ordering, request, shown)
    context.loaders.prime_shown(loaders.auction_by_id, page.nodes, "Auction")
    return page


async def own_bids(context: OperationContext, user_id: UUID, *page: Any) -> Any:
    """A page of the viewer's own bids; None for anyone else's."""
    if user_id != context.viewer_id:
        return None
    loader = loaders.bids_by_bidder_id
    request = context.page_request(loader.order, *page)
    return await context.loaders.load(loader, (user_id, request))


async def place_bid(
    context: OperationContext, auction_id: str, maximum: Decimal, idempotency_key: str
) -> tuple[BidRow, AuctionRow]:
    """Bid for the viewer, through the lot's queue; the bid, and the auction after it. Raises the
    refusals of `place_bids`."""
    viewer = context.signed_in()
    key = named_key(auction_id, "auc", "auction")
    asset = await context.server.bids.asset_of(key)
    request = bid_request(
        auction_id=key,
        bidder_id=viewer.user_id,
        maximum_minor=to_minor(maximum, asset, field="maximum"),
        idempotency_key=idempotency_key,
    )
    placed = await context.server.bids.place(request)
    context.read_with(placed.shared)  # after the bid, and once for all that were taken with it
    return bid_row(placed), await context.loaders.load(loaders.auction_by_id, key)


async def buy_now(
    context: OperationContext, auction_id: str, price: Decimal, idempotency_key: str
) -> AuctionRow:
    """Buy a lot at once for the viewer; the auction after it. Raises the refusals of
    `buy_auction_now`."""
    viewer = context.signed_in()
    key = named_key(auction_id, "auc", "auction")
    auction: AuctionRow | None = await context.loaders.load(loaders.auction_by_id, key)
    if auction is None:
        raise NotFound("auction")
    request = buy_request(
        auction_id=key,
        buyer_id=viewer.user_id,
        price_minor=to_minor(price, auction.asset, field="price"),
        idempotency_key=idempotency_key,
    )
    await context.transact(partial(buy_auction_now, request=request))
    context.forget()  # what was read before is out of date
    bought: AuctionRow = await context.loaders.load(loaders.auction_by_id, key)
    return bought


async def bid_opening(context: OperationContext, bid_id: UUID) -> Any:
    """What the viewer may know of a bid's maximum: see the loaders."""
    moderates = context.viewer is not None and context.viewer.has(MODERATOR_SCOPE)
    loader = loaders.moderator_opening_by_bid_id if moderates else loaders.opening_by_bid_id
    return await context.loaders.load(loader, bid_id)


def bid_row(placed: PlacedBid) -> BidRow:
    """A bid just placed, as the loaders would read it: no second read is needed."""
    return BidRow(
        id=placed.id,
        auction_id=placed.auction_id,
        bidder_id=placed.bidder_id,
        sequence=placed.sequence,
        asset=placed.asset,
        amount_minor=placed.amount_minor,
        commitment=placed.commitment,
        placed_at=placed.placed_at,
    )


async def create_stall(context: OperationContext, **fields: Any) -> Any:
    """Open a stall for the viewer; the row."""
    viewer = context.signed_in()
    stall_id = await context.transact(
        partial(stalls.create_stall, owner_id=viewer.user_id, **fields)
    )
    return await context.loaders.load(loaders.stall_by_id, stall_id)


async def create_product(context: OperationContext, stall_id: str, details: ProductDetails) -> Any:
    """List a product in the viewer's stall; the row."""
    viewer = context.signed_in()
    product_id = await context.transact(
        partial(
            stalls.create_product,
            viewer_id=viewer.user_id,
            stall_id=named_key(stall_id, "stl", "stall"),
            details=details,
        )
    )
    return await context.loaders.load(loaders.product_by_id, product_id)


async def update_product(
    context: OperationContext, product_id: str, changes: Mapping[str, Any]
) -> Any:
    """Change the given fields of a product of the viewer's stall, its `price` in whole units; the
    row."""
    viewer = context.signed_in()
    key = named_key(product_id, "prd", "product")
    given = dict(changes)
    if "price" in given:
        given["price_minor"] = await _price_minor(context, key, given.pop("price"))
    await context.transact(
        partial(stalls.update_product, viewer_id=viewer.user_id, product_id=key, changes=given)
    )
    return await context.loaders.load(loaders.product_by_id, key)


async def _price_minor(
    context: OperationContext, product_id: UUID, price: Decimal | None
) -> int | None:
    """A price in minor units of the product's asset."""
    if price is None:
        return None
    product = await context.loaders.load(loaders.product_by_id, product_id)
    if product is None:
        raise NotFound("product")
    context.forget()  # the row is about to change
    return to_minor(price, product.asset, field="price")


@dataclass(frozen=True, slots=True)
class AuctionTerms:
    """A seller's terms as they come in, amounts in whole units of the product's asset."""

    starting_price: Decimal
    ends_at: datetime
    starts_at: datetime | None
    reserve: Decimal | None
    increments: list[tuple[Decimal | None, Decimal]] | None
    soft_close_window_s: int | None
    soft_close_extension_s: int | None
    title: str | None
    description: str | None
    format: str
    buy_now: Decimal | None
    dutch: tuple[Decimal, int, Decimal] | None


async def create_auction(context: OperationContext, product_id: str, terms: AuctionTerms) -> Any:
    """Put a product of the viewer's stall up for auction; the row."""
    viewer = context.signed_in()
    key = named_key(product_id, "prd", "product")
    product = await context.loaders.load(loaders.product_by_id, key)
    if product is None:
        raise NotFound("product")
    auction_id = await context.transact(
        partial(
            selling.create_auction,
            viewer_id=viewer.user_id,
            product_id=key,
            terms=_terms(terms, product.asset),
        )
    )
    return await context.loaders.load(loaders.auction_by_id, auction_id)


def _terms(terms: AuctionTerms, asset: str) -> selling.Terms:
    reserve = terms.reserve
    return selling.Terms(
        starting_price_minor=to_minor(terms.starting_price, asset, field="startingPrice"),
        ends_at=terms.ends_at,
        starts_at=terms.starts_at,
        reserve_minor=None if reserve is None else to_minor(reserve, asset, field="reserve"),
        increments=None if terms.increments is None else _schedule(terms.increments, asset),
        soft_close_window_s=terms.soft_close_window_s,
        soft_close_extension_s=terms.soft_close_extension_s,
        title=terms.title,
        description=terms.description,
        format=terms.format,
        buy_now_minor=(
            None if terms.buy_now is None else to_minor(terms.buy_now, asset, field="buyNow")
        ),
        dutch=None if terms.dutch is None else _dutch(*terms.dutch, asset),
    )


def _dutch(step: Decimal, interval_s: int, floor: Decimal, asset: str) -> selling.DutchTerms:
    return selling.DutchTerms(
        price_step_minor=to_minor(step, asset, field="dutch.priceStep"),
        step_interval_s=interval_s,
        floor_minor=to_minor(floor, asset, field="dutch.floor"),
    )


def _schedule(steps: list[tuple[Decimal | None, Decimal]], asset: str) -> IncrementSchedule:
    return selling.increment_schedule(
        [
            (
                None if below is None else to_minor(below, asset, field="increments"),
                to_minor(increment, asset, field="increments"),
            )
            for below, increment in steps
        ]
    )


async def cancel_auction(context: OperationContext, auction_id: str) -> Any:
    """Cancel the viewer's auction before its first bid, or any as a moderator; the row."""
    viewer = context.signed_in()
    key = named_key(auction_id, "auc", "auction")
    await context.transact(
        partial(
            closing.cancel_auction,
            auction_id=key,
            viewer_id=viewer.user_id,
            is_moderator=viewer.has(MODERATOR_SCOPE),
        )
    )
    return await context.loaders.load(loaders.auction_by_id, key)


async def watch_auction(context: OperationContext, auction_id: str, *, watching: bool) -> Any:
    """Begin or stop to watch; the auction's row."""
    viewer = context.signed_in()
    key = named_key(auction_id, "auc", "auction")
    await context.transact(
        partial(selling.watch_auction, viewer_id=viewer.user_id, auction_id=key, watching=watching)
    )
    return await context.loaders.load(loaders.auction_by_id, key)


def watch_bids(
    context: OperationContext, auction_id: str, after: str | None
) -> AsyncGenerator[LogEvent, None]:
    """Accepted bids from a cursor on, of sealed ones the viewer's own."""
    return _watched(context, auction_id, after, bids_placed)


def watch_changes(
    context: OperationContext, auction_id: str, after: str | None
) -> AsyncGenerator[LogEvent, None]:
    """Changes of an auction from a cursor on."""
    return _watched(context, auction_id, after, auction_changes)


def _watched(
    context: OperationContext, auction_id: str, after: str | None, feed_of: Callable[[UUID], Feed]
) -> AsyncGenerator[LogEvent, None]:
    """A feed of an auction; the subscriber counts among those who look at it."""

    async def find() -> Feed:
        return feed_of(await _existing(context, auction_id))

    def looking(feed: Feed) -> AbstractContextManager[None]:
        key = UUID(hex=feed.topic.partition(":")[2])
        return context.server.live.viewing.looking(key, context.socket)

    return follow(context, after, find, meanwhile=looking)


async def _existing(context: OperationContext, auction_id: str) -> UUID:
    auction = await find(context, loaders.auction_by_id, auction_id, "auc")
    if auction is None:
        raise BadUserInput("there is no such auction to subscribe to")
    key: UUID = auction.id
    return key
