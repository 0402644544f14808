"""`mela search encode`: arguments, progress, exit codes. The work is jobs/search_vectors.py's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from core.database import Database
from core.ports import Embedder
from core.settings import Settings
from jobs.search_vectors import Encoding, encode

Servers = Callable[[Path | None], AbstractContextManager[tuple[Settings, Any]]]
"""Settings with a database that is there as long as the context lasts, for a state folder."""
EmbedderOf = Callable[[Settings], Embedder | None]


def add_encode(
    commands: typer.Typer, servers: Servers, out: Console, embedder_of: EmbedderOf
) -> None:
    """Add the command to `mela search`."""

    @commands.command("encode")
    def encode_documents(
        state_dir: Annotated[
            Path | None, typer.Option(help="Folder of the embedded servers.")
        ] = None,
    ) -> None:
        """Make the vectors of search by meaning now; the worker keeps them up by itself.

        What was made is kept when it is stopped, and the next run goes on from there. Exit code 1
        where `make semantic` was not run or the database has no pgvector.
        """
        with servers(state_dir) as (settings, _):
            embedder = embedder_of(settings.model_copy(update={"semantic": True}))
            assert embedder is not None
            with _bar(out) as progress:
                done = asyncio.run(_encode(settings, embedder, progress))
        out.print(_said(done, embedder.name, used=settings.semantic), highlight=False)


async def _encode(
    settings: Settings, embedder: Embedder, progress: Callable[[int, int], None]
) -> Encoding:
    assert settings.database_url is not None
    db = Database(settings.database_url.get_secret_value())
    try:
        return await encode(db, embedder, progress=progress)
    finally:
        await db.close()


def _said(done: Encoding, model: str, *, used: bool) -> str:
    if done.busy:
        return f"another process encodes by {model} now"
    said = f"{done.documents:,} documents by {model}, {done.encoded:,} of them encoded now"
    return said if used else f"{said}; searches use them with MELA_SEMANTIC=true"


@contextmanager
def _bar(console: Console) -> Iterator[Callable[[int, int], None]]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=40),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bars:
        task = bars.add_task("encoding", total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)
