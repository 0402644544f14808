"""`mela schema export`: the schema as text, in the form that a tool wants."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from schema.committed import export_committed
from schema.exporting import FORMATS, Format, exported


def add_export(
    commands: typer.Typer,
    out: Console,
    err: Console,
    write_all: Callable[[], Iterable[Path]] = export_committed,
) -> None:
    """`mela schema export`; `err` hears what is wrong, `write_all` makes the committed files."""

    @commands.command("export")
    def export(
        domain: Annotated[list[str] | None, typer.Option(help="Of these domains alone.")] = None,
        form: Annotated[
            Format, typer.Option("--format", help="What a tool reads: docs/guides/clients.md.")
        ] = FORMATS[0],
        output: Annotated[Path | None, typer.Option(help="A file, instead of stdout.")] = None,
        write: Annotated[
            bool, typer.Option("--write", help="Into supergraph/, all of it.")
        ] = False,
    ) -> None:
        """Print the schema, or write the committed files anew."""
        if write:
            for path in write_all():
                out.print(f"mela: wrote {path}")
            return
        try:
            text = exported(form, domain or None)
            if output is None:
                sys.stdout.write(text)
            else:
                output.write_text(text, encoding="utf-8")
                out.print(f"mela: wrote {output}", highlight=False, soft_wrap=True)
        except (ValueError, OSError) as error:
            err.print(f"mela: {error}", highlight=False, soft_wrap=True)
            raise typer.Exit(1) from None
