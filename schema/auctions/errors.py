"""What the auctions' mutations answer instead of success, and the exceptions behind it."""

from __future__ import annotations

from datetime import datetime

import strawberry

from loaders.rows import Money as MoneyValue
from schema.auctions.orders import OrderStatus
from schema.auctions.types import AuctionStatus
from schema.common import Error, Money
from schema.errors import ErrorRow
from schema.fields import attribute, bounded
from schema.rows import shows
from services.auctions import errors
from services.auctions.sheet import MAX_FAULTS, Fault


@strawberry.type(description="The maximum is below the least you may offer now. Nothing moved.")
class BidTooLow(Error):
    minimum_bid: Money = attribute("The least maximum you may offer now.")


@strawberry.type(description="The auction takes no bids at this moment.")
class AuctionNotOpen(Error):
    status: AuctionStatus = attribute("Where it is in its life.")
    ends_at: datetime = attribute("When it ends or ended.")


@strawberry.type(description="A seller, and whoever shares the stall, cannot bid on its lots.")
class SellerCannotBid(Error):
    pass


@strawberry.type(description="It cannot be bought at once: never, or bidding has gone past it.")
class BuyNowGone(Error):
    pass


@strawberry.type(description="It costs something else than you were shown. Nothing was bought.")
class PriceChanged(Error):
    price: Money = attribute("What it costs now.")


@strawberry.type(description="Fewer are left than were asked for. Nothing moved.")
class OutOfStock(Error):
    available: int = attribute("How many are left; 0 of what is sold no more.")


@strawberry.type(description="Who owns or shares a stall cannot buy what it sells.")
class SellerCannotBuy(Error):
    pass


@strawberry.type(description="The order is past the state that this needs. Nothing was changed.")
class WrongOrderStatus(Error):
    status: OrderStatus = attribute("The order's state.")


@strawberry.type(description="What is wrong in one row of an imported file.")
@shows(Fault)
class ImportFault:
    row: int = attribute("Which row, as spreadsheets count: the header is 1.")
    column: str | None = attribute("Which column, by its name; null for the row as a whole.")
    reason: str = attribute("What its value must be.")


@strawberry.type(description="Rows of the file are wrong. Nothing was imported.")
class ImportRefused(Error):
    errors: list[ImportFault] = attribute(
        "What is wrong, in the order of the rows.", list_size=bounded(MAX_FAULTS)
    )
    error_count: int = attribute("How much is wrong; more may be than `errors` lists.")


@strawberry.type(description="Another stall has this slug.")
class SlugTaken(Error):
    slug: str = attribute("The slug that was asked for.")


ERRORS: tuple[ErrorRow, ...] = (
    ErrorRow(
        errors.BidTooLow,
        BidTooLow,
        lambda e: {"minimum_bid": MoneyValue(e.minimum_bid_minor, e.asset)},
    ),
    ErrorRow(
        errors.AuctionNotOpen,
        AuctionNotOpen,
        lambda e: {"status": AuctionStatus(e.status), "ends_at": e.ends_at},
    ),
    ErrorRow(errors.SellerCannotBid, SellerCannotBid),
    ErrorRow(errors.BuyNowGone, BuyNowGone),
    ErrorRow(
        errors.PriceChanged,
        PriceChanged,
        lambda e: {"price": MoneyValue(e.price_minor, e.asset)},
    ),
    ErrorRow(errors.OutOfStock, OutOfStock, lambda e: {"available": e.available}),
    ErrorRow(errors.SellerCannotBuy, SellerCannotBuy),
    ErrorRow(
        errors.WrongOrderStatus,
        WrongOrderStatus,
        lambda e: {"status": OrderStatus(e.status)},
    ),
    ErrorRow(
        errors.ImportRefused,
        ImportRefused,
        lambda e: {"errors": list(e.faults), "error_count": e.fault_count},
    ),
    ErrorRow(errors.SlugTaken, SlugTaken, lambda e: {"slug": e.slug}),
)
