"""The Dutch auction: the price falls by a step each interval, and the first taker has the lot at
the price of that moment. Pure; called by `rules.py`."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

from services.auctions.lots import Accepted, AuctionState, Closing, Offer


def price_at(
    now: datetime, *, starts_at: datetime, starting: int, step: int, interval_s: int, floor: int
) -> int:
    """The price at a moment, in minor units: `starting`, less a `step` for each whole interval
    since the start, never below `floor`."""
    falls = max((now - starts_at) // timedelta(seconds=interval_s), 0)
    return max(starting - step * falls, floor)


def next_fall_at(
    now: datetime, *, starts_at: datetime, starting: int, step: int, interval_s: int, floor: int
) -> datetime | None:
    """When the price falls next; None once it is at the floor."""
    interval = timedelta(seconds=interval_s)
    falls = max((now - starts_at) // interval, 0)
    return starts_at + (falls + 1) * interval if starting - step * falls > floor else None


def dutch_price(state: AuctionState, now: datetime) -> int:
    """The price of a lot that nobody has taken."""
    assert state.price_step_minor is not None
    assert state.step_interval_s is not None
    assert state.floor_minor is not None
    return price_at(
        now,
        starts_at=state.starts_at,
        starting=state.starting_price_minor,
        step=state.price_step_minor,
        interval_s=state.step_interval_s,
        floor=state.floor_minor,
    )


@dataclass(slots=True)
class DutchLot:
    """The moving part of a Dutch lot at one moment: nobody has it, or one has."""

    fixed: AuctionState
    price: int
    taken: Accepted | None = None
    shown: dict[UUID, int] = field(default_factory=dict)

    @classmethod
    def of(cls, state: AuctionState, now: datetime) -> DutchLot:
        return cls(state, dutch_price(state, now))

    @property
    def closing(self) -> Closing | None:
        """The first taker ends the lot."""
        if self.taken is None:
            return None
        return Closing("SOLD", self.taken.bidder_id, self.price, "SOLD")

    def state(self) -> AuctionState:
        """The lot after what was taken."""
        if self.taken is None:
            return self.fixed
        return replace(
            self.fixed,
            price_minor=self.price,
            bid_count=self.taken.sequence,
            leader_id=self.taken.bidder_id,
            leader_bid_id=self.taken.bid_id,
            leader_maximum_minor=self.taken.maximum_minor,
        )

    def minimum(self, bidder_id: UUID | None) -> int:
        """The price of this moment, for everyone."""
        return self.price

    def take(self, offer: Offer, now: datetime) -> Accepted:
        """Take an offer that reaches the price, at the price."""
        self.shown[offer.bid_id] = self.price
        self.taken = Accepted(
            sequence=self.fixed.bid_count + 1,
            bid_id=offer.bid_id,
            bidder_id=offer.bidder_id,
            maximum_minor=offer.maximum_minor,
            amount_minor=self.price,
            price_minor=self.price,
            leader_id=offer.bidder_id,
            outbid_id=None,
            extended_to=None,
            reserve_met_now=False,
        )
        return self.taken


def close_dutch(state: AuctionState, now: datetime) -> Closing:
    """How a lot that nobody took in its time ends."""
    return Closing("UNSOLD", None, None, "NO_BIDS")
