"""`mela schema check`: the schema against the committed one, or against any former one."""

from __future__ import annotations

import typer
from rich.console import Console

from schema.committed import check_committed


def add_check(commands: typer.Typer, out: Console, err: Console) -> None:
    """`mela schema check`; `err` hears what is wrong."""

    @commands.command("check")
    def check() -> None:
        """Fail on a breaking change against the committed schema, or where that is out of date."""
        problems = check_committed()
        for problem in problems:
            err.print(f"mela: {problem}", highlight=False)
        if problems:
            raise typer.Exit(1)
        out.print("mela: the schema is the committed one")
