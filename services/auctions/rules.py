"""The English auction with proxy bidding as pure functions: who leads, at what price, until when.

No I/O, no clock, no money: callers pass `now`, hold the lot's lock and apply what is decided here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from core.errors import DomainError
from core.money import INT64_MAX
from services.auctions.errors import AuctionNotOpen, BidTooLow, SellerCannotBid
from services.auctions.increments import IncrementSchedule

ClosingReason = Literal["SOLD", "NO_BIDS", "RESERVE_NOT_MET"]


@dataclass(frozen=True, slots=True)
class AuctionState:
    """All that decides about a bid on one lot. Amounts are minor units of `asset`, 1 … 2^63 - 1.

    The price and the leader's fields are None until the first bid; `runner_up_maximum_minor`, the
    highest maximum of anyone but the leader, until there is a second bidder.
    `bid_count` is the last sequence given. `seller_ids` are all who may not bid: the seller and
    whoever shares the stall. A soft-close window of 0 s switches soft close off.
    """

    id: UUID
    status: str
    asset: str
    starting_price_minor: int
    increments: IncrementSchedule
    starts_at: datetime
    ends_at: datetime
    reserve_minor: int | None = None
    soft_close_window_s: int = 120
    soft_close_extension_s: int = 120
    seller_ids: frozenset[UUID] = frozenset()
    price_minor: int | None = None
    bid_count: int = 0
    leader_id: UUID | None = None
    leader_bid_id: UUID | None = None
    leader_maximum_minor: int | None = None
    runner_up_maximum_minor: int | None = None
    extensions: int = 0

    @property
    def reserve_met(self) -> bool:
        """True without a reserve too: nothing then stands between the leader and the lot."""
        return _meets_reserve(self.reserve_minor, self.leader_maximum_minor)


@dataclass(frozen=True, slots=True)
class Offer:
    """A request to bid. Raises ValueError outside 1 … 2^63 - 1: callers check input before this."""

    bid_id: UUID
    bidder_id: UUID
    maximum_minor: int

    def __post_init__(self) -> None:
        if not 0 < self.maximum_minor <= INT64_MAX:
            raise ValueError(f"maximum out of range: {self.maximum_minor}")


@dataclass(frozen=True, slots=True)
class Accepted:
    """One accepted bid, and the lot right after it.

    `amount_minor` is what the bid shows: the price, if it leads; else its own maximum, which the
    leader's proxy has just outbid (the price it forced tells that maximum anyway).
    `outbid_id` is the leader it displaced (never the bidder), whose hold the caller releases.
    `extended_to` is the new end if this bid moved it. `reserve_met_now`: this very bid met it.
    """

    sequence: int
    bid_id: UUID
    bidder_id: UUID
    maximum_minor: int
    amount_minor: int
    price_minor: int
    leader_id: UUID
    outbid_id: UUID | None
    extended_to: datetime | None
    reserve_met_now: bool


@dataclass(frozen=True, slots=True)
class Decision:
    """The lot after all offers; `outcomes[i]` answers `bids[i]`.

    `shown_minor` is the amount each touched bid shows at the end. It has every accepted bid, and
    the bid that led before if the price moved while it led: a leading bid shows the lot's price
    and keeps the last one when it is outbid, so what was left of its maximum stays secret. Once it
    is written to the rows, bids by amount falling, then sequence rising, begin with the leader's.
    """

    state: AuctionState
    outcomes: list[Accepted | DomainError]
    shown_minor: dict[UUID, int]

    @property
    def accepted(self) -> list[Accepted]:
        return [outcome for outcome in self.outcomes if isinstance(outcome, Accepted)]


@dataclass(frozen=True, slots=True)
class Closing:
    """How a lot ends. `winner_id` is None unless SOLD; `price_minor` is None when nobody bid."""

    status: Literal["SOLD", "UNSOLD"]
    winner_id: UUID | None
    price_minor: int | None
    reason: ClosingReason


def is_open(state: AuctionState, now: datetime) -> bool:
    """Whether a bid at `now` counts: the row says OPEN, and starts_at ≤ now < ends_at."""
    return state.status == "OPEN" and state.starts_at <= now < state.ends_at


def minimum_bid_minor(state: AuctionState, bidder_id: UUID | None = None) -> int:
    """The least maximum that is accepted now: from anyone, or from this bidder.

    Starting price before the first bid, then price + increment. The leader's own new maximum must
    also exceed the old one: an equal or lower one would change nothing and yet take a sequence and
    extend the end. Capped at 2^63 - 1, so that it can be shown; a lot at that price takes no bids.
    """
    return min(_Lot.of(state).minimum(bidder_id), INT64_MAX)


def decide(
    state: AuctionState,
    bids: Sequence[Offer],
    now: datetime,
    *,
    afford: Callable[[Offer], DomainError | None] | None = None,
) -> Decision:
    """Take offers in their order at one moment; the same as taking them one by one.

    Refusals: `AuctionNotOpen`, `SellerCannotBid`, `BidTooLow`, or what `afford` returns for an
    offer that the rules would accept (the ledger's `InsufficientFunds`, say: a bidder's means must
    count the hold for this very lot as free). A refused offer leaves no trace and no gap.
    """
    if not is_open(state, now):
        return Decision(state, [AuctionNotOpen(state.status, state.ends_at) for _ in bids], {})
    lot = _Lot.of(state)
    outcomes: list[Accepted | DomainError] = []
    for offer in bids:
        refusal = _refusal(lot, offer) or (afford(offer) if afford is not None else None)
        outcomes.append(refusal if refusal is not None else lot.take(offer, now))
    return Decision(lot.state(), outcomes, lot.shown)


def close(state: AuctionState, now: datetime) -> Closing | None:
    """How the lot ends, or None while that is not due: before its end, or closed already.

    A lot whose whole time passed while it was still SCHEDULED closes too, without bids.
    """
    if state.status not in ("SCHEDULED", "OPEN") or now < state.ends_at:
        return None
    if state.leader_id is None:
        return Closing("UNSOLD", None, None, "NO_BIDS")
    if not state.reserve_met:
        return Closing("UNSOLD", None, state.price_minor, "RESERVE_NOT_MET")
    return Closing("SOLD", state.leader_id, state.price_minor, "SOLD")


@dataclass(slots=True)
class _Lot:
    """The moving part of a state, mutable: copying it all for each bid would be slow."""

    fixed: AuctionState
    ends_at: datetime
    extensions: int
    count: int
    price: int | None
    leader_id: UUID | None
    leader_bid_id: UUID | None
    maximum: int | None
    runner_up: int | None
    shown: dict[UUID, int] = field(default_factory=dict)

    @classmethod
    def of(cls, state: AuctionState) -> _Lot:
        return cls(
            fixed=state,
            ends_at=state.ends_at,
            extensions=state.extensions,
            count=state.bid_count,
            price=state.price_minor,
            leader_id=state.leader_id,
            leader_bid_id=state.leader_bid_id,
            maximum=state.leader_maximum_minor,
            runner_up=state.runner_up_maximum_minor,
        )

    def state(self) -> AuctionState:
        return replace(
            self.fixed,
            ends_at=self.ends_at,
            extensions=self.extensions,
            bid_count=self.count,
            price_minor=self.price,
            leader_id=self.leader_id,
            leader_bid_id=self.leader_bid_id,
            leader_maximum_minor=self.maximum,
            runner_up_maximum_minor=self.runner_up,
        )

    def minimum(self, bidder_id: UUID | None) -> int:
        if self.price is None:
            return self.fixed.starting_price_minor
        least = self.price + self.fixed.increments.at(self.price)
        if self.maximum is not None and bidder_id is not None and bidder_id == self.leader_id:
            return max(least, self.maximum + 1)
        return least

    def take(self, offer: Offer, now: datetime) -> Accepted:
        previous = self.leader_id
        had_met = _meets_reserve(self.fixed.reserve_minor, self.maximum)
        self.count += 1
        leads = self._rank(offer)
        price = self._reprice()
        self.shown[offer.bid_id] = price if leads else offer.maximum_minor
        return Accepted(
            sequence=self.count,
            bid_id=offer.bid_id,
            bidder_id=offer.bidder_id,
            maximum_minor=offer.maximum_minor,
            amount_minor=self.shown[offer.bid_id],
            price_minor=price,
            leader_id=offer.bidder_id if previous is None or leads else previous,
            outbid_id=previous if leads and previous != offer.bidder_id else None,
            extended_to=self._extend(now),
            reserve_met_now=not had_met and _meets_reserve(self.fixed.reserve_minor, self.maximum),
        )

    def _rank(self, offer: Offer) -> bool:
        """Place the offer among the maxima; whether it leads. A tie stays with the earlier bid."""
        if self.maximum is not None and offer.maximum_minor <= self.maximum:
            # Never below the old one: it is over the price, which no beaten maximum is.
            self.runner_up = offer.maximum_minor
            return False
        if offer.bidder_id != self.leader_id:
            self.runner_up = self.maximum
        self.leader_id, self.leader_bid_id = offer.bidder_id, offer.bid_id
        self.maximum = offer.maximum_minor
        return True

    def _reprice(self) -> int:
        """The price the maxima make; see `price_of`."""
        assert self.maximum is not None
        assert self.leader_bid_id is not None
        price = price_of(self.fixed, self.maximum, self.runner_up)
        if price != self.price:
            self.price = self.shown[self.leader_bid_id] = price
        return price

    def _extend(self, now: datetime) -> datetime | None:
        """Soft close: a bid in the last `window` leaves at least `extension` for an answer.

        With a window of 0 s none is: a bid that counts comes before the end.
        """
        if now < self.ends_at - timedelta(seconds=self.fixed.soft_close_window_s):
            return None
        end = now + timedelta(seconds=self.fixed.soft_close_extension_s)
        if end <= self.ends_at:
            return None
        self.ends_at = end
        self.extensions += 1
        return end


def price_of(state: AuctionState, maximum_minor: int, runner_up_minor: int | None) -> int:
    """The price, from the highest maximum and the best of the other bidders' alone.

    The starting price with one bidder; else the runner-up's maximum plus the increment there, but
    never above the leader's; a maximum that reaches the reserve bids up to the reserve at once.
    Neither maximum ever falls and increments do not fall either, so the price never does.
    """
    price = state.starting_price_minor
    if runner_up_minor is not None:
        price = min(maximum_minor, runner_up_minor + state.increments.at(runner_up_minor))
    if state.reserve_minor is not None and maximum_minor >= state.reserve_minor:
        price = max(price, state.reserve_minor)
    return price


def _refusal(lot: _Lot, offer: Offer) -> DomainError | None:
    if offer.bidder_id in lot.fixed.seller_ids:
        return SellerCannotBid()
    minimum = lot.minimum(offer.bidder_id)
    if offer.maximum_minor < minimum:
        return BidTooLow(min(minimum, INT64_MAX), lot.fixed.asset)
    return None


def _meets_reserve(reserve_minor: int | None, maximum_minor: int | None) -> bool:
    return reserve_minor is None or (maximum_minor is not None and maximum_minor >= reserve_minor)
