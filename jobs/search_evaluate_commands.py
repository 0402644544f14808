"""`mela search evaluate` and `known-items`: arguments, progress, tables, exit codes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from core.ports import Embedder
from core.settings import Settings
from jobs.search_evaluating import evaluate, try_known_items
from services.search.evaluating import BadCollection, Measures, read_collection
from services.search.known_items import Outcome

Servers = Callable[[Path | None], AbstractContextManager[tuple[Settings, Any]]]
EmbedderOf = Callable[[Settings], Embedder | None]
StateDir = Annotated[Path | None, typer.Option(help="Folder of the embedded servers.")]
MISSES_SHOWN = 10


def add_evaluate(
    commands: typer.Typer, servers: Servers, out: Console, embedder_of: EmbedderOf
) -> None:
    """Add the commands to `mela search`."""

    @commands.command("evaluate")
    def evaluate_(
        folder: Annotated[Path, typer.Argument(help="corpus, queries, qrels as .jsonl or .tsv")],
        state_dir: StateDir = None,
    ) -> None:
        """Measure each retriever and the fusion on a test collection, beside BM25 by bm25s.

        Works in a database of its own, which is dropped. By meaning as well where MELA_SEMANTIC is
        set. Exit code 1 where the folder is no collection.
        """
        try:
            collection = read_collection(folder)
        except (BadCollection, OSError) as error:
            out.print(f"mela: {error}", markup=False)
            raise typer.Exit(1) from None
        with servers(state_dir) as (settings, _):
            found = asyncio.run(
                evaluate(
                    settings,
                    _url(settings),
                    collection,
                    embedder=embedder_of(settings),
                    tell=lambda step: out.print(step, style="dim"),
                )
            )
        judged = f"{collection.judgements:,} judgements"
        out.print(table_of(found, f"{len(collection.documents):,} documents, {judged}"))

    @commands.command("known-items")
    def known_items(
        file: Annotated[Path, typer.Argument(help="Films as JSON lines: title, extract …")],
        cases: Annotated[int, typer.Option(min=1, max=100_000)] = 1_000,
        seed: Annotated[int, typer.Option()] = 1,
        state_dir: StateDir = None,
    ) -> None:
        """How often a film is the first hit for its title with typos, and for a sentence of it."""
        with servers(state_dir) as (settings, _):
            found = asyncio.run(
                try_known_items(
                    settings,
                    _url(settings),
                    file,
                    cases=cases,
                    seed=seed,
                    tell=lambda step: out.print(step, style="dim"),
                )
            )
        out.print(outcomes_of(found))
        for name, outcome in found.items():
            for case, first in outcome.missed[:MISSES_SHOWN]:
                out.print(f"{name}: {case.query!r}: {first!r}", style="dim", markup=False)


def table_of(found: Mapping[str, Measures], title: str) -> Table:
    """Measures as people read them."""
    table = Table(title=title)
    for name in ("", "nDCG@10", "MAP", "recall@100"):
        table.add_column(name, justify="left" if not name else "right")
    for name, each in found.items():
        figures = (each.ndcg_at_10, each.mean_average_precision, each.recall_at_100)
        table.add_row(name, *(f"{figure:.3f}" for figure in figures))
    return table


def outcomes_of(found: Mapping[str, Outcome]) -> Table:
    """How many of each kind of case were found first."""
    table = Table(title="Known items: first of all hits")
    for name in ("what is typed", "cases", "found first"):
        table.add_column(name, justify="left" if name == "what is typed" else "right")
    for name, each in found.items():
        table.add_row(name, f"{each.cases:,}", f"{each.share:.1%}")
    return table


def _url(settings: Settings) -> str:
    assert settings.database_url is not None
    return settings.database_url.get_secret_value()
