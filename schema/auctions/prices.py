"""What an auction's row says of prices at the moment it was read, by the services' rules. Nothing
is read here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any, NamedTuple

from loaders.auctions import AuctionRow
from loaders.rows import Money, moneys
from services.auctions.dutch import next_fall_at, price_at
from services.auctions.increments import least_bid_minor
from services.auctions.lots import DUTCH, ENGLISH, SEALED

_FORMAT = attrgetter("format")
_CURRENT = moneys("current_price_minor")


class DutchRow(NamedTuple):
    """How a Dutch lot's price falls, as of one moment."""

    price_step: Money
    step_interval_s: int
    floor: Money
    next_price_at: datetime | None


def is_sealed(row: AuctionRow) -> bool:
    """Whether nothing of its bids may be told: they are sealed, and it has no result yet."""
    return row.format == SEALED and row.status not in ("SOLD", "UNSOLD")


def current_price(row: AuctionRow) -> Money:
    """Where bidding stands; the starting price before the first bid and while it is sealed; of a
    Dutch lot that nobody took, the price of the moment it was read or ended."""
    if row.format != DUTCH or row.winner_id is not None:
        return Money(row.current_price_minor, row.asset)
    return Money(price_at(row.priced_at, **_falling(row)), row.asset)


def current_prices(rows: Sequence[AuctionRow]) -> list[Money]:
    """As `current_price`, of many."""
    if DUTCH in set(map(_FORMAT, rows)):
        return list(map(current_price, rows))
    return _CURRENT(rows)


def minimum_bid(row: AuctionRow) -> Money:
    """The least maximum of a newcomer; what `rules.minimum_bid_minor` says of the same lot."""
    if row.format != ENGLISH:
        return row.starting_price if row.format == SEALED else current_price(row)
    least = least_bid_minor(
        row.asset, row.increments, price_minor=row.current_price_minor, bid_count=row.bid_count
    )
    return Money(least, row.asset)


def buy_now_price(row: AuctionRow) -> Money | None:
    """What it costs at once, while that is offered; see `english.buy_now_minor`. Of a lot with
    bids, a reserve that is not met is there, and one that is met ends the offer, as none does."""
    offered = row.closed_at is None and (row.bid_count == 0 or not row.reserve_met)
    if row.buy_now_minor is None or not offered:
        return None
    return Money(row.buy_now_minor, row.asset)


def dutch_terms(row: AuctionRow) -> DutchRow | None:
    """How its price falls; None for other formats."""
    if row.format != DUTCH:
        return None
    over = row.closed_at is not None
    return DutchRow(
        price_step=Money(row.price_step_minor, row.asset),
        step_interval_s=row.step_interval_s,
        floor=Money(row.floor_minor, row.asset),
        next_price_at=None if over else next_fall_at(row.read_at, **_falling(row)),
    )


def _falling(row: AuctionRow) -> dict[str, Any]:
    return {
        "starts_at": row.falls_from,
        "starting": row.starting_price_minor,
        "step": row.price_step_minor,
        "interval_s": row.step_interval_s,
        "floor": row.floor_minor,
    }
