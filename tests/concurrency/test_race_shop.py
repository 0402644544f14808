"""Buyers race for more than there is, over HTTP through two processes, while the seller refunds and
one of the processes is killed: each answer is true, and stock, orders and ledger agree."""

import asyncio
import random
import ssl
from collections import Counter
from contextlib import AsyncExitStack

import asyncpg
import httpx
import pytest

from core.database import Database
from core.ids import decode_id, encode_id
from core.tokens import ensure_keys
from models.auctions import Product, Stall
from models.users import UserAccount
from services.wallets.endowing import endow
from tests.concurrency.serving import start_server, token_for
from tests.ledger import check_ledger

BUYERS, TURNS, STOCK, PRICE = 20, 6, 60, 1_000
MONEY = [1_500 if n % 4 == 0 else 10_000 for n in range(BUYERS)]
PURCHASE = """mutation ($product: ID!, $key: String!) {
  purchaseProduct(input: {productId: $product, idempotencyKey: $key,
                          unitPrice: {amount: "10", asset: USD}}) {
    __typename ... on Error { code message } ... on PurchaseProductSuccess { order { id } } } }"""
REFUND = """mutation ($order: ID!, $key: String!) {
  refundOrder(input: {orderId: $order, idempotencyKey: $key}) {
    __typename ... on Error { code message } ... on RefundOrderSuccess { order { status } } } }"""


class Market:
    """Two servers, the people with their clients, and all that they were told."""

    def __init__(self, servers, clients, product):
        self.servers, self.clients, self.product = servers, clients, product
        self.answers = {}  # (buyer, turn) → what purchaseProduct said
        self.refunds = {}  # order → what refundOrder said
        self.broken = self.unavailable = 0
        self.dice = random.Random(1)

    async def ask(self, person, query, **variables):
        """Try until there is an answer, each time at the other process, as a client would that is
        told to (`UNAVAILABLE`) or told nothing."""
        number = self.dice.randrange(2)
        while (answer := await self._try(number % 2, person, query, variables)) is None:
            number += 1
            await asyncio.sleep(self.dice.uniform(0.01, 0.1))
        return answer

    async def _try(self, place, person, query, variables):
        sent = {"query": query, "variables": variables}
        try:
            response = await self.clients[person].post(self.servers[place].url, json=sent)
        except httpx.TransportError:
            self.broken += 1
            return None
        body = response.json()
        codes = {error["extensions"]["code"] for error in body.get("errors", ())}
        assert codes <= {"UNAVAILABLE"}, body
        self.unavailable += len(codes)
        return None if codes else next(iter(body["data"].values()))

    async def buyer(self, n):
        """Buys one after the other; some are asked for twice at once, with one key."""
        for turn in range(TURNS):
            times = 2 if self.dice.random() < 0.3 else 1
            given = {"product": encode_id("prd", self.product), "key": f"turn {turn}"}
            tries = [self.ask(n, PURCHASE, **given) for _ in range(times)]
            first, *others = await asyncio.gather(*tries)
            # A refusal does not bind the key: the other try may have come while there was one.
            self.answers[n, turn] = next((a for a in (first, *others) if "order" in a), first)
            orders = {a["order"]["id"] for a in (first, *others) if "order" in a}
            assert len(orders) <= 1

    async def seller(self, ended):
        """Refunds orders as they come, each by two requests at once with one key."""
        while not ended.is_set():
            await asyncio.sleep(0.05)
            orders = [a["order"]["id"] for a in self.answers.values() if "order" in a]
            left = [order for order in orders if order not in self.refunds]
            if len(self.refunds) >= 12 or not left:
                continue
            order = self.dice.choice(left)
            both = [self.ask(BUYERS, REFUND, order=order, key=order) for _ in range(2)]
            first, second = await asyncio.gather(*both)
            assert first == second
            self.refunds[order] = first


@pytest.fixture
async def market(database_url, redis_url, redis_prefix, open_folder):
    people = [
        UserAccount(
            email=f"u{n}@example.org", username=f"user{n}", password_hash="!", display_name="U"
        )
        for n in range(BUYERS + 1)
    ]
    stall = Stall(owner_id=people[-1].id, name="Stall", slug="stall")
    product = Product(
        stall_id=stall.id,
        kind="PHYSICAL",
        name="B",
        category="c",
        asset="USD",
        price_minor=PRICE,
        inventory_count=STOCK,
        low_stock_threshold=10,
    )

    async def work(tx):
        for rows in (people, [stall], [product]):
            tx.add_all(rows)
            await tx.flush()
        for person, amount in zip(people, MONEY, strict=False):
            await endow(tx, [person.id], asset="USD", amount_minor=amount)

    db = Database(database_url)
    await db.transaction(work)
    await db.close()
    ring = ensure_keys(open_folder / "keys", "EdDSA")

    async with AsyncExitStack() as stack:

        async def start(name):
            server = await start_server(
                {
                    "profile": "test",
                    "database_url": database_url,
                    "redis_url": redis_url,
                    "bus_prefix": redis_prefix,
                    "state_dir": open_folder / name,
                    "signing_keys_dir": open_folder / "keys",
                    "signing_algorithm": "EdDSA",
                },
                open_folder / f"{name}.log",
            )
            stack.push_async_callback(server.stop)
            return server

        servers = [await start("a"), await start("b")]
        context = ssl.create_default_context()
        clients = [
            httpx.AsyncClient(
                headers={"Authorization": f"Bearer {token_for(ring, person.id)}"},
                trust_env=False,
                timeout=15,
                verify=context,
            )
            for person in people
        ]
        for client in clients:
            await stack.enter_async_context(client)
        made = Market(servers, clients, product.id)
        made.start, made.people, made.stall = start, [p.id for p in people], stall.id
        yield made


async def trouble(market):
    """Kill B once some have bought, and start another in its place."""
    while len(market.answers) < 30:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    market.servers[1].kill()
    market.servers[1] = await market.start("c")


async def run(market):
    ended = asyncio.Event()

    async def buyers():
        async with asyncio.TaskGroup() as group:
            for n in range(BUYERS):
                group.create_task(market.buyer(n))
        ended.set()

    async with asyncio.timeout(90), asyncio.TaskGroup() as group:
        group.create_task(trouble(market))
        group.create_task(market.seller(ended))
        group.create_task(buyers())


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_more_buyers_than_goods_a_kill_and_refunds(market, database_url):
    await run(market)
    assert market.broken > 0
    assert len(market.answers) == BUYERS * TURNS
    said = Counter(a.get("code", a["__typename"]) for a in market.answers.values())
    assert said.keys() == {"PurchaseProductSuccess", "OUT_OF_STOCK", "INSUFFICIENT_FUNDS"}
    assert {r["__typename"] for r in market.refunds.values()} == {"RefundOrderSuccess"}
    assert len(market.refunds) > 2
    connection = await asyncpg.connect(database_url)
    try:
        await check(market, connection)
        await check_ledger(connection)
    finally:
        await connection.close()


async def check(market, connection):
    """What was acknowledged is there once, and all numbers follow from the orders."""
    orders = {row["id"]: row for row in await connection.fetch("SELECT * FROM sale_order")}
    told = {
        decode_id(answer["order"]["id"], "ord"): market.people[n]
        for (n, _), answer in market.answers.items()
        if "order" in answer
    }
    assert {id: row["buyer_id"] for id, row in orders.items()} == told
    refunded = {decode_id(order, "ord") for order in market.refunds}
    assert {id for id, row in orders.items() if row["status"] == "REFUNDED"} == refunded
    sold = len(orders) - len(refunded)
    stock = await connection.fetchval("SELECT inventory_count FROM product")
    assert stock == STOCK - sold
    spent = Counter(row["buyer_id"] for row in orders.values() if row["status"] == "PAID")
    balances = await connection.fetch(
        "SELECT holder_id, kind, credits_posted - debits_posted AS balance FROM ledger_account"
        " WHERE asset = 'USD' AND kind IN ('USER', 'FEES')"
    )
    found = {row["holder_id"]: row["balance"] for row in balances if row["kind"] == "USER"}
    assert {id: found[id] for id in market.people[:-1]} == {
        id: amount - PRICE * spent[id] for id, amount in zip(market.people, MONEY, strict=False)
    }
    assert found[market.people[-1]] == 975 * sold
    assert [row["balance"] for row in balances if row["kind"] == "FEES"] == [25 * sold]
    await check_events(market, connection, orders)


async def check_events(market, connection, orders):
    """The stall's log has each order and refund once, and stock moves by ones, without a gap."""
    events = await connection.fetch(
        "SELECT sequence, type, payload::text FROM event WHERE topic = $1 ORDER BY sequence",
        f"stall:{market.stall.hex}",
    )
    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
    kinds = Counter(event["type"] for event in events)
    assert kinds["OrderPlaced"] == len(orders)
    assert kinds["OrderRefunded"] == len(market.refunds)
    assert kinds["StockChanged"] == len(orders) + len(market.refunds)
    assert kinds["LowStock"] >= 1
