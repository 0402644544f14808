"""Lots of a seeded world and their past: who bid what and when, taken by the real rules.

Every accepted bid went through `rules.decide` one by one; nothing about it is made up here but the
bidder's wish.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import cycle, islice
from random import Random
from typing import Literal
from uuid import UUID

from core.money import INT64_MAX
from services.auctions.increments import IncrementSchedule, default_increments
from services.auctions.rules import (
    Accepted,
    AuctionState,
    Offer,
    close,
    decide,
    minimum_bid_minor,
)
from services.auctions.sealing import NONCE_BYTES, Seal, seal
from services.seed.ids import IdMaker
from services.seed.market import SeededProduct, nice
from services.seed.people import Person

Kind = Literal[
    "SCHEDULED", "OPEN_SOON", "OPEN", "OPEN_QUIET", "ENDED", "NO_BIDS", "RESERVED", "CANCELLED"
]

# One of each twenty, so that even a small world has every kind.
KINDS: tuple[Kind, ...] = (
    *("OPEN", "ENDED", "OPEN_SOON", "SCHEDULED", "ENDED", "RESERVED", "ENDED", "OPEN", "NO_BIDS"),
    *("ENDED", "OPEN", "CANCELLED", "ENDED", "SCHEDULED", "OPEN", "ENDED", "OPEN_QUIET", "ENDED"),
    *("OPEN", "ENDED"),
)
BID_ON: frozenset[Kind] = frozenset({"OPEN_SOON", "OPEN", "ENDED", "RESERVED"})
MAX_BIDS_A_LOT = 400
_WEEK = timedelta(days=7)
_DURATIONS_DAYS = (1, 3, 5, 7, 10)
_MAX_OVERTIME = 5
_QUIET_BEFORE_NOW = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class LotPlan:
    """A lot to be, and how many bids it shall have. `state` is as it was when it opened."""

    product: SeededProduct
    kind: Kind
    state: AuctionState
    custom_increments: bool
    announced_at: datetime
    bids: int


@dataclass(frozen=True, slots=True)
class PastBid:
    """A bid that was accepted, the lot right before it, and when."""

    accepted: Accepted
    before: AuctionState
    placed_at: datetime
    seal: Seal


@dataclass(frozen=True, slots=True)
class LotHistory:
    """All that happened on a lot. `shown` is what each bid shows at the end."""

    plan: LotPlan
    state: AuctionState
    status: str
    closed_at: datetime | None
    past: list[PastBid] = field(default_factory=list)
    shown: dict[UUID, int] = field(default_factory=dict)

    @property
    def reserve_nonce(self) -> bytes | None:
        """The secret of the commitment to the reserve; there is one exactly if there is a reserve.
        A seeded world is the same again for who knows its seed: nothing in it is secret."""
        named = b"reserve" + self.state.id.bytes
        return None if self.state.reserve_minor is None else sha256(named).digest()[:NONCE_BYTES]


def plan_kinds(count: int) -> list[Kind]:
    """The kinds of `count` lots, in a fixed order."""
    return list(islice(cycle(KINDS), count))


def plan_bid_counts(kinds: Sequence[Kind], total: int, dice: Random) -> list[int]:
    """How many bids each lot gets: few lots have many, and all together at least `total`.

    No lot gets more than `MAX_BIDS_A_LOT`, so `total` is a promise only up to that.
    """
    weights = [dice.lognormvariate(0, 0.8) if kind in BID_ON else 0.0 for kind in kinds]
    scale = total / sum(weights) if any(weights) else 0.0
    counts = [min(max(round(w * scale), 1), MAX_BIDS_A_LOT) if w else 0 for w in weights]
    missing = total - sum(counts)
    for i in cycle([i for i, weight in enumerate(weights) if weight]):
        if missing <= 0 or all(c in (0, MAX_BIDS_A_LOT) for c in counts):
            break
        more = min(missing, MAX_BIDS_A_LOT - counts[i], 10)
        counts[i] += more
        missing -= more
    return counts


def plan_lot(
    product: SeededProduct, kind: Kind, bids: int, *, now: datetime, dice: Random, ids: IdMaker
) -> LotPlan:
    """The seller's terms: times by the kind of lot, amounts by what the product is worth."""
    starts_at, ends_at = _times(kind, now, dice)
    announced_at = starts_at - timedelta(minutes=dice.randint(5, 2_000))
    if announced_at >= now:
        announced_at = now - timedelta(minutes=dice.randint(5, 600))
    starting = nice(int(product.value_minor * dice.uniform(0.05, 0.3)) + 1)
    increments, custom = _increments(product, starting, bids)
    state = AuctionState(
        id=ids.at(announced_at),
        status="OPEN",
        asset=product.asset,
        starting_price_minor=starting,
        increments=increments,
        starts_at=starts_at,
        ends_at=ends_at,
        reserve_minor=_reserve(kind, product, starting, dice),
        seller_ids=product.stall.seller_ids,
    )
    return LotPlan(product, kind, state, custom, announced_at, bids)


def _times(kind: Kind, now: datetime, dice: Random) -> tuple[datetime, datetime]:
    """Start and end: ahead of now, around it, or behind it. Whole milliseconds."""
    duration = timedelta(days=dice.choice(_DURATIONS_DAYS))
    if kind == "SCHEDULED":
        starts_at = now + timedelta(seconds=dice.randint(300, 5 * 86_400))
        return starts_at, starts_at + duration
    if kind == "OPEN_SOON":
        left = timedelta(seconds=dice.randint(180, 1_800))
        return now + left - duration, now + left
    if kind in ("OPEN", "OPEN_QUIET"):
        left = timedelta(milliseconds=int(_WEEK / timedelta(milliseconds=1) * dice.random()))
        left = max(left, timedelta(minutes=30))
        begun = timedelta(minutes=dice.randint(90, 3 * 1_440))
        return now - begun, now + left
    ended = timedelta(minutes=dice.randint(60, 25 * 1_440))
    return now - ended - duration, now - ended


def _increments(product: SeededProduct, starting: int, bids: int) -> tuple[IncrementSchedule, bool]:
    """The default schedule; where it would carry the price far above the worth before so many bids
    are through, a flat one of the seller's that does not."""
    default = default_increments(product.asset)
    steps, price = 0, starting
    while price < product.value_minor and steps < 2 * bids:
        price, steps = price + default.at(price), steps + 1
    if steps >= 2 * bids or not bids:
        return default, False
    return IncrementSchedule((), (nice(product.value_minor // (2 * bids) + 1),)), True


def _reserve(kind: Kind, product: SeededProduct, starting: int, dice: Random) -> int | None:
    if kind == "ENDED" and dice.random() < 0.3:
        return max(nice(int(product.value_minor * dice.uniform(0.3, 0.6))), starting)
    if kind in ("OPEN", "OPEN_SOON", "OPEN_QUIET", "SCHEDULED") and dice.random() < 0.25:
        return max(nice(int(product.value_minor * dice.uniform(0.6, 1.3))), starting)
    return None


def play(
    plan: LotPlan, people: Sequence[Person], *, now: datetime, dice: Random, ids: IdMaker
) -> LotHistory:
    """What happened on the lot up to `now`."""
    if plan.kind == "SCHEDULED":
        return LotHistory(plan, replace(plan.state, status="SCHEDULED"), "SCHEDULED", None)
    if plan.kind == "CANCELLED":
        return _cancelled(plan, dice)
    past: list[PastBid] = []
    shown: dict[UUID, int] = {}
    state = _bid(plan, people, now, dice, ids, past, shown)
    if plan.kind == "RESERVED" and state.leader_maximum_minor is not None:
        # Above the best maximum there ever was, it could not have changed anything before.
        reserve = int(state.leader_maximum_minor * dice.uniform(1.05, 1.5)) + 1
        state = replace(state, reserve_minor=reserve)
        past = [replace(bid, before=replace(bid.before, reserve_minor=reserve)) for bid in past]
    if now < state.ends_at:
        return LotHistory(plan, state, "OPEN", None, past, shown)
    closed_at = state.ends_at + timedelta(milliseconds=dice.randint(3, 900))
    closing = close(state, closed_at)
    assert closing is not None
    return LotHistory(plan, state, closing.status, closed_at, past, shown)


def _cancelled(plan: LotPlan, dice: Random) -> LotHistory:
    state = plan.state
    closed_at = state.starts_at + (state.ends_at - state.starts_at) * dice.random()
    return LotHistory(plan, state, "CANCELLED", closed_at)


def _bid(
    plan: LotPlan,
    people: Sequence[Person],
    now: datetime,
    dice: Random,
    ids: IdMaker,
    past: list[PastBid],
    shown: dict[UUID, int],
) -> AuctionState:
    """Let the planned number of bids come in; fills `past` and `shown`."""
    state = plan.state
    if not plan.bids:
        return state
    bidders = _bidders(plan, people, dice)
    eagerness = _eagerness(plan)
    # The last first, so that what overtime adds is taken next.
    moments = _moments(plan, now, dice)[::-1]
    overtime = 0
    while moments:
        moment = moments.pop()
        bidder = _next_bidder(bidders, state, dice)
        maximum = _maximum(state, bidder, plan.product.value_minor, eagerness, dice)
        decision = decide(state, [Offer(ids.at(moment), bidder, maximum)], moment)
        outcome = decision.outcomes[0]
        if not isinstance(outcome, Accepted):
            continue
        sealed = seal(outcome.bid_id, maximum, nonce=dice.randbytes(NONCE_BYTES))
        past.append(PastBid(outcome, state, moment, sealed))
        shown.update(decision.shown_minor)
        state = decision.state
        if outcome.extended_to is not None and not moments and overtime < _MAX_OVERTIME:
            overtime += 1
            later = moment + timedelta(seconds=dice.randint(4, 200))
            if later < min(state.ends_at, now):
                moments.append(later)
    return state


def _bidders(plan: LotPlan, people: Sequence[Person], dice: Random) -> list[UUID]:
    """Who is interested: a handful, more where there are many bids, never the sellers."""
    wanted = min(2 + int(plan.bids**0.7 * dice.uniform(0.5, 1.2)), len(people) // 2)
    chosen = {dice.choice(people).id: None for _ in range(wanted + len(plan.state.seller_ids) + 1)}
    return [id for id in chosen if id not in plan.state.seller_ids]


def _next_bidder(bidders: Sequence[UUID], state: AuctionState, dice: Random) -> UUID:
    """Anyone interested, the first named more often; seldom whoever leads already."""
    bidder = bidders[int(len(bidders) * dice.random() ** 1.5)]
    if bidder == state.leader_id and len(bidders) > 1 and dice.random() < 0.9:
        return bidders[(bidders.index(bidder) + dice.randint(1, len(bidders) - 1)) % len(bidders)]
    return bidder


def _eagerness(plan: LotPlan) -> float:
    """Mean number of increments that a bid goes beyond the least: what brings the price to about
    the lot's worth with the planned number of bids."""
    state, worth = plan.state, plan.product.value_minor
    steps, price = 0, state.starting_price_minor
    while price < worth and steps < 12 * plan.bids:
        price, steps = price + state.increments.at(price), steps + 1
    return min(max(steps / plan.bids - 1.0, 0.2), 8.0)


def _maximum(state: AuctionState, bidder: UUID, worth: int, eagerness: float, dice: Random) -> int:
    least = minimum_bid_minor(state, bidder)
    step = state.increments.at(least)
    if least >= 2 * worth:
        return least
    beyond = int(dice.expovariate(1 / eagerness)) * step
    if dice.random() < 0.1 and step > 1:
        beyond += dice.randint(1, step - 1)  # 12.37: meant to beat whoever bids round numbers
    return min(least + beyond, INT64_MAX)


def _moments(plan: LotPlan, now: datetime, dice: Random) -> list[datetime]:
    """When bids came, rising, whole milliseconds apart: a few early, most towards the end, and on
    some lots in its last minutes. On an open lot, all before now."""
    start, end = plan.state.starts_at, plan.state.ends_at
    last = min(end - timedelta(milliseconds=500), now - _QUIET_BEFORE_NOW)
    span_ms = (last - start) // timedelta(milliseconds=1)
    hurried = end < now and dice.random() < 0.5
    offsets: set[int] = set()
    while len(offsets) < plan.bids:
        if hurried and dice.random() < 0.12:
            offsets.add(span_ms - dice.randint(0, 180_000))
        else:
            share = dice.random() if dice.random() < 0.4 else 1 - dice.random() ** 3
            offsets.add(int(span_ms * share))
    return [start + timedelta(milliseconds=offset) for offset in sorted(offsets)]
