"""The rules of a lot as pure functions: what is accepted, and how a lot ends, whatever its format.

No I/O, no clock, no money: callers pass `now`, hold the lot's lock and apply what is decided here.
What differs by format stands in english.py, sealed.py and dutch.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from core.errors import DomainError
from core.money import INT64_MAX
from services.auctions.dutch import DutchLot, close_dutch
from services.auctions.english import EnglishLot, buy_now_minor, close_english, price_of
from services.auctions.errors import (
    AuctionNotOpen,
    BidTooLow,
    BuyNowGone,
    PriceChanged,
    SellerCannotBid,
)
from services.auctions.lots import (
    DUTCH,
    ENGLISH,
    SEALED,
    Accepted,
    AuctionState,
    Closing,
    ClosingReason,
    Decision,
    Offer,
    is_open,
)
from services.auctions.sealed import SealedLot, close_sealed

__all__ = [
    "Accepted",
    "AuctionState",
    "Closing",
    "ClosingReason",
    "Decision",
    "Offer",
    "buy_now",
    "close",
    "decide",
    "is_open",
    "minimum_bid_minor",
    "price_of",
]

Afford = Callable[[Offer], DomainError | None]


class Lot(Protocol):
    """A lot while offers are taken: what each format gives."""

    @property
    def fixed(self) -> AuctionState: ...
    @property
    def shown(self) -> dict[UUID, int]: ...
    @property
    def closing(self) -> Closing | None: ...
    def state(self) -> AuctionState: ...
    def minimum(self, bidder_id: UUID | None) -> int: ...
    def take(self, offer: Offer, now: datetime) -> Accepted: ...


LOTS: Mapping[str, Callable[[AuctionState, datetime], Lot]] = {
    ENGLISH: EnglishLot.of,
    SEALED: SealedLot.of,
    DUTCH: DutchLot.of,
}
CLOSINGS: Mapping[str, Callable[[AuctionState, datetime], Closing]] = {
    ENGLISH: close_english,
    SEALED: close_sealed,
    DUTCH: close_dutch,
}


def minimum_bid_minor(
    state: AuctionState, bidder_id: UUID | None = None, *, now: datetime | None = None
) -> int:
    """The least maximum that is accepted at `now` (the start, if not given): from anyone, or from
    this bidder. Time matters to DUTCH alone.

    Capped at 2^63 - 1, so that it can be shown; a lot at that price takes no bids.
    """
    lot = LOTS[state.format](state, now or state.starts_at)
    return min(lot.minimum(bidder_id), INT64_MAX)


def decide(
    state: AuctionState, bids: Sequence[Offer], now: datetime, *, afford: Afford | None = None
) -> Decision:
    """Take offers in their order at one moment; the same as taking them one by one.

    Refusals: `AuctionNotOpen`, `SellerCannotBid`, `BidTooLow`, or what `afford` returns for an
    offer that the rules would accept (the ledger's `InsufficientFunds`, say: a bidder's means must
    count the hold for this very lot as free). A refused offer leaves no trace and no gap.
    """
    if not is_open(state, now):
        return Decision(state, [AuctionNotOpen(state.status, state.ends_at) for _ in bids], {})
    lot = LOTS[state.format](state, now)
    outcomes: list[Accepted | DomainError] = []
    for offer in bids:
        refusal = _refusal(lot, offer) or (afford(offer) if afford is not None else None)
        outcomes.append(refusal if refusal is not None else lot.take(offer, now))
    return Decision(lot.state(), outcomes, lot.shown, lot.closing)


def close(state: AuctionState, now: datetime) -> Closing | None:
    """How the lot ends, or None while that is not due: before its end, or closed already.

    A lot whose whole time passed while it was still SCHEDULED closes too, without bids.
    """
    if state.status not in ("SCHEDULED", "OPEN") or now < state.ends_at:
        return None
    return CLOSINGS[state.format](state, now)


def buy_now(
    state: AuctionState, buyer_id: UUID, price_minor: int, now: datetime
) -> Closing | DomainError:
    """Sell the lot at once at its buy-now price, which the buyer names. Refusals:
    `AuctionNotOpen`, `SellerCannotBid`, `BuyNowGone`, `PriceChanged`."""
    if not is_open(state, now):
        return AuctionNotOpen(state.status, state.ends_at)
    if buyer_id in state.seller_ids:
        return SellerCannotBid()
    price = buy_now_minor(state)
    if price is None:
        return BuyNowGone()
    if price != price_minor:
        return PriceChanged(price, state.asset)
    return Closing("SOLD", buyer_id, price, "BUY_NOW")


def _refusal(lot: Lot, offer: Offer) -> DomainError | None:
    if lot.closing is not None:
        return AuctionNotOpen(lot.closing.status, lot.fixed.ends_at)
    if offer.bidder_id in lot.fixed.seller_ids:
        return SellerCannotBid()
    minimum = lot.minimum(offer.bidder_id)
    if offer.maximum_minor < minimum:
        return BidTooLow(min(minimum, INT64_MAX), lot.fixed.asset)
    return None
