"""What stalls, lots and orders answer instead of doing as asked. Errors alone: no rule is here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from core.errors import DomainError
from core.money import to_decimal
from services.auctions.sheet import Fault


class BidTooLow(DomainError):
    """The maximum is under the least this bidder may offer now: `minimum_bid_minor` of `asset`.

    It is this bidder's own minimum: the leader's must also exceed the old maximum.
    """

    code = "BID_TOO_LOW"

    def __init__(self, minimum_bid_minor: int, asset: str) -> None:
        super().__init__(f"bid at least {to_decimal(minimum_bid_minor, asset)} {asset}")
        self.minimum_bid_minor = minimum_bid_minor
        self.asset = asset


class AuctionNotOpen(DomainError):
    """The lot takes no bids at this moment: not begun, past its end, or closed."""

    code = "AUCTION_NOT_OPEN"

    def __init__(self, status: str, ends_at: datetime) -> None:
        super().__init__(f"the auction takes no bids: it is {status}, its end is {ends_at:%FT%TZ}")
        self.status = status
        self.ends_at = ends_at


class SellerCannotBid(DomainError):
    """The bidder is the seller, or shares the seller's stall."""

    code = "SELLER_CANNOT_BID"

    def __init__(self) -> None:
        super().__init__("a seller, and whoever shares the stall, cannot bid on its lots")


class BuyNowGone(DomainError):
    """The lot has no buy-now price, or bidding has gone past it."""

    code = "BUY_NOW_GONE"

    def __init__(self) -> None:
        super().__init__("the auction cannot be bought at once (any more)")


class PriceChanged(DomainError):
    """The price is another than the buyer named: `price_minor` of `asset`."""

    code = "PRICE_CHANGED"

    def __init__(self, price_minor: int, asset: str) -> None:
        super().__init__(f"the price is {to_decimal(price_minor, asset)} {asset}")
        self.price_minor = price_minor
        self.asset = asset


class OutOfStock(DomainError):
    """Fewer are left than were asked for: `available` are, 0 of what is sold no more."""

    code = "OUT_OF_STOCK"

    def __init__(self, available: int) -> None:
        super().__init__(f"{available} in stock" if available else "out of stock")
        self.available = available


class SellerCannotBuy(DomainError):
    """The buyer owns or shares the stall that sells."""

    code = "SELLER_CANNOT_BUY"

    def __init__(self) -> None:
        super().__init__("who owns or shares a stall cannot buy what it sells")


class WrongOrderStatus(DomainError):
    """The order's `status` is past what was asked of it."""

    code = "WRONG_ORDER_STATUS"

    def __init__(self, status: str) -> None:
        super().__init__(f"the order is {status}")
        self.status = status


class SlugTaken(DomainError):
    """Another stall has this slug."""

    code = "SLUG_TAKEN"

    def __init__(self, slug: str) -> None:
        super().__init__(f"the slug {slug} is taken")
        self.slug = slug


class ImportRefused(DomainError):
    """Rows of a sheet are wrong, `fault_count` times; `faults` lists the first hundred."""

    code = "IMPORT_REFUSED"

    def __init__(self, faults: Sequence[Fault], fault_count: int) -> None:
        super().__init__(f"nothing was imported: {fault_count} faults")
        self.faults = faults
        self.fault_count = fault_count
