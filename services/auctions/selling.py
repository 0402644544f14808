"""Putting a product up for auction, and watching one: the terms a seller may set."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
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
from services.auctions.errors import OutOfStock
from services.auctions.increments import IncrementSchedule, increments_to_json
from services.auctions.lots import DUTCH, ENGLISH, SEALED
from services.auctions.openings import announced_terms
from services.auctions.sealing import NONCE_BYTES
from services.auctions.stalls import lock_product, require_seller
from services.auctions.state import auction_topic, state_of
from services.auctions.stock import reserve_stock
from services.parameters import (
    FEE_BASIS_POINTS,
    SOFT_CLOSE_EXTENSION_S,
    SOFT_CLOSE_WINDOW_S,
    read_parameters,
)

MIN_DURATION = timedelta(minutes=1)
MAX_DURATION = timedelta(days=60)
MAX_LEAD = timedelta(days=365)
MAX_SOFT_CLOSE_S = 86_400
MAX_STEP_INTERVAL_S = 86_400


@dataclass(frozen=True, slots=True)
class DutchTerms:
    """How the price of a Dutch lot falls: by `price_step_minor` each `step_interval_s`, 1 second
    to a day, down to `floor_minor`, which is below the starting price."""

    price_step_minor: int
    step_interval_s: int
    floor_minor: int


@dataclass(frozen=True, slots=True)
class Terms:
    """A seller's terms. Amounts in minor units of the product's asset.

    `starts_at` None means now. 1 minute to 60 days long, at most a year ahead; a reserve is not
    below the starting price, a buy-now price below neither. ENGLISH alone has increments, buy now
    and soft close (`window` 0 switches it off; None is the usual one), DUTCH alone `dutch`, and a
    floor in place of a reserve.
    """

    starting_price_minor: int
    ends_at: datetime
    starts_at: datetime | None = None
    reserve_minor: int | None = None
    increments: IncrementSchedule | None = None
    soft_close_window_s: int | None = None
    soft_close_extension_s: int | None = None
    title: str | None = None
    description: str | None = None
    format: str = ENGLISH
    buy_now_minor: int | None = None
    dutch: DutchTerms | None = None


async def create_auction(
    tx: Transaction, *, viewer_id: UUID, product_id: UUID, terms: Terms
) -> UUID:
    """Put a product up. It opens at once where `starts_at` has come, and takes a unit of the stock,
    else by a job. The platform's fee and the usual soft close are those of this moment.

    Raises `NotFound`, `Forbidden` (not one's stall), `InvalidInput`, `OutOfStock`.
    """
    product = await lock_product(tx, product_id)
    await require_seller(tx, product.stall_id, viewer_id)
    now = await database_now(tx)
    starts_at = terms.starts_at or now
    _check_times(now, starts_at, terms)
    _check_amounts(terms)
    _check_format(terms)
    opened = starts_at <= now
    usual = await read_parameters(tx, FEE_BASIS_POINTS, SOFT_CLOSE_WINDOW_S, SOFT_CLOSE_EXTENSION_S)
    auction = _auction(product, viewer_id, terms, starts_at, now if opened else None, usual)
    if product.inventory_count < 1:
        raise OutOfStock(0)
    if opened:
        await reserve_stock(tx, product_id, 1, actor_id=viewer_id)
    tx.add(auction)
    await tx.flush()
    await schedule_auction(tx, auction.id, starts_at=starts_at, ends_at=terms.ends_at)
    tx.collect(announced_event(auction))
    return auction.id


def announced_event(auction: Auction) -> NewEvent:
    """The first event of a lot's log, from its new row: its terms, which bind what follows."""
    terms = announced_terms(
        state_of(auction, seller_ids=(auction.seller_id,)),
        seller_id=auction.seller_id,
        reserve_nonce=auction.reserve_nonce,
    )
    return NewEvent(
        auction_topic(auction.id),
        "AuctionScheduled" if auction.status == "SCHEDULED" else "AuctionOpened",
        {"status": auction.status, "endsAt": auction.ends_at, "terms": terms},
        auction.seller_id,
    )


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
    usual: Mapping[str, int],
) -> Auction:
    dutch = terms.dutch
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
        format=terms.format,
        asset=product.asset,
        starting_price_minor=terms.starting_price_minor,
        current_price_minor=terms.starting_price_minor,
        reserve_minor=terms.reserve_minor,
        reserve_nonce=None if terms.reserve_minor is None else secrets.token_bytes(NONCE_BYTES),
        reserve_met=terms.reserve_minor is None,
        buy_now_minor=terms.buy_now_minor,
        price_step_minor=None if dutch is None else dutch.price_step_minor,
        step_interval_s=None if dutch is None else dutch.step_interval_s,
        floor_minor=None if dutch is None else dutch.floor_minor,
        increments=None if terms.increments is None else increments_to_json(terms.increments),
        soft_close_window_s=_soft_close(
            terms.soft_close_window_s, terms.format, usual[SOFT_CLOSE_WINDOW_S]
        ),
        soft_close_extension_s=_soft_close(
            terms.soft_close_extension_s, terms.format, usual[SOFT_CLOSE_EXTENSION_S]
        ),
        fee_basis_points=usual[FEE_BASIS_POINTS],
        stock_reserved=opened_at is not None,
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
        if seconds is not None and not 0 <= seconds <= MAX_SOFT_CLOSE_S:
            raise InvalidInput(field, f"from 0 to {MAX_SOFT_CLOSE_S} seconds")


def _soft_close(given: int | None, format: str, usual: int) -> int:
    """Seconds; without any given the usual ones, and none where no bid can be answered in the last
    of them: sealed bids, and a Dutch lot's takers."""
    if given is not None:
        return given
    return usual if format == ENGLISH else 0


def _check_format(terms: Terms) -> None:
    """That the terms are those of their format."""
    if terms.format not in (ENGLISH, SEALED, DUTCH):
        raise InvalidInput("format", "unknown")
    if (terms.format == DUTCH) != (terms.dutch is not None):
        raise InvalidInput("dutch", "how the price falls: of DUTCH auctions, and only of those")
    if terms.dutch is not None:
        _check_dutch(terms, terms.dutch)
    if terms.format == ENGLISH:
        _check_buy_now(terms)
        return
    for field, given in (
        ("buyNow", terms.buy_now_minor),
        ("increments", terms.increments),
        ("softCloseWindow", terms.soft_close_window_s or None),
        ("softCloseExtension", terms.soft_close_extension_s or None),
    ):
        if given is not None:
            raise InvalidInput(field, "only ENGLISH auctions have it")


def _check_buy_now(terms: Terms) -> None:
    least = max(terms.starting_price_minor, terms.reserve_minor or 0)
    if terms.buy_now_minor is not None and not least <= terms.buy_now_minor <= INT64_MAX:
        raise InvalidInput("buyNow", "must not be below the starting price or the reserve")


def _check_dutch(terms: Terms, dutch: DutchTerms) -> None:
    if terms.reserve_minor is not None:
        raise InvalidInput("reserve", "a DUTCH auction has a floor instead")
    if not 0 < dutch.floor_minor < terms.starting_price_minor:
        raise InvalidInput("dutch.floor", "more than zero, and below the starting price")
    if not 0 < dutch.price_step_minor <= terms.starting_price_minor:
        raise InvalidInput("dutch.priceStep", "more than zero, the starting price at most")
    if not 1 <= dutch.step_interval_s <= MAX_STEP_INTERVAL_S:
        raise InvalidInput("dutch.stepIntervalSeconds", f"from 1 to {MAX_STEP_INTERVAL_S}")
