"""Rows of lots, bids and events, ready to be copied. What happened on them stands in lots.py."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from random import Random
from types import SimpleNamespace

from core.events import NewEvent
from core.jsontext import to_json
from services.auctions.bidding import placed_events
from services.auctions.closing import cancelled_event, ended_events
from services.auctions.increments import increments_to_json
from services.auctions.openings import PlacedRow, announced_terms
from services.auctions.rules import close
from services.auctions.state import LockedAuction, auction_topic, opened_event
from services.seed.ids import IdMaker
from services.seed.lots import LotHistory, PastBid
from services.seed.people import Person

AUCTION_COLUMNS = (
    "id",
    "product_id",
    "stall_id",
    "seller_id",
    "title",
    "description",
    "category",
    "region",
    "tags",
    "format",
    "asset",
    "starting_price_minor",
    "reserve_minor",
    "reserve_nonce",
    "increments",
    "soft_close_window_s",
    "soft_close_extension_s",
    "starts_at",
    "ends_at",
    "status",
    "current_price_minor",
    "bid_count",
    "leader_id",
    "leader_bid_id",
    "leader_maximum_minor",
    "runner_up_maximum_minor",
    "reserve_met",
    "extension_count",
    "winner_id",
    "opened_at",
    "closed_at",
    "created_at",
    "stock_reserved",
)
BID_COLUMNS = (
    "id",
    "auction_id",
    "bidder_id",
    "sequence",
    "asset",
    "amount_minor",
    "maximum_minor",
    "won",
    "nonce",
    "commitment",
    "placed_at",
)
TOPIC_COLUMNS = ("topic", "head")
EVENT_COLUMNS = ("topic", "sequence", "id", "type", "payload", "actor_id", "occurred_at")
WATCH_COLUMNS = ("user_id", "auction_id", "created_at")


def auction_row(lot: LotHistory) -> tuple[object, ...]:
    """The row that the rules' state makes, as the services write it."""
    plan, state, product = lot.plan, lot.state, lot.plan.product
    opened = lot.status != "SCHEDULED"
    increments = increments_to_json(state.increments) if plan.custom_increments else None
    return (
        state.id,
        product.id,
        product.stall.id,
        product.stall.owner.id,
        product.name,
        product.description,
        product.stall.craft.category,
        product.stall.owner.culture.region,
        list(product.tags),
        "ENGLISH",
        state.asset,
        state.starting_price_minor,
        state.reserve_minor,
        lot.reserve_nonce,
        None if increments is None else to_json(increments),
        state.soft_close_window_s,
        state.soft_close_extension_s,
        state.starts_at,
        state.ends_at,
        lot.status,
        state.price_minor or state.starting_price_minor,
        state.bid_count,
        state.leader_id,
        state.leader_bid_id,
        state.leader_maximum_minor,
        state.runner_up_maximum_minor,
        state.reserve_met,
        state.extensions,
        state.leader_id if lot.status == "SOLD" else None,
        state.starts_at if opened else None,
        lot.closed_at,
        plan.announced_at,
        opened,
    )


def bid_rows(lot: LotHistory) -> Iterator[tuple[object, ...]]:
    """A row each accepted bid; the amount is what it shows at the end."""
    for bid in lot.past:
        accepted = bid.accepted
        yield (
            accepted.bid_id,
            lot.state.id,
            accepted.bidder_id,
            accepted.sequence,
            lot.state.asset,
            lot.shown[accepted.bid_id],
            accepted.maximum_minor,
            lot.status == "SOLD" and accepted.bid_id == lot.state.leader_bid_id,
            bid.seal.nonce,
            bid.seal.commitment,
            bid.placed_at,
        )


def event_rows(lot: LotHistory, ids: IdMaker) -> Iterator[tuple[object, ...]]:
    """The lot's events, numbered from 1, as the services would have raised them."""
    events = [(event, event.occurred_at) for event in _events(lot)]
    # Sorted, because several come at one moment, within which ids come in any order.
    made = sorted(ids.at(moment) for _, moment in events if moment is not None)
    for sequence, (id, (event, _)) in enumerate(zip(made, events, strict=True), start=1):
        yield (
            event.topic,
            sequence,
            id,
            event.type,
            to_json(event.payload),
            event.actor_id,
            event.occurred_at,
        )


def _events(lot: LotHistory) -> Iterator[NewEvent]:
    plan = lot.plan
    seller_id = plan.product.stall.owner.id
    announced = replace(lot.state, ends_at=plan.state.ends_at)
    terms = announced_terms(announced, seller_id=seller_id, reserve_nonce=lot.reserve_nonce)
    yield NewEvent(
        topic=auction_topic(plan.state.id),
        type="AuctionScheduled",
        payload={"status": "SCHEDULED", "endsAt": plan.state.ends_at, "terms": terms},
        actor_id=seller_id,
        occurred_at=plan.announced_at,
    )
    if lot.status == "SCHEDULED":
        return
    yield opened_event(LockedAuction(plan.state, None, plan.state.starts_at))
    for bid in lot.past:
        seals = {bid.accepted.bid_id: bid.seal}
        yield from placed_events(bid.before, [bid.accepted], seals, bid.placed_at)
    if lot.closed_at is None:
        return
    row = SimpleNamespace(seller_id=seller_id, reserve_nonce=lot.reserve_nonce)
    ended = LockedAuction(lot.state, row, lot.closed_at)
    if lot.status == "CANCELLED":
        yield cancelled_event(ended, by="SELLER", actor_id=seller_id)
        return
    closing = close(replace(lot.state, status="OPEN"), lot.closed_at)
    assert closing is not None
    yield from ended_events(ended, closing, [_placed_row(bid) for bid in lot.past])


def _placed_row(bid: PastBid) -> PlacedRow:
    accepted = bid.accepted
    return PlacedRow(
        id=accepted.bid_id,
        bidder_id=accepted.bidder_id,
        sequence=accepted.sequence,
        placed_at=bid.placed_at,
        commitment=bid.seal.commitment,
        maximum_minor=accepted.maximum_minor,
        nonce=bid.seal.nonce,
    )


def watch_rows(
    lot: LotHistory, folk: Sequence[Person], now: datetime, dice: Random
) -> Iterator[tuple[object, ...]]:
    """Rows of `auction_watch`: a few people who wait for a lot that is not over."""
    if lot.closed_at is not None:
        return
    chosen = {dice.choice(folk).id: None for _ in range(dice.randint(0, 6))}
    for user_id in chosen:
        since = lot.plan.announced_at
        yield (user_id, lot.state.id, since + (now - since) * dice.random())
