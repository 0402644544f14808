"""Putting a product up for auction, and watching one: the terms a seller may set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text

from core.database import Transaction, database_now
from core.errors import InvalidInput, NotFound
from core.events import NewEvent
from core.ids import new_id
from core.money import INT64_MAX
from core.text import clean_text
from models.auctions import Auction, Product
from services.auctions.closing import schedule_auction
from services.auctions.increments import IncrementSchedule, increments_to_json
from services.auctions.stalls import require_seller
from services.auctions.state import auction_topic

MIN_DURATION = timedelta(minutes=1)
MAX_DURATION = timedelta(days=60)
MAX_LEAD = timedelta(days=365)
MAX_SOFT_CLOSE_S = 86_400


@dataclass(frozen=True, slots=True)
class Terms:
    """A seller's terms for an English auction. Amounts in minor units of the product's asset.

    `starts_at` None means now. 1 minute to 60 days long, at most a year ahead; a reserve is not
    below the starting price. Soft close: `window` 0 switches it off.
    """

    starting_price_minor: int
    ends_at: datetime
    starts_at: datetime | None = None
    reserve_minor: int | None = None
    increments: IncrementSchedule | None = None
    soft_close_window_s: int = 120
    soft_close_extension_s: int = 120
    title: str | None = None
    description: str | None = None


async def create_auction(
    tx: Transaction, *, viewer_id: UUID, product_id: UUID, terms: Terms
) -> UUID:
    """Put a product up. It opens at once where `starts_at` has come, else by a job.

    Raises `NotFound`, `Forbidden` (not one's stall), `InvalidInput`.
    """
    product = await tx.get(Product, product_id)
    if product is None:
        raise NotFound("product")
    await require_seller(tx, product.stall_id, viewer_id)
    now = await database_now(tx)
    starts_at = terms.starts_at or now
    _check_times(now, starts_at, terms)
    _check_amounts(terms)
    opened = starts_at <= now
    auction = _auction(product, viewer_id, terms, starts_at, now if opened else None)
    tx.add(auction)
    await tx.flush()
    await schedule_auction(tx, auction.id, starts_at=starts_at, ends_at=terms.ends_at)
    tx.collect(
        NewEvent(
            auction_topic(auction.id),
            "AuctionOpened" if opened else "AuctionScheduled",
            {"status": auction.status, "endsAt": terms.ends_at},
            viewer_id,
        )
    )
    return auction.id


async def watch_auction(
    tx: Transaction, *, viewer_id: UUID, auction_id: UUID, watching: bool
) -> None:
    """Begin or stop to hear of an auction; saying it twice changes nothing. Raises `NotFound`."""
    if await tx.get(Auction, auction_id) is None:
        raise NotFound("auction")
    statement = (
        "INSERT INTO auction_watch (user_id, auction_id) VALUES (:user, :auction)"
        " ON CONFLICT DO NOTHING"
        if watching
        else "DELETE FROM auction_watch WHERE user_id = :user AND auction_id = :auction"
    )
    await tx.execute(text(statement), {"user": viewer_id, "auction": auction_id})


def increment_schedule(
    steps: Sequence[tuple[int | None, int]],
) -> IncrementSchedule:
    """A schedule from `(below, increment)` steps, the last without a limit. Raises
    `InvalidInput("increments")` for anything the rules could not work with."""
    if not steps or steps[-1][0] is not None:
        raise InvalidInput("increments", "the last step has no limit")
    limits = [below for below, _ in steps[:-1] if below is not None]
    return IncrementSchedule(tuple(limits), tuple(increment for _, increment in steps))


def _auction(
    product: Product,
    seller_id: UUID,
    terms: Terms,
    starts_at: datetime,
    opened_at: datetime | None,
) -> Auction:
    title = product.name if terms.title is None else terms.title
    description = product.description if terms.description is None else terms.description
    return Auction(
        id=new_id(),
        product_id=product.id,
        stall_id=product.stall_id,
        seller_id=seller_id,
        title=clean_text(title, field="title", maximum=200),
        description=clean_text(
            description, field="description", minimum=0, maximum=10_000, multiline=True
        ),
        category=product.category,
        region=product.region,
        tags=list(product.tags),
        asset=product.asset,
        starting_price_minor=terms.starting_price_minor,
        current_price_minor=terms.starting_price_minor,
        reserve_minor=terms.reserve_minor,
        reserve_met=terms.reserve_minor is None,
        increments=None if terms.increments is None else increments_to_json(terms.increments),
        soft_close_window_s=terms.soft_close_window_s,
        soft_close_extension_s=terms.soft_close_extension_s,
        starts_at=starts_at,
        ends_at=terms.ends_at,
        status="SCHEDULED" if opened_at is None else "OPEN",
        opened_at=opened_at,
    )


def _check_times(now: datetime, starts_at: datetime, terms: Terms) -> None:
    if starts_at < now - timedelta(minutes=5):
        raise InvalidInput("startsAt", "must not lie in the past")
    if starts_at > now + MAX_LEAD:
        raise InvalidInput("startsAt", "a year ahead at most")
    duration = terms.ends_at - max(starts_at, now)
    if not MIN_DURATION <= duration <= MAX_DURATION:
        raise InvalidInput("endsAt", "1 minute to 60 days after the start")


def _check_amounts(terms: Terms) -> None:
    if not 0 < terms.starting_price_minor <= INT64_MAX:
        raise InvalidInput("startingPrice", "must be more than zero")
    if terms.reserve_minor is not None and not (
        terms.starting_price_minor <= terms.reserve_minor <= INT64_MAX
    ):
        raise InvalidInput("reserve", "must not be below the starting price")
    for field, seconds in (
        ("softCloseWindowSeconds", terms.soft_close_window_s),
        ("softCloseExtensionSeconds", terms.soft_close_extension_s),
    ):
        if not 0 <= seconds <= MAX_SOFT_CLOSE_S:
            raise InvalidInput(field, f"from 0 to {MAX_SOFT_CLOSE_S} seconds")
