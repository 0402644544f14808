"""The inputs of the auctions' fields, and what they become for the resolvers."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Any

import strawberry

from core.errors import BadUserInput
from core.ids import decode_id
from core.money import to_minor
from loaders.auctions import AuctionFilter
from resolvers.auctions import AuctionTerms
from schema.auctions.types import AuctionFormat, AuctionStatus, ProductKind
from schema.scalars import JSON, URL, AssetCode, code_of
from services.auctions.stalls import ProductDetails

MAX_STEPS = 33


def described(description: str, **options: Any) -> Any:
    """An input field with its description; `default` makes it optional."""
    return strawberry.field(description=description, **options)


@strawberry.enum(description="In which order auctions come.")
class AuctionOrder(Enum):
    ENDING_SOON = strawberry.enum_value("ENDING_SOON", description="The earliest end first.")
    NEWEST = strawberry.enum_value("NEWEST", description="The last made first.")
    PRICE = strawberry.enum_value(
        "PRICE",
        description="The lowest current price first; a Dutch auction by its starting price until "
        "it is taken.",
    )
    PRICE_DESC = strawberry.enum_value(
        "PRICE_DESC", description="The highest price first, told as for `PRICE`."
    )
    MOST_BIDS = strawberry.enum_value("MOST_BIDS", description="The most accepted bids first.")


@strawberry.input(description="Which auctions: all conditions hold together; null means any.")
class AuctionFilterInput:
    status: list[AuctionStatus] | None = described("In one of these states.", default=None)
    category: str | None = described("Of this category.", default=None)
    region: str | None = described("From this region: ISO 3166-1, as `FR`.", default=None)
    tags: list[str] | None = described("With all these tags, 20 at most.", default=None)
    seller: strawberry.ID | None = described("Sold by this user.", default=None)
    asset: AssetCode | None = described("Bid in this asset.", default=None)
    price_from: Decimal | None = described(
        "Price, as `orderBy: PRICE` tells it, at least this much; needs `asset`.", default=None
    )
    price_to: Decimal | None = described(
        "Price, as `orderBy: PRICE` tells it, at most this much; needs `asset`.", default=None
    )
    ends_before: datetime | None = described("Ending before this moment.", default=None)


def auction_filter(given: AuctionFilterInput | None) -> AuctionFilter:
    """The loader's filter. Raises `BadUserInput` for prices without an asset, or a bad id."""
    if given is None:
        return AuctionFilter()
    if given.asset is None and (given.price_from is not None or given.price_to is not None):
        raise BadUserInput("a price needs an asset to be compared in")
    if len(given.tags or ()) > 20:
        raise BadUserInput("20 tags at most")
    for text in (given.category, given.region, *(given.tags or ())):
        if text is not None and "\0" in text:
            raise BadUserInput("text must not contain a NUL character")
    asset = code_of(given.asset) if given.asset is not None else None
    return AuctionFilter(
        statuses=None if given.status is None else [code_of(status) for status in given.status],
        category=given.category,
        region=given.region,
        tags=given.tags,
        seller_id=None if given.seller is None else decode_id(given.seller, "usr"),
        asset=asset,
        price_from_minor=_minor(given.price_from, asset, "priceFrom"),
        price_to_minor=_minor(given.price_to, asset, "priceTo"),
        ends_before=given.ends_before,
    )


def _minor(amount: Decimal | None, asset: str | None, field: str) -> int | None:
    if amount is None or asset is None:
        return None
    return to_minor(amount, asset, field=field)


@strawberry.input(description="A bid for the viewer.")
class PlaceBidInput:
    auction_id: strawberry.ID = described("What to bid on.")
    maximum: Decimal = described(
        "The most you would pay, in whole units of the auction's asset: `12.50`. Secret; the "
        "system bids for you, as little as wins."
    )
    idempotency_key: str = described(
        "Your own name for this bid, 1 to 200 characters. Sent again with the same key, the bid "
        "is not made twice; you get the first answer."
    )


@strawberry.input(description="A lot to have at once, for the viewer.")
class BuyNowInput:
    auction_id: strawberry.ID = described("What to buy.")
    price: Decimal = described(
        "The `buyNowPrice` that you were shown, in whole units: you pay this or nothing."
    )
    idempotency_key: str = described(
        "Your own name for this purchase, 1 to 200 characters. Sent again with the same key, "
        "nothing is bought twice."
    )


@strawberry.input(description="A new stall.")
class CreateStallInput:
    name: str = described("What it is called, 1 to 100 characters.")
    description: str = described("What you say of it, 5,000 characters at most.", default="")
    slug: str | None = described(
        "Its public address, 3 to 60 of a-z, 0-9 and hyphens; made from the name if not given.",
        default=None,
    )
    theme: JSON | None = described(
        "Colours and the like: a JSON object of 4 KiB at most.", default=None
    )


@strawberry.input(description="A new product.")
class CreateProductInput:
    stall_id: strawberry.ID = described("Your stall.")
    kind: ProductKind = described("Sent or downloaded.")
    name: str = described("What it is, 1 to 200 characters.")
    category: str = described("Where it belongs, 1 to 60 characters.")
    asset: AssetCode = described("What it is priced in.")
    description: str = described("What you say of it, 10,000 characters at most.", default="")
    story: str = described("How it came to be, 10,000 characters at most.", default="")
    region: str | None = described("Where its craft is from: ISO 3166-1.", default=None)
    tags: list[str] = described("Words to find it by, 20 at most.", default_factory=list)
    image_urls: list[URL] = described("Its pictures, 10 at most.", default_factory=list)
    price: Decimal | None = described(
        "A fixed price in whole units, 99,999,999.99 at most, if any.", default=None
    )
    inventory_count: int = described("How many there are.", default=1)
    low_stock_threshold: int = described("When to call stock low.", default=0)


def product_details(given: CreateProductInput) -> ProductDetails:
    """What the service takes. Raises `InvalidInput("price")` for what the asset cannot hold."""
    asset = code_of(given.asset)
    return ProductDetails(
        kind=code_of(given.kind),
        name=given.name,
        category=given.category,
        asset=asset,
        description=given.description,
        story=given.story,
        region=given.region,
        tags=given.tags,
        image_urls=given.image_urls,
        price_minor=_minor(given.price, asset, "price"),
        inventory_count=given.inventory_count,
        low_stock_threshold=given.low_stock_threshold,
    )


@strawberry.input(description="Changes of a product: what is not given stays.")
class UpdateProductInput:
    product_id: strawberry.ID = described("Which product.")
    name: strawberry.Maybe[str] = described("What it is, 1 to 200 characters.")
    category: strawberry.Maybe[str] = described("Where it belongs, 1 to 60 characters.")
    description: strawberry.Maybe[str] = described("10,000 characters at most.")
    story: strawberry.Maybe[str] = described("10,000 characters at most.")
    region: strawberry.Maybe[str | None] = described("ISO 3166-1; null for none.")
    tags: strawberry.Maybe[list[str]] = described("Words to find it by, 20 at most.")
    image_urls: strawberry.Maybe[list[URL]] = described("Its pictures, 10 at most.")
    price: strawberry.Maybe[Decimal | None] = described(
        "A fixed price in whole units of the product's asset, 99,999,999.99 at most; null for none."
    )
    inventory_count: strawberry.Maybe[int] = described("How many there are.")
    low_stock_threshold: strawberry.Maybe[int] = described("When to call stock low.")


def product_changes(given: UpdateProductInput) -> dict[str, Any]:
    """The fields that were given, by the service's names; `price` in whole units."""
    names = (ProductDetails.__dataclass_fields__.keys() | {"price"}) & vars(given).keys()
    return {name: getattr(given, name).value for name in names if getattr(given, name) is not None}


@strawberry.input(description="One step of an increment schedule.")
class IncrementStepInput:
    below: Decimal | None = described(
        "For prices below this, in whole units; null on the last step.", default=None
    )
    increment: Decimal = described("The least raise there, in whole units.")


@strawberry.input(description="How the price of a Dutch auction falls.")
class DutchTermsInput:
    price_step: Decimal = described("By how much it falls each time, in whole units.")
    step_interval_seconds: int = described("Seconds from one fall to the next: 1 to 86,400.")
    floor: Decimal = described("Where it stops to fall: below the starting price.")


@strawberry.input(description="A product put up for auction.")
class CreateAuctionInput:
    product_id: strawberry.ID = described("What is sold: a product of your stall.")
    starting_price: Decimal = described(
        "Where bidding begins, in whole units of its asset; of a Dutch auction, the highest price."
    )
    ends_at: datetime = described("When it closes: 1 minute to 60 days after the start.")
    starts_at: datetime | None = described("When it opens; at once if not given.", default=None)
    format: AuctionFormat = described("How bids make the price.", default=AuctionFormat.ENGLISH)
    reserve: Decimal | None = described(
        "The least you sell for; secret. Not below the starting price. A DUTCH auction has a floor "
        "instead.",
        default=None,
    )
    buy_now: Decimal | None = described(
        "What an ENGLISH auction may be bought for at once, until a bid reaches the reserve or, "
        "without one, until the first bid. Not below starting price or reserve.",
        default=None,
    )
    dutch: DutchTermsInput | None = described(
        "How the price falls: of DUTCH auctions, and only of those.", default=None
    )
    increments: list[IncrementStepInput] | None = described(
        "Least raises by price in an ENGLISH auction, 33 steps at most; the asset's usual ones if "
        "not given.",
        default=None,
    )
    soft_close_window_seconds: int | None = described(
        "A bid in this many last seconds extends an ENGLISH auction; 0 switches that off. The "
        "platform's usual if not given: 120, unless it was set otherwise.",
        default=None,
    )
    soft_close_extension_seconds: int | None = described(
        "How many seconds such a bid leaves for an answer; the platform's usual if not given.",
        default=None,
    )
    title: str | None = described(
        "A line of its own; the product's name if not given.", default=None
    )
    description: str | None = described("The product's if not given.", default=None)


def auction_terms(given: CreateAuctionInput) -> AuctionTerms:
    """What the resolver takes."""
    steps = given.increments
    if steps is not None and len(steps) > MAX_STEPS:
        raise BadUserInput(f"{MAX_STEPS} increment steps at most")
    return AuctionTerms(
        starting_price=given.starting_price,
        ends_at=given.ends_at,
        starts_at=given.starts_at,
        reserve=given.reserve,
        increments=None if steps is None else [(step.below, step.increment) for step in steps],
        soft_close_window_s=given.soft_close_window_seconds,
        soft_close_extension_s=given.soft_close_extension_seconds,
        title=given.title,
        description=given.description,
        format=code_of(given.format),
        buy_now=given.buy_now,
        dutch=None
        if given.dutch is None
        else (given.dutch.price_step, given.dutch.step_interval_seconds, given.dutch.floor),
    )


@strawberry.input(description="An auction to take back.")
class CancelAuctionInput:
    auction_id: strawberry.ID = described("Which auction.")


@strawberry.input(description="An auction to watch, or to watch no longer.")
class WatchAuctionInput:
    auction_id: strawberry.ID = described("Which auction.")
    watching: bool = described("False to stop.", default=True)
