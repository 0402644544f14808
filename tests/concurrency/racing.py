"""A lot with many bidders for race tests, and what must hold of it whoever raced: one function that
folds the lot's bids again by the rules and compares rows, log, price and money."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import orjson

from core.database import Database, Transaction, database_now
from core.ids import encode_id
from models.auctions import Auction, Product, Stall
from models.users import UserAccount
from services.auctions.increments import (
    IncrementSchedule,
    default_increments,
    increments_from_json,
    increments_to_json,
)
from services.auctions.rules import AuctionState, Decision, Offer, decide
from services.auctions.sealing import commitment
from services.wallets.endowing import endow
from tests.ledger import check_ledger, check_lots

ONE_CENT = IncrementSchedule((), (1,))
RICH_MINOR = 10**12
STOCK = 20


@dataclass(frozen=True)
class Lot:
    """A lot from 1.00 USD that ends in an hour, its seller, and those who will bid on it."""

    database_url: str
    id: UUID
    seller: UUID
    bidders: list[UUID]

    @property
    def public_id(self) -> str:
        return encode_id("auc", self.id)

    @property
    def topic(self) -> str:
        return f"auction:{self.id.hex}"


@dataclass(frozen=True)
class Outcome:
    """A lot as the database has it, checked: see `checked_outcome`."""

    row: Any
    bids: list[Any]
    events: list[Any]
    keys: dict[tuple[UUID, str], UUID]


async def make_lot(
    database_url: str, bidders: int, *, poor: Mapping[int, int] | None = None
) -> Lot:
    """Accounts, and an open lot with increments of a cent. All bidders are rich but `poor`, those
    of these numbers, who have so much."""
    [lot] = await make_lots(database_url, bidders, lots=1, poor=poor)
    return lot


async def make_lots(
    database_url: str, bidders: int, *, lots: int, poor: Mapping[int, int] | None = None
) -> list[Lot]:
    """Lots of one seller, for the same bidders."""
    people = [
        UserAccount(
            email=f"u{n}@example.org", username=f"user{n}", password_hash="!", display_name="U"
        )
        for n in range(bidders + 1)
    ]
    stall = Stall(owner_id=people[0].id, name="Stall", slug="stall")
    product = Product(
        stall_id=stall.id,
        kind="PHYSICAL",
        name="B",
        category="c",
        asset="USD",
        inventory_count=STOCK,
    )
    money = dict.fromkeys(range(bidders), RICH_MINOR) | dict(poor or {})

    async def work(tx: Transaction) -> list[Lot]:
        now = await database_now(tx)
        auctions = [_open_lot(product, people[0].id, now) for _ in range(lots)]
        for rows in (people, [stall], [product], auctions):
            tx.add_all(rows)
            await tx.flush()
        bidder_ids = [person.id for person in people[1:]]
        for amount in set(money.values()):
            some = [bidder_ids[n] for n in range(bidders) if money[n] == amount]
            await endow(tx, some, asset="USD", amount_minor=amount)
        return [Lot(database_url, auction.id, people[0].id, bidder_ids) for auction in auctions]

    db = Database(database_url)
    try:
        return await db.transaction(work)
    finally:
        await db.close()


def _open_lot(product: Product, seller: UUID, now: datetime) -> Auction:
    return Auction(
        product_id=product.id,
        stall_id=product.stall_id,
        seller_id=seller,
        title="Bowl",
        category="c",
        asset="USD",
        starting_price_minor=100,
        current_price_minor=100,
        increments=increments_to_json(ONE_CENT),
        starts_at=now - timedelta(hours=1),
        ends_at=now + timedelta(hours=1),
        status="OPEN",
        stock_reserved=True,
    )


async def checked_outcome(lot: Lot) -> Outcome:
    """The lot's row, bids and `BidPlaced` events. Asserts what must hold whoever raced:

    bids and the topic's log are numbered without gap; each bid has one event, in its order; every
    kept idempotency answer names one bid and every bid has one; each commitment opens; the rules,
    given the bids again, come to the same amounts, price, leader and events; and the ledger
    balances, holds what the leader offered or, at the end, has paid whom it must once.
    """
    connection = await asyncpg.connect(lot.database_url)
    try:
        row = await connection.fetchrow("SELECT * FROM auction WHERE id = $1", lot.id)
        bids = await connection.fetch(
            "SELECT * FROM bid WHERE auction_id = $1 ORDER BY sequence", lot.id
        )
        events = await connection.fetch(
            "SELECT * FROM event WHERE topic = $1 ORDER BY sequence", lot.topic
        )
        head = await connection.fetchval("SELECT head FROM event_topic WHERE topic = $1", lot.topic)
        kept = await connection.fetch(
            "SELECT user_id, key, answer FROM idempotency_key WHERE operation = 'placeBid'"
        )
        await check_ledger(connection)
        await check_lots(connection)
    finally:
        await connection.close()
    assert row is not None
    assert [bid["sequence"] for bid in bids] == list(range(1, row["bid_count"] + 1))
    assert [event["sequence"] for event in events] == list(range(1, (head or 0) + 1))
    keys = {(k["user_id"], k["key"]): UUID(hex=orjson.loads(k["answer"])["id"]) for k in kept}
    assert len(keys) == len(set(keys.values())) == len(bids)
    assert set(keys.values()) == {bid["id"] for bid in bids}
    placed = [event for event in events if event["type"] == "BidPlaced"]
    _check_fold(row, bids, [orjson.loads(event["payload"]) for event in placed])
    return Outcome(row, bids, events, keys)


def _check_fold(row: Any, bids: list[Any], payloads: list[dict[str, Any]]) -> None:
    decision = _fold(row, bids)
    assert len(decision.accepted) == len(bids)
    assert [(p["sequence"], p["bid"], p["price"], p["leader"]) for p in payloads] == [
        (a.sequence, a.bid_id.hex, a.price_minor, a.leader_id.hex) for a in decision.accepted
    ]
    assert [(p["bidder"], p["amount"], p["commitment"]) for p in payloads] == [
        (bid["bidder_id"].hex, accepted.amount_minor, bid["commitment"].hex())
        for bid, accepted in zip(bids, decision.accepted, strict=True)
    ]
    assert {bid["id"]: bid["amount_minor"] for bid in bids} == decision.shown_minor
    assert [commitment(bid["nonce"], bid["id"], bid["maximum_minor"]) for bid in bids] == [
        bid["commitment"] for bid in bids
    ]
    state = decision.state
    assert (row["leader_id"], row["leader_bid_id"]) == (state.leader_id, state.leader_bid_id)
    assert row["current_price_minor"] == (state.price_minor or row["starting_price_minor"])
    assert (row["leader_maximum_minor"], row["runner_up_maximum_minor"]) == (
        state.leader_maximum_minor,
        state.runner_up_maximum_minor,
    )


def _fold(row: Any, bids: list[Any]) -> Decision:
    """The lot's bids taken again from its terms alone, in their sequence."""
    increments = row["increments"]
    fresh = AuctionState(
        id=row["id"],
        status="OPEN",
        asset=row["asset"],
        starting_price_minor=row["starting_price_minor"],
        increments=(
            default_increments(row["asset"])
            if increments is None
            else increments_from_json(orjson.loads(increments))
        ),
        starts_at=row["starts_at"],
        ends_at=row["ends_at"] + timedelta(hours=1),
        reserve_minor=row["reserve_minor"],
        seller_ids=frozenset([row["seller_id"]]),
    )
    offers = [Offer(bid["id"], bid["bidder_id"], bid["maximum_minor"]) for bid in bids]
    return decide(fresh, offers, row["starts_at"])
