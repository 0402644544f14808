"""A database with people and lots in it, and a bid queue, for tests of background work."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from core.database import Database, database_now
from core.ids import new_id
from core.settings import Settings
from jobs.running import Worker
from jobs.worker import run_worker
from models.auctions import Auction, Product, Stall
from models.users import UserAccount
from services.auctions.bidding import bid_request
from services.auctions.closing import schedule_auction
from services.auctions.queue import BidQueue
from services.wallets.endowing import endow


@dataclass(frozen=True)
class Market:
    """One seller, `buyers`, and as many lots as a test makes. Times are seconds from now."""

    db: Database
    bids: BidQueue
    seller: UUID
    stall: UUID
    product: UUID
    buyers: list[UUID]

    async def lot(
        self,
        *,
        ends_in_s: float,
        starts_in_s: float = -3600.0,
        status: str = "OPEN",
        reserve: int | None = None,
        window: int = 0,
        extension: int = 0,
        wake: bool = False,
    ) -> UUID:
        """A new lot from 1.00 USD; `wake` asks for its jobs, as `createAuction` does."""

        async def work(tx):
            now = await database_now(tx)
            lot = Auction(
                product_id=self.product,
                stall_id=self.stall,
                seller_id=self.seller,
                title="Bowl",
                category="ceramics",
                asset="USD",
                status=status,
                starting_price_minor=100,
                reserve_minor=reserve,
                current_price_minor=100,
                soft_close_window_s=window,
                soft_close_extension_s=extension,
                starts_at=now + timedelta(seconds=starts_in_s),
                ends_at=now + timedelta(seconds=ends_in_s),
            )
            tx.add(lot)
            await tx.flush()
            if wake:
                await schedule_auction(tx, lot.id, lot.starts_at, lot.ends_at)
            return lot.id

        return await self.db.transaction(work)

    async def bid(self, lot: UUID, maximum: int, *, buyer: int = 0):
        """A real bid through the queue; raises its refusal."""
        return await self.bids.place(
            bid_request(
                auction_id=lot,
                bidder_id=self.buyers[buyer],
                maximum_minor=maximum,
                idempotency_key=new_id().hex,
            )
        )

    async def rows(self, statement: str, **parameters: object):
        async with self.db.read() as session:
            return (await session.execute(text(statement), parameters)).all()

    async def auction(self, lot: UUID):
        return (await self.rows("SELECT * FROM auction WHERE id = :id", id=lot))[0]

    async def run(self, statement: str, **parameters: object) -> None:
        await self.db.transaction(lambda tx: tx.execute(text(statement), parameters))

    async def pass_end(self, *lots: UUID) -> None:
        """As if a second had passed since their ends."""
        await self.run(
            "UPDATE auction SET starts_at = starts_at - interval '1 day',"
            " ends_at = clock_timestamp() - interval '1 second' WHERE id = ANY (:ids)",
            ids=list(lots),
        )

    async def events(self, lot: UUID, type: str):
        """Payloads of that type in the lot's log, in sequence."""
        found = await self.rows(
            "SELECT payload FROM event WHERE topic = :topic AND type = :type ORDER BY sequence",
            topic=f"auction:{lot.hex}",
            type=type,
        )
        return [row.payload for row in found]


async def make_market(db: Database, buyers: int = 3) -> Market:
    people = [
        UserAccount(
            email=f"u{n}@example.org", username=f"user{n}", password_hash="x", display_name="U"
        )
        for n in range(buyers + 1)
    ]
    stall = Stall(owner_id=people[0].id, name="Stall", slug="stall")
    product = Product(stall_id=stall.id, kind="PHYSICAL", name="B", category="c", asset="USD")

    async def work(tx):
        for row in (*people, stall, product):
            tx.add(row)
            await tx.flush()
        await endow(tx, [person.id for person in people[1:]], asset="USD", amount_minor=10**12)

    await db.transaction(work)
    buyer_ids = [person.id for person in people[1:]]
    return Market(db, BidQueue(db), people[0].id, stall.id, product.id, buyer_ids)


@pytest.fixture
async def open_database(make_database) -> AsyncIterator[Callable[[str], Database]]:
    """`open_database(url)`: a pool on that database, as each process has its own; closed after
    the test (and before the database is dropped: hence the parameter).
    """
    async with AsyncExitStack() as stack:

        def opened(url: str) -> Database:
            db = Database(url)
            stack.push_async_callback(db.close)
            return db

        yield opened


@pytest.fixture
async def market(open_database, database_url) -> Market:
    return await make_market(open_database(database_url))


@pytest.fixture
def new_market() -> Callable[[Database], Awaitable[Market]]:
    return make_market


@pytest.fixture
def settings() -> Settings:
    return Settings(profile="test")


@pytest.fixture
async def start_worker(settings, open_database) -> AsyncIterator[Callable[..., Awaitable[Worker]]]:
    """`await start_worker(db, url)`: a connected worker with a first sweep behind it; stopped
    after the test."""
    async with AsyncExitStack() as stack:

        async def start(db: Database, url: str) -> Worker:
            worker = await stack.enter_async_context(run_worker(settings, db, url))
            await until(lambda: worker.connected and worker.last_sweep_at)
            return worker

        yield start


async def until(condition: Callable[[], object], *, within_s: float = 20.0) -> None:
    """Wait until the condition (a function, or a coroutine function) holds; fail after a while."""
    try:
        async with asyncio.timeout(within_s):
            while True:
                found = condition()
                if await found if asyncio.iscoroutine(found) else found:
                    return
                await asyncio.sleep(0.02)
    except TimeoutError:
        pytest.fail(f"not so within {within_s} s")


@pytest.fixture
def eventually() -> Callable[..., Awaitable[None]]:
    return until
