"""`python -m bench`: measure Mela and its peers side by side, and show it."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, NamedTuple

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

from bench import ledger, ledger_report, search
from bench.measuring import SERVERS, Measured, Plan, Tell, measure
from bench.processes import ROOT, BenchError, allow_many_sockets
from bench.report import (
    aims_of,
    aims_table,
    lines_of,
    machine,
    put_between,
    table_of,
    where_and_when,
    write_documents,
)
from bench.workloads import ALL
from bench.world import World, seeded_world
from core.embedded import EmbeddedError

RESULTS = ROOT / "bench" / "results"
CROWDS = "200,1000,2000"
NARROWEST = 130
"""Columns: the table is no use in fewer, and a wider line only wraps."""
CHOICES = (*ALL, ledger.KEY)
PEERS = tuple(name for name in SERVERS if name != "mela")
out = Console(width=max(Console().width, NARROWEST))


class Found(NamedTuple):
    """What a run measured; `money` only where it was asked for."""

    reads: Measured
    money: ledger.LedgerMeasured | None


def main(
    only: Annotated[
        str,
        typer.Option("--only", "--workloads", help=f"Which of {', '.join(CHOICES)}; or search."),
    ] = "",
    peers: Annotated[
        str, typer.Option(help=f"Beside Mela: which of {', '.join(PEERS)}.")
    ] = ",".join(PEERS),
    rounds: Annotated[int, typer.Option(min=1, max=50, help="Of all but w4.")] = 3,
    fan_out_rounds: Annotated[int, typer.Option(min=1, max=50, help="Of w4.")] = 1,
    subscribers: Annotated[str, typer.Option(help="Sizes of w4's crowds.")] = CROWDS,
    rate: Annotated[float, typer.Option(help="Deliveries a second where w4's latency is.")] = 2_000,
    quick: Annotated[
        bool, typer.Option("--quick", help="A short round of each; ledger only if asked for.")
    ] = False,
    write_docs: Annotated[
        bool, typer.Option("--write-docs", help="Put tables and pictures into docs/.")
    ] = False,
) -> None:
    """Measure reads, entities, fan-out, transfers and bids of Mela and of its peers on the same
    data, and hold it against what is aimed at.

    Starts a database and a Redis of its own in a temporary folder; installs the peers on Node into
    a cache. CPU is the server process alone. Takes about fifteen minutes; --quick five.
    """
    if only == search.KEY:
        search.main(quick=quick, out=out)
        return
    chosen = _chosen(only or ",".join(ALL if quick else CHOICES), CHOICES)
    servers = ("mela", *_chosen(peers, PEERS)) if peers else ("mela",)
    crowds = [int(size) for size in subscribers.split(",")]
    plan = Plan(_reads(chosen), rounds, fan_out_rounds, crowds, rate=rate, servers=servers)
    if quick:
        plan = dataclasses.replace(plan, rounds=1, fan_out_rounds=1, stretch=0.3)
    allow_many_sockets()
    try:
        found = _run(plan, money=ledger.KEY in chosen)
    except (BenchError, EmbeddedError) as error:
        out.print(f"bench: {error}", style="red", markup=False)
        raise typer.Exit(1) from None
    _show(found, plan)
    out.print(f"[dim]{_keep(found, plan)}[/dim]")
    if write_docs:
        for path in _write(found, plan):
            out.print(f"[dim]wrote {path.relative_to(ROOT)}[/dim]")


def _chosen(text: str, there_are: Sequence[str]) -> list[str]:
    chosen = [key.strip().lower() for key in text.split(",")]
    if unknown := sorted(set(chosen) - set(there_are)):
        raise typer.BadParameter(f"unknown: {', '.join(unknown)}; there are {', '.join(there_are)}")
    return [key for key in there_are if key in chosen]


def _reads(chosen: Sequence[str]) -> list[str]:
    return [key for key in chosen if key in ALL]


def _run(plan: Plan, *, money: bool) -> Found:
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    steps = plan.steps + (ledger.steps(plan.rounds) if money else 0)
    with Progress(*columns, console=out, transient=True) as progress:
        task = progress.add_task("seeding 5,000 users, 2,000 auctions, 100,000 bids", total=None)
        with seeded_world() as world:
            progress.update(task, total=steps, completed=-1)

            def tell(step: str) -> None:
                progress.update(task, description=step, advance=1)

            found = Found(measure(world, plan, tell), _money(world, plan, tell) if money else None)
            progress.update(task, completed=steps)
            return found


def _money(world: World, plan: Plan, tell: Tell) -> ledger.LedgerMeasured:
    # No shorter than half: transfers and bids take a moment to get to their pace.
    stretch = max(0.5, plan.stretch)
    return ledger.measure_ledger(world, rounds=plan.rounds, stretch=stretch, tell=tell)


def _show(found: Found, plan: Plan) -> None:
    if plan.workloads:
        lines = lines_of(found.reads)
        out.print(table_of(lines))
        out.print(
            "CPU to another's: below 1 is better. W4: p50 and p99 are from commit to delivery at "
            f"{plan.rate:,.0f} deliveries a second. Client: how busy its own core was.",
            style="dim",
        )
        out.print(aims_table(aims_of(lines, found.reads.inside)))
    if found.money is not None:
        for table in ledger_report.tables_of(found.money):
            out.print(table)


def _write(found: Found, plan: Plan) -> list[Path]:
    written = []
    if plan.workloads:
        lines = lines_of(found.reads)
        written += write_documents(lines, found.reads.inside, _rounds_said(plan), plan.servers)
    if found.money is not None:
        said = where_and_when(f"medians of {plan.rounds} rounds, the servers by turns")
        text = f"{said}\n\n{ledger_report.markdown_of(found.money)}"
        put_between(ledger_report.BEGIN, ledger_report.END, text)
        written.append(ledger_report.write_picture(found.money))
    return written


def _keep(found: Found, plan: Plan) -> Path:
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{datetime.now(UTC):%Y-%m-%dT%H%M%SZ}.json"
    whole = {
        "at": time.time(),
        "machine": machine(),
        "plan": dataclasses.asdict(plan),
        "queries": found.reads.queries,
        "fan_out": found.reads.fan_out,
        "inside": found.reads.inside,
        "transfers": found.money and found.money.transfers,
        "bids": found.money and found.money.bids,
    }
    path.write_text(json.dumps(whole))
    return path.relative_to(ROOT)


def _rounds_said(plan: Plan) -> str:
    return (
        f"medians of {plan.rounds} rounds of W1 to W3 and entities and of {plan.fan_out_rounds} "
        "of W4, the servers by turns"
    )


if __name__ == "__main__":
    typer.run(main)
