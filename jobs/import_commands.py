"""The `mela import` commands: arguments, progress and exit codes. The work is the services'."""

from __future__ import annotations

import asyncio
import csv
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console, Group, RenderableType
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from core.settings import Settings
from services.content.importing import ImportReport, import_titles
from services.content.records import ImportFailed

Servers = Callable[[Path | None], AbstractContextManager[tuple[Settings, Any]]]
"""Settings with a database that is there as long as the context lasts, for a state folder."""

SHOWN_MAX = 20
"""Rejected rows that are shown; `--rejected FILE` has all that are named."""


def import_commands(servers: Servers, out: Console) -> typer.Typer:
    """The commands, as a part of `mela`."""
    commands = typer.Typer(no_args_is_help=True, help="Catalogues from files.")

    @commands.callback()
    def _group() -> None:
        """Catalogues from files. The callback keeps `titles` a command of its own."""

    @commands.command()
    def titles(
        file: Annotated[
            Path,
            typer.Argument(help="JSON array, JSON lines or CSV; .gz too.", exists=True),
        ],
        rejected: Annotated[
            Path | None, typer.Option(help="Write the rejected rows here, as CSV.")
        ] = None,
        state_dir: Annotated[
            Path | None, typer.Option(help="Folder of the embedded servers.")
        ] = None,
    ) -> None:
        """Add titles, people and genres; the same file again changes nothing.

        Exit code 1 where a row was rejected (the others are in), or the file could not be read on.
        """
        with servers(state_dir) as (settings, _):
            assert settings.database_url is not None
            url = settings.database_url.get_secret_value()
            try:
                with import_progress(out) as tell:
                    report = asyncio.run(import_titles(url, file, progress=tell))
            except ImportFailed as error:
                out.print(f"mela: {error}", markup=False, highlight=False, soft_wrap=True)
                raise typer.Exit(1) from None
        out.print(import_shown(report))
        if rejected is not None:
            write_rejected(rejected, report)
        if report.rejected or report.failure:
            raise typer.Exit(1)

    return commands


@contextmanager
def import_progress(console: Console) -> Iterator[Callable[[int, int, int], None]]:
    """A bar of how much of the file is read, and how many records that were."""
    columns = (
        TextColumn("{task.fields[read]:>12,} read"),
        BarColumn(bar_width=40),
        TaskProgressColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as bars:
        task = bars.add_task("titles", total=None, read=0)

        def tell(read: int, position: int, size: int) -> None:
            bars.update(task, completed=position, total=size, read=read)

        yield tell


def import_shown(report: ImportReport) -> RenderableType:
    """What an import did, and the first rows it rejected."""
    table = Table.grid(padding=(0, 2))
    table.add_row("titles added", f"[bold]{report.added:,}[/bold]")
    table.add_row("completed", f"{report.completed:,} that were there and lacked something")
    table.add_row("unchanged", f"{report.unchanged:,}")
    table.add_row("rejected", f"{report.rejected:,}")
    table.add_row("people, credits", f"{report.people:,} and {report.credits:,} added")
    table.add_row("genres", f"{report.genres:,} added")
    table.add_row("took", f"{report.took_s:.1f} s, {report.titles_per_s:,.0f} titles a second")
    if not report.rejected and report.failure is None:
        return table
    lines = [f"row {row}: {reason}" for row, reason in report.named[:SHOWN_MAX]]
    if report.rejected > len(lines):
        lines.append(f"… and {report.rejected - len(lines):,} more")
    if report.failure is not None:
        lines.append(f"not read to the end: {report.failure}")
    return Group(table, Text("\n".join(lines), style="yellow"))


def write_rejected(path: Path, report: ImportReport) -> None:
    """The rejected rows as CSV: `row,reason`, and a last line for what was counted only."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("row", "reason"))
        writer.writerows(report.named)
        unnamed = report.rejected - len(report.named)
        if unnamed:
            writer.writerow(("", f"{unnamed} more rows"))
