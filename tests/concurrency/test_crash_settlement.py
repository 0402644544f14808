"""The server and the worker are killed (SIGKILL) again and again while people bid and buy and while
lots end: what was acknowledged is there once, each lot is settled once, and the ledger is whole."""

import asyncio
import os
import random
import re
import ssl
from collections import Counter
from contextlib import AsyncExitStack
from functools import partial

import asyncpg
import orjson
import pytest

from core.ids import encode_id
from core.signing import ensure_note_keys
from core.tokens import ensure_keys
from jobs.ledger_log import catch_up
from services.auctions.verify import verify_log
from services.wallets.verify import verify_ledger
from tests.concurrency.nursery import nursery, said
from tests.concurrency.serving import STARTED, token_for
from tests.concurrency.town import (
    BIDDERS,
    BUY_NOW,
    PLACE_BID,
    POOR,
    POOR_MINOR,
    PURCHASE,
    STOCK,
    enter_clients,
    make_town,
)
from tests.ledger import check_ledger, check_lots

KILLS = int(os.environ.get("MELA_KILLS", "10"))
LONGEST_S = 2.5
PATIENCE_S = 60
"""For what takes a moment on a machine that has nothing else to do."""

GAPS = """
    SELECT t.topic FROM event_topic AS t LEFT JOIN event AS e ON e.topic = t.topic
    GROUP BY t.topic, t.head
    HAVING count(e.sequence) <> t.head OR max(e.sequence) <> t.head OR min(e.sequence) <> 1
"""
KEPT = "SELECT user_id, key, answer FROM idempotency_key WHERE operation = $1"
LOTS = "SELECT * FROM auction"
LOGS = "SELECT * FROM event WHERE topic LIKE 'auction:%' ORDER BY topic, sequence"
UNLOGGED = """
    SELECT count(*) FROM transfer AS t
    WHERE NOT EXISTS (SELECT FROM ledger_leaf AS l WHERE l.transfer_id = t.id)
"""


class Machines:
    """The server and the worker, and how they come and go."""

    def __init__(self, parent, settings, folder, town):
        self.parent, self.settings, self.folder, self.town = parent, settings, folder, town
        self.pids = []
        self.rounds = 0

    def log(self, name):
        return self.folder / f"{name}-{self.rounds}.log"

    async def start(self):
        self.rounds += 1
        # Jobs run in the worker alone: it is killed amid closings that no request waits for.
        for name, *arguments in (("server", "serve", "--port", "0", "--no-jobs"), ("worker",) * 2):
            state = {"state_dir": self.folder / name}
            pid = await self.parent.start(arguments, self.settings | state, self.log(name))
            self.pids.append(pid)
        found = await said(self.log("server"), STARTED)
        await self.town.arrive_at(f"http://127.0.0.1:{found[1]}")

    async def kill(self):
        self.town.dice.shuffle(self.pids)
        for pid in self.pids:
            await self.parent.kill(pid)
            await asyncio.sleep(self.town.dice.choice([0, 0, 0.1]))
        self.pids.clear()
        self.town.url = None


@pytest.fixture
async def connection(database_url):
    made = await asyncpg.connect(database_url)
    yield made
    await made.close()


@pytest.fixture
async def machines(db, database_url, redis_url, redis_prefix, open_folder):
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # noqa: T201  (pytest shows it if the test fails)
    town = await make_town(db, random.Random(seed))
    ring = ensure_keys(open_folder / "keys", "EdDSA")
    ensure_note_keys(open_folder / "ledger-keys")
    settings = {
        "profile": "test",
        "database_url": database_url,
        "redis_url": redis_url,
        "bus_prefix": redis_prefix,
        "signing_keys_dir": open_folder / "keys",
        "signing_algorithm": "EdDSA",
        "ledger_keys_dir": open_folder / "ledger-keys",
    }
    async with AsyncExitStack() as stack:
        parent = await stack.enter_async_context(nursery(open_folder / "nursery.log"))
        tokens = [token_for(ring, person) for person in town.people[:BIDDERS]]
        await enter_clients(stack, town, tokens, ssl.create_default_context())
        yield Machines(parent, settings, open_folder, town)


async def rounds(machines, connection):
    """Kill them amid it all, as often as wanted, each time at another moment; then let all end."""
    town, dice = machines.town, machines.town.dice
    for _ in range(KILLS):
        await machines.start()
        again = asyncio.create_task(town.ask_all_again())
        await town.hears(1, within_s=PATIENCE_S)  # it has done everything once, and is quick now
        await town.put_up(longest_s=LONGEST_S)
        await town.hears(dice.randrange(10, 80), within_s=LONGEST_S + 1)
        await machines.kill()
        again.cancel()
        await asyncio.gather(again, return_exceptions=True)
    # Every end has passed before they come back: the sweep must find what no job is left for.
    await until(connection, "SELECT count(*) FROM auction WHERE ends_at > clock_timestamp()")
    await machines.start()
    await town.ask_all_again()
    town.over = True


async def run(machines, connection):
    async with asyncio.timeout(60 + 8 * KILLS), asyncio.TaskGroup() as group:
        group.create_task(rounds(machines, connection))
        for n in range(BIDDERS):
            group.create_task(machines.town.live_in(n))
    await until(connection, "SELECT count(*) FROM auction WHERE status IN ('SCHEDULED', 'OPEN')")


async def until(connection, count):
    """Return once the statement counts nothing."""
    async with asyncio.timeout(PATIENCE_S):
        while await connection.fetchval(count):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def kept(connection, town, operation, field):
    """What a mutation's kept answers name, by bidder and key."""
    numbers = {id: n for n, id in enumerate(town.people)}
    rows = await connection.fetch(KEPT, operation)
    return {(numbers[r["user_id"]], r["key"]): orjson.loads(r["answer"])[field] for r in rows}


def acknowledged(town, query, field):
    """What each key was told last, of one mutation: the id of what was made, or None."""
    found = {}
    for asked, answer in town.answers:
        if asked.query == query:
            yes = answer["__typename"].endswith("Success")
            found[asked.bidder, asked.key] = answer[field]["id"] if yes else None
    return found


def check_acknowledged(told, made):
    """Who was told yes has it, the one they were told of; who was told no has nothing."""
    assert {key: id for key, id in told.items() if id is not None} == {
        key: made[key] for key in told if key in made
    }


async def check_bids(town, connection):
    keys = await kept(connection, town, "placeBid", "id")
    bids = {bid["id"].hex: bid for bid in await connection.fetch("SELECT * FROM bid")}
    assert sorted(keys.values()) == sorted(bids)
    named = {key: encode_id("bid", bids[id]["id"]) for key, id in keys.items()}
    check_acknowledged(acknowledged(town, PLACE_BID, "bid"), named)
    for asked, _ in town.answers:
        if asked.query == PLACE_BID and (id := keys.get((asked.bidder, asked.key))):
            assert bids[id]["bidder_id"] == town.people[asked.bidder]
            assert bids[id]["maximum_minor"] == asked.minor
            assert asked.bidder not in POOR or asked.minor <= POOR_MINOR
    return bids


async def check_purchases(town, connection):
    keys = await kept(connection, town, "purchaseProduct", "order")
    orders = await connection.fetch("SELECT * FROM sale_order WHERE auction_id IS NULL")
    by_id = {order["id"].hex: order for order in orders}
    assert sorted(keys.values()) == sorted(by_id)
    named = {key: encode_id("ord", by_id[id]["id"]) for key, id in keys.items()}
    check_acknowledged(acknowledged(town, PURCHASE, "order"), named)
    for (bidder, _), id in keys.items():
        assert by_id[id]["buyer_id"] == town.people[bidder]
    return orders


async def check_bought_lots(town, connection, lots):
    keys = await kept(connection, town, "buyNow", "auction")
    by_id = {lot["id"].hex: lot for lot in lots}
    named = {key: encode_id("auc", by_id[id]["id"]) for key, id in keys.items()}
    check_acknowledged(acknowledged(town, BUY_NOW, "auction"), named)
    for (bidder, _), id in keys.items():
        assert by_id[id]["winner_id"] == town.people[bidder]
    assert len(set(keys.values())) == len(keys)


async def check_logs(connection, lots, bids):
    """No log has a gap; each bid is told once, in order; each result follows from its log."""
    assert await connection.fetch(GAPS) == []
    logs = {}
    for row in await connection.fetch(LOGS):
        event = Event(row)
        logs.setdefault(event.topic, []).append(event)
    for lot in lots:
        log = logs[f"auction:{lot['id'].hex}"]
        ordered = sorted(
            (bid for bid in bids.values() if bid["auction_id"] == lot["id"]),
            key=lambda bid: bid["sequence"],
        )
        assert [bid["sequence"] for bid in ordered] == list(range(1, lot["bid_count"] + 1))
        placed = [event.payload["bid"] for event in log if event.type == "BidPlaced"]
        assert placed == [bid["id"].hex for bid in ordered]
        found = verify_log(lot["id"], log)
        assert (found.status, found.winner_id) == (lot["status"], lot["winner_id"])
        assert found.extensions == lot["extension_count"]
        if found.price_minor is not None:
            assert found.price_minor == lot["current_price_minor"]


class Event:
    """An event's row, read."""

    def __init__(self, row):
        vars(self).update(row)
        self.payload = orjson.loads(row["payload"])


async def check_stock(town, connection, lots, purchases):
    rows = await connection.fetch("SELECT id, inventory_count FROM product")
    sold = sum(lot["status"] == "SOLD" for lot in lots)
    bought = sum(order["quantity"] for order in purchases)
    assert {row["id"]: row["inventory_count"] for row in rows} == {
        town.goods[0]: STOCK - sold,
        town.goods[1]: STOCK - bought,
    }


async def check_tree(db, connection, folder):
    """All that moved is in the ledger's log, and an audit finds nothing wrong."""
    keys = ensure_note_keys(folder / "ledger-keys")
    async with asyncio.timeout(PATIENCE_S):
        while await connection.fetchval(UNLOGGED):
            await catch_up(db, keys)
            await asyncio.sleep(0.05)
    assert [check for check in await verify_ledger(db, keys) if check.broken] == []


def errors_in(folder):
    """What processes called an error."""
    found = [line for log in folder.glob("*.log") for line in log.read_text().splitlines()]
    return [line for line in found if re.search(r'"level":\s*"error"|Traceback', line)]


def check_that_it_happened(machines, lots):
    """The test would prove nothing if they were killed while nothing went on."""
    town = machines.town
    late = [lot for lot in lots if (lot["closed_at"] - lot["ends_at"]).total_seconds() > 0.3]
    statuses = Counter(lot["status"] for lot in lots)
    assert machines.rounds == KILLS + 1
    assert town.told["nothing"] >= KILLS
    assert town.told["repeated"] > 0
    assert town.told["PlaceBidSuccess"] >= KILLS
    assert town.told["PurchaseProductSuccess"] > 0
    assert town.told["InsufficientFunds"] > 0
    assert late
    assert statuses["SOLD"] > 0
    assert statuses.keys() <= {"SOLD", "UNSOLD"}


@pytest.mark.slow
@pytest.mark.timeout(180 + 10 * KILLS)
async def test_killed_servers_and_workers_lose_nothing_and_settle_once(machines, db, connection):
    await run(machines, connection)
    lots = await connection.fetch(LOTS)
    check_that_it_happened(machines, lots)
    await check_ledger(connection)
    await check_lots(connection)
    bids = await check_bids(machines.town, connection)
    purchases = await check_purchases(machines.town, connection)
    await check_bought_lots(machines.town, connection, lots)
    await check_logs(connection, lots, bids)
    await check_stock(machines.town, connection, lots, purchases)
    await check_tree(db, connection, machines.folder)
    assert await asyncio.to_thread(partial(errors_in, machines.folder)) == []
