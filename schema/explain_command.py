"""`mela explain`: an operation's plan as a tree for people, or as a drawing."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from graphql import GraphQLError
from rich.console import Console
from rich.markup import escape
from rich.syntax import Syntax
from rich.tree import Tree

from execution.explain import Plan, PlanNode, as_json, as_mermaid
from schema.build import build_schema
from schema.explaining import NotExplained, explain

COLOURS = {"keyed": "green", "paged": "green", "resolver": "yellow", "type": "magenta"}


def add_explain(commands: typer.Typer, out: Console) -> None:
    """`mela explain OPERATION`."""

    @commands.command("explain")
    def command(
        operation: Annotated[str, typer.Argument(help="A file, the text itself, or - for stdin.")],
        variables: Annotated[str | None, typer.Option(help="A JSON object.")] = None,
        operation_name: Annotated[str | None, typer.Option(help="One of several.")] = None,
        mermaid: Annotated[bool, typer.Option("--mermaid", help="A Mermaid flowchart.")] = False,
        as_data: Annotated[bool, typer.Option("--json", help="As extensions.plan has it.")] = False,
    ) -> None:
        """Show how an operation runs: its fields, loaders, statements and cost. Nothing is run."""
        try:
            given = _variables(variables)
            text = _text(operation)
            work = explain(build_schema(), text, variables=given, operation_name=operation_name)
            plan = asyncio.run(work)
        except (GraphQLError, NotExplained) as error:
            raise SystemExit(f"mela: {error}") from None
        if mermaid:
            out.print(as_mermaid(plan), markup=False, highlight=False, soft_wrap=True)
        elif as_data:
            shown = orjson.dumps(as_json(plan), option=orjson.OPT_INDENT_2).decode()
            out.print(shown, markup=False, highlight=False, soft_wrap=True)
        else:
            show_plan(plan, out)


def show_plan(plan: Plan, out: Console) -> None:
    """The tree, then each statement once."""
    told = f"[bold]{plan.kind} {escape(plan.operation)}[/]  cost {plan.cost}, by {plan.executor}"
    tree = Tree(told)
    for node in plan.nodes:
        _grow(tree, node)
    out.print(tree)
    loads = (node.loading for root in plan.nodes for node in root.walk())
    texts = [*plan.statements, *(load.statement for load in loads if load and load.statement)]
    for n, text in enumerate(dict.fromkeys(texts), 1):
        out.print(f"[dim]statement {n}[/]")
        out.print(Syntax(text, "sql", word_wrap=True, background_color="default"))


_BESIDE = "beside few rows, else "


def _grow(tree: Tree, node: PlanNode) -> None:
    colour = COLOURS.get(node.kind, "dim")
    words = [escape(f"{node.key or '... on'}{_arguments(node)}: {node.type}")]
    words.append(f"[{colour}]{node.kind}[/]")
    if node.loading is not None:
        columns = node.loading.columns
        words.append(f"{_BESIDE if node.loading.beside else ''}by {node.loading.loader}")
        words.append(f"[dim]({'all columns' if columns is None else ', '.join(columns)})[/]")
    if node.cost:
        words.append(f"cost {node.cost}")
    branch = tree.add("  ".join(words))
    for child in node.children:
        _grow(branch, child)


def _arguments(node: PlanNode) -> str:
    return f"({node.arguments})" if node.arguments else ""


def _text(operation: str) -> str:
    if operation == "-":
        return sys.stdin.read()
    is_text = "{" in operation or "\n" in operation
    try:
        return operation if is_text else Path(operation).read_text("utf-8")
    except OSError as error:
        raise NotExplained(f"{operation}: {error.strerror}") from None


def _variables(given: str | None) -> dict[str, Any]:
    try:
        found = {} if given is None else orjson.loads(given)
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise NotExplained("--variables must be a JSON object")
    return found
