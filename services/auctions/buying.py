"""Buying a lot at once, at its buy-now price: one lock, one transaction, the lot is closed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from core.database import Transaction
from core.errors import DomainError, InvalidInput, NotFound
from core.money import INT64_MAX
from services.auctions.closing import begin_auction, end_auction
from services.auctions.money import hold_price
from services.auctions.rules import buy_now
from services.auctions.state import lock_auction
from services.idempotency import IdempotentRequest, idempotent_request, keep, recall

OPERATION = "buyNow"


@dataclass(frozen=True, slots=True)
class BuyRequest:
    """Somebody's wish to have the lot now, at the price they saw, under their idempotency key."""

    auction_id: UUID
    buyer_id: UUID
    price_minor: int
    idempotency: IdempotentRequest


def buy_request(
    *, auction_id: UUID, buyer_id: UUID, price_minor: int, idempotency_key: str
) -> BuyRequest:
    """A checked request. Raises `InvalidInput` for a price outside 1 … 2^63 - 1 or a bad key."""
    if not 0 < price_minor <= INT64_MAX:
        raise InvalidInput("price", "must be more than zero and fit in 64 bits")
    arguments = {"auction": auction_id, "price": price_minor}
    request = idempotent_request(buyer_id, idempotency_key, arguments)
    return BuyRequest(auction_id, buyer_id, price_minor, request)


async def buy_auction_now(
    tx: Transaction, request: BuyRequest, *, now: datetime | None = None
) -> bool:
    """Sell the lot to the buyer and close it; whether this call did, or an earlier one with the
    same key. `now` is for tests alone.

    Raises `NotFound`, `AuctionNotOpen`, `SellerCannotBid`, `BuyNowGone`, `PriceChanged`,
    `IdempotencyConflict`, and for want of money those of `money.means`.
    """
    locked = await lock_auction(tx, request.auction_id, now=now)
    if locked is None:
        raise NotFound("auction")
    known = (await recall(tx, OPERATION, [request.idempotency])).get(request.idempotency)
    if isinstance(known, DomainError):
        raise known
    if known is not None:
        return False
    if locked.due_to_open:
        locked = await begin_auction(tx, locked)
    closing = buy_now(locked.state, request.buyer_id, request.price_minor, locked.now)
    if isinstance(closing, DomainError):
        raise closing
    await hold_price(tx, locked, request.buyer_id, request.price_minor)
    await end_auction(tx, locked, closing)
    await keep(tx, OPERATION, {request.idempotency: {"auction": request.auction_id.hex}})
    return True
