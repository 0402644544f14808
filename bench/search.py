"""`make bench ARGS="--only search"`: search at 100,000 documents under an open loop over the mix of
bench/search_queries.txt, beside PostgreSQL's own full text in the same run, and suggestions."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench import search_suggest
from bench.figures import quantile
from bench.processes import ROOT, ServerProcess, cpu_s, run_client, serving
from bench.search_world import SearchWorld, indexed_world
from core.database import Database

KEY = "search"
QUERIES = ROOT / "bench" / "search_queries.txt"
RATE_PER_S, CLIENTS = 40.0, 20
SECONDS, WARM_UP_S = 20.0, 5.0
MANY = 10_000
"""Matches from which on a search may take longer."""
SEARCH = """
query Search($q: String!, $filters: SearchFilterInput) {
  search(query: $q, filters: $filters, first: 20, facets: [TYPE, GENRE, DECADE, PLATFORM, TIER]) {
    totalCount
    facets { name values { value label count } }
    edges { cursor node { score matched highlights { field text ranges { start end } }
      node { __typename ... on Title { id name year } ... on Person { id name } } } } } }
"""
PLAIN = "query Plain($q: String!) { plain(query: $q) { totalCount hits { id name score } } }"


@dataclass(frozen=True, slots=True)
class Line:
    """What one server did with one kind of request."""

    name: str
    requests: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    cpu_ms: float | None


def main(*, quick: bool = False, out: Console | None = None) -> None:
    """Measure, show, keep. About four minutes, most of them for making the documents."""
    console = out or Console()
    scale = 0.2 if quick else 1.0
    console.print(f"filling and indexing {100_000 * scale:,.0f} documents or so", style="dim")
    with indexed_world(scale=scale) as world:
        lines = measure_search(world, seconds=6.0 if quick else SECONDS)
    console.print(table_of(lines))
    folder = ROOT / "bench" / "results"
    folder.mkdir(exist_ok=True)
    path = folder / f"search-{datetime.now(UTC):%Y-%m-%dT%H%M%SZ}.json"
    path.write_text(json.dumps([asdict(line) for line in lines]))
    console.print(str(path.relative_to(ROOT)), style="dim")


def measure_search(world: SearchWorld, *, seconds: float) -> list[Line]:
    """Each server in turn, alone on the machine but for the client and the database."""
    asked = read_queries(QUERIES)
    searches = [{"query": SEARCH, "variables": variables} for variables in asked]
    plain = [{"query": PLAIN, "variables": {"q": v["q"]}} for v in asked if v["q"]]
    log = world.folder / "servers.log"
    lines = []
    with serving("mela", world.environment(), log) as server:
        lines += _searched(server, searches, seconds)
        lines.append(_suggested(server, world, seconds))
    with serving("plain-search", world.environment(), log) as server:
        lines += _searched(server, plain, seconds)
    return lines


def read_queries(path: Path) -> list[dict[str, Any]]:
    """The variables of each query of the mix."""
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            continue
        words, _, filters = line.partition("|")
        found.append({"q": words.strip(), "filters": json.loads(filters) if filters else None})
    return found


def _searched(server: ServerProcess, bodies: Sequence[Any], seconds: float) -> list[Line]:
    took, cpu = _loaded(server, bodies, rate=RATE_PER_S, seconds=seconds)
    few = [ms for ms, matches, _ in took if matches <= MANY]
    many = [ms for ms, matches, _ in took if matches > MANY]
    lines = [line_of(f"{server.name}: up to {MANY:,} match", few, cpu / len(took))]
    return [*lines, line_of(f"{server.name}: more match", many, None)] if many else lines


def _suggested(server: ServerProcess, world: SearchWorld, seconds: float) -> Line:
    async def names() -> list[str]:
        db = Database(world.database_url)
        try:
            return await search_suggest.sampled_names(db)
        finally:
            await db.close()

    typed = search_suggest.prefixes(asyncio.run(names()), count=1_000)
    rate = float(search_suggest.RATE_PER_S)
    took, cpu = _loaded(server, search_suggest.bodies(typed), rate=rate, seconds=seconds)
    return line_of(f"{server.name}: suggest", [ms for ms, _, _ in took], cpu / len(took))


def _loaded(
    server: ServerProcess, bodies: Sequence[Any], *, rate: float, seconds: float
) -> tuple[list[tuple[float, int, int]], float]:
    """What the client saw, and the server's CPU in ms."""
    order = {"port": server.port, "bodies": bodies, "rate_per_s": rate, "clients": CLIENTS}
    before = cpu_s(server.pid)
    found = run_client(
        "search_load",
        {**order, "seconds": seconds, "warm_up_s": WARM_UP_S},
        timeout_s=seconds + 120,
    )
    share = seconds / (seconds + WARM_UP_S)
    return found["took"], (cpu_s(server.pid) - before) * 1e3 * share


def line_of(name: str, took: Sequence[float], cpu_ms: float | None) -> Line:
    """The quantiles of latencies in ms."""
    p50, p95, p99 = (quantile(list(took), q) for q in (0.5, 0.95, 0.99))
    return Line(name, len(took), p50, p95, p99, cpu_ms)


def table_of(lines: Sequence[Line]) -> Table:
    """The lines as people read them."""
    title = f"Open loop: {RATE_PER_S:g} searches a second from {CLIENTS} clients"
    table = Table(title=title, caption="From the moment a request is due. CPU: the server's.")
    for name in ("", "requests", "p50 ms", "p95 ms", "p99 ms", "CPU ms each"):
        table.add_column(name, justify="right" if name else "left")
    for line in lines:
        figures = (f"{each:.1f}" for each in (line.p50_ms, line.p95_ms, line.p99_ms))
        cpu = "" if line.cpu_ms is None else f"{line.cpu_ms:.1f}"
        table.add_row(line.name, f"{line.requests:,}", *figures, cpu)
    return table
