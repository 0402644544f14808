"""People who bid and buy over HTTP on lots that end within seconds, whatever becomes of the server:
each asks with one key until there is an answer, and remembers what was answered."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx

from core.database import Database, Transaction, database_now
from core.ids import encode_id
from models.auctions import Auction, Product, Stall
from models.users import UserAccount
from services.auctions.closing import schedule_auction
from services.auctions.selling import announced_event
from services.wallets.endowing import endow

BIDDERS = 20
ANSWER_TIMEOUT_S = 60
RICH_MINOR, POOR_MINOR = 500_000, 2_000
POOR = range(0, BIDDERS, 5)
STOCK = 10_000
PRICE_MINOR = 500
TERMS: tuple[dict[str, Any], ...] = (
    {"format": "ENGLISH"},
    {"format": "ENGLISH", "soft_close_window_s": 1, "soft_close_extension_s": 1},
    {
        "format": "ENGLISH",
        "reserve_minor": 3_000,
        "reserve_nonce": bytes(16),
        "reserve_met": False,
        "buy_now_minor": 5_000,
    },
    {"format": "SEALED_SECOND_PRICE"},
    {
        "format": "DUTCH",
        "starting_price_minor": 6_000,
        "current_price_minor": 6_000,
        "price_step_minor": 1_500,
        "step_interval_s": 1,
        "floor_minor": 1_000,
    },
)
MUTATION = """
mutation($input: %sInput!) {
  answer: %s(input: $input) { __typename ... on %sSuccess { %s } ... on Error { code message } }
}
"""
PLACE_BID = MUTATION % ("PlaceBid", "placeBid", "PlaceBid", "bid { id sequence }")
BUY_NOW = MUTATION % ("BuyNow", "buyNow", "BuyNow", "auction { id status }")
PURCHASE = MUTATION % ("PurchaseProduct", "purchaseProduct", "PurchaseProduct", "order { id }")


@dataclass(frozen=True)
class Asked:
    """What somebody asked for under a key, and the amount it names."""

    bidder: int
    query: str
    input: dict[str, Any]
    minor: int

    @property
    def key(self) -> str:
        return str(self.input["idempotencyKey"])


@dataclass
class Town:
    """The bidders, what they may bid on, and all that they were told."""

    db: Database
    people: list[UUID]
    goods: list[UUID]
    stall: UUID
    dice: random.Random
    clients: list[httpx.AsyncClient] = field(default_factory=list)
    url: str | None = None
    live: list[tuple[UUID, str, float]] = field(default_factory=list)
    answers: list[tuple[Asked, dict[str, Any]]] = field(default_factory=list)
    told: Counter[str] = field(default_factory=Counter)
    over: bool = False

    @property
    def seller(self) -> UUID:
        return self.people[-1]

    async def put_up(self, *, longest_s: float) -> None:
        """A lot of each kind, to begin and end within moments; the jobs are asked to see to it."""

        async def work(tx: Transaction) -> list[Auction]:
            now = await database_now(tx)
            lots = [self._lot(terms, now, longest_s) for terms in TERMS]
            tx.add_all(lots)
            await tx.flush()
            for lot in lots:
                await schedule_auction(tx, lot.id, starts_at=lot.starts_at, ends_at=lot.ends_at)
                tx.collect(announced_event(lot))
            return lots

        for lot in await self.db.transaction(work):
            # Beyond its end too: whoever asks late is refused, and the soft close moves it.
            self.live.append((lot.id, lot.format, time.monotonic() + longest_s + 0.3))

    def _lot(self, terms: dict[str, Any], now: datetime, longest_s: float) -> Auction:
        begins_s = self.dice.choice([0.0, 0.0, 0.3])
        lasts_s = self.dice.uniform(0.4, longest_s)
        usual = {
            "starting_price_minor": 100,
            "current_price_minor": 100,
            "reserve_met": True,
            "soft_close_window_s": 0,
            "soft_close_extension_s": 0,
        }
        return Auction(
            product_id=self.goods[0],
            stall_id=self.stall,
            seller_id=self.seller,
            title="Bowl",
            category="c",
            asset="USD",
            status="SCHEDULED",
            starts_at=now + timedelta(seconds=begins_s),
            ends_at=now + timedelta(seconds=begins_s + lasts_s),
            **(usual | terms),
        )

    async def arrive_at(self, address: str) -> None:
        """Ask there from now on: once it answers, which takes a server a moment."""
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            while True:
                with suppress(httpx.TransportError):
                    if (await self.clients[0].get(f"{address}/healthz")).status_code == 200:
                        break
                await asyncio.sleep(0.02)
        self.url = f"{address}/graphql"

    async def live_in(self, n: int) -> None:
        """Ask for one thing after the other until the town is told that it is over."""
        for turn in range(1_000_000):
            if self.over:
                return
            asked = self._wish(n, turn)
            if asked is None:
                await asyncio.sleep(0.05)
                continue
            answer = await self.ask(asked)
            self.answers.append((asked, answer))
            if self.dice.random() < 0.15:  # a client that lost the answer asks again
                again = await self.ask(asked)
                self.same(answer, again)
                self.answers.append((asked, again))
            await asyncio.sleep(self.dice.uniform(0, 0.05))

    def _wish(self, n: int, turn: int) -> Asked | None:
        key = f"{n}-{turn}"
        lots = [lot for lot in self.live if lot[2] > time.monotonic()]
        if self.dice.random() < (0.1 if lots else 0.3):
            price = {"amount": f"{PRICE_MINOR / 100:.2f}", "asset": "USD"}
            product = encode_id("prd", self.goods[1])
            input = {"productId": product, "unitPrice": price, "idempotencyKey": key}
            return Asked(n, PURCHASE, input, PRICE_MINOR)
        if not lots:
            return None
        lot, format, _ = self.dice.choice(lots)
        input = {"auctionId": encode_id("auc", lot), "idempotencyKey": key}
        if format == "ENGLISH" and self.dice.random() < 0.05:
            return Asked(n, BUY_NOW, input | {"price": "50.00"}, 5_000)
        most = self.dice.randrange(100, 6_000)
        return Asked(n, PLACE_BID, input | {"maximum": f"{most / 100:.2f}"}, most)

    async def ask(self, asked: Asked) -> dict[str, Any]:
        """Try until there is an answer, always with the one key."""
        while True:
            if self.url is not None:
                try:
                    response = await self.clients[asked.bidder].post(
                        self.url,
                        json={"query": asked.query, "variables": {"input": asked.input}},
                    )
                except httpx.TransportError:
                    self.told["nothing"] += 1
                else:
                    body = response.json()
                    codes = {e["extensions"]["code"] for e in body.get("errors", ())}
                    assert codes <= {"UNAVAILABLE"}, body
                    if not codes:
                        answer: dict[str, Any] = body["data"]["answer"]
                        self.told[answer["__typename"]] += 1
                        return answer
            await asyncio.sleep(self.dice.uniform(0.02, 0.1))

    def same(self, first: dict[str, Any], again: dict[str, Any]) -> None:
        """A repeated request has the first answer, if that was yes; a no binds nothing, and may
        be a yes the next time."""
        if first["__typename"].endswith("Success"):
            assert again == first
            self.told["repeated"] += 1

    async def hears(self, answers: int, *, within_s: float) -> None:
        """Return once so many more have been answered, or the time is over."""
        wanted = len(self.answers) + answers
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while len(self.answers) < wanted:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)

    async def ask_all_again(self) -> None:
        """What was acknowledged at random moments before, asked once more."""
        yes = [(a, b) for a, b in self.answers if b["__typename"].endswith("Success")]
        for asked, answer in self.dice.sample(yes, min(5, len(yes))):
            self.same(answer, await self.ask(asked))


async def make_town(db: Database, dice: random.Random) -> Town:
    """People with money, some with little; a seller with goods for lots and goods at a price."""
    people = [
        UserAccount(
            email=f"u{n}@example.org", username=f"user{n}", password_hash="!", display_name="U"
        )
        for n in range(BIDDERS + 1)
    ]
    stall = Stall(owner_id=people[-1].id, name="Stall", slug="stall")
    goods = [
        Product(
            stall_id=stall.id,
            kind="PHYSICAL",
            name="B",
            category="c",
            asset="USD",
            price_minor=price,
            inventory_count=STOCK,
        )
        for price in (None, PRICE_MINOR)
    ]

    async def work(tx: Transaction) -> None:
        for rows in (people, [stall], goods):
            tx.add_all(rows)
            await tx.flush()
        poor = [people[n].id for n in POOR]
        rich = [person.id for person in people[:-1] if person.id not in poor]
        await endow(tx, poor, asset="USD", amount_minor=POOR_MINOR)
        await endow(tx, rich, asset="USD", amount_minor=RICH_MINOR)

    await db.transaction(work)
    ids = [person.id for person in people]
    return Town(db, ids, [product.id for product in goods], stall.id, dice)


async def enter_clients(stack: AsyncExitStack, town: Town, tokens: list[str], verify: Any) -> None:
    """A client for each bidder, until the stack is left."""
    for token in tokens:
        client = httpx.AsyncClient(
            headers={"Authorization": f"Bearer {token}"}, trust_env=False, timeout=15, verify=verify
        )
        town.clients.append(await stack.enter_async_context(client))
