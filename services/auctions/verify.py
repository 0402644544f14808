"""Deriving a lot's result anew from its log alone (auctions.md, What must be shown): anyone who
has the log can do this, without the database. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, NamedTuple, Protocol
from uuid import UUID

import orjson

from core.errors import DomainError
from core.jsontext import to_json
from core.money import INT64_MAX
from services.auctions.bidding import placed_events
from services.auctions.closing import ended_events
from services.auctions.increments import increments_from_json
from services.auctions.lots import Accepted, AuctionState, Closing, Offer
from services.auctions.openings import PlacedRow, announced_terms
from services.auctions.rules import buy_now, close, decide
from services.auctions.sealing import NONCE_BYTES, Seal, commitment
from services.auctions.state import LockedAuction

PARTS: Mapping[str, int] = {
    "AuctionScheduled": 0,
    "AuctionOpened": 0,
    "BidPlaced": 1,
    "BidsOpened": 2,
    "AuctionClosed": 2,
}
"""In which part of a log each type of event stands; it has no other."""


class Logged(Protocol):
    """An event as the log has it."""

    @property
    def sequence(self) -> int: ...
    @property
    def type(self) -> str: ...
    @property
    def payload(self) -> Mapping[str, Any]: ...
    @property
    def actor_id(self) -> UUID | None: ...
    @property
    def occurred_at(self) -> datetime: ...


class Opening(NamedTuple):
    """What a bid's commitment was made of."""

    nonce: bytes
    maximum_minor: int


@dataclass(frozen=True, slots=True)
class Verified:
    """A result that follows from the log. `sealed` of the winner's bids were not opened: it is
    known only that their maxima are above the price. `reserve_committed` is false where a reserve
    was opened that had not been bound before."""

    status: str
    reason: str
    asset: str
    winner_id: UUID | None
    price_minor: int | None
    bids: int
    extensions: int
    ends_at: datetime
    sealed: int
    reserve_committed: bool


class LogRejected(Exception):
    """The log contradicts itself or the rules; `sequence` is the event at fault, if one is."""

    def __init__(self, reason: str, sequence: int | None = None) -> None:
        super().__init__(reason if sequence is None else f"event {sequence}: {reason}")
        self.reason = reason
        self.sequence = sequence


class NothingToVerify(Exception):
    """The lot has no result, or its terms were not announced; the message says which."""


def verify_log(
    auction_id: UUID, events: Sequence[Logged], *, known: Mapping[UUID, Opening] | None = None
) -> Verified:
    """The result of a lot, derived anew from its whole log: each bid taken again by the rules at
    its moment, each opened maximum held against its commitment.

    Of the winner, what is above the price is not opened; any such maximum gives the same auction.
    `known` are further openings, which the winner and moderators have. Raises `LogRejected`, or
    `NothingToVerify`.
    """
    try:
        return _verify(auction_id, events, known or {})
    except (KeyError, ValueError, TypeError, AttributeError, OverflowError, DomainError) as error:
        raise LogRejected(f"not as the log is written ({error!r})") from error


def _verify(auction_id: UUID, events: Sequence[Logged], known: Mapping[UUID, Opening]) -> Verified:
    before, placed, after = _parts(events)
    result = after[-1].payload
    state = _state(auction_id, before[0].payload["terms"], result)
    reserve_nonce = _bytes(result["reserveNonce"])
    _check_announced(before, state, reserve_nonce, bidden=bool(placed))
    opened = dict(known) | _openings(after)
    state, bids, taken = _replay(state, placed, opened)
    closing = taken or _closing(state, after[-1])
    if taken is not None and after[-1].occurred_at != placed[-1].occurred_at:
        raise LogRejected("taken, and not closed at once", after[-1].sequence)
    _check_end(state, closing, bids, after, reserve_nonce)
    return Verified(
        status=closing.status,
        reason=closing.reason,
        asset=state.asset,
        winner_id=closing.winner_id,
        price_minor=closing.price_minor,
        bids=state.bid_count,
        extensions=state.extensions,
        ends_at=state.ends_at,
        sealed=sum(bid.id not in opened for bid in bids),
        reserve_committed=state.reserve_minor is None or reserve_nonce is not None,
    )


def _parts(events: Sequence[Logged]) -> tuple[list[Logged], list[Logged], list[Logged]]:
    """What came before the bids, the bids, and what the end told; numbers and moments rise."""
    if not events or events[-1].type != "AuctionClosed":
        raise NothingToVerify("the auction has no result (yet)")
    parts: tuple[list[Logged], ...] = ([], [], [])
    part, moment = 0, events[0].occurred_at
    for number, event in enumerate(events, start=1):
        if event.sequence != number:
            raise LogRejected("the numbers have a gap", event.sequence)
        if event.type not in PARTS or PARTS[event.type] < part or event.occurred_at < moment:
            raise LogRejected(f"{event.type} is out of place", number)
        part, moment = PARTS[event.type], event.occurred_at
        parts[part].append(event)
    if not parts[0] or "terms" not in parts[0][0].payload:
        raise NothingToVerify("the auction's terms were not announced in its log")
    return parts[0], parts[1], parts[2]


def _state(auction_id: UUID, terms: Mapping[str, Any], result: Mapping[str, Any]) -> AuctionState:
    """The lot before its first bid. It counts as open: its bids' moments say whether it was."""
    return AuctionState(
        id=auction_id,
        status="OPEN",
        asset=terms["asset"],
        starting_price_minor=terms["startingPrice"],
        increments=increments_from_json(terms["increments"]),
        starts_at=datetime.fromisoformat(terms["startsAt"]),
        ends_at=datetime.fromisoformat(terms["endsAt"]),
        reserve_minor=None if result["reserve"] is None else int(result["reserve"]),
        soft_close_window_s=terms["softCloseWindow"],
        soft_close_extension_s=terms["softCloseExtension"],
        seller_ids=frozenset([UUID(hex=terms["seller"])]),
        format=terms["format"],
        buy_now_minor=terms["buyNow"],
        price_step_minor=terms["priceStep"],
        step_interval_s=terms["stepInterval"],
        floor_minor=terms["floor"],
    )


def _check_announced(
    before: Sequence[Logged], state: AuctionState, reserve_nonce: bytes | None, *, bidden: bool
) -> None:
    """Announced by its seller, the reserve as it was bound, opened once, with the same end."""
    first = before[0]
    seller = UUID(hex=first.payload["terms"]["seller"])
    expected = announced_terms(state, seller_id=seller, reserve_nonce=reserve_nonce)
    if first.payload["terms"] != expected or first.actor_id != seller:
        raise LogRejected("other terms than announced, or another's", first.sequence)
    types = [event.type for event in before]
    if types not in (["AuctionOpened"], ["AuctionScheduled", "AuctionOpened"]) and (
        bidden or types != ["AuctionScheduled"]
    ):
        raise LogRejected("not announced and opened once", first.sequence)
    for event in before:
        status = "SCHEDULED" if event.type == "AuctionScheduled" else "OPEN"
        told = event.payload["status"], datetime.fromisoformat(event.payload["endsAt"])
        if told != (status, state.ends_at):
            raise LogRejected("another end or state than announced", event.sequence)


def _openings(after: Sequence[Logged]) -> dict[UUID, Opening]:
    return {
        UUID(hex=opening["bid"]): Opening(bytes.fromhex(opening["nonce"]), opening["maximum"])
        for event in after[:-1]
        for opening in event.payload["openings"]
    }


def _replay(
    state: AuctionState, placed: Sequence[Logged], opened: Mapping[UUID, Opening]
) -> tuple[AuctionState, list[PlacedRow], Closing | None]:
    """Take the bids again, each at its moment; a bid that ends the lot must be the last."""
    bids: list[PlacedRow] = []
    taken: Closing | None = None
    for number, event in enumerate(placed, start=1):
        # What is not opened is above the price, and so above all that others offered: any such
        # maximum makes the same auction, if later ones are higher.
        closed = Opening(bytes(NONCE_BYTES), INT64_MAX - len(placed) + number)
        bid = _bid(event, opened, closed)
        offer = Offer(bid.id, bid.bidder_id, bid.maximum_minor)
        decision = decide(state, [offer], bid.placed_at)
        [outcome] = decision.outcomes
        if taken is not None or not isinstance(outcome, Accepted):
            raise LogRejected("the rules do not accept this bid", event.sequence)
        seals = {bid.id: Seal(bid.nonce, bid.commitment)}
        [expected] = placed_events(state, [outcome], seals, bid.placed_at)
        if expected.payload != event.payload or expected.actor_id != event.actor_id:
            raise LogRejected("the rules make something else of this bid", event.sequence)
        bids.append(bid)
        state, taken = decision.state, decision.closing
    return state, bids, taken


def _bid(event: Logged, opened: Mapping[UUID, Opening], otherwise: Opening) -> PlacedRow:
    payload = event.payload
    bid_id, sealed = UUID(hex=payload["bid"]), bytes.fromhex(payload["commitment"])
    nonce, maximum = opened.get(bid_id, otherwise)
    if bid_id in opened and commitment(nonce, bid_id, maximum) != sealed:
        raise LogRejected("the bid's commitment was not made of what is opened", event.sequence)
    return PlacedRow(
        id=bid_id,
        bidder_id=UUID(hex=payload["bidder"]),
        sequence=payload["sequence"],
        placed_at=event.occurred_at.astimezone(UTC),
        commitment=sealed,
        maximum_minor=maximum,
        nonce=nonce,
    )


def _closing(state: AuctionState, closed: Logged) -> Closing:
    """How the lot must have ended, by its time or by a buyer."""
    if closed.payload["reason"] == "BUY_NOW":
        buyer, price = UUID(hex=closed.payload["winnerId"]), int(closed.payload["price"])
        bought = buy_now(state, buyer, price, closed.occurred_at)
        if not isinstance(bought, Closing):
            raise LogRejected(f"it could not be bought: {bought.message}", closed.sequence)
        return bought
    closing = close(state, closed.occurred_at)
    if closing is None:
        raise LogRejected("closed before its end", closed.sequence)
    return closing


def _check_end(
    state: AuctionState,
    closing: Closing,
    bids: Sequence[PlacedRow],
    after: Sequence[Logged],
    reserve_nonce: bytes | None,
) -> None:
    """What the end tells is what it must tell: openings, result and digest."""
    row = SimpleNamespace(reserve_nonce=reserve_nonce)
    ended = LockedAuction(state, row, after[-1].occurred_at.astimezone(UTC))
    expected = ended_events(ended, closing, bids)
    if len(expected) != len(after):
        raise LogRejected("other bids are opened than must be", after[0].sequence)
    for event, must in zip(after, expected, strict=True):
        payload = orjson.loads(to_json(must.payload))
        told = must.type, payload, after[-1].occurred_at, must.actor_id
        if (event.type, event.payload, event.occurred_at, event.actor_id) != told:
            raise LogRejected("the rules make another end of it", event.sequence)


def _bytes(told: str | None) -> bytes | None:
    return None if told is None else bytes.fromhex(told)
