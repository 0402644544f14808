"""`mela schema supergraph`: what gateways are given, composed of the domains' subgraphs. Needs Node
for the composed file alone."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

import typer
from rich.console import Console

from schema.build import build_schema
from schema.committed import FOLDER, export_committed, routing_urls
from schema.projection import subgraph_sdl
from web.node import ROOT, NodeError, NodeTools, install_alone, node_tools

COMPOSING = ROOT / "deploy" / "composing"
COMPOSED = "supergraph.graphql"
TIMEOUT_S = 60.0


def compose(urls: Mapping[str, str], tools: NodeTools) -> str:
    """The supergraph of subgraphs by name (`users`, or `users-content` for two domains in one
    process) and address. Raises `NodeError` where they do not compose."""
    whole = build_schema()
    given = {
        name: {"url": url, "sdl": subgraph_sdl(whole, name.split("-"))}
        for name, url in urls.items()
    }
    install_alone(COMPOSING, tools)
    done = subprocess.run(
        [tools.node, str(COMPOSING / "compose.mjs")],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    if done.returncode:
        raise NodeError(f"the subgraphs do not compose:\n{done.stderr[-2000:]}")
    return done.stdout


def write_supergraph(err: Console) -> list[Path]:
    """Write supergraph/ anew; the paths. Without Node, or a way to its packages, all but the
    composed file, and `err` hears why."""
    written = export_committed()
    try:
        written.append(_write_composed(FOLDER))
    except NodeError as error:
        err.print(f"mela: not composed: {error}", highlight=False, soft_wrap=True)
    return written


def add_supergraph(commands: typer.Typer, out: Console, err: Console) -> None:
    """Add the command; `err` hears why there is no composed file."""

    @commands.command("supergraph")
    def supergraph() -> None:
        """Write supergraph/ anew: every domain's subgraph, supergraph.yaml as Rover reads it and,
        where there is Node, the composed supergraph.graphql."""
        written = write_supergraph(err)
        for path in written:
            out.print(f"mela: wrote {path}", highlight=False, soft_wrap=True)
        if written[-1].name != COMPOSED:
            raise typer.Exit(1)


def _write_composed(folder: Path) -> Path:
    tools = node_tools()
    if tools is None:
        raise NodeError("no Node.js 20.19 or newer, and its Python package could not be fetched")
    path = folder / COMPOSED
    path.write_text(compose(routing_urls(), tools), encoding="utf-8")
    return path
