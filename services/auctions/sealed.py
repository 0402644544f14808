"""The sealed second-price auction (Vickrey): nobody sees an amount before the end; the highest
maximum wins and pays the second-highest. Pure; called by `rules.py`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from services.auctions.lots import Accepted, AuctionState, Closing, Offer


@dataclass(slots=True)
class SealedLot:
    """The moving part of a sealed lot. `own` are bidders' highest maxima so far: of those whose
    offers are taken here."""

    closing: ClassVar[None] = None
    """No bid ends a sealed lot."""
    shown: ClassVar[dict[UUID, int]] = {}
    """No bid shows an amount."""

    fixed: AuctionState
    own: dict[UUID, int]
    count: int
    leader_id: UUID | None
    leader_bid_id: UUID | None
    maximum: int | None
    runner_up: int | None

    @classmethod
    def of(cls, state: AuctionState, now: datetime) -> SealedLot:
        own = dict(state.maxima)
        if state.leader_id is not None and state.leader_maximum_minor is not None:
            own[state.leader_id] = state.leader_maximum_minor
        return cls(
            fixed=state,
            own=own,
            count=state.bid_count,
            leader_id=state.leader_id,
            leader_bid_id=state.leader_bid_id,
            maximum=state.leader_maximum_minor,
            runner_up=state.runner_up_maximum_minor,
        )

    def state(self) -> AuctionState:
        """The lot after what was taken. The price is not known before the end."""
        return replace(
            self.fixed,
            bid_count=self.count,
            leader_id=self.leader_id,
            leader_bid_id=self.leader_bid_id,
            leader_maximum_minor=self.maximum,
            runner_up_maximum_minor=self.runner_up,
            maxima=self.own,
        )

    def minimum(self, bidder_id: UUID | None) -> int:
        """The starting price, whatever others bid: the minimum tells nothing of them. A bidder's
        new maximum must exceed the old one, which it replaces."""
        own = None if bidder_id is None else self.own.get(bidder_id)
        return self.fixed.starting_price_minor if own is None else own + 1

    def take(self, offer: Offer, now: datetime) -> Accepted:
        """Take an offer that reaches the minimum."""
        self.count += 1
        self.own[offer.bidder_id] = offer.maximum_minor
        self._rank(offer)
        return Accepted(
            sequence=self.count,
            bid_id=offer.bid_id,
            bidder_id=offer.bidder_id,
            maximum_minor=offer.maximum_minor,
            amount_minor=None,
            price_minor=None,
            leader_id=None,
            outbid_id=None,
            extended_to=None,
            reserve_met_now=False,
        )

    def _rank(self, offer: Offer) -> None:
        """Place the offer among the maxima; a tie stays with the earlier bid."""
        if self.maximum is not None and offer.maximum_minor <= self.maximum:
            self.runner_up = max(self.runner_up or 0, offer.maximum_minor)
            return
        if offer.bidder_id != self.leader_id:
            self.runner_up = self.maximum
        self.leader_id, self.leader_bid_id = offer.bidder_id, offer.bid_id
        self.maximum = offer.maximum_minor


def close_sealed(state: AuctionState, now: datetime) -> Closing:
    """How a lot whose end has come ends: the price is the highest maximum of the others, at least
    the starting price and, where the winner reaches it, the reserve."""
    if state.leader_id is None:
        return Closing("UNSOLD", None, None, "NO_BIDS")
    price = max(state.starting_price_minor, state.runner_up_maximum_minor or 0)
    if not state.reserve_met:
        return Closing("UNSOLD", None, price, "RESERVE_NOT_MET")
    return Closing("SOLD", state.leader_id, max(price, state.reserve_minor or 0), "SOLD")
