"""The one writer of bids: takes the offers that wait on a lot under one lock, in one transaction.

The rules themselves are `rules.decide`; here they are given the lot, and what they accept is
written. Nobody else inserts into `bid`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from core.database import Transaction
from core.errors import DomainError, InvalidInput, NotFound
from core.events import NewEvent
from core.ids import new_id
from core.jsontext import to_json
from core.money import INT64_MAX
from services.auctions.closing import begin_auction, end_auction
from services.auctions.lots import SEALED, Accepted, AuctionState, Decision, Offer
from services.auctions.money import hold_maxima, means, open_lot_book
from services.auctions.rules import decide
from services.auctions.sealing import Seal, seal
from services.auctions.state import LockedAuction, auction_topic, lock_auction
from services.idempotency import IdempotentRequest, idempotent_request, keep, recall

OPERATION = "placeBid"

_OWN_MAXIMA = text(
    """
    SELECT bidder_id, max(maximum_minor) AS maximum FROM bid
    WHERE auction_id = :id AND bidder_id = ANY (CAST(:bidders AS uuid[])) GROUP BY bidder_id
    """
)

# One statement for a whole batch: the lot, the new bids, and what the bids already there now show.
_APPLY = text(
    """
    WITH lot AS (
        UPDATE auction SET
            ends_at = :ends_at, current_price_minor = :price, bid_count = :bid_count,
            leader_id = :leader_id, leader_bid_id = :leader_bid_id,
            leader_maximum_minor = :leader_maximum,
            runner_up_maximum_minor = :runner_up_maximum, reserve_met = :reserve_met,
            extension_count = :extensions
        WHERE id = :auction_id
    ), shown AS (
        UPDATE bid SET amount_minor = s.amount
        FROM jsonb_to_recordset(CAST(:shown AS jsonb)) AS s(id uuid, amount bigint)
        WHERE bid.id = s.id
    )
    INSERT INTO bid (id, auction_id, bidder_id, sequence, asset, amount_minor, maximum_minor,
                     nonce, commitment, placed_at)
    SELECT id, :auction_id, bidder_id, sequence, :asset, amount, maximum, decode(nonce, 'hex'),
           decode(commitment, 'hex'), :now
    FROM jsonb_to_recordset(CAST(:bids AS jsonb)) AS b(
        id uuid, bidder_id uuid, sequence int, amount bigint, maximum bigint, nonce text,
        commitment text)
    """
)


@dataclass(frozen=True, slots=True)
class BidRequest:
    """Somebody's wish to bid up to `maximum_minor`, under their idempotency key."""

    auction_id: UUID
    bidder_id: UUID
    maximum_minor: int
    idempotency: IdempotentRequest


@dataclass(frozen=True, slots=True)
class PlacedBid:
    """An accepted bid as its maker is told: the row that was written, amounts in minor units;
    None in a sealed lot. `shared` is for whoever tells the bids of one transaction what they all
    read after it."""

    id: UUID
    auction_id: UUID
    bidder_id: UUID
    sequence: int
    amount_minor: int | None
    asset: str
    commitment: bytes
    placed_at: datetime
    shared: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)


def bid_request(
    *, auction_id: UUID, bidder_id: UUID, maximum_minor: int, idempotency_key: str
) -> BidRequest:
    """A checked request. Raises `InvalidInput` for a maximum outside 1 … 2^63 - 1 or a bad key."""
    if not 0 < maximum_minor <= INT64_MAX:
        raise InvalidInput("maximum", "must be more than zero and fit in 64 bits")
    arguments = {"auction": auction_id, "maximum": maximum_minor}
    request = idempotent_request(bidder_id, idempotency_key, arguments)
    return BidRequest(auction_id, bidder_id, maximum_minor, request)


async def place_bids(
    tx: Transaction,
    auction_id: UUID,
    requests: Sequence[BidRequest],
    *,
    now: datetime | None = None,
) -> list[PlacedBid | DomainError]:
    """Take the requests in their order at one moment; each gets its bid or its refusal.

    Refusals: `NotFound`, `AuctionNotOpen`, `SellerCannotBid`, `BidTooLow`, `IdempotencyConflict`,
    and for want of money those of `money.means`. What the lot's leader offers is held in the ledger
    from then on, and what the one before held is free. A bid that takes a Dutch lot ends it in this
    transaction.
    A request whose key was answered before gets that answer again. `now` is for replay alone.
    """
    locked = await lock_auction(tx, auction_id, now=now)
    if locked is None:
        return [NotFound("auction") for _ in requests]
    # After the lock, so that an earlier try with the same key has committed and is seen.
    known = await recall(tx, OPERATION, [request.idempotency for request in requests])
    fresh = _unanswered(requests, known)
    if locked.state.format == SEALED:
        locked = await _with_own_maxima(tx, locked, fresh)
    offers = [Offer(new_id(), r.bidder_id, r.maximum_minor) for r in fresh]
    due_to_open = locked.due_to_open
    judged = locked.opened().state if due_to_open else locked.state
    decision = decide(judged, offers, locked.now)
    if decision.accepted:  # by the rules; what they refuse opens no lot and needs no wallet
        if due_to_open:
            locked = await begin_auction(tx, locked)
        bidders, ends = [offer.bidder_id for offer in offers], decision.closing is not None
        book = await open_lot_book(tx, locked, bidders, ends=ends)
        decision = decide(locked.state, offers, locked.now, afford=means(book, locked.state))
    placed, seals = _placed(locked, fresh, decision)
    if decision.accepted:
        await _write(tx, locked, decision, seals)
        await hold_maxima(tx, book, decision)
        if decision.closing is not None:
            await end_auction(tx, replace(locked, state=decision.state), decision.closing)
        await keep(tx, OPERATION, {key: _answer(bid) for key, bid in placed.items()})
    refused = {
        request.idempotency: outcome
        for request, outcome in zip(fresh, decision.outcomes, strict=True)
        if isinstance(outcome, DomainError)
    }
    return [
        placed.get(request.idempotency)
        or refused.get(request.idempotency)
        or _recalled(request, known[request.idempotency])
        for request in requests
    ]


async def _with_own_maxima(
    tx: Transaction, locked: LockedAuction, requests: Sequence[BidRequest]
) -> LockedAuction:
    """The lot with what each of these bidders offered before: only that tells their minimum."""
    bidders = list({request.bidder_id for request in requests})
    rows = await tx.execute(_OWN_MAXIMA, {"id": locked.state.id, "bidders": bidders})
    maxima = {row.bidder_id: row.maximum for row in rows}
    return replace(locked, state=replace(locked.state, maxima=maxima))


def _unanswered(requests: Sequence[BidRequest], known: Any) -> list[BidRequest]:
    """The requests to decide on: without the answered ones, and one of each key."""
    first = {request.idempotency: request for request in reversed(requests)}
    return [
        request
        for request in requests
        if request.idempotency not in known and first[request.idempotency] is request
    ]


def _placed(
    locked: LockedAuction, requests: Sequence[BidRequest], decision: Decision
) -> tuple[dict[IdempotentRequest, PlacedBid], dict[UUID, Seal]]:
    """What was accepted, by key, and the seal of each bid by its id."""
    seals = {bid.bid_id: seal(bid.bid_id, bid.maximum_minor) for bid in decision.accepted}
    shared: dict[str, Any] = {}
    placed = {
        request.idempotency: PlacedBid(
            id=outcome.bid_id,
            auction_id=request.auction_id,
            bidder_id=request.bidder_id,
            sequence=outcome.sequence,
            amount_minor=outcome.amount_minor,
            asset=locked.state.asset,
            commitment=seals[outcome.bid_id].commitment,
            placed_at=locked.now,
            shared=shared,
        )
        for request, outcome in zip(requests, decision.outcomes, strict=True)
        if isinstance(outcome, Accepted)
    }
    return placed, seals


async def _write(
    tx: Transaction, locked: LockedAuction, decision: Decision, seals: Mapping[UUID, Seal]
) -> None:
    state = decision.state
    fresh = [_bid_row(bid, decision, seals[bid.bid_id]) for bid in decision.accepted]
    before = [
        {"id": id, "amount": amount}
        for id, amount in decision.shown_minor.items()
        if id not in seals
    ]
    await tx.execute(
        _APPLY,
        {
            "auction_id": state.id,
            "asset": state.asset,
            "now": locked.now,
            "ends_at": state.ends_at,
            "price": state.price_minor or state.starting_price_minor,
            "bid_count": state.bid_count,
            "leader_id": state.leader_id,
            "leader_bid_id": state.leader_bid_id,
            "leader_maximum": state.leader_maximum_minor,
            "runner_up_maximum": state.runner_up_maximum_minor,
            "reserve_met": state.reserve_met_told,
            "extensions": state.extensions,
            "shown": to_json(before),
            "bids": to_json(fresh),
        },
    )
    for event in placed_events(locked.state, decision.accepted, seals, locked.now):
        tx.collect(event)


def _bid_row(bid: Accepted, decision: Decision, sealed: Seal) -> dict[str, object]:
    return {
        "id": bid.bid_id,
        "bidder_id": bid.bidder_id,
        "sequence": bid.sequence,
        "amount": decision.shown_minor.get(bid.bid_id),
        "maximum": bid.maximum_minor,
        "nonce": sealed.nonce.hex(),
        "commitment": sealed.commitment.hex(),
    }


def placed_events(
    before: AuctionState,
    accepted: Sequence[Accepted],
    seals: Mapping[UUID, Seal],
    now: datetime,
) -> list[NewEvent]:
    """One event a bid, in sequence: the bid as all may see it, and what it did to the lot that
    was in the state `before` the first of them. Of a sealed bid they tell no amount, no price and
    no leader."""
    events: list[NewEvent] = []
    ends_at, price, reserve_met = before.ends_at, before.price_minor, before.reserve_met_told
    for bid in accepted:
        ends_at = bid.extended_to or ends_at
        reserve_met = reserve_met or bid.reserve_met_now
        payload = {
            "bid": bid.bid_id.hex,
            "auction": before.id.hex,
            "bidder": bid.bidder_id.hex,
            "sequence": bid.sequence,
            "amount": bid.amount_minor,
            "asset": before.asset,
            "price": bid.price_minor,
            "priceMoved": bid.price_minor != price,
            "leader": None if bid.leader_id is None else bid.leader_id.hex,
            "placedAt": now.isoformat(),
            "endsAt": ends_at.isoformat(),
            "extended": bid.extended_to is not None,
            "reserveMet": reserve_met,
            "reserveMetNow": bid.reserve_met_now,
            "commitment": seals[bid.bid_id].commitment.hex(),
        }
        price = bid.price_minor
        events.append(NewEvent(auction_topic(before.id), "BidPlaced", payload, bid.bidder_id, now))
    return events


def _answer(bid: PlacedBid) -> dict[str, object]:
    return {
        "id": bid.id.hex,
        "sequence": bid.sequence,
        "amount": bid.amount_minor,
        "asset": bid.asset,
        "commitment": bid.commitment.hex(),
        "placedAt": bid.placed_at,
    }


def _recalled(request: BidRequest, kept: Any) -> PlacedBid | DomainError:
    if isinstance(kept, DomainError):
        return kept
    return PlacedBid(
        id=UUID(hex=kept["id"]),
        auction_id=request.auction_id,
        bidder_id=request.bidder_id,
        sequence=kept["sequence"],
        amount_minor=kept["amount"],
        asset=kept["asset"],
        commitment=bytes.fromhex(kept["commitment"]),
        placed_at=datetime.fromisoformat(kept["placedAt"]),
    )
