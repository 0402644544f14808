"""Databases that publish, hubs as different processes have them, and consumers that take notes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from types import SimpleNamespace
from typing import Any

import pytest

from core.database import Database, PoolSettings, Transaction
from core.events import NewEvent
from subscriptions.hub import Hub
from subscriptions.log import LogEvent
from subscriptions.stream import stream

SMALL_POOL = PoolSettings(maximum=5)


async def until(
    condition: Callable[[], bool], timeout_s: float = 10.0, *, pause_s: float = 0.005
) -> None:
    """Return as soon as `condition()` holds; fail when it does not within the time."""
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 (the condition is another task's or process's)
            await asyncio.sleep(pause_s)


class Consumer:
    """A subscriber in a task of its own, and all that it got."""

    def __init__(self, hub: Hub, db: Database, topic: str, **arguments: Any) -> None:
        self.events: list[LogEvent] = []
        self.error: Exception | None = None
        self.go_on = asyncio.Event()
        self.go_on.set()
        self.task = asyncio.create_task(self._run(hub, db, topic, arguments))

    async def _run(self, hub: Hub, db: Database, topic: str, arguments: dict[str, Any]) -> None:
        try:
            async with aclosing(stream(hub, db, topic, **arguments)) as events:
                async for event in events:
                    self.events.append(event)
                    await self.go_on.wait()
        except Exception as error:
            self.error = error

    @property
    def sequences(self) -> list[int]:
        return [event.sequence for event in self.events]

    async def has(self, count: int, timeout_s: float = 10.0) -> None:
        await until(lambda: len(self.events) >= count or self.task.done(), timeout_s)

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


async def write(db: Database, topic: str, count: int = 1, type: str = "Happened") -> None:
    """Commit `count` events of one topic, each in a transaction of its own."""
    for n in range(count):

        async def work(tx: Transaction, n: int = n) -> None:
            tx.collect(NewEvent(topic, type, {"n": n, "key": n % 3}))

        await db.transaction(work)


async def write_at_once(db: Database, topic: str, count: int) -> None:
    """Commit `count` events of one topic in one transaction."""

    async def work(tx: Transaction) -> None:
        for n in range(count):
            tx.collect(NewEvent(topic, "Happened", {"n": n, "key": n % 3}))

    await db.transaction(work)


@pytest.fixture
def helpers() -> SimpleNamespace:
    """Functions of this file, which tests cannot import."""
    return SimpleNamespace(until=until, write=write, write_at_once=write_at_once)


@pytest.fixture
async def make_hub(
    redis_url: str, redis_prefix: str, database_url: str
) -> AsyncIterator[Callable[..., Awaitable[tuple[Hub, Database]]]]:
    """`await make_hub(buffer=5)`: a started hub and its database, as one process has them."""
    made: list[tuple[Hub, Database]] = []

    async def make(
        url: str = redis_url, *, database: str = database_url, **arguments: Any
    ) -> tuple[Hub, Database]:
        hub = Hub(url, **{"prefix": redis_prefix, **arguments})
        db = Database(database, pool=SMALL_POOL, after_commit=hub.publish)
        made.append((hub, db))
        await hub.start(db)
        return hub, db

    yield make
    for hub, db in made:
        await hub.close()
        await db.close()


@pytest.fixture
async def silent(database_url: str) -> AsyncIterator[Database]:
    """A database that commits and publishes nothing: every publication is lost."""
    db = Database(database_url, pool=SMALL_POOL)
    yield db
    await db.close()


@pytest.fixture
async def subscribe() -> AsyncIterator[Callable[..., Awaitable[Consumer]]]:
    """`await subscribe(hub, db, topic, …)`: a consumer that is live when it is returned, unless
    `wait=False`.
    """
    made: list[Consumer] = []

    async def start(
        hub: Hub, db: Database, topic: str, *, wait: bool = True, **arguments: Any
    ) -> Consumer:
        live = hub.status().live
        consumer = Consumer(hub, db, topic, **arguments)
        made.append(consumer)
        if wait:
            await until(lambda: hub.status().live > live or consumer.task.done())
        return consumer

    yield start
    for consumer in made:
        await consumer.stop()
