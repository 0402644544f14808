"""The people of a load, in a process of their own: each with a token and a connection, doing
something whenever a clock says so (an open loop), whether the server is quick or not.

Reads a JSON spec from stdin; writes a line of JSON each half second and a last one with all times.
"""

from __future__ import annotations

import asyncio
import gc
import heapq
import json
import random
import re
import sys
import time
from collections import Counter, deque
from contextlib import suppress
from typing import Any, cast

import uvloop

from bench.figures import quantile
from bench.http_load import Failed, body_length
from bench.load_operations import OPERATIONS, Choosing, Ids, Operation

TOLD_EVERY_S = 0.5
EXAMPLES = 20
_MEMBER = re.compile(rb'"__typename":"(\w+)"')
_CODE = re.compile(rb'"code":"(\w+)"')


class Person(asyncio.Protocol):
    """One signed-in client. What is due while it waits for an answer waits in its line, and its
    time runs."""

    def __init__(self, load: Load, token: str) -> None:
        self.load = load
        self.head = (
            b"POST /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            b"Accept: application/graphql-response+json, application/json\r\n"
            b"Authorization: Bearer %s\r\nContent-Length: "
        ) % token.encode()
        self.line: deque[tuple[float, Operation]] = deque()
        self.current: tuple[float, Operation] | None = None
        self.received = bytearray()
        self.expected = -1
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.next()

    def connection_lost(self, error: Exception | None) -> None:
        self.transport = None
        self.received.clear()
        self.expected = -1
        if self.current is not None:
            self.load.told(*self.current, "connection lost")
            self.current = None
        if not self.load.over:
            self.load.connect(self)

    def due(self, at: float, operation: Operation) -> None:
        """Do this now, or as soon as the former is answered."""
        self.line.append((at, operation))
        self.next()

    def next(self) -> None:
        """Send what is first in the line, if nothing is under way."""
        if self.current is not None or self.transport is None or not self.line:
            return
        self.current = self.line.popleft()
        operation = self.current[1]
        variables = operation.variables(self.load.choosing)
        body = json.dumps({"query": operation.text, "variables": variables}).encode()
        self.transport.write(b"%s%d\r\n\r\n%s" % (self.head, len(body), body))

    def data_received(self, data: bytes) -> None:
        self.received += data
        if self.expected < 0 and (head := self.received.find(b"\r\n\r\n")) >= 0:
            try:
                self.expected = head + 4 + body_length(bytes(self.received[:head]))
            except Failed:
                if self.transport is not None:
                    self.transport.abort()
                return
        if 0 <= self.expected <= len(self.received) and self.current is not None:
            answer, (at, operation) = bytes(self.received), self.current
            self.received.clear()
            self.expected, self.current = -1, None
            self.load.told(at, operation, fault_of(operation, answer), answer)
            self.next()


def fault_of(operation: Operation, answer: bytes) -> str:
    """What is wrong with an answer, in a word; nothing where it is what people wait for."""
    status = answer[9:12].decode("latin-1")
    if status != "200":
        return f"HTTP {status}"
    body = answer[answer.find(b"\r\n\r\n") + 4 :]
    if b'"errors":[' in body:
        found = _CODE.search(body)
        return found[1].decode() if found else "errors"
    if operation.text.startswith("mutation"):
        found = _MEMBER.search(body)
        member = found[1].decode() if found else "no member"
        if not member.endswith("Success") and member not in operation.fine:
            return member
    return ""


class Load:
    """What all people share: who does what when, and how long it took."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self.dice = random.Random(spec["seed"])
        self.choosing = Choosing(self.dice, Ids(**spec["ids"]))
        self.port = spec["port"]
        self.think_s = spec["think_s"]
        self.warm_up_s = spec["warm_up_s"]
        self.seconds = spec["seconds"]
        self.tail_s = spec["tail_s"]
        self.took_ms: dict[str, list[float]] = {each.name: [] for each in OPERATIONS}
        self.faults: dict[str, Counter[str]] = {each.name: Counter() for each in OPERATIONS}
        self.examples: list[str] = []
        self.waiting = 0
        self.quiet = asyncio.Event()
        self.over = False
        self.counts_from = 0.0
        self.people = [Person(self, token) for token in spec["tokens"]]

    def connect(self, person: Person) -> None:
        """Open a person's connection; again in a moment where that fails."""
        loop = asyncio.get_running_loop()

        def opened(task: asyncio.Task[Any]) -> None:
            if not task.cancelled() and task.exception() is not None and not self.over:
                loop.call_later(0.2, self.connect, person)

        made = loop.create_connection(lambda: person, "127.0.0.1", self.port)
        loop.create_task(made).add_done_callback(opened)

    def told(self, at: float, operation: Operation, fault: str, answer: bytes = b"") -> None:
        """An answer has come, or will not."""
        self.waiting -= 1
        if not self.waiting:
            self.quiet.set()
        if at < self.counts_from:
            return
        self.took_ms[operation.name].append((time.perf_counter() - at) * 1e3)
        if fault:
            self.faults[operation.name][fault] += 1
            if len(self.examples) < EXAMPLES:
                body = answer[answer.find(b"\r\n\r\n") + 4 :][:300].decode("utf-8", "replace")
                self.examples.append(f"{operation.name}: {fault} {body}")

    async def run(self) -> None:
        """Warm up, then let everybody do what they do, each at moments of their own."""
        weights = [each.weight for each in OPERATIONS]
        for person in self.people:
            self.connect(person)
        began = time.perf_counter()
        self.counts_from = began + self.warm_up_s
        ends = self.counts_from + self.seconds
        moments = [(began + self.pause(), n) for n in range(len(self.people))]
        heapq.heapify(moments)
        told_at = began
        while (first := moments[0])[0] < ends:
            now = time.perf_counter()
            if first[0] > now:
                await asyncio.sleep(min(first[0] - now, TOLD_EVERY_S))
            else:
                heapq.heapreplace(moments, (first[0] + self.pause(), first[1]))
                [operation] = self.dice.choices(OPERATIONS, weights)
                self.waiting += 1
                self.people[first[1]].due(first[0], operation)
            if now - told_at >= TOLD_EVERY_S:
                told_at = now
                self.tell(now - began)
        await self._tail(ends)

    async def _tail(self, ends: float) -> None:
        """Wait for answers to what was due in time; what has none by then is an error."""
        self.quiet.clear()
        if self.waiting:
            with suppress(TimeoutError):
                await asyncio.wait_for(self.quiet.wait(), ends + self.tail_s - time.perf_counter())
        self.over = True
        for person in self.people:
            for at, operation in [*([person.current] if person.current else []), *person.line]:
                self.told(at, operation, "no answer")
            person.current = None

    def pause(self) -> float:
        """Seconds until somebody does the next thing: about `think_s`, and memoryless."""
        return self.dice.expovariate(1 / self.think_s)

    def tell(self, at_s: float) -> None:
        """A line for who watches."""
        recent = [ms for times in self.took_ms.values() for ms in times[-50:]]
        line = {
            "at_s": at_s,
            "answered": sum(map(len, self.took_ms.values())),
            "errors": sum(sum(each.values()) for each in self.faults.values()),
            "waiting": self.waiting,
            "p95_ms": quantile(recent, 0.95) if recent else 0,
        }
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()


async def main() -> None:
    """One run."""
    load = Load(json.loads(sys.stdin.readline()))
    gc.freeze()
    cpu = time.process_time()
    await load.run()
    whole = {
        "took_ms": {name: [round(ms, 3) for ms in times] for name, times in load.took_ms.items()},
        "faults": load.faults,
        "examples": load.examples,
        "busy": (time.process_time() - cpu) / (load.seconds + load.warm_up_s),
    }
    sys.stdout.write(json.dumps(whole) + "\n")


if __name__ == "__main__":
    uvloop.run(main())
