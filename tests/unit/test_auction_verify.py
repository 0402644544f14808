"""Deriving a result from a log alone: every honest log passes, without anything the winner keeps
secret, and none that was tampered with."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import orjson
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from core.jsontext import to_json
from services.auctions.bidding import placed_events
from services.auctions.closing import ended_events
from services.auctions.increments import IncrementSchedule, default_increments
from services.auctions.openings import PlacedRow, announced_terms
from services.auctions.rules import (
    AuctionState,
    Closing,
    Offer,
    buy_now,
    close,
    decide,
    minimum_bid_minor,
)
from services.auctions.sealing import seal
from services.auctions.state import LockedAuction
from services.auctions.verify import LogRejected, NothingToVerify, Opening, verify_log

START = datetime(2030, 5, 1, 12, tzinfo=UTC)
LOT, SELLER, BUYER = UUID(int=1000), UUID(int=99), UUID(int=98)
RESERVE_NONCE = b"r" * 16
LATE = timedelta(milliseconds=3)


@dataclass(frozen=True)
class Event:
    sequence: int
    type: str
    payload: dict[str, Any]
    actor_id: UUID | None
    occurred_at: datetime


@dataclass(frozen=True)
class Story:
    """A lot's log, what came of it, and its bids with their secrets."""

    events: list[Event]
    closing: Closing
    state: AuctionState
    bids: list[PlacedRow]


def tell(terms: dict[str, Any], steps: list[tuple[int, int, int]], *, buy: bool) -> Story:
    """Play a lot by the rules, and log it as the services do."""
    state = AuctionState(
        id=LOT,
        status="OPEN",
        asset="USD",
        starts_at=START,
        ends_at=START + timedelta(minutes=30),
        seller_ids=frozenset({SELLER}),
        **terms,
    )
    nonce = None if state.reserve_minor is None else RESERVE_NONCE
    announced = announced_terms(state, seller_id=SELLER, reserve_nonce=nonce)
    told: list[tuple[str, Any, UUID | None, datetime]] = [
        (
            "AuctionScheduled",
            {"status": "SCHEDULED", "endsAt": state.ends_at, "terms": announced},
            SELLER,
            START - timedelta(hours=1),
        ),
        ("AuctionOpened", {"status": "OPEN", "endsAt": state.ends_at}, None, START),
    ]
    now, bids, closing = START, [], None
    for number, (who, distance, seconds) in enumerate(steps):
        now += timedelta(seconds=seconds)
        bidder = UUID(int=who)
        maximum = max(1, minimum_bid_minor(state, bidder, now=now) + distance)
        offer = Offer(UUID(int=5000 + number), bidder, maximum)
        decision = decide(state, [offer], now)
        for accepted in decision.accepted:
            made = seal(offer.bid_id, maximum, nonce=bytes([number] * 16))
            for event in placed_events(state, [accepted], {offer.bid_id: made}, now):
                told.append((event.type, event.payload, event.actor_id, now))
            bids.append(
                PlacedRow(
                    offer.bid_id,
                    bidder,
                    accepted.sequence,
                    now,
                    made.commitment,
                    maximum,
                    made.nonce,
                )
            )
        state, closing = decision.state, decision.closing
        if closing is not None:
            break
    if closing is None and buy:
        bought = buy_now(state, BUYER, state.buy_now_minor or 1, now)
        closing = bought if isinstance(bought, Closing) else None
    if closing is None:
        now = max(now, state.ends_at) + LATE
        closing = close(state, now)
    assert closing is not None
    row = SimpleNamespace(reserve_nonce=nonce)
    for event in ended_events(LockedAuction(state, row, now), closing, bids):
        told.append((event.type, event.payload, event.actor_id, now))
    events = [
        Event(n, type, orjson.loads(to_json(payload)), actor, moment)
        for n, (type, payload, actor, moment) in enumerate(told, start=1)
    ]
    return Story(events, closing, state, bids)


SOFT = {"soft_close_window_s": 300, "soft_close_extension_s": 400}
HARD = {"soft_close_window_s": 0, "soft_close_extension_s": 0}
TERMS = {
    "starting_price_minor": st.integers(5, 60),
    "increments": st.sampled_from(
        [default_increments("USD"), IncrementSchedule((50, 120), (1, 7, 30))]
    ),
}


@st.composite
def terms_of(draw, format: str) -> dict[str, Any]:
    terms = draw(st.fixed_dictionaries(TERMS)) | {"format": format}
    if format == "DUTCH":
        dutch = {"price_step_minor": draw(st.integers(1, 3)), "step_interval_s": 60}
        return terms | HARD | dutch | {"floor_minor": 2}
    start = terms["starting_price_minor"]
    terms["reserve_minor"] = draw(st.none() | st.integers(start, 300))
    if format == "SEALED_SECOND_PRICE":
        return terms | HARD
    least = max(start, terms["reserve_minor"] or 0)
    terms["buy_now_minor"] = draw(st.none() | st.integers(least, 400))
    return terms | draw(st.sampled_from([SOFT, HARD]))


FORMATS = st.sampled_from(["ENGLISH", "SEALED_SECOND_PRICE", "DUTCH"])
STEPS = st.lists(
    st.tuples(
        st.integers(1, 3),
        st.sampled_from([-2, -1, 0, 0, 1, 5, 29, 30, 80, 300]),
        st.integers(0, 500),
    ),
    max_size=12,
)
STORIES = st.builds(
    lambda terms, steps, buy: tell(terms, steps, buy=buy),
    FORMATS.flatmap(terms_of),
    STEPS,
    st.booleans(),
)


@given(STORIES, st.booleans())
def test_an_honest_log_gives_its_result_with_and_without_the_winners_secrets(story, knowing):
    known = {bid.id: Opening(bid.nonce, bid.maximum_minor) for bid in story.bids}
    found = verify_log(LOT, story.events, known=known if knowing else None)
    assert (found.status, found.reason) == (story.closing.status, story.closing.reason)
    assert (found.winner_id, found.price_minor) == (
        story.closing.winner_id,
        story.closing.price_minor,
    )
    assert (found.bids, found.extensions, found.ends_at) == (
        len(story.bids),
        story.state.extensions,
        story.state.ends_at,
    )
    over = [
        bid
        for bid in story.bids
        if bid.bidder_id == story.closing.winner_id
        and bid.maximum_minor > (story.closing.price_minor or 0)
    ]
    assert found.sealed == (0 if knowing else len(over))
    assert found.reserve_committed


@given(STORIES)
def test_what_the_winner_would_have_paid_beyond_the_price_is_nowhere_in_the_log(story):
    said = {
        opening["bid"]
        for event in story.events
        if event.type == "BidsOpened"
        for opening in event.payload["openings"]
    }
    for bid in story.bids:
        over = bid.maximum_minor > (story.closing.price_minor or 0)
        assert (bid.id.hex in said) == (bid.bidder_id != story.closing.winner_id or not over)


def paths(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where every scalar in a payload stands."""
    if isinstance(value, dict):
        return [path for key in value for path in paths(value[key], (*at, key))]
    if isinstance(value, list):
        return [path for i, item in enumerate(value) for path in paths(item, (*at, i))]
    return [at]


def changed(value: Any, by: int) -> Any:
    """Another value of the same kind."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + by
    if value is None:
        return by
    try:
        return (datetime.fromisoformat(value) + timedelta(seconds=by)).isoformat()
    except ValueError:
        place = by % len(value)
        other = "1" if value[place] == "0" else "0"
        return value[:place] + other + value[place + 1 :]


def renumbered(events: list[Event]) -> list[Event]:
    return [replace(event, sequence=n) for n, event in enumerate(events, start=1)]


def refused(events: list[Event]) -> str:
    with pytest.raises((LogRejected, NothingToVerify)) as refusal:
        verify_log(LOT, events)
    return str(refusal.value)


@given(STORIES, st.data())
def test_a_log_with_any_one_value_changed_is_rejected(story, data):
    at = data.draw(st.integers(0, len(story.events) - 1))
    event = story.events[at]
    payload = copy.deepcopy(event.payload)
    *way, last = data.draw(st.sampled_from(paths(payload)))
    target = payload
    for step in way:
        target = target[step]
    target[last] = changed(target[last], data.draw(st.sampled_from([1, -1, 3, 7])))
    events = [*story.events]
    events[at] = replace(event, payload=payload)
    refused(events)


@given(STORIES, st.data())
def test_a_log_with_bids_or_openings_dropped_swapped_or_doubled_is_rejected(story, data):
    inner = [i for i, e in enumerate(story.events) if e.type in ("BidPlaced", "BidsOpened")]
    assume(inner)
    at = data.draw(st.sampled_from(inner))
    events = [*story.events]
    match data.draw(st.sampled_from(["drop", "double", "swap", "swap bidders"])):
        case "drop":
            del events[at]
        case "double":
            events.insert(at, events[at])
        case "swap":
            other = data.draw(st.sampled_from(inner))
            assume(other != at)
            events[at], events[other] = events[other], events[at]
        case "swap bidders":
            other = data.draw(st.sampled_from(inner))
            a, b = events[at], events[other]
            assume(a.type == b.type == "BidPlaced" and a.actor_id != b.actor_id)
            swap = (("bidder", b.payload["bidder"]), ("bidder", a.payload["bidder"]))
            events[at] = replace(a, payload=a.payload | dict(swap[:1]), actor_id=b.actor_id)
            events[other] = replace(b, payload=b.payload | dict(swap[1:]), actor_id=a.actor_id)
    refused(renumbered(events))


@given(STORIES, st.data())
def test_a_log_with_a_bid_told_of_another_moment_or_person_is_rejected(story, data):
    placed = [i for i, e in enumerate(story.events) if e.type == "BidPlaced"]
    assume(placed)
    at = data.draw(st.sampled_from(placed))
    events, event = [*story.events], story.events[at]
    moment = event.occurred_at + timedelta(microseconds=data.draw(st.sampled_from([-1, 1])))
    events[at] = data.draw(
        st.sampled_from(
            [
                replace(event, actor_id=UUID(int=7)),
                replace(event, occurred_at=moment),
                replace(
                    event,
                    occurred_at=moment,
                    payload=event.payload | {"placedAt": moment.isoformat()},
                ),
            ]
        )
    )
    refused(events)


def test_nobody_else_can_be_told_to_have_bought_at_once():
    terms = {
        "format": "ENGLISH",
        "starting_price_minor": 100,
        "increments": default_increments("USD"),
        "buy_now_minor": 500,
    }
    story = tell(terms, [], buy=True)
    assert (story.closing.reason, story.closing.winner_id) == ("BUY_NOW", BUYER)
    *before, closed = story.events
    for other in (
        replace(closed, payload=closed.payload | {"winnerId": UUID(int=7).hex}),
        replace(closed, actor_id=UUID(int=7)),
        replace(closed, actor_id=None),
    ):
        assert refused([*before, other]).endswith("the rules make another end of it")


def test_rejections_say_where_and_why():
    terms = {
        "format": "ENGLISH",
        "starting_price_minor": 100,
        "increments": default_increments("USD"),
    }
    events = tell(terms, [(1, 500, 10), (2, 200, 10)], buy=False).events
    assert [event.type for event in events] == [
        "AuctionScheduled",
        "AuctionOpened",
        "BidPlaced",
        "BidPlaced",
        "BidsOpened",
        "AuctionClosed",
    ]
    opening = events[4].payload["openings"][0]
    forged = events[4].payload | {"openings": [opening | {"nonce": "00" * 16}]}
    events[4] = replace(events[4], payload=forged)
    assert refused(events).startswith("event 4: the bid's commitment")
    assert refused(events[:-1]) == "the auction has no result (yet)"
