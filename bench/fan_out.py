"""The fan-out's client, in a process of its own: N subscribers of one auction, and a publisher that
it paces. Reads a JSON spec from stdin, writes JSON to stdout.

Saturation is a closed loop (an event is finished when all N have it, and only then is another asked
for); latency is measured at a fixed rate, from commit to delivery. An event that is lost, doubled
or out of order fails the run.
"""

from __future__ import annotations

import asyncio
import gc
import http.client
import json
import sys
import time
from collections import defaultdict
from typing import Any
from uuid import UUID

import uvloop

from bench.figures import quantile
from bench.processes import cpu_s, memory_mib
from bench.publish import STEP_MINOR
from bench.sockets import Broken, Reading, Subscriber, open_subscribers, subscribe_message
from services.auctions.state import auction_topic

WINDOW = 4
"""Events in flight at saturation."""
WARM_UP_EVENTS = 3
WARM_UP_DELIVERIES = 4_000
FEWEST_EVENTS = 4
FIRST = 50
PATIENCE_S = 60.0


class Publisher:
    """The other process: asked for events, it tells when each was committed."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.committed_ns: dict[int, int] = {}
        self.ready = asyncio.Event()
        self.listening = asyncio.create_task(self._listen())

    def ask(self, count: int = 1) -> None:
        """Make so many events now."""
        assert self.process.stdin is not None
        self.process.stdin.write(b"%d\n" % count)

    async def close(self) -> None:
        """Ask for no more; the process ends by itself."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        await self.process.wait()

    async def _listen(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            sequence, moment_ns = line.split()
            self.committed_ns[int(sequence)] = int(moment_ns)
            self.ready.set()


class Crowd:
    """All subscribers of a run: how many have each event, and when they got it."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.have: dict[int, int] = defaultdict(int)
        self.finished = 0
        self.arrived_ns: dict[int, list[int]] | None = None
        self.on_finished: Any = None
        self.failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.closing = False

    def delivered(self, subscriber: Subscriber, sequence: int) -> None:
        """One subscriber has one event."""
        have = self.have[sequence] = self.have[sequence] + 1
        if self.arrived_ns is not None:
            self.arrived_ns[sequence].append(time.monotonic_ns())
        if have == self.size:
            self.finished += 1
            if self.on_finished is not None:
                self.on_finished()

    def failed(self, error: Exception) -> None:
        """End the run, unless it is over already."""
        if not self.closing and not self.failure.done():
            self.failure.set_exception(error)

    async def until(self, finished: int) -> None:
        """Return when so many events have reached everybody. Raises what broke, or `Broken`."""
        deadline = time.monotonic() + PATIENCE_S
        while self.finished < finished:
            if self.failure.done():
                self.failure.result()
            if time.monotonic() > deadline:
                raise Broken(f"{self.finished} of {finished} events reached all in time")
            await asyncio.sleep(0.005)


async def warm_up(crowd: Crowd, subscribers: list[Subscriber], publisher: Publisher) -> None:
    """Until every subscriber is live: a subscription is not acknowledged, so events must tell."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        publisher.ask()
        await asyncio.sleep(0.3)
        last = max(publisher.committed_ns, default=0)
        if last and await _all_have(last, subscribers):
            break
        if time.monotonic() > deadline:
            silent = sum(not s.last for s in subscribers)
            raise Broken(f"{silent} of {crowd.size} subscribers never got an event")
    finished = crowd.finished
    # A JIT compiler wants to have seen some thousands of deliveries.
    events = max(WARM_UP_EVENTS, WARM_UP_DELIVERIES // crowd.size)
    publisher.ask(events)
    await crowd.until(finished + events)


async def _all_have(last: int, subscribers: list[Subscriber]) -> bool:
    """Whether all have event `last` once those who get events at all have it."""
    deadline = time.monotonic() + 10
    while any(0 < s.last < last for s in subscribers) and time.monotonic() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    return all(s.last == last for s in subscribers)


async def saturate(crowd: Crowd, publisher: Publisher, pid: int, seconds: float) -> dict[str, Any]:
    """As much as goes through, for some seconds."""
    first = crowd.finished
    asked = WINDOW
    ends_at = time.monotonic() + seconds

    def more() -> None:
        nonlocal asked
        if time.monotonic() < ends_at or asked < FEWEST_EVENTS:
            asked += 1
            publisher.ask()

    gc.collect()
    gc.disable()
    client_0, server_0, began = time.process_time(), cpu_s(pid), time.monotonic()
    crowd.on_finished = more
    publisher.ask(WINDOW)
    while crowd.finished < first + asked:
        await crowd.until(first + asked)
    took_s, server_s = time.monotonic() - began, cpu_s(pid) - server_0
    crowd.on_finished = None
    gc.enable()
    deliveries = asked * crowd.size
    return {
        "events": asked,
        "per_s": deliveries / took_s,
        "cpu_us": server_s / deliveries * 1e6,
        "server_busy": server_s / took_s,
        "client_busy": (time.process_time() - client_0) / took_s,
    }


async def at_rate(
    crowd: Crowd, publisher: Publisher, pid: int, seconds: float, rate: float
) -> dict[str, Any]:
    """So many deliveries a second: how long each takes from commit to subscriber."""
    events = max(FEWEST_EVENTS, round(seconds * rate / crowd.size))
    pause_s = crowd.size / rate
    arrived = crowd.arrived_ns = defaultdict(list)
    first = crowd.finished
    server_0, began = cpu_s(pid), time.monotonic()
    for n in range(events):
        await asyncio.sleep(max(0.0, began + n * pause_s - time.monotonic()))
        publisher.ask()
    await crowd.until(first + events)
    server_s = cpu_s(pid) - server_0
    took_ms = [
        (moment - publisher.committed_ns[sequence]) / 1e6
        for sequence, moments in arrived.items()
        for moment in moments
    ]
    return {
        "deliveries_asked_per_s": rate,
        "events": events,
        "p50_ms": quantile(took_ms, 0.5),
        "p99_ms": quantile(took_ms, 0.99),
        "cpu_us": server_s / (events * crowd.size) * 1e6,
    }


async def measure(spec: dict[str, Any]) -> dict[str, Any]:
    """Subscribe, weigh, warm up, saturate, then measure latency on the same sockets."""
    publisher = Publisher(await _start_publisher(spec))
    await asyncio.wait_for(publisher.ready.wait(), 30)
    crowd = Crowd(spec["subscribers"])
    reading = Reading(auction_topic_of(spec), STEP_MINOR if spec["flat"] else None)
    message = subscribe_message(spec["text"], {"id": spec["auction_id_sent"]})

    async def more(count: int) -> list[Subscriber]:
        return await open_subscribers(
            count,
            spec["port"],
            lambda: Subscriber(message, reading, crowd.delivered, crowd.failed),
        )

    # The first ones load what every socket needs; memory is weighed from there on.
    subscribers = await more(FIRST)
    before_mib = await settled_mib(spec["pid"])
    subscribers += await more(crowd.size - FIRST)
    idle_mib = await settled_mib(spec["pid"]) - before_mib
    await warm_up(crowd, subscribers, publisher)
    executed = await executions(spec["port"])
    saturated = await saturate(crowd, publisher, spec["pid"], spec["seconds"])
    executed = await executions(spec["port"]) - executed
    paced = await at_rate(crowd, publisher, spec["pid"], spec["seconds"], spec["rate"])
    crowd.closing = True
    await publisher.close()
    return {
        "subscribers": crowd.size,
        "saturated": saturated,
        "paced": paced,
        "executions_per_event": executed / saturated["events"],
        "idle_kib": idle_mib * 1024 / (crowd.size - FIRST),
        "memory_mib": memory_mib(spec["pid"]),
    }


async def executions(port: int) -> float:
    """How often Mela has answered an event of a subscription, as it counts itself; 0 of others."""

    def read() -> float:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            connection.request("GET", "/metrics")
            return counted(connection.getresponse().read().decode())
        finally:
            connection.close()

    return await asyncio.to_thread(read)


def counted(page: str) -> float:
    """The executions on a page of metrics."""
    return sum(
        float(line.rpartition(" ")[2])
        for line in page.splitlines()
        if line.startswith("mela_graphql_operations_total{") and 'kind="subscription"' in line
    )


async def settled_mib(pid: int) -> float:
    """Memory of a process once it has stopped growing."""
    found = memory_mib(pid)
    for _ in range(20):
        await asyncio.sleep(0.15)
        before, found = found, memory_mib(pid)
        if abs(found - before) < 0.1:
            break
    return found


def auction_topic_of(spec: dict[str, Any]) -> str:
    """The topic whose cursors Mela's frames carry."""
    return auction_topic(UUID(spec["publisher"]["auction_id"]))


async def _start_publisher(spec: dict[str, Any]) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bench.publish",
        json.dumps(spec["publisher"]),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )


if __name__ == "__main__":
    sys.stdout.write(json.dumps(uvloop.run(measure(json.load(sys.stdin)))))
