"""`mela schema`: the GraphQL schema as text, and whether it is the committed one."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.console import Console

from schema.committed import check_committed, export_committed, sdl_of


def schema_commands(out: Console, err: Console) -> typer.Typer:
    """The group of commands; `err` hears what is wrong."""
    commands = typer.Typer(no_args_is_help=True, help="The GraphQL schema as text.")

    @commands.command("export")
    def export(
        domain: Annotated[list[str] | None, typer.Option(help="Of these domains alone.")] = None,
        write: Annotated[
            bool, typer.Option("--write", help="Into supergraph/, all of it.")
        ] = False,
    ) -> None:
        """Print the schema (SDL), or write the committed files anew."""
        if write:
            for path in export_committed():
                out.print(f"mela: wrote {path}")
            return
        try:
            sys.stdout.write(sdl_of(domain or None))
        except ValueError as error:
            err.print(f"mela: {error}", highlight=False, soft_wrap=True)
            raise typer.Exit(1) from None

    @commands.command("check")
    def check() -> None:
        """Fail on a breaking change against the committed schema, or where that is out of date."""
        problems = check_committed()
        for problem in problems:
            err.print(f"mela: {problem}", highlight=False)
        if problems:
            raise typer.Exit(1)
        out.print("mela: the schema is the committed one")

    return commands
