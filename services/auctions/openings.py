"""What makes a result checkable by anyone (auctions.md, What must be shown): the terms announced
with a lot, the maxima opened at its end, and a digest that binds them. No I/O."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from core.events import NewEvent
from core.jsontext import to_json
from services.auctions.increments import increments_to_json
from services.auctions.lots import AuctionState, Closing
from services.auctions.sealing import commitment

OPENINGS_AN_EVENT = 200
"""Bids in one `BidsOpened`: a lot has as many such events as it takes."""


class PlacedRow(NamedTuple):
    """A bid as its row has it, with what was secret until the end."""

    id: UUID
    bidder_id: UUID
    sequence: int
    placed_at: datetime
    commitment: bytes
    maximum_minor: int
    nonce: bytes


def announced_terms(
    state: AuctionState, *, seller_id: UUID, reserve_nonce: bytes | None
) -> dict[str, Any]:
    """A lot's terms for the first event of its log, amounts in minor units. The reserve is bound
    by a commitment, and opened at the end."""
    return {
        **_lasting_terms(state, reserve_nonce),
        "endsAt": state.ends_at.astimezone(UTC).isoformat(),
        "seller": seller_id.hex,
    }


def _lasting_terms(state: AuctionState, reserve_nonce: bytes | None) -> dict[str, Any]:
    """The terms that bids do not change."""
    committed = None
    if state.reserve_minor is not None and reserve_nonce is not None:
        committed = commitment(reserve_nonce, state.id, state.reserve_minor).hex()
    return {
        "format": state.format,
        "asset": state.asset,
        "startingPrice": state.starting_price_minor,
        "increments": increments_to_json(state.increments),
        "startsAt": state.starts_at.astimezone(UTC).isoformat(),
        "softCloseWindow": state.soft_close_window_s,
        "softCloseExtension": state.soft_close_extension_s,
        "buyNow": state.buy_now_minor,
        "priceStep": state.price_step_minor,
        "stepInterval": state.step_interval_s,
        "floor": state.floor_minor,
        "reserveCommitment": committed,
    }


def is_opened(bid: PlacedRow, closing: Closing) -> bool:
    """Whether a bid's maximum is opened to all: a loser's is. Of the winner's, only what the price
    tells anyway: so none says how far above it they would have gone, an earlier one neither."""
    lost = bid.bidder_id != closing.winner_id
    return lost or bid.maximum_minor <= (closing.price_minor or 0)


def opened_events(
    topic: str, closing: Closing, bids: Sequence[PlacedRow], now: datetime
) -> list[NewEvent]:
    """`BidsOpened` events for the bids, which come by sequence."""
    opened = [_opening(bid) for bid in bids if is_opened(bid, closing)]
    return [
        NewEvent(
            topic, "BidsOpened", {"openings": opened[i : i + OPENINGS_AN_EVENT]}, occurred_at=now
        )
        for i in range(0, len(opened), OPENINGS_AN_EVENT)
    ]


def _opening(bid: PlacedRow) -> dict[str, Any]:
    return {
        "bid": bid.id.hex,
        "sequence": bid.sequence,
        "nonce": bid.nonce.hex(),
        "maximum": bid.maximum_minor,
    }


def digest_of(state: AuctionState, reserve_nonce: bytes | None, bids: Sequence[PlacedRow]) -> str:
    """SHA-256 over the terms and over each bid's id, bidder, sequence, moment and commitment, in
    hex: told with the result, so that the log before it cannot be told differently later."""
    told = hashlib.sha256(to_json(_lasting_terms(state, reserve_nonce), sort_keys=True).encode())
    for bid in bids:
        moment = bid.placed_at.astimezone(UTC).isoformat().encode()
        told.update(bid.id.bytes + bid.bidder_id.bytes + bid.sequence.to_bytes(8, "big"))
        told.update(bid.commitment + moment)
    return told.hexdigest()
