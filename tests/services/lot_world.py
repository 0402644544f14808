"""A database with people, money and lots for models of lots, and forged logs."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import asyncpg

from adapters.payments import SandboxPaymentProvider
from core.database import Database
from core.errors import DomainError
from core.ids import new_id
from models.auctions import Auction, Product, Stall
from models.users import UserAccount
from services.auctions.selling import announced_event
from services.wallets.endowing import endow
from tests.services.lot_model import TERMS


class World:
    """One database for all examples, with a loop of its own: hypothesis' rules are not async.
    Checks read by a connection of their own."""

    def __init__(self, url):
        self.runner = asyncio.Runner()
        self.db = Database(url)
        self.connection = self.run(asyncpg.connect(url))
        self.provider = SandboxPaymentProvider()
        self.fees = 0  # of the examples before

    def run(self, work):
        async def bounded():
            async with asyncio.timeout(20):
                return await work

        return self.runner.run(bounded())

    def do(self, service, *args, **named):
        """A unit of work; what it returns or refuses with."""
        return self.run(self.outcome(service, *args, **named))

    async def outcome(self, service, *args, **named):
        try:
            return await self.db.transaction(lambda tx: service(tx, *args, **named))
        except DomainError as error:
            return error

    def fetch(self, sql, *values):
        return self.run(self.connection.fetch(sql, *values))

    def close(self):
        self.run(self.connection.close())
        self.run(self.db.close())
        self.runner.close()


async def make_house(tx, funds, stock):
    """People, the first of them a seller with a stall and a product; the rest have `funds`."""
    people = [
        UserAccount(
            email=f"{(id := new_id()).hex}@mela.test",
            username=f"u{id.hex[-29:]}",
            password_hash="!",
            display_name="U",
        )
        for _ in range(len(funds) + 1)
    ]
    stall = Stall(owner_id=people[0].id, name="Stall", slug=f"s{people[0].id.hex}")
    product = Product(
        stall_id=stall.id,
        kind="PHYSICAL",
        name="B",
        category="c",
        asset="USD",
        inventory_count=stock,
    )
    for rows in (people, [stall], [product]):
        tx.add_all(rows)
        await tx.flush()
    for person, amount in zip(people, [1, *funds], strict=True):
        await endow(tx, [person.id], asset="USD", amount_minor=amount)
    return [person.id for person in people], product


async def make_lot(tx, seller, product, model, fee_points):
    lot = Auction(
        product_id=product.id,
        stall_id=product.stall_id,
        seller_id=seller,
        title="Bowl",
        category="c",
        asset="USD",
        format=model.format,
        starting_price_minor=100,
        current_price_minor=100,
        reserve_minor=model.reserve,
        reserve_nonce=None if model.reserve is None else bytes(16),
        reserve_met=model.reserve is None,
        buy_now_minor=model.buy_now,
        fee_basis_points=fee_points,
        starts_at=model.start,
        ends_at=model.end,
        status="SCHEDULED",
        **TERMS[model.format],
    )
    tx.add(lot)
    await tx.flush()
    tx.collect(announced_event(lot))
    return lot.id


def forgeries(log):
    """Logs that tell a little otherwise than this one does."""
    for n, event in enumerate(log):
        if event.type in ("BidPlaced", "BidsOpened"):
            left = [*log[:n], *log[n + 1 :]]
            yield [SimpleNamespace(**vars(e) | {"sequence": i}) for i, e in enumerate(left, 1)]
        openings = event.payload.get("openings", [])
        changes = {
            "BidPlaced": [{"bidder": "0" * 32}, {"endsAt": log[-1].payload["endsAt"] + "x"}],
            "BidsOpened": [{"openings": [o | {"maximum": o["maximum"] + 1} for o in openings]}],
            "AuctionClosed": [{"price": "77"}, {"bidCount": 99}, {"winnerId": "1" * 32}],
        }
        for change in changes.get(event.type, []):
            payload = dict(event.payload) | change
            yield [*log[:n], SimpleNamespace(**vars(event) | {"payload": payload}), *log[n + 1 :]]
