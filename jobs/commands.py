"""The groups of commands that stand in files of their own, put together for `mela`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import typer
from rich.console import Console

from core.ports import Embedder
from core.settings import Settings
from jobs.import_commands import import_commands
from jobs.ledger_commands import ledger_commands
from jobs.recommend_commands import recommend_commands
from jobs.search_commands import search_commands
from jobs.search_encode_command import add_encode
from jobs.search_evaluate_commands import add_evaluate
from jobs.simulate_commands import simulate_commands

EmbedderOf = Callable[[Settings], Embedder | None]
Servers = Callable[[Path | None], AbstractContextManager[tuple[Settings, Any]]]

GROUPS = {
    "ledger": ledger_commands,
    "import": import_commands,
    "recommend": recommend_commands,
}


def grouped_commands(
    servers: Servers, out: Console, embedder_of: EmbedderOf
) -> Iterator[tuple[str, typer.Typer]]:
    """Each group with its name."""
    for name, made in GROUPS.items():
        yield name, made(servers, out)
    search = search_commands(servers, out)
    add_encode(search, servers, out, embedder_of)
    add_evaluate(search, servers, out, embedder_of)
    yield "search", search
    yield "simulate", simulate_commands(out)
