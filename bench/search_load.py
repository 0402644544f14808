"""An open loop over HTTP: each request has its moment, and goes out at it if its client is free;
waiting counts. `python -m bench.search_load` reads its order from stdin and answers in JSON."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from typing import Any

COUNT_FIELDS = ("search", "plain")


async def run(order: dict[str, Any]) -> dict[str, Any]:
    """`port`, `bodies` (asked in turn), `rate_per_s`, `clients`, `seconds`, `warm_up_s`. Latencies
    in ms from the moment a request was due, with how many matched where the answer says so."""
    bodies = [json.dumps(body).encode() for body in order["bodies"]]
    clients, rate = order["clients"], order["rate_per_s"]
    await _stretch(order["port"], bodies, rate, clients, order["warm_up_s"])
    took = await _stretch(order["port"], bodies, rate, clients, order["seconds"])
    return {"took": took}


async def _stretch(
    port: int, bodies: Sequence[bytes], rate: float, clients: int, seconds: float
) -> list[tuple[float, int, int]]:
    """Each request's milliseconds, matches (-1: not said) and body."""
    count, began = int(rate * seconds), time.perf_counter() + 0.1

    async def client(first: int) -> list[tuple[float, int, int]]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        found = []
        for number in range(first, count, clients):
            due = began + number / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            which = number % len(bodies)
            answer = await _ask(reader, writer, bodies[which])
            found.append(((time.perf_counter() - due) * 1e3, _matches(answer), which))
        writer.close()
        return found

    done = await asyncio.gather(*(client(n) for n in range(clients)))
    return [each for found in done for each in found]


async def _ask(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, body: bytes
) -> dict[str, Any]:
    head = (
        "POST /graphql HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
        f"Accept: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    writer.write(head.encode() + body)
    answered = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    length = int(answered.partition("content-length:")[2].partition("\r\n")[0])
    answer: dict[str, Any] = json.loads(await reader.readexactly(length))
    if answer.get("errors"):
        raise RuntimeError(str(answer["errors"])[:500])
    return answer


def _matches(answer: dict[str, Any]) -> int:
    data = answer["data"]
    found = next((data[name] for name in COUNT_FIELDS if name in data), None)
    return int(found["totalCount"]) if isinstance(found, dict) else -1


if __name__ == "__main__":
    print(json.dumps(asyncio.run(run(json.load(sys.stdin)))))  # noqa: T201
