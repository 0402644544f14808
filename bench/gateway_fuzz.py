"""`python -m bench.gateway_fuzz`: grown operations to one server with the whole graph and, through
Hive Gateway, to a process for each domain. Each that is answered differently is told, and fails."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from bench.through_gateway import Operation, asking
from core.embedded import EmbeddedError, start_embedded
from core.migrations import upgrade
from deploy.gateway import GatewayError
from schema.build import build_schema
from tests.conformance.cases import REAL, Case
from tests.conformance.real_world import MOVING, Reader
from tests.federation.gateway_world import GatewayWorld, gateway_world, prepare
from web.node import NodeError

CHUNK = 50
MOST_TOLD = 20
STRIDE = 1_000_000
out = Console()


class Grown(Reader):
    """Without references, which gateways send and clients do not, and without characters that Hive
    Router's planner does not read."""

    def _entities(self) -> str:
        return "__typename"


def grown(schema: Any, first: int) -> Iterator[Case]:
    """Operations without an end, none that shows the clock: both are asked at two moments."""
    seed = first
    while True:
        text, variables = Grown(schema._schema, schema.references, seed).grow()
        if "\\ud8" not in text and not {"since", "until", *MOVING} & set(text.split()):
            yield Case(REAL, seed, "query", text, variables)
        seed += 1


async def compared(world: GatewayWorld, operations: int, first: int) -> list[str]:
    """What was answered differently."""
    cases, found = grown(build_schema(), first), []
    async with asking(world.sides, world.token) as differences:
        for begin in range(0, operations, CHUNK):
            count = min(CHUNK, operations - begin)
            asked: list[Operation] = [world.operation(case) for case in islice(cases, count)]
            found += await differences(asked)
            out.print(f"{begin + count:,} operations, {len(found)} answered differently")
    return found


def main(
    operations: Annotated[int, typer.Option(min=1, help="How many.")] = 1_000,
    seed: Annotated[int, typer.Option(help="The same seed, the same operations.")] = 1,
) -> None:
    """Compare one server with six behind a gateway over grown operations."""
    folder = Path(tempfile.mkdtemp(prefix="mela-gateway-"))
    folder.chmod(0o711)
    try:
        with start_embedded(folder / "state", durable=False) as servers:
            assert servers.database_url is not None
            assert servers.redis_url is not None
            asyncio.run(upgrade(servers.database_url))
            ids = asyncio.run(prepare(servers.database_url, folder))
            with gateway_world(servers.database_url, servers.redis_url, folder, ids) as world:
                found = asyncio.run(compared(world, operations, seed * STRIDE))
    except (EmbeddedError, GatewayError, NodeError) as error:
        out.print(f"mela: {error}", style="red", markup=False)
        raise typer.Exit(1) from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    for said in found[:MOST_TOLD]:
        out.print(said, markup=False, soft_wrap=True)
    if found:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
