"""The `mela ledger` commands: arguments and exit codes. What they show: console_ledger.py."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from core.settings import Settings
from core.tokens import KeyFileError
from jobs import console_ledger
from services.wallets.export import NotInLog
from services.wallets.report import ReportRefused

Servers = Callable[[Path | None], AbstractContextManager[tuple[Settings, Any]]]
"""Settings with a database that is there as long as the context lasts, for a state folder."""

StateDir = Annotated[Path | None, typer.Option(help="Folder of the embedded servers.")]


def ledger_commands(servers: Servers, out: Console) -> typer.Typer:
    """The commands, as a part of `mela`."""
    commands = typer.Typer(no_args_is_help=True, help="The ledger: audit, export, reports.")

    @commands.command()
    def verify(state_dir: StateDir = None) -> None:
        """Recompute every balance and the log; exit with 1, naming the first row that is wrong."""
        with servers(state_dir) as (settings, _), _refusals():
            right = asyncio.run(console_ledger.audit(settings, console=out))
        if not right:
            raise typer.Exit(1)

    @commands.command()
    def export(
        kind: Annotated[
            str, typer.Option("--format", help="beancount, csv, or proof (of one transfer).")
        ] = "beancount",
        to: Annotated[Path | None, typer.Option(help="A file; stdout if not given.")] = None,
        transfer: Annotated[
            str | None, typer.Option(help="For a proof: a transfer or impact entry.")
        ] = None,
        since: Annotated[
            int | None, typer.Option(help="For a proof: the size of an older head to start from.")
        ] = None,
        state_dir: StateDir = None,
    ) -> None:
        """Write a journal for beancount, all transfers as CSV, or a proof for verify_ledger.py."""
        with servers(state_dir) as (settings, _), _refusals():
            work = console_ledger.export(settings, kind, to=to, transfer=transfer, since=since)
            asyncio.run(work)

    @commands.command()
    def report(
        month: Annotated[str, typer.Option(help="As in 2026-01.")],
        attest: Annotated[bool, typer.Option("--attest", help="Sign it and keep it.")] = False,
        auditor: Annotated[str | None, typer.Option(help="Add this auditor's mark.")] = None,
        statement: Annotated[str | None, typer.Option(help="What the auditor says.")] = None,
        state_dir: StateDir = None,
    ) -> None:
        """Show a month: opening, movements by code, closing, tree head."""
        with servers(state_dir) as (settings, _), _refusals():
            work = console_ledger.report(
                settings, month, console=out, attest=attest, auditor=auditor, statement=statement
            )
            asyncio.run(work)

    return commands


@contextmanager
def _refusals() -> Iterator[None]:
    """What is expected to go wrong is one line and exit code 1."""
    try:
        yield
    except (KeyFileError, NotInLog, ReportRefused) as error:
        raise SystemExit(f"mela: {error}") from None
