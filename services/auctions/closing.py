"""The times of a lot: waking for them, opening, closing exactly once, cancelling.

Whoever comes (a job, a sweep, a test) only wakes; the locked row and the database's clock decide.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import text

from core.database import Transaction
from core.errors import Forbidden, NotFound
from core.events import NewEvent
from services.auctions.errors import AuctionNotOpen, OutOfStock
from services.auctions.lots import AuctionState, Closing
from services.auctions.money import release_all, settle_lot
from services.auctions.openings import PlacedRow, digest_of, is_opened, opened_events
from services.auctions.rules import close
from services.auctions.state import LockedAuction, auction_topic, lock_auction, opened_event
from services.auctions.stock import reserve_stock
from services.jobs import enqueue

CancelledBy = Literal["SELLER", "MODERATOR", "STOCK"]
"""Who called a lot off; STOCK: nothing was left to sell when its time came."""

OPEN_AUCTION = "open_auction"
CLOSE_AUCTION = "close_auction"

_OPEN = text(
    """
    UPDATE auction SET status = 'OPEN', opened_at = :now, stock_reserved = true WHERE id = :id
    """
)
_CANCEL = text("UPDATE auction SET status = 'CANCELLED', closed_at = :now WHERE id = :id")
_END = text(
    """
    UPDATE auction SET status = :status, winner_id = :winner_id, closed_at = :now,
        current_price_minor = coalesce(:price, current_price_minor), reserve_met = :reserve_met
    WHERE id = :id
    """
)
# What sealed bids show once it is over (the others show it already): the winner's the price, as in
# any auction, the losers' what they were. And which bid won: two may show the same amount.
_SHOW = text(
    """
    UPDATE bid SET
        won = (id = CAST(:winning_bid_id AS uuid)) IS TRUE,
        amount_minor = coalesce(amount_minor, CASE WHEN bidder_id = CAST(:winner_id AS uuid)
            THEN least(maximum_minor, CAST(:price AS bigint)) ELSE maximum_minor END)
    WHERE auction_id = :id AND (amount_minor IS NULL OR id = CAST(:winning_bid_id AS uuid))
    """
)
_BIDS = text(
    """
    SELECT id, bidder_id, sequence, placed_at, commitment, maximum_minor, nonce
    FROM bid WHERE auction_id = :id ORDER BY sequence
    """
)
_END_OF_LIVE = text(
    "SELECT ends_at FROM auction WHERE id = :id AND status IN ('SCHEDULED', 'OPEN')"
)

# Candidates by statement_timestamp(), which an index can serve; the row is judged anew by the clock
# once it is locked. What another transaction holds at this moment is left to it.
_TO_OPEN = text(
    """
    SELECT id FROM auction
    WHERE status = 'SCHEDULED' AND starts_at <= statement_timestamp()
      AND ends_at > statement_timestamp() AND id <> ALL (:but)
    ORDER BY starts_at, id LIMIT :limit FOR UPDATE SKIP LOCKED
    """
)
_TO_CLOSE = text(
    """
    SELECT id FROM auction
    WHERE status IN ('SCHEDULED', 'OPEN') AND ends_at <= statement_timestamp()
      AND id <> ALL (:but)
    ORDER BY ends_at, id LIMIT :limit FOR UPDATE SKIP LOCKED
    """
)


@dataclass(frozen=True, slots=True)
class DueAuctions:
    """Lots whose time has come and whose rows do not say so yet, the most overdue first."""

    to_open: list[UUID]
    to_close: list[UUID]


async def schedule_auction(
    tx: Transaction, auction_id: UUID, starts_at: datetime, ends_at: datetime
) -> None:
    """Wake for a new lot at its start and at its end, if this transaction commits."""
    await _wake(tx, OPEN_AUCTION, auction_id, starts_at)
    await _wake(tx, CLOSE_AUCTION, auction_id, ends_at)


async def schedule_closing(tx: Transaction, auction_id: UUID) -> None:
    """Wake for the end that the lot has now, if it is not over. One wake an end, however often
    this is called; bids do not call it, only a wake that came too early does."""
    ends_at = (await tx.execute(_END_OF_LIVE, {"id": auction_id})).scalar_one_or_none()
    if ends_at is not None:
        await _wake(tx, CLOSE_AUCTION, auction_id, ends_at)


async def _wake(tx: Transaction, job: str, auction_id: UUID, at: datetime) -> None:
    # The moment is part of the key: the wake for a moved end is asked for while the job that was
    # woken for the old one still runs.
    key = f"{job}:{auction_id.hex}:{at.timestamp():.6f}"
    await enqueue(tx, job, {"auction": auction_id.hex}, run_at=at, dedupe_key=key)


async def due_auctions(tx: Transaction, *, limit: int, but: Sequence[UUID] = ()) -> DueAuctions:
    """Up to `limit` lots to open and as many to close, `but` for some.

    They stay locked to the end of this transaction. Take each in a transaction of its own: a unit
    of work may touch but few topics, and one lot that fails must not hold up the others.
    """
    asked = {"limit": limit, "but": list(but)}
    to_close = (await tx.execute(_TO_CLOSE, asked)).scalars().all()
    to_open = (await tx.execute(_TO_OPEN, asked)).scalars().all()
    return DueAuctions(to_open=list(to_open), to_close=list(to_close))


async def open_auction(tx: Transaction, auction_id: UUID, *, now: datetime | None = None) -> bool:
    """Open a lot whose start has come; whether this call did. A lot whose end has passed too is
    left for `close_auction`. `now` is for tests and replay alone."""
    locked = await lock_auction(tx, auction_id, now=now)
    if locked is None or not locked.due_to_open:
        return False
    return (await begin_auction(tx, locked)).state.status == "OPEN"


async def begin_auction(tx: Transaction, locked: LockedAuction) -> LockedAuction:
    """Open a locked lot whose start has come, and take its unit from the stock; the lot as it is
    then. Where none is left there is nothing to sell, and the lot is cancelled."""
    try:
        await reserve_stock(tx, locked.row.product_id, 1)
    except OutOfStock:
        await tx.execute(_CANCEL, {"id": locked.state.id, "now": locked.now})
        tx.collect(cancelled_event(locked, by="STOCK"))
        return replace(locked, state=replace(locked.state, status="CANCELLED"))
    opened = locked.opened()
    await tx.execute(_OPEN, {"id": locked.state.id, "now": locked.now})
    tx.collect(opened_event(opened))
    return opened


async def close_auction(
    tx: Transaction, auction_id: UUID, *, now: datetime | None = None
) -> Closing | None:
    """Close a lot whose end has come; None if this call did not: too early, closed already, no
    such lot. Exactly one caller gets the `Closing`, whoever races (auctions.md, fairness 5).

    `now` is for tests and replay alone.
    """
    locked = await lock_auction(tx, auction_id, now=now)
    closing = None if locked is None else close(locked.state, locked.now)
    if locked is None or closing is None:
        return None
    await end_auction(tx, locked, closing)
    return closing


async def end_auction(tx: Transaction, locked: LockedAuction, closing: Closing) -> None:
    """Write the end of a locked lot, whatever brought it (its time, a taker, a buyer): the row,
    what its money does, what its bids show, and the events that open them. `locked.state` has every
    accepted bid."""
    state = locked.state
    await tx.execute(
        _END,
        {
            "id": state.id,
            "status": closing.status,
            "winner_id": closing.winner_id,
            "price": closing.price_minor,
            "reserve_met": state.reserve_met,
            "now": locked.now,
        },
    )
    await settle_lot(tx, locked, closing)
    bids = await _opened_bids(tx, state, closing) if state.bid_count else []
    for event in ended_events(locked, closing, bids):
        tx.collect(event)


async def _opened_bids(tx: Transaction, state: AuctionState, closing: Closing) -> list[PlacedRow]:
    """The lot's bids, which now show what they show at the end."""
    won_by_bid = closing.winner_id is not None and closing.reason == "SOLD"
    await tx.execute(
        _SHOW,
        {
            "id": state.id,
            "winner_id": closing.winner_id,
            "winning_bid_id": state.leader_bid_id if won_by_bid else None,
            "price": closing.price_minor,
        },
    )
    return [PlacedRow._make(row) for row in await tx.execute(_BIDS, {"id": state.id})]


async def cancel_auction(
    tx: Transaction,
    auction_id: UUID,
    *,
    viewer_id: UUID,
    is_moderator: bool,
    now: datetime | None = None,
) -> None:
    """End a lot without a sale: its seller may before the first bid, a moderator until its end.

    Raises `NotFound`; `Forbidden` for anyone else, and for the seller once there is a bid;
    `AuctionNotOpen` once the lot is closed or its end has come: who won then has won.
    """
    locked = await lock_auction(tx, auction_id, now=now)
    if locked is None:
        raise NotFound("auction")
    _check_may_cancel(locked, viewer_id, is_moderator)
    await tx.execute(_CANCEL, {"id": auction_id, "now": locked.now})
    await release_all(tx, locked)
    by: CancelledBy = "SELLER" if viewer_id == locked.row.seller_id else "MODERATOR"
    tx.collect(cancelled_event(locked, by=by, actor_id=viewer_id))


def _check_may_cancel(locked: LockedAuction, viewer_id: UUID, is_moderator: bool) -> None:
    state = locked.state
    if not is_moderator and viewer_id != locked.row.seller_id:
        raise Forbidden("only its seller or a moderator may cancel an auction")
    if state.status not in ("SCHEDULED", "OPEN") or locked.now >= state.ends_at:
        raise AuctionNotOpen(state.status, state.ends_at)
    if state.bid_count and not is_moderator:
        raise Forbidden("an auction with bids cannot be cancelled by its seller")


def ended_events(
    locked: LockedAuction, closing: Closing, bids: Sequence[PlacedRow]
) -> list[NewEvent]:
    """The bids opened, then the result: nothing comes after it. `bids` come by sequence."""
    opened = opened_events(auction_topic(locked.state.id), closing, bids, locked.now)
    return [*opened, _closed_event(locked, closing, bids)]


def _closed_event(locked: LockedAuction, closing: Closing, bids: Sequence[PlacedRow]) -> NewEvent:
    state, reserve_nonce = locked.state, locked.row.reserve_nonce
    price, winner = closing.price_minor, closing.winner_id
    return NewEvent(
        topic=auction_topic(state.id),
        type="AuctionClosed",
        payload={
            "status": closing.status,
            "winnerId": None if winner is None else winner.hex,
            "price": None if price is None else str(price),
            "asset": state.asset,
            "reason": closing.reason,
            "bidCount": state.bid_count,
            "endsAt": state.ends_at,
            "reserveMet": state.reserve_met,
            "reserve": None if state.reserve_minor is None else str(state.reserve_minor),
            "reserveNonce": None if reserve_nonce is None else reserve_nonce.hex(),
            # So that what was opened cannot be left out later: a winner's bid that is not opened
            # counts as one above the price.
            "opened": sum(is_opened(bid, closing) for bid in bids),
            "digest": digest_of(state, reserve_nonce, bids),
        },
        # Who bought is in no bid: their act is this event.
        actor_id=winner if closing.reason == "BUY_NOW" else None,
        occurred_at=locked.now,
    )


def cancelled_event(
    locked: LockedAuction, *, by: CancelledBy, actor_id: UUID | None = None
) -> NewEvent:
    payload: dict[str, Any] = {
        "status": "CANCELLED",
        "by": by,
        "bidCount": locked.state.bid_count,
        "endsAt": locked.state.ends_at,
    }
    return NewEvent(
        topic=auction_topic(locked.state.id),
        type="AuctionCancelled",
        payload=payload,
        actor_id=actor_id,
        occurred_at=locked.now,
    )
