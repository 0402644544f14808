"""The English auction with proxy bidding: who leads, at what price, until when. Pure; called by
`rules.py`, which says what an offer must pass before it comes here."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import ClassVar
from uuid import UUID

from services.auctions.lots import Accepted, AuctionState, Closing, Offer, meets_reserve


@dataclass(slots=True)
class EnglishLot:
    """The moving part of a state, mutable: copying it all for each bid would be slow."""

    closing: ClassVar[None] = None
    """No bid ends an English lot."""

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
    def of(cls, state: AuctionState, now: datetime) -> EnglishLot:
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
        """The lot after what was taken."""
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
        """The starting price before the first bid, then price + increment. The leader's own new
        maximum must also exceed the old one: an equal or lower one would change nothing and yet
        take a sequence and extend the end."""
        if self.price is None:
            return self.fixed.starting_price_minor
        least = self.price + self.fixed.increments.at(self.price)
        if self.maximum is not None and bidder_id is not None and bidder_id == self.leader_id:
            return max(least, self.maximum + 1)
        return least

    def take(self, offer: Offer, now: datetime) -> Accepted:
        """Take an offer that reaches the minimum."""
        previous = self.leader_id
        had_met = meets_reserve(self.fixed.reserve_minor, self.maximum)
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
            reserve_met_now=not had_met and meets_reserve(self.fixed.reserve_minor, self.maximum),
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


def close_english(state: AuctionState, now: datetime) -> Closing:
    """How a lot whose end has come ends: the leader pays the price, if it reaches the reserve."""
    if state.leader_id is None:
        return Closing("UNSOLD", None, None, "NO_BIDS")
    if not state.reserve_met:
        return Closing("UNSOLD", None, state.price_minor, "RESERVE_NOT_MET")
    return Closing("SOLD", state.leader_id, state.price_minor, "SOLD")


def buy_now_minor(state: AuctionState) -> int | None:
    """What the lot costs at once, while that is offered: until a bid reaches the reserve; where
    there is none, until the first bid."""
    untouched = state.bid_count == 0
    offered = untouched or (state.reserve_minor is not None and not state.reserve_met)
    return state.buy_now_minor if offered else None
