"""A believable world in seconds: people, stalls, lots with their bids and events, by COPY.

The same seed and moment make the same rows. Nothing here is for production: everyone shares one
password, and who knows the seed knows every secret maximum.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from random import Random
from uuid import UUID

import asyncpg
from sqlalchemy import text

from core.database import Database, PoolSettings, Transaction, database_now
from services.auctions.closing import schedule_auction
from services.auctions.state import auction_topic
from services.jobs import enqueue
from services.search.feeding import CATCH_UP
from services.seed import lots, market, money, people, rows
from services.seed.ids import IdMaker
from services.wallets.endowing import endow

Progress = Callable[[str, int, int], None]
"""Told of each step: its name, how much is done, how much there is."""

USERS, STALLS, PRODUCTS, AUCTIONS, BIDS = 5_000, 500, 3_000, 2_000, 100_000
"""What a world of scale 1 has; products include those on auction."""

MAX_SCALE = 50.0
LOTS_AT_ONCE = 100
ALLOWANCE_MINOR = 250_000
"""What all begin with, in cents of a dollar; leaders and winners had what they bid besides."""
MAX_WAKES = 2_000
"""Lots that are woken for at their times; those due later are left to the minute's sweep."""

# One seed at a time, and none beside a first sign-up that it did not see.
_ALONE = text("SELECT pg_advisory_xact_lock(hashtextextended('mela.seed', 0))")
_ANYONE = text("SELECT EXISTS (SELECT 1 FROM user_account)")
_USERNAMES = text("SELECT lower(username) FROM user_account")
_SLUGS = text("SELECT slug FROM stall")
_ANALYSE = text(
    "ANALYZE user_account, profile, user_role, follow, stall, stall_member, product, auction, bid,"
    " auction_watch, event, event_topic, sale_order, ledger_account, transfer, ledger_hold"
)


class SeedRefused(Exception):
    """Nothing was written: the database is not empty, or holds this very seed."""


@dataclass(slots=True)
class SeedSummary:
    """What was made. `auctions` counts by status."""

    users: int = 0
    stalls: int = 0
    products: int = 0
    follows: int = 0
    bids: int = 0
    events: int = 0
    orders: int = 0
    watches: int = 0
    auctions: Counter[str] = field(default_factory=Counter)
    took_s: float = 0.0


@dataclass(frozen=True, slots=True)
class _Plan:
    scale: float
    seed: int
    now: datetime
    password_hash: str
    tell: Progress

    def of(self, full: int) -> int:
        return math.ceil(full * self.scale)

    def dice(self, purpose: str) -> Random:
        """Dice of their own for each purpose: one more product must not change the people."""
        return Random(f"{self.seed}:{purpose}")


async def seed_world(
    database_url: str,
    *,
    scale: float,
    seed: int,
    password_hash: str,
    now: datetime | None = None,
    force: bool = False,
    progress: Progress | None = None,
    also: Callable[[Transaction], Awaitable[object]] | None = None,
) -> SeedSummary:
    """Fill a migrated database, in one transaction. `now` None is the database's clock.

    `password_hash` opens every account; `also` adds to the same transaction. Raises `SeedRefused`
    where there are people already, unless `force`, which adds to them; ValueError for a scale
    outside 0 … 50.
    """
    if not 0 < scale <= MAX_SCALE:
        raise ValueError(f"the scale must be more than 0 and {MAX_SCALE:g} at most, not {scale:g}")
    began = time.perf_counter()
    pool = PoolSettings(maximum=1, statement_timeout_s=600, idle_timeout_s=120, slow_statement_s=60)
    db = Database(database_url, pool=pool)
    tell = progress or (lambda step, done, total: None)

    async def work(tx: Transaction) -> SeedSummary:
        await _take_turn(tx, force=force)
        plan = _Plan(scale, seed, now or await database_now(tx), password_hash, tell)
        summary = await _fill(tx, plan)
        if also is not None:
            await also(tx)
        return summary

    try:
        summary = await db.transaction(work)
    except asyncpg.UniqueViolationError as error:  # from COPY, which SQLAlchemy does not wrap
        raise SeedRefused(f"seed {seed} is in the database already: take another --seed") from error
    finally:
        await db.close()
    summary.took_s = time.perf_counter() - began
    return summary


async def _take_turn(tx: Transaction, *, force: bool) -> None:
    await tx.execute(_ALONE)
    if not force and (await tx.execute(_ANYONE)).scalar_one():
        raise SeedRefused(
            "the database is not empty: seed an empty one, or add to this one with --force"
        )


async def _fill(tx: Transaction, plan: _Plan) -> SeedSummary:
    summary = SeedSummary()
    folk = await _copy_people(tx, plan, summary)
    stalls = await _copy_stalls(tx, plan, summary, folk)
    await _copy_follows(tx, plan, summary, folk, [stall.owner for stall in stalls])
    kinds = lots.plan_kinds(plan.of(AUCTIONS))
    pieces = _make_products(plan, stalls, kinds)
    histories = await _copy_lots(tx, plan, summary, folk, kinds, pieces)
    await _wake_for(tx, histories)
    plan.tell("statistics", 0, 1)
    await tx.execute(_ANALYSE)
    plan.tell("statistics", 1, 1)
    # People and what they sell come by COPY, and no event tells of them.
    await enqueue(tx, CATCH_UP, {}, dedupe_key=CATCH_UP)
    return summary


async def _copy_people(tx: Transaction, plan: _Plan, summary: SeedSummary) -> list[people.Person]:
    count, dice = plan.of(USERS), plan.dice("people")
    plan.tell("people", 0, count)
    taken = set((await tx.execute(_USERNAMES)).scalars())
    folk = people.make_people(count, now=plan.now, dice=dice, ids=IdMaker(dice), taken=taken)
    accounts = people.account_rows(
        folk, password_hash=plan.password_hash, now=plan.now, dice=plan.dice("accounts")
    )
    summary.users = await _copy(tx, "user_account", people.ACCOUNT_COLUMNS, accounts)
    profiles = people.profile_rows(folk, dice=plan.dice("profiles"))
    await _copy(tx, "profile", people.PROFILE_COLUMNS, profiles)
    someone = [person.id for person in folk]
    await endow(tx, someone, asset="USD", amount_minor=ALLOWANCE_MINOR)
    plan.tell("people", count, count)
    return folk


async def _copy_stalls(
    tx: Transaction, plan: _Plan, summary: SeedSummary, folk: Sequence[people.Person]
) -> list[market.SeededStall]:
    count, dice = min(plan.of(STALLS), len(folk) // 2), plan.dice("stalls")
    plan.tell("stalls", 0, count)
    taken = set((await tx.execute(_SLUGS)).scalars())
    stalls = market.make_stalls(
        count, folk, now=plan.now, dice=dice, ids=IdMaker(dice), taken=taken
    )
    stall_rows = market.stall_rows(stalls, dice=plan.dice("themes"))
    summary.stalls = await _copy(tx, "stall", market.STALL_COLUMNS, stall_rows)
    await _copy(tx, "stall_member", market.MEMBER_COLUMNS, market.member_rows(stalls))
    await _copy(tx, "user_role", market.ROLE_COLUMNS, market.role_rows(stalls))
    plan.tell("stalls", count, count)
    return stalls


async def _copy_follows(
    tx: Transaction,
    plan: _Plan,
    summary: SeedSummary,
    folk: Sequence[people.Person],
    makers: Sequence[people.Person],
) -> None:
    follows = people.follow_rows(folk, makers, now=plan.now, dice=plan.dice("follows"))
    summary.follows = await _copy(tx, "follow", people.FOLLOW_COLUMNS, follows)


def _make_products(
    plan: _Plan, stalls: Sequence[market.SeededStall], kinds: Sequence[lots.Kind]
) -> list[market.SeededProduct]:
    """A product for each lot first, then those that are only for sale."""
    dice = plan.dice("products")
    ids = IdMaker(dice)
    count = max(plan.of(PRODUCTS), len(kinds))
    return [
        market.make_product(dice.choice(stalls), now=plan.now, dice=dice, ids=ids)
        for _ in range(count)
    ]


async def _copy_lots(
    tx: Transaction,
    plan: _Plan,
    summary: SeedSummary,
    folk: Sequence[people.Person],
    kinds: Sequence[lots.Kind],
    pieces: Sequence[market.SeededProduct],
) -> list[tuple[datetime, datetime, UUID]]:
    """Products, then lots a hundred at a time, so that memory stays bounded at any scale.

    Returns start, end and id of each lot that is not over.
    """
    dice = plan.dice("lots")
    ids = IdMaker(dice)
    counts = lots.plan_bid_counts(kinds, plan.of(BIDS), plan.dice("counts"))
    plans = (
        lots.plan_lot(product, kind, bids, now=plan.now, dice=dice, ids=ids)
        for product, kind, bids in zip(pieces, kinds, counts, strict=False)
    )
    product_rows = market.product_rows(pieces, dice=plan.dice("stock"))
    summary.products = await _copy(tx, "product", market.PRODUCT_COLUMNS, product_rows)
    live: list[tuple[datetime, datetime, UUID]] = []
    plan.tell("bids", 0, sum(counts))
    while batch := list(islice(plans, LOTS_AT_ONCE)):
        played = [lots.play(lot, folk, now=plan.now, dice=dice, ids=ids) for lot in batch]
        await _copy_batch(tx, plan, summary, folk, played, dice)
        plan.tell("bids", min(summary.bids, sum(counts)), sum(counts))
        live += [
            (lot.state.starts_at, lot.state.ends_at, lot.state.id)
            for lot in played
            if lot.status in ("SCHEDULED", "OPEN")
        ]
    return live


async def _copy_batch(
    tx: Transaction,
    plan: _Plan,
    summary: SeedSummary,
    folk: Sequence[people.Person],
    played: Sequence[lots.LotHistory],
    dice: Random,
) -> None:
    ids = IdMaker(dice)
    await _copy(tx, "auction", rows.AUCTION_COLUMNS, map(rows.auction_row, played))
    bids = (row for lot in played for row in rows.bid_rows(lot))
    summary.bids += await _copy(tx, "bid", rows.BID_COLUMNS, bids)
    events = [list(rows.event_rows(lot, ids)) for lot in played]
    heads = (
        (auction_topic(lot.state.id), len(raised))
        for lot, raised in zip(played, events, strict=True)
    )
    await _copy(tx, "event_topic", rows.TOPIC_COLUMNS, heads)
    flat = (row for raised in events for row in raised)
    summary.events += await _copy(tx, "event", rows.EVENT_COLUMNS, flat)
    watches = (row for lot in played for row in rows.watch_rows(lot, folk, plan.now, dice))
    summary.watches += await _copy(tx, "auction_watch", rows.WATCH_COLUMNS, watches)
    orders = await money.settle_histories(tx, played)
    summary.orders += await _copy(tx, "sale_order", money.ORDER_COLUMNS, orders)
    summary.auctions.update(lot.status for lot in played)


async def _wake_for(tx: Transaction, live: list[tuple[datetime, datetime, UUID]]) -> None:
    for starts_at, ends_at, auction_id in sorted(live, key=lambda lot: lot[1])[:MAX_WAKES]:
        await schedule_auction(tx, auction_id, starts_at=starts_at, ends_at=ends_at)


async def _copy(
    tx: Transaction, table: str, columns: Sequence[str], records: Iterable[tuple[object, ...]]
) -> int:
    """COPY rows within the transaction; how many."""
    connection = await (await tx.connection()).get_raw_connection()
    driver = connection.driver_connection
    assert driver is not None
    status: str = await driver.copy_records_to_table(table, columns=columns, records=records)
    return int(status.removeprefix("COPY "))
