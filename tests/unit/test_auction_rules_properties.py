"""The English auction's rules as properties, against a reference that starts from scratch."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from core.errors import DomainError
from services.auctions.errors import AuctionNotOpen, BidTooLow
from services.auctions.increments import IncrementSchedule, default_increments
from services.auctions.rules import (
    Accepted,
    AuctionState,
    Closing,
    Offer,
    close,
    decide,
    minimum_bid_minor,
)

START = datetime(2030, 5, 1, 12, tzinfo=UTC)


def lot(**changes) -> AuctionState:
    state = AuctionState(
        id=UUID(int=1000),
        status="OPEN",
        asset="USD",
        starting_price_minor=10_00,
        increments=default_increments("USD"),
        starts_at=START,
        ends_at=START + timedelta(hours=1),
    )
    return replace(state, **changes)


SCHEDULES = (
    default_increments("USD"),
    default_increments("JPY"),
    IncrementSchedule((), (1,)),
    IncrementSchedule((50, 120, 400), (1, 7, 30, 31)),
)
SETTINGS = st.fixed_dictionaries(
    {
        "increments": st.sampled_from(SCHEDULES),
        "starting_price_minor": st.integers(1, 60),
        "reserve_minor": st.none() | st.integers(1, 700),
        "soft_close_window_s": st.sampled_from([0, 120, 300]),
        "soft_close_extension_s": st.sampled_from([0, 60, 120, 400]),
    }
)
# (bidder, distance from that bidder's minimum, seconds since the bid before): near the minimum
# ties, caps and refusals are common; far from it, proxies fight.
STEPS = st.lists(
    st.tuples(
        st.integers(1, 4),
        st.sampled_from([-40, -1, 0, 0, 1, 2, 5, 29, 30, 31, 80, 300]),
        st.integers(0, 900),
    ),
    max_size=30,
)


def run(state: AuctionState, steps, *, at_once: bool = False):
    """Each step on its own, as (state before, offer, now, decision): the offers depend on it."""
    now, trail = START, []
    for number, (who, distance, seconds) in enumerate(steps):
        now += timedelta(seconds=0 if at_once else seconds)
        bidder = UUID(int=who)
        maximum = max(1, minimum_bid_minor(state, bidder) + distance)
        offer = Offer(UUID(int=5000 + number), bidder, maximum)
        decision = decide(state, [offer], now)
        trail.append((state, offer, now, decision))
        state = decision.state
    return state, trail


def taken(trail):
    return [(offer, now, d.accepted[0]) for _, offer, now, d in trail if d.accepted]


def reference_price(state: AuctionState, bids: list[Offer]) -> tuple[int, UUID]:
    """Price and leader from all accepted offers, knowing nothing of what came between."""
    best = max(bids, key=lambda bid: (bid.maximum_minor, -bids.index(bid)))
    rivals = [bid.maximum_minor for bid in bids if bid.bidder_id != best.bidder_id]
    price = state.starting_price_minor
    if rivals:
        limits = [*state.increments.limits, float("inf")]
        rival = max(rivals)
        step = next(
            s for below, s in zip(limits, state.increments.increments, strict=True) if rival < below
        )
        price = min(best.maximum_minor, rival + step)
    if state.reserve_minor is not None and best.maximum_minor >= state.reserve_minor:
        price = max(price, state.reserve_minor)
    return price, best.bidder_id


@given(SETTINGS, STEPS)
def test_price_and_leader_are_those_derived_from_scratch(settings, steps):
    _, trail = run(lot(**settings), steps)
    bids: list[Offer] = []
    for state, offer, _, decision in trail:
        for accepted in decision.accepted:
            bids.append(offer)
            price, leader = reference_price(state, bids)
            assert (accepted.price_minor, accepted.leader_id) == (price, leader)
            assert decision.state.price_minor == price
            assert decision.state.reserve_met == (
                state.reserve_minor is None
                or max(bid.maximum_minor for bid in bids) >= state.reserve_minor
            )


@given(SETTINGS, STEPS)
def test_sequences_have_no_gap_and_the_price_never_falls_nor_passes_the_leader(settings, steps):
    state, trail = run(lot(**settings), steps)
    accepted = [bid for _, _, bid in taken(trail)]
    assert [bid.sequence for bid in accepted] == list(range(1, state.bid_count + 1))
    prices = [bid.price_minor for bid in accepted]
    assert prices == sorted(prices)
    for _, _, _, decision in trail:
        if decision.state.price_minor is not None:
            assert decision.state.price_minor <= decision.state.leader_maximum_minor
    for bid in accepted:
        assert bid.amount_minor <= min(bid.maximum_minor, bid.price_minor)


@given(SETTINGS, STEPS)
def test_a_bid_is_accepted_exactly_when_open_and_at_least_the_minimum(settings, steps):
    _, trail = run(lot(**settings), steps)
    for state, offer, now, decision in trail:
        outcome = decision.outcomes[0]
        if not state.starts_at <= now < state.ends_at:
            assert isinstance(outcome, AuctionNotOpen)
        elif offer.maximum_minor < minimum_bid_minor(state, offer.bidder_id):
            assert isinstance(outcome, BidTooLow)
        else:
            assert isinstance(outcome, Accepted)
        if not decision.accepted:
            assert decision.state == state
            assert not decision.shown_minor


@given(SETTINGS, STEPS)
def test_the_end_only_moves_for_accepted_bids_in_the_window(settings, steps):
    _, trail = run(lot(**settings), steps)
    for state, _, now, decision in trail:
        end = state.ends_at
        late = end - now <= timedelta(seconds=state.soft_close_window_s)
        if decision.accepted and state.soft_close_window_s and late:
            end = max(end, now + timedelta(seconds=state.soft_close_extension_s))
        assert decision.state.ends_at == end
        moved = end != state.ends_at
        assert decision.state.extensions == state.extensions + moved
        if decision.accepted:
            assert decision.accepted[0].extended_to == (end if moved else None)


@given(SETTINGS, STEPS, st.lists(st.integers(1, 6), min_size=1), st.booleans())
def test_taken_together_is_the_same_as_one_by_one(settings, steps, sizes, late):
    first = lot(**settings, ends_at=START + timedelta(seconds=30)) if late else lot(**settings)
    final, trail = run(first, steps, at_once=True)
    bids = [offer for _, offer, _, _ in trail]
    state, outcomes, shown = first, [], {}
    for size in [*sizes, len(bids)]:
        decision = decide(state, bids[:size], START)
        state, bids = decision.state, bids[size:]
        outcomes += decision.outcomes
        shown |= decision.shown_minor
    assert state == final
    single_shown: dict[UUID, int] = {}
    for _, _, _, decision in trail:
        single_shown |= decision.shown_minor
    assert shown == single_shown
    singles = [decision.outcomes[0] for _, _, _, decision in trail]
    assert [facts(outcome) for outcome in outcomes] == [facts(outcome) for outcome in singles]


def facts(outcome: Accepted | DomainError) -> object:
    return outcome if isinstance(outcome, Accepted) else (type(outcome), vars(outcome))


@given(SETTINGS, STEPS)
def test_bids_by_shown_amount_then_sequence_begin_with_the_leaders(settings, steps):
    _, trail = run(lot(**settings), steps)
    shown: dict[UUID, int] = {}
    placed: list[Accepted] = []
    for _, _, _, decision in trail:
        shown |= decision.shown_minor
        placed += decision.accepted
        if placed:
            top = min(placed, key=lambda bid: (-shown[bid.bid_id], bid.sequence))
            assert top.bidder_id == decision.state.leader_id
            assert shown[top.bid_id] == shown[decision.state.leader_bid_id]
            assert shown[top.bid_id] == decision.state.price_minor


@given(SETTINGS, STEPS)
def test_a_lot_is_sold_exactly_when_its_leader_reaches_the_reserve(settings, steps):
    state, trail = run(lot(**settings), steps)
    assert close(state, state.ends_at - timedelta(microseconds=1)) is None
    closing = close(state, state.ends_at)
    bids = [offer for offer, _, _ in taken(trail)]
    best = max((bid.maximum_minor for bid in bids), default=0)
    if bids and best >= (state.reserve_minor or 0):
        price, leader = reference_price(state, bids)
        assert closing == Closing("SOLD", leader, price, "SOLD")
        assert (state.reserve_minor or 0) <= price <= best
    else:
        assert closing.status == "UNSOLD"
        assert closing.winner_id is None
        assert closing.reason == ("RESERVE_NOT_MET" if bids else "NO_BIDS")
