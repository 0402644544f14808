"""The `mela search synonyms` commands: arguments and exit codes. The work is the services'."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from core.database import Database
from core.errors import InvalidInput
from core.settings import Settings
from services.search.synonyms import (
    OWN,
    import_synonyms,
    read_synonyms,
    remove_synonyms,
    set_synonyms,
)

T = TypeVar("T")
Servers = Callable[[Path | None], AbstractContextManager[tuple[Settings, Any]]]
"""Settings with a database that is there as long as the context lasts, for a state folder."""

StateDir = Annotated[Path | None, typer.Option(help="Folder of the embedded servers.")]
FILE_MAX_BYTES = 4 * 1024 * 1024


def synonym_commands(servers: Servers, out: Console) -> typer.Typer:
    """The commands, as a part of `mela search`."""
    commands = typer.Typer(no_args_is_help=True, help="Words that are searched for others.")

    @commands.command(name="import")
    def import_(
        file: Annotated[
            Path,
            typer.Argument(
                help="Lines of `term: meaning, meaning`; # begins a remark.",
                exists=True,
                dir_okay=False,
            ),
        ],
        state_dir: StateDir = None,
    ) -> None:
        """Set what terms mean, in place of what they meant before; searched within a minute.

        Exit code 1, and nothing is set, where a line is none.
        """
        with _refusals(out):
            wanted = read_synonyms(_lines(file))
            with servers(state_dir) as (settings, _):
                changed = asyncio.run(
                    _with(
                        settings, lambda db: db.transaction(partial(import_synonyms, wanted=wanted))
                    )
                )
        out.print(f"{len(wanted):,} terms, {changed:,} of them new or changed")

    @commands.command(name="list")
    def list_(
        own: Annotated[bool, typer.Option("--own", help="Also those that come with Mela.")] = False,
        state_dir: StateDir = None,
    ) -> None:
        """Show what was set."""
        with servers(state_dir) as (settings, _):
            known = asyncio.run(_with(settings, _set))
        table = Table.grid(padding=(0, 2))
        for term, means in sorted(({**OWN, **known} if own else known).items()):
            table.add_row(f"[bold]{term}[/bold]", ", ".join(means))
        out.print(table)

    @commands.command()
    def remove(
        terms: Annotated[list[str], typer.Argument(help="What was set for these.")],
        state_dir: StateDir = None,
    ) -> None:
        """Take back what terms mean; those that come with Mela stay."""
        work = partial(remove_synonyms, terms=terms)
        with servers(state_dir) as (settings, _):
            removed = asyncio.run(_with(settings, lambda db: db.transaction(work)))
        out.print(f"{removed:,} of {len(terms):,} terms removed")

    return commands


def _lines(file: Path) -> list[str]:
    if file.stat().st_size > FILE_MAX_BYTES:
        raise InvalidInput("synonyms", f"the file has more than {FILE_MAX_BYTES:,} bytes")
    try:
        return file.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        raise InvalidInput("synonyms", "the file is not UTF-8") from None


@contextmanager
def _refusals(out: Console) -> Iterator[None]:
    try:
        yield
    except InvalidInput as error:
        out.print(f"mela: {error.reason}", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(1) from None


async def _set(db: Database) -> dict[str, tuple[str, ...]]:
    async with db.read() as session:
        return await set_synonyms(session)


async def _with(settings: Settings, work: Callable[[Database], Awaitable[T]]) -> T:
    assert settings.database_url is not None
    db = Database(settings.database_url.get_secret_value())
    try:
        return await work(db)
    finally:
        await db.close()
