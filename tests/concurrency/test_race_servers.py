"""The race that must be shown: 200 bidders at once over HTTP through two server processes, some too
poor to bid, while Redis restarts and one of the processes is killed."""

import asyncio
import itertools
import random
import ssl
from collections import Counter
from contextlib import AsyncExitStack

import httpx
import pytest
from sqlalchemy import text

from core.database import Database
from core.ids import encode_id
from core.migrations import upgrade
from core.tokens import ensure_keys
from services.auctions.closing import schedule_closing
from tests.concurrency.racing import checked_outcome, make_lot
from tests.concurrency.serving import Follower, start_server, token_for
from tests.ledger import winning_bid

BIDDERS = 200
ROUNDS = 8
TOP = 5_000_000
TOP_BIDDERS = (20, 61, 100, 141, 180)  # of both processes; the earliest of them must win
POOR_MINOR = 5_000
POOR = dict.fromkeys(range(5, BIDDERS, 10), POOR_MINOR)  # what bidders of these numbers have

PLACE_BID = """
mutation Bid($input: PlaceBidInput!) {
  placeBid(input: $input) {
    __typename
    ... on PlaceBidSuccess { bid { id sequence amount { minorUnits } commitment } }
    ... on Error { code message }
  }
}
"""
LOOK = "query($id: ID!) { auction(id: $id) { %s } }"
ENDED = "status bidCount currentPrice { minorUnits } winner { id } eventCursor"


class Race:
    """Two servers, the bidders, and all that they were told."""

    def __init__(self, lot, servers, clients):
        self.lot, self.servers, self.clients = lot, servers, clients
        self.answers = {}  # (bidder, key) → what placeBid said
        self.maxima = {}
        self.in_flight = Counter()
        self.answered_by = Counter()
        self.broken = self.repeated = 0
        self.b_is_back = asyncio.Event()
        self._rising = itertools.count(1)
        self._dice = random.Random(1)

    async def bidder(self, n):
        """Bids in rounds, as fast as the answers come; the last one is this bidder's utmost."""
        for turn in range(ROUNDS):
            if turn == ROUNDS - 1:
                await self.b_is_back.wait()
                maximum = TOP if n in TOP_BIDDERS else self._dice.randrange(TOP // 2, TOP)
            else:
                maximum = 100 + 100 * next(self._rising)
            key = f"{n}-{turn}"
            self.maxima[n, key] = maximum
            answer = self.answers[n, key] = await self.place(n, key, maximum)
            if answer["__typename"] == "PlaceBidSuccess" and self._dice.random() < 0.2:
                # A client that lost the answer asks again, and elsewhere.
                assert await self.place(n, key, maximum, first=n + 1) == answer
                self.repeated += 1

    async def place(self, n, key, maximum, *, first=None):
        """Try until there is an answer, each time at the other process, always with one key."""
        number = n if first is None else first
        while (body := await self._try(number % 2, n, key, maximum)) is None:
            number += 1
            await asyncio.sleep(self._dice.uniform(0.01, 0.1))
        assert "errors" not in body, body
        return body["data"]["placeBid"]

    async def _try(self, place, n, key, maximum):
        server = self.servers[place]
        self.in_flight[place] += 1
        try:
            body = await self.post(server, PLACE_BID, {"input": self._input(key, maximum)}, n)
        except httpx.TransportError:
            self.broken += 1
            return None
        finally:
            self.in_flight[place] -= 1
        self.answered_by[server.process.pid] += 1
        return body

    def _input(self, key, maximum):
        return {
            "auctionId": self.lot.public_id,
            "maximum": f"{maximum / 100:.2f}",
            "idempotencyKey": key,
        }

    async def post(self, server, query, variables, bidder=0):
        response = await self.clients[bidder].post(
            server.url, json={"query": query, "variables": variables}
        )
        return response.json()

    async def look(self, server):
        body = await self.post(server, LOOK % ENDED, {"id": self.lot.public_id})
        return body["data"]["auction"]

    async def until(self, condition, what):
        """Return when the condition holds; fail after 40 s."""
        try:
            async with asyncio.timeout(40):
                while not condition():  # noqa: ASYNC110
                    await asyncio.sleep(0.005)
        except TimeoutError:
            pytest.fail(f"waited in vain: {what}")


@pytest.fixture
async def race(private_servers, open_folder):
    """A migrated database, a lot, two server processes, and a token for each of 200 bidders."""
    await upgrade(private_servers.database_url)
    lot = await make_lot(private_servers.database_url, BIDDERS, poor=POOR)
    ring = ensure_keys(open_folder / "keys", "EdDSA")
    numbers = itertools.count(1)

    async with AsyncExitStack() as stack:

        async def start():
            name = f"server-{next(numbers)}"
            server = await start_server(
                {
                    "profile": "test",
                    "database_url": private_servers.database_url,
                    "redis_url": private_servers.redis_url,
                    "state_dir": open_folder / name,
                    "signing_keys_dir": open_folder / "keys",
                    "signing_algorithm": "EdDSA",
                },
                open_folder / f"{name}.log",
            )
            stack.push_async_callback(server.stop)
            return server

        servers = list(await asyncio.gather(start(), start()))
        # A client each, as in the world; httpx's pool is slow when many share it.
        context = ssl.create_default_context()
        clients = [
            httpx.AsyncClient(
                headers={"Authorization": f"Bearer {token_for(ring, bidder)}"},
                trust_env=False,
                timeout=15,
                verify=context,
            )
            for bidder in lot.bidders
        ]
        for client in clients:
            await stack.enter_async_context(client)
        made = Race(lot, servers, clients)
        made.start = start
        yield made


async def trouble(race, private_servers):
    """Restart Redis under load; then kill B with requests in flight, and start it anew."""
    await race.until(lambda: len(race.answers) >= 150, "bids before the restart")
    former = private_servers.valkey_pid
    await asyncio.to_thread(private_servers.restart_valkey)
    assert private_servers.valkey_pid != former
    for server in race.servers:
        await race.until(lambda server=server: server.said('"connects":2'), "Redis again")
    await race.until(
        lambda: len(race.answers) >= 400 and race.in_flight[1] >= 20, "bids in flight at B"
    )
    race.servers[1].kill()
    race.servers[1] = await race.start()
    race.b_is_back.set()


async def run(race, private_servers):
    """All bidders and the trouble, to their ends; the processes' ids before and after."""
    before = [server.process.pid for server in race.servers]
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        group.create_task(trouble(race, private_servers))
        for n in range(BIDDERS):
            group.create_task(race.bidder(n))
    # What was meant to happen on the way did.
    assert race.broken > 0
    assert race.repeated > 0
    for pid in (*before, race.servers[1].process.pid):
        assert race.answered_by[pid] > 0


def check_answers(race, found):
    """Each answer is true: what was acknowledged is there once, what was refused is not."""
    lot, answers = race.lot, race.answers
    assert len(answers) == BIDDERS * ROUNDS
    kinds = {answer["__typename"] for answer in answers.values()}
    assert kinds == {"PlaceBidSuccess", "BidTooLow", "InsufficientFunds"}
    for (n, key), answer in answers.items():
        beyond = race.maxima[n, key] > POOR.get(n, TOP)
        assert answer["__typename"] != ("PlaceBidSuccess" if beyond else "InsufficientFunds")
    bids = {bid["id"]: bid for bid in found.bids}
    assert {
        (lot.bidders[n], key): (answer["bid"]["id"], answer["bid"]["sequence"], race.maxima[n, key])
        for (n, key), answer in answers.items()
        if answer["__typename"] == "PlaceBidSuccess"
    } == {
        who_and_key: (encode_id("bid", id), bids[id]["sequence"], bids[id]["maximum_minor"])
        for who_and_key, id in found.keys.items()
    }
    assert len(bids) > BIDDERS // 2


def check_leader(lot, found):
    """The highest maximum leads; the test made five equal ones."""
    best = winning_bid(found.bids)
    assert best["maximum_minor"] == TOP
    assert best["bidder_id"] in [lot.bidders[n] for n in TOP_BIDDERS]
    assert (found.row["leader_bid_id"], found.row["leader_id"]) == (best["id"], best["bidder_id"])
    return best["bidder_id"]


async def end(lot):
    """Let the lot end in half a second, and ask for the job that closes it."""
    db = Database(lot.database_url)

    async def work(tx):
        await tx.execute(
            text(
                "UPDATE auction SET ends_at = clock_timestamp() + interval '0.5 s' WHERE id = :id"
            ),
            {"id": lot.id},
        )
        await schedule_closing(tx, lot.id)

    await db.transaction(work)
    await db.close()


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_200_bidders_two_processes_a_restart_and_a_kill(race, private_servers):
    """`checked_outcome` has the money as well: held before the end, paid once after it."""
    lot, servers = race.lot, race.servers
    start = (await race.look(servers[0]))["eventCursor"]
    followers = [
        Follower(lot.public_id, start, lambda breaks: servers[0].socket_url),  # stays at A
        Follower(lot.public_id, start, lambda breaks: servers[1 - breaks % 2].socket_url),  # to A
        Follower(lot.public_id, start, lambda breaks: servers[1].socket_url),  # to B anew
    ]
    async with asyncio.timeout(20):
        await asyncio.gather(*(follower.subscribed.wait() for follower in followers))

    await run(race, private_servers)

    found = await checked_outcome(lot)
    check_answers(race, found)
    winner = check_leader(lot, found)
    await end(lot)
    async with asyncio.timeout(20):
        while (await race.look(servers[0]))["status"] == "OPEN":  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    bids = [(bid["sequence"], encode_id("bid", bid["id"])) for bid in found.bids]
    await race.until(lambda: all(len(f.seen) >= len(bids) for f in followers), "all at followers")

    closed = await checked_outcome(lot)
    assert [bid["id"] for bid in closed.bids] == [bid["id"] for bid in found.bids]
    told = [event["type"] for event in closed.events]
    opened = told.count("BidsOpened")  # at most 200 bids each, before the closing itself
    assert opened == -(-len(bids) // 200)
    assert told == ["BidPlaced"] * len(bids) + ["BidsOpened"] * opened + ["AuctionClosed"]
    assert (closed.row["status"], closed.row["winner_id"]) == ("SOLD", winner)
    answers = [await race.look(server) for server in servers]
    assert answers[0] == answers[1]
    assert answers[0]["winner"] == {"id": encode_id("usr", winner)}
    assert answers[0]["bidCount"] == len(bids)
    assert answers[0]["currentPrice"] == {"minorUnits": str(closed.row["current_price_minor"])}
    for follower in followers:
        await follower.stop()
        assert follower.seen == bids
    assert [follower.breaks > 0 for follower in followers] == [False, True, True]
    for server in servers:
        assert not server.said('"level":"error"')
