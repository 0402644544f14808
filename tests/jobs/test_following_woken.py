"""Followers of the log that are woken: at once, also where a transaction that still runs hides what
woke them, and not more often than they may look."""

import asyncio
import time
from contextlib import contextmanager

import pytest
from sqlalchemy import text

from core.database import Database, Transaction
from core.events import NewEvent
from core.migrations import upgrade
from jobs.following import ROUND_S, run_follower

FAR_S = 60.0


class Bell:
    """Rings by hand."""

    def __init__(self):
        self.calls = []

    @contextmanager
    def heard(self, call):
        self.calls.append(call)
        yield
        self.calls.remove(call)

    def ring(self):
        for call in self.calls:
            call()


@pytest.fixture
async def db(private_servers):
    # A transaction in any database of a server hides what comes after it, and others have some.
    await upgrade(private_servers.database_url)
    database = Database(private_servers.database_url)
    yield database
    await database.close()


async def happen(db):
    async def work(tx: Transaction) -> None:
        tx.collect(NewEvent("t:1", "Happened", {}))

    await db.transaction(work)


async def until(condition, timeout_s=15.0):
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def test_who_is_woken_looks_at_once_and_says_that_it_took_something(db):
    taken, told, bell = [], [], Bell()

    async def take(tx, events):
        taken.extend(events)
        return len(events)

    async with run_follower(
        db, "test", take, every_s=FAR_S, wake=bell.heard, told=lambda: told.append(len(taken))
    ):
        await until(lambda: bell.calls)
        await asyncio.sleep(0.1)  # its first look
        await happen(db)
        began = time.monotonic()
        bell.ring()
        await until(lambda: told == [1])
        assert time.monotonic() - began < FAR_S / 2
    assert bell.calls == []


async def test_what_a_running_transaction_hides_is_looked_for_again(db):
    taken, bell = [], Bell()

    async def take(tx, events):
        taken.extend(events)
        return len(events)

    async with run_follower(db, "test", take, every_s=FAR_S, wake=bell.heard):
        await until(lambda: bell.calls)
        async with db.engine.begin() as older:
            await older.execute(text("SELECT pg_current_xact_id()"))
            await happen(db)
            bell.ring()
            await asyncio.sleep(0.05)
            assert taken == []
        await until(lambda: len(taken) == 1)


async def test_a_storm_of_bells_is_a_few_looks(db):
    looks, bell = [], Bell()

    async def take(tx, events):
        looks.append(len(events))
        return len(events)

    async with run_follower(db, "test", take, every_s=FAR_S, wake=bell.heard):
        await until(lambda: bell.calls)
        began = time.monotonic()
        for _ in range(40):
            await happen(db)
            bell.ring()
        await until(lambda: sum(looks) == 40)
        took_s = time.monotonic() - began
    assert len(looks) <= took_s / ROUND_S + 2
