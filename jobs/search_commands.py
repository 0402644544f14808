"""The `mela search` commands: arguments, progress and exit codes. The work is the services'."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from core.database import Database
from core.settings import Settings
from jobs.search_synonym_commands import synonym_commands
from services.search.health import documents_by_kind, index_lag, slot_states
from services.search.reindexing import GRACE_S, BuildRuns, reindex

Servers = Callable[[Path | None], AbstractContextManager[tuple[Settings, Any]]]
"""Settings with a database that is there as long as the context lasts, for a state folder."""

StateDir = Annotated[Path | None, typer.Option(help="Folder of the embedded servers.")]


def search_commands(servers: Servers, out: Console, *, grace_s: float = GRACE_S) -> typer.Typer:
    """The commands, as a part of `mela`. The old index is kept for readers for `grace_s`."""
    commands = typer.Typer(no_args_is_help=True, help="The index: build it anew, look at it.")

    @commands.command(name="reindex")
    def reindex_(state_dir: StateDir = None) -> None:
        """Build the index anew beside the one in use, and put it into its place.

        Exit code 1 where it is being built already.
        """
        with servers(state_dir) as (settings, _):
            try:
                with _steps(out) as tell:
                    built = asyncio.run(reindex(_url(settings), progress=tell, grace_s=grace_s))
            except BuildRuns:
                out.print("mela: the index is being built already")
                raise typer.Exit(1) from None
        out.print(
            f"generation {built.generation}: {built.documents:,} documents in {built.took_s:.1f} s"
        )

    @commands.command()
    def status(state_dir: StateDir = None) -> None:
        """What is in the index, and how far it is behind."""
        with servers(state_dir) as (settings, _):
            out.print(asyncio.run(_status(_url(settings))))

    commands.add_typer(synonym_commands(servers, out), name="synonyms")
    return commands


def _url(settings: Settings) -> str:
    assert settings.database_url is not None
    return settings.database_url.get_secret_value()


@contextmanager
def _steps(console: Console) -> Iterator[Callable[[str, int, int], None]]:
    """A bar for each step."""
    columns = (
        TextColumn("{task.description:>12}"),
        BarColumn(bar_width=40),
        TaskProgressColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as bars:
        tasks: dict[str, Any] = {}

        def tell(step: str, done: int, total: int) -> None:
            if step not in tasks:
                tasks[step] = bars.add_task(step, total=total)
            bars.update(tasks[step], completed=done, total=total)

        yield tell


async def _status(database_url: str) -> Table:
    db = Database(database_url)
    try:
        async with db.read() as session:
            used, other = await slot_states(session)
            kinds, lag = await documents_by_kind(session), await index_lag(session)
    finally:
        await db.close()
    table = Table.grid(padding=(0, 2))
    table.add_row("generation", f"{used.generation}, in slot {used.slot}")
    built = (
        "fed by events alone" if used.ready_at is None else f"{used.ready_at:%Y-%m-%d %H:%M} UTC"
    )
    table.add_row("built", built)
    table.add_row("documents", f"[bold]{used.documents:,}[/bold]")
    for kind, count in kinds.items():
        table.add_row("", f"{count:,} {kind.lower()}")
    table.add_row("behind", f"{lag.events:,} events, the oldest for {lag.oldest_s:.1f} s")
    if other.state == "BUILDING":
        table.add_row("next", f"being built since {other.begun_at:%H:%M:%S} UTC")
    return table
