"""Root fields that change stalls, products and auctions; what they answer."""

from __future__ import annotations

from typing import Annotated

import strawberry

from resolvers import auctions as resolvers
from schema.auctions.errors import (
    AuctionNotOpen,
    BidTooLow,
    BuyNowGone,
    OutOfStock,
    PriceChanged,
    SellerCannotBid,
    SlugTaken,
)
from schema.auctions.inputs import (
    BuyNowInput,
    CancelAuctionInput,
    CreateAuctionInput,
    CreateProductInput,
    CreateStallInput,
    PlaceBidInput,
    UpdateProductInput,
    WatchAuctionInput,
    auction_terms,
    product_changes,
    product_details,
)
from schema.auctions.types import Auction, Bid, Product, Stall
from schema.common import Forbidden, IdempotencyConflict, InvalidInput, NotFound
from schema.fields import Context, argument, attribute, mutation
from schema.wallets.errors import AccountClosed, AccountFrozen, InsufficientFunds


@strawberry.type(description="The bid was accepted. It may already have been outbid by a maximum.")
class PlaceBidSuccess:
    bid: Bid = attribute("Your bid, as all see it.")
    auction: Auction = attribute("The auction after it.")


@strawberry.type(description="The lot is yours; the auction is closed.")
class BuyNowSuccess:
    auction: Auction = attribute("The auction, SOLD to you.")


@strawberry.type(description="The stall is open, and you are an artisan now.")
class CreateStallSuccess:
    stall: Stall = attribute("The stall. Call `refreshToken`: the new token can sell.")


@strawberry.type(description="The product is listed.")
class CreateProductSuccess:
    product: Product = attribute("The product.")


@strawberry.type(description="The product was changed.")
class UpdateProductSuccess:
    product: Product = attribute("The product as it is now.")


@strawberry.type(description="The auction is made; open, unless it starts later.")
class CreateAuctionSuccess:
    auction: Auction = attribute("The auction.")


@strawberry.type(description="The auction was cancelled; nobody owes anything.")
class CancelAuctionSuccess:
    auction: Auction = attribute("The auction as it is now.")


@strawberry.type(description="Done; saying it twice changes nothing.")
class WatchAuctionSuccess:
    auction: Auction = attribute("The auction; see `viewerWatches`.")


PlaceBidResult = Annotated[
    PlaceBidSuccess
    | BidTooLow
    | AuctionNotOpen
    | SellerCannotBid
    | InsufficientFunds
    | AccountFrozen
    | AccountClosed
    | IdempotencyConflict
    | NotFound
    | InvalidInput,
    strawberry.union("PlaceBidResult", description="What became of a bid."),
]
BuyNowResult = Annotated[
    BuyNowSuccess
    | BuyNowGone
    | PriceChanged
    | AuctionNotOpen
    | SellerCannotBid
    | InsufficientFunds
    | AccountFrozen
    | AccountClosed
    | IdempotencyConflict
    | NotFound
    | InvalidInput,
    strawberry.union("BuyNowResult", description="What became of buying a lot at once."),
]
CreateStallResult = Annotated[
    CreateStallSuccess | SlugTaken | Forbidden | InvalidInput,
    strawberry.union("CreateStallResult", description="What became of a new stall."),
]
CreateProductResult = Annotated[
    CreateProductSuccess | NotFound | Forbidden | InvalidInput,
    strawberry.union("CreateProductResult", description="What became of a new product."),
]
UpdateProductResult = Annotated[
    UpdateProductSuccess | NotFound | Forbidden | InvalidInput,
    strawberry.union("UpdateProductResult", description="What became of a product's changes."),
]
CreateAuctionResult = Annotated[
    CreateAuctionSuccess | OutOfStock | NotFound | Forbidden | InvalidInput,
    strawberry.union("CreateAuctionResult", description="What became of a new auction."),
]
CancelAuctionResult = Annotated[
    CancelAuctionSuccess | AuctionNotOpen | NotFound | Forbidden,
    strawberry.union("CancelAuctionResult", description="What became of a cancellation."),
]
WatchAuctionResult = Annotated[
    WatchAuctionSuccess | NotFound,
    strawberry.union("WatchAuctionResult", description="What became of the wish to watch."),
]


@strawberry.type
class AuctionMutation:
    @mutation("Bid up to a maximum; take a Dutch lot at its price.", scopes=["bid:place"])
    async def place_bid(
        self, info: Context, input: Annotated[PlaceBidInput, argument("On what, and how much.")]
    ) -> PlaceBidResult:
        bid, auction = await resolvers.place_bid(
            info.context, input.auction_id, input.maximum, input.idempotency_key
        )
        return PlaceBidSuccess(bid=bid, auction=auction)

    @mutation("Have a lot at once, at its buy-now price: the auction closes.", scopes=["bid:place"])
    async def buy_now(
        self, info: Context, input: Annotated[BuyNowInput, argument("What, and at which price.")]
    ) -> BuyNowResult:
        return BuyNowSuccess(
            auction=await resolvers.buy_now(
                info.context, input.auction_id, input.price, input.idempotency_key
            )
        )

    @mutation("Open a stall: it makes you an artisan, who may sell.", authenticated=True)
    async def create_stall(
        self, info: Context, input: Annotated[CreateStallInput, argument("The stall.")]
    ) -> CreateStallResult:
        stall = await resolvers.create_stall(
            info.context,
            name=input.name,
            description=input.description,
            slug=input.slug,
            theme=input.theme,
        )
        return CreateStallSuccess(stall=stall)

    @mutation("List a product in your stall.", scopes=["auction:sell"])
    async def create_product(
        self, info: Context, input: Annotated[CreateProductInput, argument("The product.")]
    ) -> CreateProductResult:
        details = product_details(input)
        return CreateProductSuccess(
            product=await resolvers.create_product(info.context, input.stall_id, details)
        )

    @mutation("Change a product of your stall; what is not given stays.", scopes=["auction:sell"])
    async def update_product(
        self, info: Context, input: Annotated[UpdateProductInput, argument("The changes.")]
    ) -> UpdateProductResult:
        changes = product_changes(input)
        return UpdateProductSuccess(
            product=await resolvers.update_product(info.context, input.product_id, changes)
        )

    @mutation("Put a product of your stall up for auction.", scopes=["auction:sell"])
    async def create_auction(
        self, info: Context, input: Annotated[CreateAuctionInput, argument("The terms.")]
    ) -> CreateAuctionResult:
        terms = auction_terms(input)
        return CreateAuctionSuccess(
            auction=await resolvers.create_auction(info.context, input.product_id, terms)
        )

    @mutation(
        "Take an auction back: its seller before the first bid, a moderator at any time.",
        authenticated=True,
    )
    async def cancel_auction(
        self,
        info: Context,
        input: Annotated[CancelAuctionInput, argument("Which auction.")],
    ) -> CancelAuctionResult:
        return CancelAuctionSuccess(
            auction=await resolvers.cancel_auction(info.context, input.auction_id)
        )

    @mutation("Begin to watch an auction.", authenticated=True)
    async def watch_auction(
        self, info: Context, input: Annotated[WatchAuctionInput, argument("Which auction.")]
    ) -> WatchAuctionResult:
        return WatchAuctionSuccess(
            auction=await resolvers.watch_auction(
                info.context, input.auction_id, watching=input.watching
            )
        )
