"""The `mela recommend` commands: arguments, progress and exit codes. The work is the services'."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from core.database import Database
from core.settings import Settings
from jobs.recommendations import ModelFailed, Run, refresh_recommendations

if TYPE_CHECKING:
    from services.content.recommending_trials import Ratings, Trial

Servers = Callable[[Path | None], AbstractContextManager[tuple[Settings, Any]]]
"""Settings with a database that is there as long as the context lasts, for a state folder."""


def recommend_commands(servers: Servers, out: Console) -> typer.Typer:
    """The commands, as a part of `mela`."""
    commands = typer.Typer(no_args_is_help=True, help="Recommendations: compute, and measure.")

    @commands.command()
    def evaluate(
        file: Annotated[
            Path,
            typer.Argument(
                help="CSV with user, title, rating, timestamp; .gz too.",
                exists=True,
                dir_okay=False,
            ),
        ],
        at_least: Annotated[
            float, typer.Option(help="Hit rate asked for, as a multiple of popularity's.", min=0)
        ] = 0.0,
    ) -> None:
        """Hide each viewer's newest liked title, rank all others, and see how far up it comes.

        HR@10 and nDCG@10 of popularity and of the model that recommends. Liked is a rating from
        70 % of the best one on. Exit code 1 where the file cannot be used, or the model's hit rate
        is below `--at-least` times popularity's.
        """
        # Loaded here: NumPy and SciPy take longer than most commands.
        from services.content.ratings_file import RatingsRefused

        try:
            ratings, trial = _evaluated(file, out)
        except RatingsRefused as error:
            out.print(f"mela: {file.name}: {error}", markup=False, highlight=False, soft_wrap=True)
            raise typer.Exit(1) from None
        out.print(trial_shown(ratings, trial))
        if not trial.viewers or trial.times_popularity < at_least:
            raise typer.Exit(1)

    @commands.command()
    def refresh(
        again: Annotated[
            bool, typer.Option("--again", help="Also where nothing changed since the last.")
        ] = False,
        state_dir: Annotated[
            Path | None, typer.Option(help="Folder of the embedded servers.")
        ] = None,
    ) -> None:
        """Compute now which titles go with each; the worker does it every hour by itself.

        Exit code 1 where it failed.
        """
        with servers(state_dir) as (settings, _):
            try:
                run = asyncio.run(_refresh(settings, again=again))
            except (ModelFailed, TimeoutError) as error:
                out.print(f"mela: {error or 'it took too long'}", markup=False, highlight=False)
                raise typer.Exit(1) from None
        out.print(
            "nothing to do: another run is on, or nothing changed"
            if run is None
            else f"{run.titles:,} titles, {run.changed:,} of them with other neighbours than before"
        )

    return commands


def _evaluated(file: Path, out: Console) -> tuple[Ratings, Trial]:
    from services.content.ratings_file import read_ratings
    from services.content.recommending_trials import try_out

    with _bars(out) as bar:
        ratings = read_ratings(file, progress=bar("reading"))
        return ratings, try_out(ratings, progress=bar("trying out"))


@contextmanager
def _bars(console: Console) -> Iterator[Callable[[str], Callable[[int, int], None]]]:
    """One bar a phase."""
    columns = (
        TextColumn("{task.description:>16}"),
        BarColumn(bar_width=40),
        TaskProgressColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as bars:

        def bar(phase: str) -> Callable[[int, int], None]:
            task = bars.add_task(phase, total=None)
            return lambda done, total: bars.update(task, completed=done, total=total)

        yield bar


def trial_shown(ratings: Ratings, trial: Trial) -> Table:
    """Both ways to rank, side by side."""
    table = Table(
        title=f"{trial.viewers:,} viewers, {ratings.item_count:,} titles, "
        f"{len(ratings.users):,} ratings"
    )
    table.add_column("")
    table.add_column("HR@10", justify="right")
    table.add_column("nDCG@10", justify="right")
    for name, one in (("popularity", trial.popularity), ("ours", trial.ours)):
        table.add_row(name, f"{one.hit_rate:.4f}", f"{one.ndcg:.4f}")
    table.add_row("times popularity", f"{trial.times_popularity:.2f}", "")
    return table


async def _refresh(settings: Settings, *, again: bool) -> Run | None:
    assert settings.database_url is not None
    db = Database(settings.database_url.get_secret_value())
    try:
        return await refresh_recommendations(db, again=again)
    finally:
        await db.close()
