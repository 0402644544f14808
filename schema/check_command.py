"""`mela schema check`: the schema against the committed one, or against any former one."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

import orjson
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from core.clock import utc_now
from schema.bases import NoBase, State, built_state, read_base
from schema.committed import check_committed
from schema.comparing import Change, Severity, client_changes, counted, worst_first
from schema.comparing_rules import directive_changes
from schema.comparing_subgraphs import subgraph_changes
from schema.recorded import NotRecorded, Recorded, judged, not_valid, read_recorded

COLOURS = {Severity.BREAKING: "red", Severity.DANGEROUS: "yellow", Severity.SAFE: "green"}
SHOWN_OPERATIONS = 5
"""So many names of operations that a change hits; the rest is a number."""


def add_check(commands: typer.Typer, out: Console, err: Console) -> None:
    """`mela schema check [BASE]`; `err` hears what is wrong."""

    @commands.command("check")
    def check(
        base: Annotated[
            str | None,
            typer.Argument(help="A file, a folder, a server's address or a commit; none: ours."),
        ] = None,
        operations: Annotated[
            list[Path] | None,
            typer.Option(help="Documents or manifests (files, folders) that clients send."),
        ] = None,
        form: Annotated[Literal["table", "json"], typer.Option("--format")] = "table",
    ) -> None:
        """Fail on a breaking change against BASE; or, without one, against the committed schema,
        and where that is out of date."""
        if base is None:
            _check_ours(out, err)
            return
        try:
            recorded = read_recorded(operations) if operations else []
            former, present = read_base(base), built_state()
        except (NoBase, NotRecorded) as error:
            err.print(f"mela: {error}", highlight=False, soft_wrap=True, markup=False)
            raise typer.Exit(2) from None
        changes = changes_between(former, present, recorded)
        if form == "json":
            sys.stdout.write(_as_json(former, changes, recorded))
        else:
            _show(out, former, changes, recorded)
        if counted(changes)[Severity.BREAKING]:
            raise typer.Exit(1)


def changes_between(
    former: State, present: State, recorded: Sequence[Recorded] = ()
) -> list[Change]:
    """All that changed, the worst first; judged by what clients send where that is known."""
    changes = client_changes(former.seen, present.seen, today=utc_now().date())
    if former.has_directives:
        changes += directive_changes(former.seen, present.seen)
        changes += subgraph_changes(former.parts or {"": former.seen}, _parts(present, former))
    if recorded:
        changes = judged(changes, recorded, former.seen, present.seen)
    return worst_first(changes)


def _parts(present: State, former: State) -> Any:
    return present.parts if former.parts else {"": present.seen}


def _check_ours(out: Console, err: Console) -> None:
    problems = check_committed()
    for problem in problems:
        err.print(f"mela: {problem}", highlight=False)
    if problems:
        raise typer.Exit(1)
    out.print("mela: the schema is the committed one")


def _show(out: Console, former: State, changes: list[Change], recorded: Sequence[Recorded]) -> None:
    if changes:
        out.print(_table(changes))
    if not former.has_directives:
        out.print("[dim]Directives were not compared: introspection does not tell them.[/]")
    if old := not_valid(recorded, former.seen):
        out.print(f"[yellow]{len(old)} operations are not valid in {escape(former.name)}:[/]")
        out.print(f"  {escape(', '.join(old))}")
    counts = counted(changes)
    told = ", ".join(f"[{COLOURS[each]}]{counts[each]} {each}[/]" for each in Severity)
    against = f"against {escape(former.name)}"
    known = f"; {len(recorded)} operations" if recorded else ""
    out.print(f"mela: {told} {against}{known}", highlight=False)


def _table(changes: list[Change]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("", "where", "what"):
        table.add_column(name, overflow="fold")
    for change in changes:
        colour = COLOURS[change.severity]
        what = escape(change.message)
        if change.operations:
            what += f"\n[bold]{escape(_hits(change.operations))}[/]"
        table.add_row(f"[{colour}]{change.severity}[/]", escape(change.where), what)
    return table


def _hits(names: tuple[str, ...]) -> str:
    more = len(names) - SHOWN_OPERATIONS
    shown = ", ".join(names[:SHOWN_OPERATIONS])
    return f"hits {shown}{f' and {more} more' if more > 0 else ''}"


def _as_json(former: State, changes: list[Change], recorded: Sequence[Recorded]) -> str:
    told = [asdict(change) for change in changes]
    for each in told:
        del each["needs"]
    whole = {
        "base": former.name,
        "directives": former.has_directives,
        "counts": {str(each): n for each, n in counted(changes).items()},
        "operations": len(recorded),
        "notValidBefore": not_valid(recorded, former.seen),
        "changes": told,
    }
    return orjson.dumps(whole, option=orjson.OPT_INDENT_2).decode() + "\n"
