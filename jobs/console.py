"""What a terminal is shown of seeding, replaying and diagnosing: progress, results, reasons."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from core.doctor import describe
from core.embedded import running_instance
from core.money import to_decimal
from core.preflight import semantic_installed
from core.settings import Settings
from services.auctions.errors import AuctionNotOpen
from services.auctions.recorded import ASSET
from services.auctions.replay import LotResult, ReplayReport
from services.seed.demo import DemoAccess
from services.seed.world import SeedSummary

Tell = Callable[[str, int, int], None]


@contextmanager
def progress_bars(console: Console) -> Iterator[Tell]:
    """A bar for each step that is told of: its name, how much is done, how much there is."""
    columns = (
        TextColumn("{task.description:>10}"),
        BarColumn(bar_width=40),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as bars:
        steps = {}

        def tell(step: str, done: int, total: int) -> None:
            if step not in steps:
                steps[step] = bars.add_task(step, total=total)
            bars.update(steps[step], completed=done, total=total)

        yield tell


def replay_shown(report: ReplayReport) -> RenderableType:
    """The result, the lots that closed elsewhere than recorded and why, the refusals, the rate."""
    parts: list[RenderableType] = []
    if report.mismatches:
        parts += [_mismatches(report.mismatches)]
    parts += [_totals(report)]
    if report.faults:
        parts += [_faults(report)]
    return Group(*parts)


def _mismatches(lots: list[LotResult]) -> Table:
    table = Table(title="Closed elsewhere than recorded", title_justify="left", show_lines=False)
    table.add_column("auction", no_wrap=True)
    for name in ("recorded", "closed at"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("why", overflow="fold")
    for lot in lots:
        why = lot.explanation.partition(": ")[2]
        closed = "no bid" if lot.price_minor is None else _usd(lot.price_minor)
        table.add_row(escape(lot.recorded.id), _usd(lot.recorded.price_minor), closed, escape(why))
    return table


def _totals(report: ReplayReport) -> Table:
    table = Table.grid(padding=(0, 2))
    right, total = report.at_recorded_price, len(report.lots)
    how = ", winners with headroom" if report.headroom else ""
    share = f" ({right / total:.1%})" if total else ""
    table.add_row("closed at the recorded price", f"[bold]{right} of {total}[/bold]{share}{how}")
    agreed = total - len(report.faults)
    table.add_row("as the rules in memory say", f"{agreed} of {total} (price, winner, refusals)")
    table.add_row("bids placed", f"{report.placed:,}")
    codes = ", ".join(f"{code} {count}" for code, count in report.refused.most_common())
    table.add_row("bids refused", f"{report.refused.total():,}" + (f" ({codes})" if codes else ""))
    table.add_row("took", f"{report.took_s:.1f} s, {report.bids_per_s:,.0f} bids a second")
    if report.closed_late:
        table.add_row("not closed by a job in time", f"{report.closed_late} (closed here)")
    return table


def _faults(report: ReplayReport) -> Text:
    some = ", ".join(lot.recorded.id for lot in report.faults[:10])
    words = f"{len(report.faults)} auctions ended other than the rules say: {some}"
    late = report.refused[AuctionNotOpen.code]
    if late:
        words += (
            f" …\n{late} bids of last moments came too late on the faster clock: "
            "a lower --speed takes more of them, --speed max takes all"
        )
    return Text(words, style="yellow" if late else "red")


def seed_shown(summary: SeedSummary) -> RenderableType:
    """What a seeded world holds."""
    table = Table.grid(padding=(0, 2))
    table.add_row("people", f"{summary.users:,}, following {summary.follows:,} times")
    table.add_row("stalls", f"{summary.stalls:,} with {summary.products:,} products")
    states = ", ".join(f"{status} {count:,}" for status, count in summary.auctions.most_common())
    table.add_row("auctions", f"{summary.auctions.total():,} ({states})")
    table.add_row("bids", f"{summary.bids:,}")
    table.add_row("events", f"{summary.events:,}")
    table.add_row("took", f"{summary.took_s:.1f} s")
    return table


def doctor_shown(settings: Settings) -> RenderableType:
    """The settings, secrets hidden, how search finds, and whether a server runs on their folder."""
    table = Table("setting", "value", "what it is", title="Settings")
    for row in describe(settings):
        table.add_row(*row)
    search, instance = Text(_semantic(settings)), running_instance(settings.state_dir)
    if instance is None:
        return Group(table, search, Text(f"No server runs on {settings.state_dir}."))
    at = f"{instance.url} (pid {instance.pid})"
    return Group(table, search, Text(f"A server runs on {settings.state_dir}: {at}"))


def _semantic(settings: Settings) -> str:
    if settings.semantic and semantic_installed():
        return "Search goes by words, names and meaning, once mela search encode has run."
    if settings.semantic:
        return "MELA_SEMANTIC is set and no model is installed: run make semantic, or unset it."
    hint = "set MELA_SEMANTIC=true" if semantic_installed() else "make semantic installs a model"
    return f"Search goes by words and names alone, not by meaning ({hint})."


def _usd(amount_minor: int) -> str:
    return f"{to_decimal(amount_minor, ASSET):,}"


def greeting(
    settings: Settings, url: str, access: DemoAccess | None, subgraph: Sequence[str] | None
) -> Iterator[str]:
    """What a server says when it begins to serve: where, of which domains, how to sign in."""
    yield f"[bold]Mela[/bold] serves {url}/graphql"
    if subgraph is not None:
        jobs = "with" if settings.jobs else "without"
        yield f"  The subgraph of {', '.join(subgraph)}, {jobs} jobs."
    if settings.profile != "prod":
        yield "  Open it in a browser for GraphiQL; its first tab shows live bids."
    if access is not None:
        yield f"  Demo sign-in: {access.username} / {access.password}"
    yield "  Ctrl-C stops it."
