"""The `mela quests` commands: arguments and exit codes. The work is the jobs' and services'."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from core.database import Database
from core.settings import Settings
from jobs.leaderboards import rebuild_boards
from services.quests.board_store import UNREACHABLE

Servers = Callable[[Path | None], AbstractContextManager[tuple[Settings, Any]]]
"""Settings with servers that are there as long as the context lasts, for a state folder."""

StateDir = Annotated[Path | None, typer.Option(help="Folder of the embedded servers.")]


def quest_commands(servers: Servers, out: Console) -> typer.Typer:
    """The commands, as a part of `mela`."""
    commands = typer.Typer(no_args_is_help=True, help="Quests and what they gave.")

    # With one command alone Typer would make it the group.
    @commands.callback()
    def group() -> None:
        pass

    @commands.command("rebuild-leaderboards")
    def rebuild_leaderboards(state_dir: StateDir = None) -> None:
        """Make all leaderboards anew from the impact entries, beside those that are read."""
        with servers(state_dir) as (settings, _):
            try:
                entries = asyncio.run(_rebuilt(settings))
            except (*UNREACHABLE, RuntimeError) as error:
                raise SystemExit(f"mela: {error}") from None
        out.print(f"leaderboards rebuilt from {entries} impact entries")

    return commands


async def _rebuilt(settings: Settings) -> int:
    assert settings.database_url is not None
    db = Database(settings.database_url.get_secret_value())
    try:
        return await rebuild_boards(settings, db)
    finally:
        await db.close()
