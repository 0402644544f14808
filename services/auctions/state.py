"""A lot's row locked and read as the rules' state. Every writer of a lot begins here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from core.database import Transaction
from core.events import NewEvent
from services.auctions.increments import default_increments, increments_from_json
from services.auctions.lots import SEALED, AuctionState

# The clock is read outside the CTE, so after the lock is held: a bid that waited for the lock is
# judged by the moment it got it (auctions.md, fairness 1).
_LOCK = text(
    """
    WITH locked AS MATERIALIZED (SELECT * FROM auction WHERE id = :auction_id FOR UPDATE)
    SELECT locked.*,
           coalesce(CAST(:now AS timestamptz), clock_timestamp()) AS now,
           ARRAY(SELECT user_id FROM stall_member AS m WHERE m.stall_id = locked.stall_id)
               || ARRAY(SELECT owner_id FROM stall AS s WHERE s.id = locked.stall_id)
               || locked.seller_id AS seller_ids
    FROM locked
    """
)


def auction_topic(auction_id: UUID) -> str:
    """The topic of a lot's events."""
    return f"auction:{auction_id.hex}"


@dataclass(frozen=True, slots=True)
class LockedAuction:
    """A lot under its row lock: the rules' state, the row, and the moment after the lock."""

    state: AuctionState
    row: Any
    now: datetime

    @property
    def due_to_open(self) -> bool:
        """Its time has come, is not over, and no job has opened it yet."""
        state = self.state
        return state.status == "SCHEDULED" and state.starts_at <= self.now < state.ends_at

    def opened(self) -> LockedAuction:
        """The same lot as OPEN; the caller writes the row and raises the event."""
        return replace(self, state=replace(self.state, status="OPEN"))


async def lock_auction(
    tx: Transaction, auction_id: UUID, *, now: datetime | None = None
) -> LockedAuction | None:
    """Lock a lot for this transaction; None where there is none. `now` is for tests and replay
    alone: otherwise the database's clock, read after the lock is held."""
    result = await tx.execute(_LOCK, {"auction_id": auction_id, "now": now})
    row = result.one_or_none()
    return (
        None
        if row is None
        else LockedAuction(state_of(row, seller_ids=row.seller_ids), row, row.now)
    )


def opened_event(locked: LockedAuction) -> NewEvent:
    """The lot takes bids from now on, whoever noticed: a job, or the first bid."""
    return NewEvent(
        topic=auction_topic(locked.state.id),
        type="AuctionOpened",
        payload={"endsAt": locked.state.ends_at, "status": "OPEN"},
        occurred_at=locked.now,
    )


def state_of(row: Any, *, seller_ids: Iterable[UUID]) -> AuctionState:
    """The rules' state of an `auction` row; `seller_ids` are all who may not bid on it."""
    return AuctionState(
        id=row.id,
        status=row.status,
        asset=row.asset,
        starting_price_minor=row.starting_price_minor,
        increments=(
            default_increments(row.asset)
            if row.increments is None
            else increments_from_json(row.increments)
        ),
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        reserve_minor=row.reserve_minor,
        soft_close_window_s=row.soft_close_window_s,
        soft_close_extension_s=row.soft_close_extension_s,
        seller_ids=frozenset(seller_ids),
        price_minor=row.current_price_minor if row.bid_count and row.format != SEALED else None,
        bid_count=row.bid_count,
        leader_id=row.leader_id,
        leader_bid_id=row.leader_bid_id,
        leader_maximum_minor=row.leader_maximum_minor,
        runner_up_maximum_minor=row.runner_up_maximum_minor,
        extensions=row.extension_count,
        format=row.format,
        buy_now_minor=row.buy_now_minor,
        price_step_minor=row.price_step_minor,
        step_interval_s=row.step_interval_s,
        floor_minor=row.floor_minor,
    )
