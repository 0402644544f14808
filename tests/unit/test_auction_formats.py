"""Sealed, Dutch and buy-now rules: worked examples, and properties against references that know
nothing of what came between."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import DomainError
from services.auctions.errors import (
    AuctionNotOpen,
    BidTooLow,
    BuyNowGone,
    PriceChanged,
    SellerCannotBid,
)
from services.auctions.increments import default_increments
from services.auctions.rules import (
    Accepted,
    AuctionState,
    Closing,
    Offer,
    buy_now,
    close,
    decide,
    minimum_bid_minor,
)

START = datetime(2030, 5, 1, 12, tzinfo=UTC)
END = START + timedelta(hours=1)
ANN, BEN, CAT, SELLER = (UUID(int=n) for n in (1, 2, 3, 99))


def lot(format: str, **changes) -> AuctionState:
    state = AuctionState(
        id=UUID(int=1000),
        status="OPEN",
        asset="USD",
        starting_price_minor=10_00,
        increments=default_increments("USD"),
        starts_at=START,
        ends_at=END,
        seller_ids=frozenset({SELLER}),
        soft_close_window_s=0,
        soft_close_extension_s=0,
        format=format,
    )
    return replace(state, **changes)


def sealed(**changes) -> AuctionState:
    return lot("SEALED_SECOND_PRICE", **changes)


def dutch(**changes) -> AuctionState:
    terms = {"price_step_minor": 1_50, "step_interval_s": 60, "floor_minor": 3_00}
    return lot("DUTCH", **{**terms, **changes})


def play(state: AuctionState, *pairs: tuple[UUID, int], now: datetime = START):
    bids = [Offer(UUID(int=5000 + i), who, most) for i, (who, most) in enumerate(pairs)]
    return decide(state, bids, now)


# --- sealed -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("terms", "bids", "expected"),
    [
        pytest.param({}, [(ANN, 50_00)], ("SOLD", ANN, 10_00), id="alone pays the starting price"),
        pytest.param(
            {}, [(ANN, 50_00), (BEN, 70_00)], ("SOLD", BEN, 50_00), id="pays the second-highest"
        ),
        pytest.param(
            {}, [(ANN, 50_00), (BEN, 50_00)], ("SOLD", ANN, 50_00), id="a tie goes to the earlier"
        ),
        pytest.param(
            {},
            [(ANN, 50_00), (BEN, 60_00), (ANN, 55_00)],
            ("SOLD", BEN, 55_00),
            id="a later higher maximum replaces the bidder's own",
        ),
        pytest.param(
            {},
            [(ANN, 50_00), (BEN, 20_00), (ANN, 90_00)],
            ("SOLD", ANN, 20_00),
            id="one's own earlier maximum is nobody's second",
        ),
        pytest.param(
            {"reserve_minor": 40_00},
            [(ANN, 50_00), (BEN, 20_00)],
            ("SOLD", ANN, 40_00),
            id="at least the reserve",
        ),
        pytest.param(
            {"reserve_minor": 60_00},
            [(ANN, 50_00), (BEN, 20_00)],
            ("UNSOLD", None, 20_00),
            id="below the reserve nobody has it",
        ),
        pytest.param({}, [], ("UNSOLD", None, None), id="nobody bid"),
    ],
)
def test_sealed_second_price(terms, bids, expected):
    decision = play(sealed(**terms), *bids)
    assert len(decision.accepted) == len(bids)
    closing = close(decision.state, END)
    assert (closing.status, closing.winner_id, closing.price_minor) == expected


def test_a_sealed_bid_tells_nothing():
    first, second = play(sealed(reserve_minor=20_00), (ANN, 50_00), (BEN, 90_00)).accepted
    for bid in (first, second):
        told = (bid.amount_minor, bid.price_minor, bid.leader_id, bid.outbid_id, bid.extended_to)
        assert told == (None,) * 5
        assert not bid.reserve_met_now
    state = play(sealed(reserve_minor=20_00), (ANN, 50_00), (BEN, 90_00)).state
    assert state.price_minor is None
    assert state.reserve_met
    assert not state.reserve_met_told
    assert minimum_bid_minor(state, CAT) == minimum_bid_minor(state) == 10_00
    assert minimum_bid_minor(state, ANN) == 50_01


@given(
    st.none() | st.integers(1, 60),
    st.lists(st.tuples(st.integers(1, 4), st.integers(1, 70)), max_size=15),
    st.lists(st.integers(1, 5)),
)
def test_sealed_agrees_with_a_reference_however_it_is_batched(reserve, offers, sizes):
    state = sealed(starting_price_minor=5, reserve_minor=reserve and max(reserve, 5))
    best: dict[UUID, tuple[int, int]] = {}
    expected: list[bool] = []
    for who, most in offers:
        bidder = UUID(int=who)
        taken = most >= max(5, best.get(bidder, (0, 0))[0] + 1)
        expected.append(taken)
        if taken:
            best[bidder] = (most, -sum(expected))
    bids = [Offer(UUID(int=5000 + i), UUID(int=who), most) for i, (who, most) in enumerate(offers)]
    outcomes: list[Accepted | DomainError] = []
    for size in [*sizes, len(bids)]:
        decision = decide(state, bids[:size], START)
        # As a row keeps it: maxima of those who do not lead are forgotten, and read again.
        own = {who: most for who, (most, _) in decision_best(decision, outcomes).items()}
        outcomes += decision.outcomes
        state, bids = replace(decision.state, maxima=own), bids[size:]
    assert [isinstance(outcome, Accepted) for outcome in outcomes] == expected
    closing = close(state, END)
    if not best:
        assert closing == Closing("UNSOLD", None, None, "NO_BIDS")
        return
    winner = max(best, key=best.__getitem__)
    price = max(5, *(most for who, (most, _) in best.items() if who != winner), 0)
    if reserve is not None and best[winner][0] < max(reserve, 5):
        assert closing == Closing("UNSOLD", None, price, "RESERVE_NOT_MET")
    else:
        assert closing == Closing("SOLD", winner, max(price, reserve or 0), "SOLD")


def decision_best(decision, before) -> dict[UUID, tuple[int, int]]:
    """Each bidder's highest accepted maximum."""
    taken = [outcome for outcome in before if isinstance(outcome, Accepted)] + decision.accepted
    best: dict[UUID, tuple[int, int]] = {}
    for bid in taken:
        best[bid.bidder_id] = max(best.get(bid.bidder_id, (0, 0)), (bid.maximum_minor, 0))
    return best


# --- Dutch --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "price"),
    [
        (0, 10_00),
        (59.999999, 10_00),
        (60, 8_50),
        (119, 8_50),
        (240, 4_00),
        (300, 3_00),
        (3599, 3_00),
    ],
)
def test_a_dutch_price_falls_by_the_step_each_interval_to_the_floor(seconds, price):
    now = START + timedelta(seconds=seconds)
    assert minimum_bid_minor(dutch(), now=now) == price
    refused, taken, late = play(
        dutch(), (ANN, price - 1), (BEN, price + 5_00), (CAT, 99_00), now=now
    ).outcomes
    assert isinstance(refused, BidTooLow)
    assert refused.minimum_bid_minor == price
    assert (taken.amount_minor, taken.price_minor, taken.leader_id) == (price, price, BEN)
    assert isinstance(late, AuctionNotOpen)
    assert late.status == "SOLD"


def test_the_first_taker_ends_a_dutch_lot():
    decision = play(dutch(), (SELLER, 99_00), (ANN, 12_00), now=START + timedelta(seconds=61))
    assert isinstance(decision.outcomes[0], SellerCannotBid)
    assert decision.closing == Closing("SOLD", ANN, 8_50, "SOLD")
    assert (decision.state.price_minor, decision.state.bid_count) == (8_50, 1)


def test_a_dutch_lot_that_nobody_takes_is_unsold_at_its_end_and_not_before():
    assert close(dutch(), END - timedelta(microseconds=1)) is None
    assert close(dutch(), END) == Closing("UNSOLD", None, None, "NO_BIDS")
    assert isinstance(play(dutch(), (ANN, 99_00), now=END).outcomes[0], AuctionNotOpen)


def test_a_taker_that_cannot_pay_leaves_the_lot_to_the_next():
    poor = BuyNowGone()
    bids = [Offer(UUID(int=1), ANN, 20_00), Offer(UUID(int=2), BEN, 20_00)]
    decision = decide(dutch(), bids, START, afford=lambda o: poor if o.bidder_id == ANN else None)
    assert decision.outcomes[0] is poor
    assert decision.closing is not None
    assert decision.closing.winner_id == BEN


# --- buy now ------------------------------------------------------------------------------------


def buyable(**changes) -> AuctionState:
    return lot("ENGLISH", buy_now_minor=80_00, **changes)


def test_buy_now_is_there_until_the_first_bid_or_until_one_reaches_the_reserve():
    bought = Closing("SOLD", CAT, 80_00, "BUY_NOW")
    assert buy_now(buyable(), CAT, 80_00, START) == bought
    bid_on = play(buyable(), (ANN, 12_00)).state
    assert isinstance(buy_now(bid_on, CAT, 80_00, START), BuyNowGone)

    reserved = play(buyable(reserve_minor=50_00), (ANN, 49_99)).state
    assert buy_now(reserved, CAT, 80_00, START) == bought
    met = play(reserved, (BEN, 60_00)).state
    assert isinstance(buy_now(met, CAT, 80_00, START), BuyNowGone)


def test_buy_now_is_refused_out_of_time_to_sellers_and_at_another_price():
    assert isinstance(buy_now(buyable(), CAT, 80_00, END), AuctionNotOpen)
    assert isinstance(buy_now(buyable(), SELLER, 80_00, START), SellerCannotBid)
    assert isinstance(buy_now(lot("ENGLISH"), CAT, 80_00, START), BuyNowGone)
    changed = buy_now(buyable(), CAT, 79_00, START)
    assert isinstance(changed, PriceChanged)
    assert changed.price_minor == 80_00
