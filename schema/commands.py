"""`mela schema`: the GraphQL schema as text, and what changed in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import typer
from rich.console import Console

from schema.check_command import add_check
from schema.committed import export_committed
from schema.export_command import add_export


def schema_commands(
    out: Console, err: Console, write_all: Callable[[], Iterable[Path]] = export_committed
) -> typer.Typer:
    """The group of commands; `err` hears what is wrong, `write_all` makes the committed files."""
    commands = typer.Typer(no_args_is_help=True, help="The GraphQL schema as text.")
    add_export(commands, out, err, write_all)
    add_check(commands, out, err)
    return commands
