"""What the rules speak of: a lot's state, an offer, what became of it, how a lot ends. No rule of a
format stands here; see `rules.py`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID

from core.errors import DomainError
from core.money import INT64_MAX
from services.auctions.increments import IncrementSchedule

ENGLISH = "ENGLISH"
SEALED = "SEALED_SECOND_PRICE"
DUTCH = "DUTCH"

ClosingReason = Literal["SOLD", "NO_BIDS", "RESERVE_NOT_MET", "BUY_NOW"]


@dataclass(frozen=True, slots=True)
class AuctionState:
    """All that decides about a bid on one lot. Amounts are minor units of `asset`, 1 … 2^63 - 1.

    The price and the leader's fields are None until the first bid; `runner_up_maximum_minor`, the
    highest maximum of anyone but the leader, until there is a second bidder.
    `bid_count` is the last sequence given. `seller_ids` are all who may not bid: the seller and
    whoever shares the stall. A soft-close window of 0 s switches soft close off.

    DUTCH alone has `price_step_minor`, `step_interval_s` and `floor_minor`. In a sealed lot
    `price_minor` stays None to the end, and `maxima` are the highest maxima so far of those whose
    offers are decided on (other formats do not need it).
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
    format: str = ENGLISH
    buy_now_minor: int | None = None
    price_step_minor: int | None = None
    step_interval_s: int | None = None
    floor_minor: int | None = None
    maxima: Mapping[UUID, int] = field(default_factory=dict)

    @property
    def reserve_met(self) -> bool:
        """True without a reserve too: nothing then stands between the leader and the lot."""
        return meets_reserve(self.reserve_minor, self.leader_maximum_minor)

    @property
    def reserve_met_told(self) -> bool:
        """What may be told of it before the end: nothing that sealed bids say."""
        return self.reserve_minor is None if self.format == SEALED else self.reserve_met


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
    leader's proxy has just outbid (the price it forced tells that maximum anyway). A sealed bid
    shows nothing: amount, price, leader and `outbid_id` are None, for whose money were given back
    before the end would know.
    `outbid_id` is the leader it displaced (never the bidder), whose hold the caller releases.
    `extended_to` is the new end if this bid moved it. `reserve_met_now`: this very bid met it.
    """

    sequence: int
    bid_id: UUID
    bidder_id: UUID
    maximum_minor: int
    amount_minor: int | None
    price_minor: int | None
    leader_id: UUID | None
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
    Sealed bids show nothing and are not in it.

    `closing`: an accepted offer ended the lot (DUTCH); the same transaction must close it.
    """

    state: AuctionState
    outcomes: list[Accepted | DomainError]
    shown_minor: dict[UUID, int]
    closing: Closing | None = None

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


def meets_reserve(reserve_minor: int | None, maximum_minor: int | None) -> bool:
    """Whether a maximum reaches the reserve, if there is one."""
    return reserve_minor is None or (maximum_minor is not None and maximum_minor >= reserve_minor)
