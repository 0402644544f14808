"""Transfers straight at the ledger, Mela's or the plain one, in a process of its own: so many
clients at once, for a time, after a warm-up.

Reads a JSON spec from stdin, writes JSON to stdout.
"""

from __future__ import annotations

import asyncio
import gc
import json
import random
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any
from uuid import UUID

import uvloop
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlmodel.ext.asyncio.session import AsyncSession

from bench.plain_ledger import transfer
from bench.processes import cpu_s
from bench.publish import quiet
from core.database import Database, async_url
from core.ids import new_id
from services.wallets.ledger import transfer_all
from services.wallets.queue import TransferQueue
from services.wallets.terms import Transfer, user_account
from services.wallets.transfers import Leg, transfer_request

ASSET = "USD"
WARM_UP_SHARE = 0.3
AMOUNT_MAX_MINOR = 5_000

Act = Callable[[int], Awaitable[None]]
"""Makes a number of legs in one transaction, each between two people taken at random."""


def mela(spec: dict[str, Any], dice: random.Random) -> Act:
    """As every service of Mela does: one unit of work, its events written with it."""
    db = Database(spec["database_url"])
    users = [UUID(id) for id, _ in spec["people"]]

    async def act(legs: int) -> None:
        steps = []
        for _ in range(legs):
            payer, payee = dice.sample(users, 2)
            step = Transfer(
                debit=user_account(payer, ASSET),
                credit=user_account(payee, ASSET),
                amount_minor=dice.randint(1, AMOUNT_MAX_MINOR),
                code="TRANSFER",
                actor_id=payer,
            )
            steps.append(step)
        await db.transaction(partial(transfer_all, steps=steps))

    return act


def queued(spec: dict[str, Any], dice: random.Random) -> Act:
    """As Mela's `transferFunds` does: with an idempotency key, together with who else waits."""
    queue = TransferQueue(Database(spec["database_url"]))
    users = [UUID(id) for id, _ in spec["people"]]

    async def act(legs: int) -> None:
        payer, payee = dice.sample(users, 2)
        some = [Leg(payee, ASSET, dice.randint(1, AMOUNT_MAX_MINOR)) for _ in range(legs)]
        key = new_id().hex
        await queue.transfer(transfer_request(payer_id=payer, legs=some, idempotency_key=key))

    return act


def plain(spec: dict[str, Any], dice: random.Random) -> Act:
    """One ORM transaction for each."""
    engine = create_async_engine(async_url(spec["database_url"]), pool_size=20)
    new_session = async_sessionmaker(engine, class_=AsyncSession, expire_on_commit=False)
    accounts = [UUID(id) for _, id in spec["people"]]

    async def act(legs: int) -> None:
        async with new_session() as session, session.begin():
            for _ in range(legs):
                payer, payee = dice.sample(accounts, 2)
                await transfer(session, payer, payee, dice.randint(1, AMOUNT_MAX_MINOR))

    return act


ACTS = {"mela": mela, "queued": queued, "plain": plain}


async def _repeat(act: Act, *, legs: int, clients: int, ends_at: float) -> list[float]:
    """Seconds that each transaction took; nobody begins one after `ends_at`."""
    took_s: list[float] = []

    async def client() -> None:
        while (began := time.perf_counter()) < ends_at:
            await act(legs)
            took_s.append(time.perf_counter() - began)

    async with asyncio.TaskGroup() as group:
        for _ in range(clients):
            group.create_task(client())
    return took_s


async def measure(spec: dict[str, Any]) -> dict[str, Any]:
    """Warm up, then measure for `seconds`. CPU is of this process and of PostgreSQL, per leg."""
    act = ACTS[spec["way"]](spec, random.Random(spec["seed"]))
    legs, clients, seconds = spec["legs"], spec["clients"], spec["seconds"]
    repeat = partial(_repeat, act, legs=legs, clients=clients)
    await repeat(ends_at=time.perf_counter() + WARM_UP_SHARE * seconds)
    gc.collect()
    gc.freeze()
    postgres_0, own_0, began = cpu_s(spec["postgres"]), time.process_time(), time.perf_counter()
    took_s = await repeat(ends_at=began + seconds)
    elapsed_s = time.perf_counter() - began
    moved = legs * len(took_s)
    return {
        "per_s": moved / elapsed_s,
        "cpu_ms": (time.process_time() - own_0) / moved * 1e3,
        "postgres_cpu_ms": (cpu_s(spec["postgres"]) - postgres_0) / moved * 1e3,
        "latencies_ms": [round(s * 1e3, 3) for s in took_s],
    }


if __name__ == "__main__":
    quiet()
    sys.stdout.write(json.dumps(uvloop.run(measure(json.load(sys.stdin)))))
