"""`python -m bench.load`: many people at once on all domains, with a thousand sockets connected.

Brings its own servers and world. People do things at moments of their own, whether the server is
quick or not (an open loop), so that slowness is not hidden by people who wait for it.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from bench.load_operations import Ids
from bench.load_report import (
    Loaded,
    complaints,
    loaded_of,
    markdown_of,
    picture_of,
    summary_of,
    table_of,
)
from bench.load_world import ASK_IDS, fill, ids_of, lots_of, people_of, tokens_for
from bench.processes import (
    ROOT,
    BenchError,
    ServerProcess,
    allow_many_sockets,
    cpu_s,
    free_port,
    mela_command,
    serving,
)
from bench.report import put_between
from bench.world import seeded_world
from core.embedded import EmbeddedError
from core.tokens import Algorithm

DOCUMENT, PICTURE = ROOT / "docs" / "load.md", ROOT / "docs" / "images" / "load.svg"
BEGIN, END = "<!-- load:begin -->", "<!-- load:end -->"
LIVE_SHARE = 0.2
"""Of the sockets, those that follow the lots which take bids."""
ANSWERS_S = 180.0
out = Console(width=max(Console().width, 100))


@dataclass(frozen=True, slots=True)
class Plan:
    """How many, how long. `think_s` is the mean pause of a person between two things they do;
    answers may come until `tail_s` after the end."""

    clients: int = 200
    seconds: float = 120.0
    sockets: int = 1_000
    think_s: float = 2.0
    warm_up_s: float = 10.0
    tail_s: float = 10.0
    workers: int = 2
    scale: float = 1.0
    seed: int = 1
    rate_limits: str = "on"


QUICK = Plan(clients=20, seconds=10, sockets=100, warm_up_s=3, scale=0.05)


def main(
    clients: Annotated[int | None, typer.Option(min=1, help="People at once.")] = None,
    seconds: Annotated[float | None, typer.Option(min=1, help="After warming up.")] = None,
    sockets: Annotated[int | None, typer.Option(min=0, help="Connected meanwhile.")] = None,
    think: Annotated[float | None, typer.Option(min=0.05, help="Mean pause, in seconds.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Server processes.")] = None,
    rate_limits: Annotated[
        str | None, typer.Option(help="MELA_RATE_LIMITS: people have theirs, as in production.")
    ] = None,
    p95_ms: Annotated[float, typer.Option(help="What p95 must stay below.")] = 200.0,
    quick: Annotated[bool, typer.Option("--quick", help="20 people for 10 seconds.")] = False,
    write_docs: Annotated[
        bool, typer.Option("--write-docs", help="Put table and picture into docs/.")
    ] = False,
) -> None:
    """Load Mela with people who read, bid, post, search and watch, and hold it against its aims:
    p95 below 200 ms, errors below 1 %, no 5xx, no socket lost. Exit code 1 where it misses one.
    """
    given: dict[str, Any] = {
        "clients": clients,
        "seconds": seconds,
        "sockets": sockets,
        "think_s": think,
        "workers": workers,
        "rate_limits": rate_limits,
    }
    plan = replace(QUICK if quick else Plan(), **{k: v for k, v in given.items() if v is not None})
    if plan.sockets < plan.clients:
        raise typer.BadParameter("each client has a socket of its own: --sockets is too small")
    allow_many_sockets()
    try:
        loaded, examples = _run(plan)
    except (BenchError, EmbeddedError) as error:
        out.print(f"load: {error}", style="red", markup=False)
        raise typer.Exit(1) from None
    out.print(table_of(loaded))
    out.print(summary_of(loaded), style="dim", highlight=False)
    for example in examples:
        out.print(example, style="yellow", markup=False)
    if write_docs:
        put_between(BEGIN, END, markdown_of(loaded), document=DOCUMENT)
        PICTURE.write_text(picture_of(loaded, p95_ms=p95_ms), encoding="utf-8")
        out.print(f"[dim]wrote {DOCUMENT.relative_to(ROOT)}, {PICTURE.relative_to(ROOT)}[/]")
    missed = complaints(loaded, p95_ms=p95_ms)
    for line in missed:
        out.print(f"load: {line}", style="red", markup=False)
    if missed:
        raise typer.Exit(1)
    out.print(f"load: p95 below {p95_ms:g} ms, errors below 1 %, no 5xx", style="green")


def _run(plan: Plan) -> tuple[Loaded, list[str]]:
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=out, transient=True) as progress:
        task = progress.add_task("seeding people, auctions and bids", total=None)

        def tell(words: str, share: float | None = None) -> None:
            total = None if share is None else 1.0
            progress.update(task, description=words, total=total, completed=share or 0)

        with seeded_world(scale=plan.scale) as world:
            tell("films, posts, quests and the search index")
            asyncio.run(fill(world.database_url))
            port = free_port()
            command = [part for part in mela_command(port) if part != "--no-jobs"]
            environment = world.environment() | {"MELA_RATE_LIMITS": plan.rate_limits}
            log = world.folder / "mela.log"
            with serving(
                "mela",
                environment,
                log,
                port=port,
                command=[*command, "--workers", str(plan.workers)],
            ) as server:
                keys = world.folder / "server" / "keys"
                try:
                    return load_server(server, world.database_url, keys, plan, tell)
                except BenchError as error:
                    said = log.read_text(errors="replace")[-2_000:]
                    raise BenchError(f"{error}; the end of the server's log:\n{said}") from None


def load_server(
    server: ServerProcess,
    database_url: str,
    keys: Path,
    plan: Plan,
    tell: Any,
    *,
    algorithm: Algorithm = "RS256",
) -> tuple[Loaded, list[str]]:
    """Load a server whose world is filled; its figures, and examples of what went wrong. `tell` is
    told of the progress. Raises `BenchError` where a client of ours fails."""
    people = asyncio.run(people_of(database_url, plan.clients))
    lots = asyncio.run(lots_of(database_url))
    tokens = tokens_for(people, keys, algorithm)
    found = _first_answer(server, tokens[0])
    ids = ids_of(found, lots, people)
    tell(f"opening {plan.sockets:,} sockets")
    with _sockets(server.port, ids, tokens, plan) as ended:
        cpu = cpu_s(server.pid)
        told = _people(server.port, ids, tokens, plan, tell)
        spent_s = cpu_s(server.pid) - cpu
        followers = ended()
    loaded = loaded_of(
        told,
        followers,
        sockets=plan.sockets,
        seconds=plan.seconds,
        clients=plan.clients,
        server_cpu_s=spent_s * plan.seconds / (plan.seconds + plan.warm_up_s),
    )
    return loaded, [*told["examples"], *followers["told"]]


def _first_answer(server: ServerProcess, token: str) -> dict[str, Any]:
    """What there is to look at, as soon as the server answers."""
    deadline = time.monotonic() + ANSWERS_S
    url = f"http://127.0.0.1:{server.port}/graphql"
    headers = {"authorization": f"Bearer {token}"}
    while True:
        with suppress(httpx.TransportError):
            answer = httpx.post(url, json={"query": ASK_IDS}, headers=headers, timeout=30).json()
            if answer.get("errors"):
                raise BenchError(f"the server refused: {str(answer['errors'])[:500]}")
            found: dict[str, Any] = answer["data"]
            return found
        if time.monotonic() > deadline:
            raise BenchError("the server does not answer")
        time.sleep(0.1)


@contextmanager
def _client(module: str, spec: dict[str, Any]) -> Iterator[subprocess.Popen[str]]:
    """A client of ours in a process of its own, once it has its spec."""
    process = subprocess.Popen(
        [sys.executable, "-m", f"bench.{module}"],
        cwd=ROOT,
        env=os.environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        process.stdin.write(json.dumps(spec) + "\n")
        process.stdin.flush()
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            with suppress(OSError):
                pipe.close()


def _said(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Its next line. Raises `BenchError` with its complaint where there is none."""
    assert process.stdout is not None
    assert process.stderr is not None
    line = process.stdout.readline()
    if not line:
        raise BenchError(f"a client ended early: {process.stderr.read()[-2_000:]}")
    said: dict[str, Any] = json.loads(line)
    return said


@contextmanager
def _sockets(port: int, ids: Ids, tokens: list[str], plan: Plan) -> Iterator[Any]:
    live = round(plan.sockets * LIVE_SHARE)
    wanted: dict[str, int] = {}
    quiet = [each for each in ids.auctions if each not in ids.lots] or ids.lots
    for count, auctions in ((live, ids.lots), (plan.sockets - live, quiet)):
        for n in range(count):
            auction = auctions[n % len(auctions)]
            wanted[auction] = wanted.get(auction, 0) + 1
    spec = {"port": port, "sockets": wanted, "tokens": tokens}
    with _client("load_sockets", spec) as process:
        _said(process)

        def ended() -> dict[str, Any]:
            assert process.stdin is not None
            process.stdin.close()
            return _said(process)

        yield ended


def _people(port: int, ids: Ids, tokens: list[str], plan: Plan, tell: Any) -> dict[str, Any]:
    spec = {
        "port": port,
        "ids": ids._asdict(),
        "tokens": tokens,
        "seconds": plan.seconds,
        "warm_up_s": plan.warm_up_s,
        "tail_s": plan.tail_s,
        "think_s": plan.think_s,
        "seed": plan.seed,
    }
    whole_s = plan.seconds + plan.warm_up_s
    with _client("load_client", spec) as process:
        while "took_ms" not in (said := _said(process)):
            tell(
                f"{said['answered']:,} answered, {said['errors']} errors, "
                f"p95 {said['p95_ms']:.0f} ms",
                min(1.0, said["at_s"] / whole_s),
            )
        return said


if __name__ == "__main__":
    typer.run(main)
