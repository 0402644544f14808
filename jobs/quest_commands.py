"""The `mela quests` commands: arguments and exit codes. The work is the jobs' and services'."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from core.database import Database
from core.settings import Settings
from jobs.console_ledger import PATIENT, audit_shown
from jobs.leaderboards import rebuild_boards
from services.quests.auditing import verify_impact
from services.quests.board_store import UNREACHABLE
from services.wallets.verify import Check

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

    @commands.command()
    def verify(state_dir: StateDir = None) -> None:
        """Recompute all that quests gave; exit with 1, naming the first row that is wrong."""
        with servers(state_dir) as (settings, _):
            checks = asyncio.run(_verified(settings))
        shown = audit_shown(checks, keys=(), waiting=0, title="Quests")
        for part in shown:
            out.print(part, soft_wrap=isinstance(part, Text))
        if any(check.broken for check in checks):
            raise typer.Exit(1)

    return commands


async def _verified(settings: Settings) -> list[Check]:
    assert settings.database_url is not None
    db = Database(settings.database_url.get_secret_value(), pool=PATIENT)
    try:
        return await verify_impact(db)
    finally:
        await db.close()


async def _rebuilt(settings: Settings) -> int:
    assert settings.database_url is not None
    db = Database(settings.database_url.get_secret_value())
    try:
        return await rebuild_boards(settings, db)
    finally:
        await db.close()
