"""`python -m tests.conformance.make_corpus`: grows the committed corpora anew. Needed where the
schema has changed so much that the test says so; the same schema gives the same operations."""

from __future__ import annotations

import asyncio
import random
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import track

from core.embedded import start_embedded
from core.migrations import upgrade
from core.settings import Settings
from tests.conformance.both_hostile import grow_hostile, hostile_faults
from tests.conformance.cases import HOSTILE, REAL, Case, write_cases
from tests.conformance.real_world import RealWorld, real_world
from tests.conftest import passable_folder

HOSTILE_CASES, REAL_CASES = 1_200, 800
REFUSED_SHARE = 0.15
"""So many of the real schema's operations may be answered with nothing but errors."""
out = Console()


@asynccontextmanager
async def embedded_world() -> AsyncIterator[RealWorld]:
    """A real world on servers of its own in a temporary folder."""
    folder = passable_folder()
    try:
        with start_embedded(folder / "state", durable=False) as handle:
            assert handle.database_url is not None
            await upgrade(handle.database_url)
            async with real_world(_settings(folder, handle.database_url, handle.redis_url)) as made:
                yield made
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _settings(folder: Path, database_url: str, redis_url: str | None) -> Settings:
    return Settings(
        profile="test",
        state_dir=folder,
        database_url=database_url,
        redis_url=redis_url,
        signing_keys_dir=folder / "keys",
        signing_algorithm="EdDSA",
        jobs=False,
        demo=False,
    )


def hostile_cases(count: int, first: int = 0) -> Iterator[Case]:
    """Cases of so many seeds. Raises `ValueError` for an invalid one: a fault of the grower's."""
    for seed in range(first, first + count):
        case = grow_hostile(seed)
        if faults := hostile_faults(case):
            raise ValueError(f"seed {seed} grew an operation that is none: {faults}")
        yield case


async def real_cases(world: RealWorld, count: int) -> AsyncIterator[Case]:
    """So many cases that the real schema understands and mostly answers."""
    dice, seed, made = random.Random(count), 0, 0
    while made < count:
        case = world.grow(seed)
        seed += 1
        _, expected = await world.answers(case)
        understood = expected.data is not None or any(e.path for e in expected.errors or [])
        if understood and (expected.data is not None or dice.random() < REFUSED_SHARE):
            made += 1
            yield case


async def main() -> None:
    """Grow and write both."""
    hostile = list(track(hostile_cases(HOSTILE_CASES), "hostile", HOSTILE_CASES, console=out))
    out.print(f"wrote {write_cases(HOSTILE, hostile)}")
    async with embedded_world() as world:
        with out.status("real schema"):
            real = [case async for case in real_cases(world, REAL_CASES)]
    out.print(f"wrote {write_cases(REAL, real)}")


if __name__ == "__main__":
    asyncio.run(main())
