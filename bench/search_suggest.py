"""The mix of suggestions that the search bench asks for, and a look at the service alone.

`python -m bench.search_suggest DATABASE_URL` asks under an open loop (each request has its moment,
whether the one before is answered or not) and prints latencies and the CPU of this process.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections.abc import Sequence
from typing import Any

from sqlalchemy import text

from bench.figures import quantile
from core.database import Database
from services.search.suggesting import suggest

SUGGEST = """
query Suggest($prefix: String!) { suggest(prefix: $prefix) { text type nodeId } }
"""
RATE_PER_S = 100
LETTERS_MAX = 14
_NAMES = text(
    """
    SELECT name FROM search_document WHERE slot = (
        SELECT slot FROM search_slot WHERE state = 'ACTIVE')
    ORDER BY md5(CAST(id AS text)) LIMIT :limit
    """
)


def prefixes(names: Sequence[str], *, count: int, seed: int = 7) -> list[str]:
    """What people type: a name letter by letter, some of them from its second word on, until they
    stop and take what is suggested."""
    dice = random.Random(seed)
    typed: list[str] = []
    while len(typed) < count:
        name = dice.choice(names)
        words = name.split(" ")
        start = " ".join(words[1:]) if len(words) > 1 and dice.random() < 0.3 else name
        stops = min(len(start), dice.randint(2, LETTERS_MAX))
        typed += [start[:letters] for letters in range(1, stops + 1)]
    return typed[:count]


def bodies(typed: Sequence[str]) -> list[dict[str, Any]]:
    """The requests over HTTP."""
    return [{"query": SUGGEST, "variables": {"prefix": prefix}} for prefix in typed]


async def sampled_names(db: Database, *, limit: int = 2_000) -> list[str]:
    """Names of the index, the same each time."""
    async with db.read() as session:
        return list((await session.execute(_NAMES, {"limit": limit})).scalars())


async def open_loop(db: Database, typed: Sequence[str], *, rate_per_s: float) -> list[float]:
    """Milliseconds from the moment each request was due to its answer."""
    began = time.perf_counter()

    async def one(number: int, prefix: str) -> float:
        due = began + number / rate_per_s
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        async with db.read() as session:
            await suggest(session, prefix)
        return (time.perf_counter() - due) * 1e3

    return list(await asyncio.gather(*(one(n, prefix) for n, prefix in enumerate(typed))))


async def main(url: str) -> None:
    """Ten seconds at `RATE_PER_S`, after a second to warm up."""
    db = Database(url)
    try:
        typed = prefixes(await sampled_names(db), count=11 * RATE_PER_S)
        await open_loop(db, typed[:RATE_PER_S], rate_per_s=RATE_PER_S)
        cpu = time.process_time()
        took = await open_loop(db, typed[RATE_PER_S:], rate_per_s=RATE_PER_S)
        cpu_ms = (time.process_time() - cpu) / len(took) * 1e3
    finally:
        await db.close()
    shown = ", ".join(f"p{q * 100:g} {quantile(took, q):.1f} ms" for q in (0.5, 0.95, 0.99))
    sys.stdout.write(f"{len(took)} suggestions at {RATE_PER_S}/s: {shown}; {cpu_ms:.2f} ms CPU\n")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
