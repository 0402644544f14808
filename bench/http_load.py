"""A closed-loop HTTP client in a process of its own: a fixed number of requests, all waited for.

Reads a JSON spec from stdin, writes JSON to stdout. It is kept small (raw HTTP/1.1 on uvloop), so
that on two cores the server stays what is measured.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from collections.abc import Iterator
from itertools import cycle, islice
from typing import Any, cast

import uvloop

from bench.processes import cpu_s

WARM_UP_SHARE = 0.3
WARM_UP_PATIENCE_S = 4.0
MOST_REQUESTS = 50_000


class Failed(Exception):
    """An answer was not what a measured answer must be."""


class Connection(asyncio.Protocol):
    """One keep-alive connection: sends the next request when the former is answered."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.received = bytearray()
        self.expected = -1
        self.sent_at = 0.0
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.send()

    def send(self) -> None:
        """The next request, if there is one left."""
        request = next(self.run.requests, None)
        if request is None:
            self.transport.close()
            return
        self.sent_at = time.perf_counter()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self.received += data
        if self.expected < 0 and (head := self.received.find(b"\r\n\r\n")) >= 0:
            self.expected = head + 4 + body_length(bytes(self.received[:head]))
        if 0 <= self.expected <= len(self.received):
            self._answered()

    def connection_lost(self, error: Exception | None) -> None:
        self.run.lost(self)

    def _answered(self) -> None:
        took_s = time.perf_counter() - self.sent_at
        if not self.received.startswith(b"HTTP/1.1 200") or b'"errors"' in self.received:
            self.run.fail(Failed(f"not an answer: {bytes(self.received[:500])!r}"))
        self.received.clear()
        self.expected = -1
        self.run.answered(took_s)
        self.send()


class Run:
    """A number of requests over several connections."""

    def __init__(self, requests: Iterator[bytes], count: int) -> None:
        self.requests = islice(requests, count)
        self.count = count
        self.took_s: list[float] = []
        self.done = asyncio.get_running_loop().create_future()

    def answered(self, took_s: float) -> None:
        """Count an answer; the last one ends the run."""
        self.took_s.append(took_s)
        if len(self.took_s) == self.count and not self.done.done():
            self.done.set_result(time.perf_counter())

    def fail(self, error: Exception) -> None:
        """End the run with an error."""
        if not self.done.done():
            self.done.set_exception(error)

    def lost(self, connection: Connection) -> None:
        """A connection is gone: harmless only when it has nothing left to wait for."""
        if connection.expected >= 0 or (len(self.took_s) < self.count and connection.received):
            self.fail(Failed("the server closed a connection amid an answer"))


def body_length(head: bytes) -> int:
    """What a head says follows it. Raises `Failed` where it says nothing."""
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    raise Failed(f"an answer without Content-Length: {head[:300]!r}")


def _requests(bodies: list[Any]) -> Iterator[bytes]:
    whole = []
    for body in bodies:
        raw = json.dumps(body).encode()
        whole.append(
            b"POST /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            b"Accept: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(raw), raw)
        )
    return cycle(whole)


async def _go(port: int, requests: Iterator[bytes], count: int, connections: int) -> Run:
    run = Run(requests, count)
    loop = asyncio.get_running_loop()
    for _ in range(min(connections, count)):
        await loop.create_connection(lambda: Connection(run), "127.0.0.1", port)
    await asyncio.wait_for(run.done, 60)
    return run


async def _warm_up(
    port: int, requests: Iterator[bytes], connections: int, seconds: float, fewest: int
) -> float:
    """Seconds a request takes by the end of it: the first ones fill caches and open connections,
    and a JIT compiler wants to have seen `fewest`, however slow the machine is (within reason)."""
    began_at = time.perf_counter()
    ends_at, patience_ends_at = began_at + seconds, began_at + seconds + WARM_UP_PATIENCE_S
    count, done = 2 * connections, 0
    while True:
        began = time.perf_counter()
        await _go(port, requests, count, connections)
        now = time.perf_counter()
        each_s = (now - began) / count
        done += count
        if now >= patience_ends_at or (now >= ends_at and done >= fewest):
            return each_s
        # Ever longer, so that the last and judging one is not of a moment.
        wanted = max(round((ends_at - now) / each_s), fewest - done)
        count = max(2 * connections, min(2 * count, wanted))


async def measure(spec: dict[str, Any]) -> dict[str, Any]:
    """Warm up, judge how many requests fill the time, then measure those."""
    requests = _requests(spec["bodies"])
    port, connections = spec["port"], spec["connections"]
    fewest = spec["fewest"]
    each_s = await _warm_up(port, requests, connections, WARM_UP_SHARE * spec["seconds"], fewest)
    count = max(fewest, 2 * connections, min(MOST_REQUESTS, round(spec["seconds"] / each_s)))
    gc.collect()
    gc.disable()
    client_0, server_0, began = time.process_time(), cpu_s(spec["pid"]), time.perf_counter()
    run = await _go(port, requests, count, connections)
    took_s = run.done.result() - began
    server_s = cpu_s(spec["pid"]) - server_0
    return {
        "requests": count,
        "cpu_ms": server_s / count * 1e3,
        "client_cpu_ms": (time.process_time() - client_0) / count * 1e3,
        "client_busy": (time.process_time() - client_0) / took_s,
        "per_s": count / took_s,
        "latencies_ms": [round(s * 1e3, 3) for s in run.took_s],
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(uvloop.run(measure(json.load(sys.stdin)))))
