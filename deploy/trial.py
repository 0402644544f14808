"""`make trial`: six subgraphs behind Hive Gateway on this machine, with the demo world, by one
command."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import SecretStr
from rich.console import Console

from core.embedded import EmbeddedError, EmbeddedHandle, start_embedded
from core.metrics import prepare_metrics
from core.migrations import upgrade
from core.settings import Settings
from deploy.gateway import GatewayError, Subscriptions, hive_tools, running_gateway
from deploy.subgraphs import bind, fork, stop
from deploy.tour import tour
from services.seed.demo import DemoAccess, read_demo, seed_demo
from services.users.passwords import passwords_of
from web.node import NodeError
from web.serving import left_by_signals
from web.supergraph_command import compose

out = Console()
LOT_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Trial:
    """What runs."""

    url: str
    subgraphs: dict[str, str]
    access: DemoAccess
    settings: Settings


@contextmanager
def running_trial(
    state_dir: Path, *, port: int = 4000, subscriptions: Subscriptions = "ws"
) -> Iterator[Trial]:
    """Embedded servers with the demo world, a process for each domain, the gateway. Raises
    `EmbeddedError` or `GatewayError`."""
    tools = hive_tools()
    with start_embedded(state_dir) as handle:
        settings = _settings(state_dir, handle)
        access = asyncio.run(_prepare(settings))
        prepare_metrics(settings.state_dir)
        subgraphs = bind()
        pids = fork(settings, subgraphs, log=state_dir / "log" / "subgraphs.log")
        try:
            urls = {one.name: one.url for one in subgraphs}
            supergraph = state_dir / "supergraph.graphql"
            supergraph.write_text(compose(urls, tools), encoding="utf-8")
            gateway = running_gateway(
                supergraph,
                tools,
                port=port,
                subscriptions=subscriptions,
                log=state_dir / "log" / "gateway.log",
            )
            with gateway as url:
                yield Trial(url, urls, access, settings)
        finally:
            stop(pids)


def _settings(state_dir: Path, handle: EmbeddedHandle) -> Settings:
    assert handle.database_url is not None
    assert handle.redis_url is not None
    return Settings(
        state_dir=state_dir,
        database_url=SecretStr(handle.database_url),
        redis_url=SecretStr(handle.redis_url),
    )


async def _prepare(settings: Settings) -> DemoAccess:
    assert settings.database_url is not None
    url = settings.database_url.get_secret_value()
    await upgrade(url)
    passwords = passwords_of(settings)
    try:
        access = await seed_demo(url, state_dir=settings.state_dir, passwords=passwords)
    finally:
        passwords.close()
    assert access is not None  # its database is nobody else's
    return access


def main(
    port: Annotated[int, typer.Option(help="First port to try; 0 takes any.")] = 4000,
    subscriptions: Annotated[
        str, typer.Option(help="How the gateway follows subgraphs: ws or sse.")
    ] = "ws",
    show: Annotated[
        bool, typer.Option("--show", help="Ask, bid and draw the plan, as docs/federation.md has.")
    ] = False,
    state_dir: Annotated[
        Path | None, typer.Option(help="Folder of the trial's servers; kept for the next.")
    ] = None,
) -> None:
    """Six subgraphs behind Hive Gateway, with a demo world, until Ctrl-C."""
    folder = state_dir or Settings().state_dir / "trial"
    kind: Any = subscriptions
    with left_by_signals(lambda: out.print("mela: stopped")):
        try:
            with running_trial(folder, port=port, subscriptions=kind) as trial:
                _greet(trial)
                if show:
                    asyncio.run(tour(trial.url, _with_lot(trial), out))
                else:
                    signal.pause()
        except (EmbeddedError, GatewayError, NodeError) as error:
            out.print(f"mela: {error}", highlight=False, soft_wrap=True)
            raise typer.Exit(1) from None


def _with_lot(trial: Trial) -> DemoAccess:
    """As the demo's bots have written it by now: with the lot they bid on."""
    ends_at = time.monotonic() + LOT_TIMEOUT_S
    while (access := read_demo(trial.settings.state_dir)) is None or access.auction_id is None:
        if time.monotonic() > ends_at:
            raise GatewayError("the demo's bots have put up no lot")
        time.sleep(0.2)
    return access


def _greet(trial: Trial) -> None:
    for name, url in trial.subgraphs.items():
        out.print(f"  {name:<9} {url}", highlight=False)
    out.print(f"[bold]Hive Gateway[/bold] serves {trial.url}", highlight=False)
    out.print(f"  Sign-in: {trial.access.username} / {trial.access.password}", highlight=False)
    out.print("  Header hive-expose-query-plan: true shows an operation's plan.")
    out.print("  Ctrl-C stops all.")


if __name__ == "__main__":
    typer.run(main)
