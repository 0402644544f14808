"""Makes the events of the fan-out, in a process of its own, as its stdin asks for them.

For Mela: real bids by the real rules, committed with their event rows and published on its bus, as
a second server process would. For the others: messages straight to Redis, as theirs would. Each
line in is a number of events to make at once; each line out is `sequence nanoseconds`, when it was
committed.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import redis.asyncio
import structlog
from sqlalchemy import text

from core.database import Database
from core.errors import DomainError
from core.events import CommittedEvent
from core.ids import new_id
from services.auctions.bidding import bid_request, place_bids
from services.wallets.endowing import endow
from subscriptions.hub import Hub

STEP_MINOR = 1_000_000
"""Each bid's lead over the one before: above every increment, and far from the largest amount."""

FUNDS_MINOR = 10**14
"""More than any of these bids comes to."""

Make = Callable[[int], Awaitable[None]]


def say(sequence: int, moment_ns: int) -> None:
    """Tell who measures when an event was committed."""
    sys.stdout.write(f"{sequence} {moment_ns}\n")
    sys.stdout.flush()


async def mela_maker(spec: dict[str, Any]) -> Make:
    """Places bids of two bidders in turn, a batch in one transaction."""
    hub = Hub(spec["redis_url"])

    async def after_commit(events: Sequence[CommittedEvent]) -> None:
        moment_ns = time.monotonic_ns()
        await hub.publish(events)
        for event in events:
            if event.type == "BidPlaced":  # the bidders' wallets hear of their holds as well
                say(event.sequence, moment_ns)

    db = Database(spec["database_url"], after_commit=after_commit)
    await hub.start(db)
    auction_id = UUID(spec["auction_id"])
    bidders = [UUID(id) for id in spec["bidder_ids"]]
    asset, maximum_minor = await _lot(db, auction_id)
    await db.transaction(lambda tx: endow(tx, set(bidders), asset=asset, amount_minor=FUNDS_MINOR))
    made = 0

    async def make(count: int) -> None:
        nonlocal made, maximum_minor
        requests = []
        for _ in range(count):
            made += 1
            maximum_minor += STEP_MINOR
            request = bid_request(
                auction_id=auction_id,
                bidder_id=bidders[made % len(bidders)],
                maximum_minor=maximum_minor,
                idempotency_key=new_id().hex,
            )
            requests.append(request)
        for placed in await db.transaction(lambda tx: place_bids(tx, auction_id, requests)):
            if isinstance(placed, DomainError):
                raise placed

    return make


async def _lot(db: Database, auction_id: UUID) -> tuple[str, int]:
    """Its asset, and the highest maximum on it."""
    asked = text(
        "SELECT asset, (SELECT max(maximum_minor) FROM bid WHERE auction_id = :id)"
        " FROM auction WHERE id = :id"
    )
    async with db.read() as session:
        asset, highest = (await session.execute(asked, {"id": auction_id})).one()
    return str(asset), int(highest or 0)


def _for_plain(spec: dict[str, Any], made: int) -> str:
    return json.dumps(
        {
            "sequence": made,
            "id": str(uuid.uuid4()),
            "amount": made * STEP_MINOR,
            "asset": "USD",
            "placedAt": datetime.now(UTC).isoformat(),
            "bidder": spec["bidder_ids"][0],
            "username": "somebody",
        }
    )


def _flat(spec: dict[str, Any], made: int) -> dict[str, Any]:
    return {
        "id": str(uuid.uuid4()),
        "amount": made * STEP_MINOR,
        "placedAt": datetime.now(UTC).isoformat(),
        "bidder": {"id": spec["bidder_ids"][0], "username": "somebody"},
    }


def _for_yoga(spec: dict[str, Any], made: int) -> str:
    return json.dumps(_flat(spec, made))


def _for_mercurius(spec: dict[str, Any], made: int) -> bytes:
    told = {
        "topic": f"mercurius:{spec['auction_id']}",
        "payload": {"bidPlaced": _flat(spec, made)},
    }
    return packed({"id": str(uuid.uuid4()), "msg": told})


def _for_limit(spec: dict[str, Any], made: int) -> str:
    payload = {"data": {"bidPlaced": _flat(spec, made)}}
    return json.dumps({"id": "1", "type": "next", "payload": payload})


MESSAGES: dict[str, Callable[[dict[str, Any], int], str | bytes]] = {
    "plain": _for_plain,
    "yoga": _for_yoga,
    "mercurius": _for_mercurius,
    "limit": _for_limit,
}


def packed(value: Any) -> bytes:
    """As MessagePack, in which Mercurius' emitter talks: objects, texts and natural numbers."""
    if isinstance(value, dict):
        head = b"\xde" + len(value).to_bytes(2, "big")
        return head + b"".join(packed(k) + packed(v) for k, v in value.items())
    if isinstance(value, int):
        return b"\xcf" + value.to_bytes(8, "big")
    text = str(value).encode()
    return b"\xda" + len(text).to_bytes(2, "big") + text


async def redis_maker(spec: dict[str, Any]) -> Make:
    """Publishes what another server's mutation would, without its database work."""
    client = redis.asyncio.from_url(spec["redis_url"])
    message = MESSAGES[spec["server"]]
    channel = f"{spec['server']}:{spec['auction_id']}"
    made = 0

    async def make(count: int) -> None:
        nonlocal made
        for _ in range(count):
            made += 1
            moment_ns = time.monotonic_ns()
            await client.publish(channel, message(spec, made))
            say(made, moment_ns)

    return make


def quiet() -> None:
    """Leave stdout to the protocol; only what goes wrong is logged, to stderr."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


async def work(spec: dict[str, Any]) -> None:
    """Make what is asked for until stdin ends. What is asked during one batch is the next one."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    make = await (mela_maker if spec["server"] == "mela" else redis_maker)(spec)
    say(0, 0)
    while asked := await reader.read(4096):
        await make(sum(int(line) for line in asked.split()))


if __name__ == "__main__":
    quiet()
    asyncio.run(work(json.loads(sys.argv[1])))
