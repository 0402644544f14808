"""`mela schema`: the GraphQL schema as text, and what changed in it."""

from __future__ import annotations

import typer
from rich.console import Console

from schema.check_command import add_check
from schema.export_command import add_export


def schema_commands(out: Console, err: Console) -> typer.Typer:
    """The group of commands; `err` hears what is wrong."""
    commands = typer.Typer(no_args_is_help=True, help="The GraphQL schema as text.")
    add_export(commands, out, err)
    add_check(commands, out, err)
    return commands
