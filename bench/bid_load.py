"""Bidders over HTTP in a process of their own: each with a token and a connection, bidding again as
soon as they are answered (closed loop), or whenever a clock says so (a stated rate).

Reads a JSON spec from stdin, writes JSON to stdout. Every answer must be a bid that was accepted,
one that came too late for its price, or the server's word that it is too busy.
"""

from __future__ import annotations

import asyncio
import gc
import json
import random
import sys
import time
from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import uvloop

from bench.http_load import Failed, body_length
from bench.processes import cpu_s

FIRST_MINOR = 600_000
STEP_MINOR = 30_000
"""Over twice the increment at such prices: whoever bids in the order of the amounts is accepted."""
WARM_UP_ANSWERS = 2
"""To each bidder, before anything counts; or what comes in `WARM_UP_MAX_S`."""
WARM_UP_MAX_S = 5.0
TAIL_MAX_S = 5.0
"""For the answers to what was due: the next run must not meet the line that this one left."""
ACCEPTED, TOO_LOW, BUSY = "PlaceBidSuccess", "BidTooLow", "busy"
BUSY_MARKS = (b'"UNAVAILABLE"', b"QueuePool limit")
"""How the servers say that the database, or a connection to it, kept them waiting too long."""

TEXT = """mutation Bid($input: PlaceBidInput!) { placeBid(input: $input) { __typename
  ... on PlaceBidSuccess { bid { id placedAt amount { minorUnits } }
    auction { bidCount endsAt currentPrice { minorUnits asset } } } } }"""


class Answer(NamedTuple):
    """When a bid was due, when it was answered (seconds of one clock), and how."""

    due_at: float
    at: float
    outcome: str


class Offers:
    """Rising offers, lot after lot: whoever bids next bids highest."""

    def __init__(self, auction_ids: list[str]) -> None:
        self.auction_ids = auction_ids
        self.made = 0
        self.session = random.SystemRandom().randbytes(8).hex()

    def body(self) -> bytes:
        """The next operation."""
        lap, lot = divmod(self.made, len(self.auction_ids))
        self.made += 1
        cents = FIRST_MINOR + lap * STEP_MINOR
        offer = {
            "auctionId": self.auction_ids[lot],
            "maximum": f"{cents // 100}.{cents % 100:02d}",
            "idempotencyKey": f"{self.session}-{self.made}",
        }
        return json.dumps({"query": TEXT, "variables": {"input": offer}}).encode()


class Bidder(asyncio.Protocol):
    """One signed-in person on a connection that is kept; `crowd` hears of each answer."""

    def __init__(self, crowd: Crowd, token: str) -> None:
        self.crowd = crowd
        self.token = token
        self.head = (
            b"POST /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            b"Accept: application/json\r\nAuthorization: Bearer %s\r\nContent-Length: "
        ) % token.encode()
        self.received = bytearray()
        self.expected = -1
        self.due_at: float | None = None
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.crowd.free(self)

    def bid(self, due_at: float) -> None:
        """Bid now what was to be bid at `due_at`: who had to wait for a free bidder waited too."""
        self.due_at = due_at
        self.crowd.in_flight += 1
        body = self.crowd.offers.body()
        self.transport.write(b"%s%d\r\n\r\n%s" % (self.head, len(body), body))

    def data_received(self, data: bytes) -> None:
        self.received += data
        if self.expected < 0 and (head := self.received.find(b"\r\n\r\n")) >= 0:
            self.expected = head + 4 + body_length(bytes(self.received[:head]))
        if 0 <= self.expected <= len(self.received) and self.due_at is not None:
            answer, due_at = bytes(self.received), self.due_at
            self.received.clear()
            self.expected, self.due_at = -1, None
            self.crowd.answered(answer, due_at)
            self.crowd.free(self)

    def connection_lost(self, error: Exception | None) -> None:
        self.crowd.lost(self)


class Crowd:
    """All bidders. Without a rate each bids again when answered; else they wait for their turn."""

    def __init__(self, offers: Offers, port: int, *, rate: float | None) -> None:
        self.offers = offers
        self.port = port
        self.rate = rate
        self.idle: deque[Bidder] = deque()
        self.due: deque[float] = deque()
        self.answers: list[Answer] = []
        self.closing = False
        self.in_flight = 0
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._tasks: set[asyncio.Task[None]] = set()

    async def join(self, token: str) -> None:
        """Another bidder, or one whose idle connection the server has closed."""
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: Bidder(self, token), "127.0.0.1", self.port)

    async def pace(self) -> None:
        """Turns at random moments, as many people make them who know nothing of each other."""
        assert self.rate is not None
        dice = random.Random(1)
        moment = time.perf_counter()
        while True:
            moment += dice.expovariate(self.rate)
            wait_s = moment - time.perf_counter()
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            if self.idle:
                self.idle.popleft().bid(moment)
            else:
                self.due.append(moment)

    def free(self, bidder: Bidder) -> None:
        """A bidder has nothing to wait for: what comes next for them."""
        if self.due:
            bidder.bid(self.due.popleft())
        elif self.rate is None and not self.closing:
            bidder.bid(time.perf_counter())
        else:
            self.idle.append(bidder)

    def answered(self, answer: bytes, due_at: float) -> None:
        """Keep what an answer says."""
        self.in_flight -= 1
        found = outcome_of(answer)
        if found is None:
            self.fail(Failed(f"not an answer to a bid: {answer[:800]!r}"))
        else:
            self.answers.append(Answer(due_at, time.perf_counter(), found))

    def lost(self, bidder: Bidder) -> None:
        """Harmless where nothing was waited for: servers close what is idle."""
        if bidder.due_at is not None:
            self.fail(Failed("the server closed a connection amid an answer"))
            return
        self.idle.remove(bidder)
        if self.closing:
            return
        task = asyncio.get_running_loop().create_task(self.join(bidder.token))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def fail(self, error: Exception) -> None:
        """End the run with an error."""
        if not self.failed.done():
            self.failed.set_exception(error)

    async def warm_up(self, answers: int) -> None:
        """Let them bid until so many were answered."""
        deadline = time.perf_counter() + WARM_UP_MAX_S
        while len(self.answers) < answers and time.perf_counter() < deadline:
            await self.wait(0.05)

    async def close(self) -> None:
        """Let nobody bid anew; return when what was due is answered, or after `TAIL_MAX_S`."""
        self.closing = True
        deadline = time.perf_counter() + TAIL_MAX_S
        while (self.in_flight or self.due) and time.perf_counter() < deadline:
            await self.wait(0.02)

    async def wait(self, seconds: float) -> None:
        """Let them bid for so long. Raises what failed meanwhile."""
        await asyncio.wait([self.failed], timeout=seconds)
        if self.failed.done():
            self.failed.result()


def outcome_of(answer: bytes) -> str | None:
    """Which of the three outcomes an HTTP answer tells; None for anything else."""
    if not answer.startswith(b"HTTP/1.1 200"):
        return None
    if b'"errors"' in answer:
        return BUSY if any(mark in answer for mark in BUSY_MARKS) else None
    for outcome in (ACCEPTED, TOO_LOW):
        if b'"%s"' % outcome.encode() in answer:
            return outcome
    return None


def summed_up(
    answers: Sequence[Answer], began: float, ended: float, *, paced: bool
) -> dict[str, Any]:
    """What came between two moments. The latencies are of what was answered between them, or, at a
    stated rate, of all that was due between them: a slow answer must not get away by being late."""
    within = [answer for answer in answers if began <= answer.at < ended]
    timed = [a for a in answers if began <= a.due_at < ended] if paced else within
    accepted = sum(answer.outcome == ACCEPTED for answer in within)
    return {
        "answers": len(within),
        "per_s": len(within) / (ended - began),
        "accepted_per_s": accepted / (ended - began),
        "latencies_ms": [round((a.at - a.due_at) * 1e3, 3) for a in timed],
    }


async def measure(spec: dict[str, Any]) -> dict[str, Any]:
    """Warm up, then look at `seconds` of bidding. CPU is of the server and of PostgreSQL, per
    answer."""
    crowd = Crowd(Offers(spec["auction_ids"]), spec["port"], rate=spec["rate"])
    for token in spec["tokens"]:
        await crowd.join(token)
    pace = None if crowd.rate is None else asyncio.create_task(crowd.pace())
    if pace is None:
        await crowd.warm_up(WARM_UP_ANSWERS * len(spec["tokens"]))
    else:  # on a server that has answered a closed loop
        await crowd.wait(1.0)
    gc.collect()
    gc.disable()
    pids = (spec["pid"], spec["postgres"])
    before, client_0, began = [cpu_s(pid) for pid in pids], time.process_time(), time.perf_counter()
    await crowd.wait(spec["seconds"])
    ended = time.perf_counter()
    client_s = time.process_time() - client_0
    server_s, postgres_s = (cpu_s(pid) - was for pid, was in zip(pids, before, strict=True))
    if pace is not None:
        pace.cancel()
    await crowd.close()
    found = summed_up(crowd.answers, began, ended, paced=pace is not None)
    answers = max(1, found["answers"])
    return found | {
        "cpu_ms": server_s / answers * 1e3,
        "postgres_cpu_ms": postgres_s / answers * 1e3,
        "client_cpu_ms": client_s / answers * 1e3,
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(uvloop.run(measure(json.load(sys.stdin)))))
