"""The groups of commands that stand in files of their own, put together for `mela`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import typer
from rich.console import Console

from core.settings import Settings
from jobs.import_commands import import_commands
from jobs.ledger_commands import ledger_commands
from jobs.recommend_commands import recommend_commands
from jobs.search_commands import search_commands
from jobs.simulate_commands import simulate_commands

Servers = Callable[[Path | None], AbstractContextManager[tuple[Settings, Any]]]

GROUPS = {
    "ledger": ledger_commands,
    "import": import_commands,
    "recommend": recommend_commands,
    "search": search_commands,
}


def grouped_commands(servers: Servers, out: Console) -> Iterator[tuple[str, typer.Typer]]:
    """Each group with its name."""
    for name, made in GROUPS.items():
        yield name, made(servers, out)
    yield "simulate", simulate_commands(out)
