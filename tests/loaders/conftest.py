"""A database with rows written straight into it, and the statements that loaders send."""

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event, insert

from core.ids import new_id
from models.auctions import Auction, Bid, Product, Stall
from models.users import UserAccount

MOMENT = datetime(2031, 5, 1, tzinfo=UTC)


@pytest.fixture
def statements(db):
    """The statements sent so far; clear it before what is to be counted."""
    sent = []

    def before(conn, cursor, statement, *rest):
        sent.append(statement)

    event.listen(db.engine.sync_engine, "before_cursor_execute", before)
    yield sent
    event.remove(db.engine.sync_engine, "before_cursor_execute", before)


@pytest.fixture
def write(db):
    """`await write(Model, rows)`: insert rows as they are."""

    async def write(model, rows):
        if rows:
            async with db.engine.begin() as connection:
                await connection.execute(insert(model), rows)
        return [row.get("id") for row in rows]

    return write


@pytest.fixture
def people(write):
    """`await people(3)`: their ids."""
    numbers = itertools.count(1)

    async def make(count):
        names = [f"person_{next(numbers)}" for _ in range(count)]
        return await write(
            UserAccount,
            [
                {
                    "id": new_id(),
                    "email": f"{name}@mela.test",
                    "username": name,
                    "password_hash": "-",
                    "display_name": name,
                }
                for name in names
            ],
        )

    return make


@pytest.fixture
async def stand(people, write):
    """A seller with a stall and a product: what lots need."""
    [seller_id] = await people(1)
    stall_id, product_id = new_id(), new_id()
    await write(Stall, [{"id": stall_id, "owner_id": seller_id, "name": "S", "slug": "stand"}])
    await write(
        Product,
        [
            {
                "id": product_id,
                "stall_id": stall_id,
                "kind": "PHYSICAL",
                "name": "P",
                "category": "c",
                "asset": "USD",
            }
        ],
    )
    return {"seller_id": seller_id, "stall_id": stall_id, "product_id": product_id}


@pytest.fixture
def lots(stand, write):
    """`await lots(3, created_at=lambda n: …)`: ids of lots without bids, in the order made."""

    async def make(count, **by_number):
        rows = [
            {
                "id": new_id(),
                **stand,
                "title": f"lot {n}",
                "category": "c",
                "asset": "USD",
                "starting_price_minor": 100,
                "current_price_minor": 100,
                "status": "OPEN",
                "starts_at": MOMENT,
                "ends_at": MOMENT + timedelta(hours=1),
                "created_at": MOMENT,
                **{name: value(n) for name, value in by_number.items()},
            }
            for n in range(count)
        ]
        return await write(Auction, rows)

    return make


@pytest.fixture
def bids(write):
    """`await bids(lot, [(bidder, amount, maximum), …])`: ids, with sequences from 1."""

    async def make(lot_id, offers):
        rows = [
            {
                "id": new_id(),
                "auction_id": lot_id,
                "bidder_id": bidder_id,
                "sequence": number,
                "asset": "USD",
                "amount_minor": amount,
                "maximum_minor": maximum,
                "nonce": b"n" * 16,
                "commitment": b"c" * 32,
                "placed_at": MOMENT + timedelta(seconds=number // 2),
            }
            for number, (bidder_id, amount, maximum) in enumerate(offers, 1)
        ]
        return await write(Bid, rows)

    return make
