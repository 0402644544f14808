"""The English auction's rules: worked examples, refusals, limits."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from core.errors import DomainError
from core.money import INT64_MAX
from services.auctions.errors import AuctionNotOpen, BidTooLow, SellerCannotBid
from services.auctions.increments import default_increments
from services.auctions.rules import (
    Accepted,
    AuctionState,
    Closing,
    Offer,
    close,
    decide,
    is_open,
    minimum_bid_minor,
)

START = datetime(2030, 5, 1, 12, tzinfo=UTC)
END = START + timedelta(hours=1)
ANN, BEN, CAT = (UUID(int=n) for n in (1, 2, 3))
SELLER = UUID(int=99)


def lot(**changes) -> AuctionState:
    state = AuctionState(
        id=UUID(int=1000),
        status="OPEN",
        asset="USD",
        starting_price_minor=10_00,
        increments=default_increments("USD"),
        starts_at=START,
        ends_at=END,
        seller_ids=frozenset({SELLER}),
    )
    return replace(state, **changes)


def offers(*pairs: tuple[UUID, int]) -> list[Offer]:
    return [Offer(UUID(int=5000 + i), who, maximum) for i, (who, maximum) in enumerate(pairs)]


def play(state: AuctionState, *pairs: tuple[UUID, int], now: datetime = START):
    return decide(state, offers(*pairs), now)


# --- prices -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bids", "price", "leader"),
    [
        pytest.param([(ANN, 50_00)], 10_00, ANN, id="the first bid stands at the starting price"),
        pytest.param([(ANN, 10_00)], 10_00, ANN, id="the first bid may be the starting price"),
        pytest.param(
            [(ANN, 50_00), (BEN, 20_00)], 20_50, ANN, id="a losing bid lifts the price over itself"
        ),
        pytest.param(
            [(ANN, 50_00), (BEN, 60_00)], 51_00, BEN, id="a new leader pays the old one's + step"
        ),
        pytest.param(
            [(ANN, 50_00), (BEN, 50_40)], 50_40, BEN, id="a new leader never pays over the maximum"
        ),
        pytest.param(
            [(ANN, 50_00), (BEN, 49_80)], 50_00, ANN, id="the old leader never pays over it either"
        ),
        pytest.param(
            [(ANN, 50_00), (BEN, 50_00)], 50_00, ANN, id="a tie stays with the earlier bid"
        ),
        pytest.param(
            [(ANN, 50_00), (BEN, 24_99)], 25_49, ANN, id="the step is the one at the rival's bid"
        ),
        pytest.param(
            [(ANN, 50_00), (ANN, 80_00)], 10_00, ANN, id="a raise without a rival moves nothing"
        ),
        pytest.param(
            [(ANN, 50_00), (BEN, 20_00), (ANN, 80_00)], 20_50, ANN, id="a raise, not capped before"
        ),
        pytest.param(
            [(ANN, 50_00), (BEN, 49_80), (ANN, 80_00)], 50_80, ANN, id="a raise, capped before"
        ),
        pytest.param(
            [(ANN, 50_00), (BEN, 50_00), (ANN, 80_00)], 51_00, ANN, id="a raise after a tie"
        ),
        pytest.param(
            [(ANN, 50_00), (BEN, 60_00), (CAT, 55_00)], 56_00, BEN, id="the best rival counts"
        ),
        pytest.param(
            [(ANN, 50_00), (BEN, 60_00), (ANN, 70_00)], 61_00, ANN, id="a leader comes back"
        ),
        pytest.param(
            [(BEN, 20_00), (ANN, 40_00), (BEN, 60_00)],
            41_00,
            BEN,
            id="one's own beaten maximum is no rival",
        ),
    ],
)
def test_price_and_leader_after(bids, price, leader):
    state = play(lot(), *bids).state
    assert (state.price_minor, state.leader_id) == (price, leader)
    assert state.bid_count == len(bids)


def test_the_reserve_lifts_the_price_once_a_maximum_reaches_it():
    decision = play(
        lot(reserve_minor=40_00), (ANN, 30_00), (BEN, 39_99), (CAT, 45_00), (ANN, 44_00)
    )
    assert [bid.price_minor for bid in decision.accepted] == [10_00, 31_00, 40_99, 45_00]
    assert [bid.reserve_met_now for bid in decision.accepted] == [False, False, True, False]
    decision = play(lot(reserve_minor=40_00), (ANN, 90_00), (BEN, 42_00))
    assert [bid.price_minor for bid in decision.accepted] == [40_00, 43_00]


def test_a_leader_meets_the_reserve_by_raising():
    decision = play(lot(reserve_minor=40_00), (ANN, 20_00), (ANN, 40_00))
    assert [bid.reserve_met_now for bid in decision.accepted] == [False, True]
    assert decision.state.price_minor == 40_00


def test_without_a_reserve_nothing_is_ever_newly_met():
    assert lot().reserve_met
    assert not play(lot(), (ANN, 50_00)).accepted[0].reserve_met_now


# --- refusals -----------------------------------------------------------------------------------


def refused(outcome: Accepted | DomainError) -> int:
    assert isinstance(outcome, BidTooLow)
    assert outcome.asset == "USD"
    return outcome.minimum_bid_minor


def test_a_first_bid_below_the_starting_price_is_too_low():
    assert refused(play(lot(), (ANN, 9_99)).outcomes[0]) == 10_00


def test_a_bid_must_reach_the_price_and_the_increment_at_it():
    decision = play(lot(), (ANN, 50_00), (BEN, 20_00), (CAT, 20_99), (CAT, 21_00))
    assert refused(decision.outcomes[2]) == 21_00
    assert isinstance(decision.outcomes[3], Accepted)
    assert str(decision.outcomes[2]) == "bid at least 21.00 USD"


def test_a_leader_cannot_lower_or_repeat_the_maximum():
    decision = play(lot(), (ANN, 50_00), (ANN, 30_00), (ANN, 50_00), (ANN, 50_01))
    assert [refused(outcome) for outcome in decision.outcomes[1:3]] == [50_01, 50_01]
    assert decision.state.leader_maximum_minor == 50_01


def test_a_capped_leader_raises_by_the_increment_like_anyone():
    decision = play(lot(), (ANN, 50_00), (BEN, 50_00), (ANN, 50_50))
    assert refused(decision.outcomes[2]) == 51_00


def test_the_minimum_for_all_does_not_betray_the_leaders_maximum():
    state = play(lot(), (ANN, 50_00)).state
    assert minimum_bid_minor(state) == minimum_bid_minor(state, BEN) == 10_50
    assert minimum_bid_minor(state, ANN) == 50_01
    assert minimum_bid_minor(lot()) == minimum_bid_minor(lot(), ANN) == 10_00


def test_the_seller_and_the_stall_cannot_bid():
    decision = play(lot(), (SELLER, 50_00), (ANN, 50_00))
    assert isinstance(decision.outcomes[0], SellerCannotBid)
    assert decision.accepted[0].sequence == 1


@pytest.mark.parametrize(
    ("status", "now"),
    [
        ("OPEN", START - timedelta(microseconds=1)),
        ("OPEN", END),
        ("SCHEDULED", START),
        ("SOLD", START),
        ("UNSOLD", START),
        ("CANCELLED", START),
    ],
)
def test_outside_its_time_or_status_a_lot_takes_nothing(status, now):
    state = lot(status=status)
    decision = play(state, (ANN, 50_00), (SELLER, 50_00), now=now)
    assert not is_open(state, now)
    assert decision.state is state
    assert [(type(x), x.status, x.ends_at) for x in decision.outcomes] == [
        (AuctionNotOpen, status, END)
    ] * 2


def test_the_first_and_the_last_microsecond_count():
    assert play(lot(), (ANN, 50_00), now=START).accepted
    assert play(lot(), (ANN, 50_00), now=END - timedelta(microseconds=1)).accepted


def test_a_bid_without_means_leaves_no_gap_and_is_asked_about_last():
    asked = []

    def afford(offer: Offer) -> DomainError | None:
        asked.append(offer.bidder_id)
        return DomainError("no money") if offer.bidder_id == BEN else None

    bids = offers((BEN, 60_00), (ANN, 5_00), (ANN, 20_00), (CAT, 30_00))
    decision = decide(lot(), bids, START, afford=afford)
    assert [str(x) for x in decision.outcomes[:2]] == ["no money", "bid at least 10.00 USD"]
    assert [bid.sequence for bid in decision.accepted] == [1, 2]
    assert decision.state.price_minor == 20_50
    assert asked == [BEN, ANN, CAT]


@pytest.mark.parametrize("maximum", [0, -1, INT64_MAX + 1])
def test_a_maximum_outside_64_bits_is_no_offer(maximum):
    with pytest.raises(ValueError, match="maximum out of range"):
        Offer(UUID(int=1), ANN, maximum)


def test_at_the_top_of_64_bits_every_number_still_fits():
    decision = play(lot(), (ANN, INT64_MAX), (BEN, INT64_MAX), (CAT, INT64_MAX), (ANN, INT64_MAX))
    assert decision.state.price_minor == INT64_MAX
    assert decision.state.leader_id == ANN
    assert [refused(outcome) for outcome in decision.outcomes[2:]] == [INT64_MAX, INT64_MAX]
    assert minimum_bid_minor(decision.state) == INT64_MAX


# --- what each bid shows and tells --------------------------------------------------------------


def test_an_accepted_bid_tells_what_it_did():
    first, second, third = play(lot(), (ANN, 50_00), (BEN, 20_00), (CAT, 60_00)).accepted
    assert first == Accepted(
        sequence=1,
        bid_id=UUID(int=5000),
        bidder_id=ANN,
        maximum_minor=50_00,
        amount_minor=10_00,
        price_minor=10_00,
        leader_id=ANN,
        outbid_id=None,
        extended_to=None,
        reserve_met_now=False,
    )
    assert (second.amount_minor, second.price_minor, second.leader_id) == (20_00, 20_50, ANN)
    assert second.outbid_id is None
    assert (third.amount_minor, third.price_minor, third.leader_id) == (51_00, 51_00, CAT)
    assert third.outbid_id == ANN


def test_raising_ones_own_maximum_outbids_nobody():
    assert play(lot(), (ANN, 50_00), (ANN, 80_00)).accepted[1].outbid_id is None


def test_a_leading_bid_shows_the_price_and_an_outbid_one_its_last():
    bids = offers((ANN, 50_00), (BEN, 20_00), (CAT, 60_00))
    after_two = decide(lot(), bids[:2], START)
    assert after_two.shown_minor == {bids[0].bid_id: 20_50, bids[1].bid_id: 20_00}
    after_three = decide(after_two.state, bids[2:], START)
    assert after_three.shown_minor == {bids[2].bid_id: 51_00}


# --- soft close ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before_end_s", "extended_by_s"), [(121, None), (120, 0), (119, 1), (60, 60), (1, 119)]
)
def test_a_late_bid_leaves_at_least_the_extension(before_end_s, extended_by_s):
    decision = play(lot(), (ANN, 50_00), now=END - timedelta(seconds=before_end_s))
    moved = bool(extended_by_s)
    expected = END + timedelta(seconds=extended_by_s or 0)
    assert decision.state.ends_at == expected
    assert decision.accepted[0].extended_to == (expected if moved else None)
    assert decision.state.extensions == int(moved)


def test_the_window_begins_exactly_its_length_before_the_end():
    state, begin = lot(soft_close_window_s=60), END - timedelta(seconds=60)
    assert not play(state, (ANN, 50_00), now=begin - timedelta(microseconds=1)).state.extensions
    assert play(state, (ANN, 50_00), now=begin).state.ends_at == begin + timedelta(seconds=120)


def test_bids_taken_together_extend_once_and_refused_ones_never():
    late = END - timedelta(seconds=10)
    decision = play(lot(), (ANN, 1_00), (ANN, 50_00), (BEN, 60_00), now=late)
    assert [bid.extended_to for bid in decision.accepted] == [late + timedelta(seconds=120), None]
    assert play(lot(), (ANN, 1_00), now=late).state.ends_at == END


def test_a_short_extension_never_moves_the_end_back():
    state = lot(soft_close_extension_s=30)
    assert play(state, (ANN, 50_00), now=END - timedelta(seconds=100)).state.ends_at == END


def test_a_window_of_zero_switches_soft_close_off():
    state = lot(soft_close_window_s=0)
    assert play(state, (ANN, 50_00), now=END - timedelta(microseconds=1)).state.ends_at == END


# --- closing ------------------------------------------------------------------------------------


def test_a_lot_closes_at_its_end_and_not_before():
    state = play(lot(), (ANN, 50_00), (BEN, 20_00)).state
    assert close(state, END - timedelta(microseconds=1)) is None
    assert close(state, END) == Closing("SOLD", ANN, 20_50, "SOLD")


def test_a_lot_without_bids_or_below_its_reserve_is_unsold():
    assert close(lot(), END) == Closing("UNSOLD", None, None, "NO_BIDS")
    state = play(lot(reserve_minor=40_00), (ANN, 39_99)).state
    assert close(state, END) == Closing("UNSOLD", None, 10_00, "RESERVE_NOT_MET")


def test_a_lot_closes_once_and_late_if_it_never_opened():
    for status in ("SOLD", "UNSOLD", "CANCELLED"):
        assert close(lot(status=status), END) is None
    assert close(lot(status="SCHEDULED"), END) == Closing("UNSOLD", None, None, "NO_BIDS")
