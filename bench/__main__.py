"""`python -m bench`: measure Mela against a plain Strawberry server, side by side, and show it."""

from __future__ import annotations

import dataclasses
import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from bench.measuring import Measured, Plan, measure
from bench.processes import ROOT, BenchError, allow_many_sockets
from bench.report import lines_of, machine, table_of, write_documents
from bench.workloads import ALL
from bench.world import seeded_world
from core.embedded import EmbeddedError

RESULTS = ROOT / "bench" / "results"
CROWDS = "200,1000,2000"
out = Console()


def main(
    workloads: Annotated[str, typer.Option(help="Which of w1, w2, w3, w4.")] = ",".join(ALL),
    rounds: Annotated[int, typer.Option(min=1, max=50, help="Of w1 to w3.")] = 3,
    fan_out_rounds: Annotated[int, typer.Option(min=1, max=50, help="Of w4.")] = 1,
    subscribers: Annotated[str, typer.Option(help="Sizes of w4's crowds.")] = CROWDS,
    rate: Annotated[float, typer.Option(help="Deliveries a second where w4's latency is.")] = 2_000,
    quick: Annotated[bool, typer.Option("--quick", help="A rough look in under a minute.")] = False,
    write_docs: Annotated[
        bool, typer.Option("--write-docs", help="Put table and picture into docs/.")
    ] = False,
) -> None:
    """Measure reads and fan-out of Mela and of a plain Strawberry server on the same data.

    Starts a database and a Redis of its own in a temporary folder; touches nothing else. CPU is
    the server process alone. Takes about five minutes; --quick less than one.
    """
    chosen = _chosen(workloads)
    crowds = [int(size) for size in subscribers.split(",")]
    plan = Plan(chosen, rounds, fan_out_rounds, crowds, rate=rate)
    if quick:
        plan = Plan(chosen, 1, 1, crowds[:1], stretch=0.3, rate=rate)
    allow_many_sockets()
    try:
        measured = _run(plan)
    except (BenchError, EmbeddedError) as error:
        out.print(f"bench: {error}", style="red", markup=False)
        raise typer.Exit(1) from None
    lines = lines_of(measured)
    out.print(table_of(lines))
    out.print(
        "Each ratio is Mela's advantage (above 1: better). W4: p50 and p99 are from commit to "
        f"delivery at {plan.rate:,.0f} deliveries a second.",
        style="dim",
    )
    out.print(f"[dim]{_keep(measured, plan)}[/dim]")
    if write_docs:
        for path in write_documents(lines, _rounds_said(plan)):
            out.print(f"[dim]wrote {path.relative_to(ROOT)}[/dim]")


def _chosen(text: str) -> list[str]:
    chosen = [key.strip().lower() for key in text.split(",")]
    if unknown := sorted(set(chosen) - set(ALL)):
        raise typer.BadParameter(f"unknown: {', '.join(unknown)}; there are {', '.join(ALL)}")
    return chosen


def _run(plan: Plan) -> Measured:
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=out, transient=True) as progress:
        task = progress.add_task("seeding 5,000 users, 2,000 auctions, 100,000 bids", total=None)
        with seeded_world() as world:
            progress.update(task, total=plan.steps, completed=-1)

            def tell(step: str) -> None:
                progress.update(task, description=step, advance=1)

            measured = measure(world, plan, tell)
            progress.update(task, completed=plan.steps)
            return measured


def _keep(measured: Measured, plan: Plan) -> Path:
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{datetime.now(UTC):%Y-%m-%dT%H%M%SZ}.json"
    whole = {
        "at": time.time(),
        "machine": machine(),
        "plan": dataclasses.asdict(plan),
        "queries": measured.queries,
        "fan_out": measured.fan_out,
    }
    path.write_text(json.dumps(whole))
    return path.relative_to(ROOT)


def _rounds_said(plan: Plan) -> str:
    return (
        f"medians of {plan.rounds} rounds of W1 to W3 and {plan.fan_out_rounds} of W4, "
        "the servers by turns"
    )


if __name__ == "__main__":
    typer.run(main)
