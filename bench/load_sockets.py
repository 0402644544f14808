"""The sockets of a load, in a process of their own: most follow what hardly changes, some the lots
that are bid on. Each event must come once and in order. They are the people's own, some for each.

Reads a JSON spec from stdin; says in a line when all are open; ends with its stdin, and says then
how many still are, and what came.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from itertools import cycle
from typing import Any

import uvloop

from bench.sockets import Reading, Subscriber, masked, open_subscribers, subscribe_message
from bench.workloads import W4
from core.ids import decode_id
from services.auctions.state import auction_topic

EXAMPLES = 5


class Follower(Subscriber):
    """A subscriber that answers the protocol's own pings, and is somebody."""

    __slots__ = ("init",)

    def __init__(self, token: str, *given: Any) -> None:
        super().__init__(*given)
        payload = {"authorization": f"Bearer {token}"}
        self.init = json.dumps({"type": "connection_init", "payload": payload}).encode()

    def _event(self, payload: bytes) -> None:
        if payload.startswith(b'{"type":"ping"'):
            self.wire.write(masked(b'{"type":"pong"}'))
            self.heard = []
            return
        super()._event(payload)


async def main() -> None:
    """Open, wait for the end, tell."""
    spec = json.loads(await asyncio.to_thread(sys.stdin.readline))
    counts: Counter[str] = Counter()
    failures: list[str] = []

    def failed(error: Exception) -> None:
        counts["failed"] += 1
        if len(failures) < EXAMPLES:
            failures.append(str(error)[:300])

    def delivered(_: Subscriber, __: int) -> None:
        counts["delivered"] += 1

    tokens = cycle(spec["tokens"])

    def follower(auction: str, reading: Reading) -> Any:
        message = subscribe_message(W4, {"id": auction})
        return lambda: Follower(next(tokens), message, reading, delivered, failed)

    opened = 0
    for auction, number in spec["sockets"].items():
        reading = Reading(auction_topic(decode_id(auction, "auc")))
        made = await open_subscribers(number, spec["port"], follower(auction, reading))
        opened += len(made)
    tell({"opened": opened})
    await asyncio.to_thread(sys.stdin.read)
    tell({"open": opened - counts["failed"], "delivered": counts["delivered"], "told": failures})


def tell(line: dict[str, Any]) -> None:
    """A line of JSON."""
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(main())
