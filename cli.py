"""The `mela` command: what operators type. Puts parts together; the work stands in packages."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from pydantic import SecretStr, ValidationError
from rich.console import Console
from starlette.types import ASGIApp

from adapters.embedder import open_embedder
from app import create_app, job_bells, make_schema, make_server
from core.embedded import (
    STARTING_TIMEOUT_S,
    AlreadyRunning,
    EmbeddedError,
    EmbeddedHandle,
    attach_or_start,
    running_instance,
    start_embedded,
)
from core.metrics import prepare_metrics
from core.migrations import differences, rebuild, upgrade
from core.preflight import (
    NotReady,
    complaints,
    require_database,
    unknown_names,
    wait_for_database,
)
from core.settings import Settings
from core.telemetry import start_telemetry
from jobs.background import run_jobs
from jobs.commands import grouped_commands
from jobs.console import doctor_shown, greeting, progress_bars, replay_shown, seed_shown
from jobs.console_auctions import verify_auction
from schema.commands import schema_commands
from schema.explain_command import add_explain
from schema.splitting import UnknownDomain, named_domains
from services.auctions.recorded import RecordedAuction, RecordingError, read_recorded
from services.auctions.replay import MAX_SPEED, ReplayReport, replay_at_once, replay_live
from services.auctions.replay_stage import ScratchRefused, scratch_database
from services.seed.demo import DemoAccess, seed_demo
from services.seed.world import MAX_SCALE, SeedRefused, seed_world
from services.users.passwords import clean_password, passwords_of
from web.ports import NoFreePort, pick_port, port_of
from web.serving import left_by_signals, run_one, run_workers, shown_host
from web.supergraph_command import add_supergraph, write_supergraph

out = Console()
err = Console(stderr=True)
mela = typer.Typer(
    name="mela",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    help="One typed GraphQL schema for a community that creates, discovers, trades and acts.",
)
db_commands = typer.Typer(no_args_is_help=True, help="The database's tables.")
auction_commands = typer.Typer(no_args_is_help=True, help="Auctions and their logs.")
mela.add_typer(auction_commands, name="auction")
mela.add_typer(db_commands, name="db")
schema_group = schema_commands(out, err, partial(write_supergraph, err))
mela.add_typer(schema_group, name="schema")
add_supergraph(schema_group, out, err)
for group, commands in grouped_commands(lambda folder: _attached(folder), out, open_embedder):
    mela.add_typer(commands, name=group)
add_explain(mela, out)

_UNUSED, _SCRATCH = SecretStr("redis://unused"), (ScratchRefused, RecordingError)
REFUSALS = (EmbeddedError, NotReady, NoFreePort, SeedRefused, UnknownDomain, *_SCRATCH)

StateDir = Annotated[Path | None, typer.Option(help="Folder of the embedded servers.")]


def main() -> None:
    """Run the command; what is expected to go wrong is one line and exit code 1."""
    try:
        mela()
    except REFUSALS as error:
        _fail(str(error))
    except ValidationError as error:
        _fail(complaints(error))


def worker_app() -> ASGIApp:
    """The application of one of several workers: its parent put the addresses into MELA_…"""
    return create_app(Settings())


@mela.command()
def serve(
    port: Annotated[int | None, typer.Option(help="First port to try; 0 takes any.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    workers: Annotated[int | None, typer.Option(help="Server processes.")] = None,
    jobs: Annotated[bool | None, typer.Option(help="Run background jobs here.")] = None,
    demo: Annotated[bool | None, typer.Option(help="A demo world in an empty database.")] = None,
    domains: Annotated[
        str | None, typer.Option(help="A subgraph of these alone: auctions,wallets.")
    ] = None,
    state_dir: StateDir = None,
) -> None:
    """Serve /graphql. Without MELA_DATABASE_URL and MELA_REDIS_URL, with servers of its own; a
    subgraph uses those of a Mela that runs in the same state folder."""
    given = {"port": port, "host": host, "workers": workers, "jobs": jobs, "demo": demo}
    settings = _settings(**given, domains=domains, state_dir=state_dir)
    subgraph = named_domains(settings.domains)
    if subgraph is None:
        _say_already_running(settings)
    if settings.trusted_documents is not None:
        make_schema(settings, subgraph)  # what is wrong is said before anything runs, and once
    servers = _servers(settings, attach=subgraph is not None)
    with left_by_signals(_stopped), servers as (settings, handle):
        if handle is not None and handle.attached:
            settings, handle = _beside(settings, handle), None
        listening = pick_port(settings.host, settings.port)
        url = f"http://{shown_host(settings.host)}:{port_of(listening)}"
        access = asyncio.run(_prepare(settings, handle))
        if handle is not None:
            handle.publish_url(url)
        prepare_metrics(settings.state_dir)
        for line in greeting(settings, url, access, subgraph):
            out.print(line, highlight=False)
        if settings.workers == 1:
            run_one(create_app(settings), settings, listening)
        else:
            run_workers("cli:worker_app", settings, listening)


@mela.command()
def worker(state_dir: StateDir = None) -> None:
    """Run background jobs alone: beside servers that were started with --no-jobs."""
    settings = _settings(state_dir=state_dir)
    with left_by_signals(_stopped), _servers(settings, attach=True) as (settings, _):
        out.print("mela: jobs run; Ctrl-C stops them")
        asyncio.run(_work(settings))


@db_commands.command("upgrade")
def db_upgrade(state_dir: StateDir = None) -> None:
    """Bring the database to the newest migration."""
    with _servers(_settings(state_dir=state_dir), attach=True, migrated=False) as (settings, _):
        asyncio.run(upgrade(_url(settings)))
        out.print("mela: the database is up to date")


@db_commands.command("check")
def db_check() -> None:
    """Fail where the models and the migrations differ. Works in a scratch database."""
    settings = Settings()
    with tempfile.TemporaryDirectory(prefix="mela-check-") as folder:
        # Servers of our own unless one is given: what a developer has in .mela stays untouched.
        scratch = settings.model_copy(update={"state_dir": Path(folder), "redis_url": _UNUSED})
        with _servers(scratch, migrated=False) as (settings, _):
            found = asyncio.run(_check_migrations(_url(settings)))
    if found is not None:
        _fail(f"models and migrations differ: {found}")
    out.print("mela: models and migrations agree")


@db_commands.command("reset")
def db_reset(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    state_dir: StateDir = None,
) -> None:
    """Delete everything in the database and make its tables anew."""
    settings = _settings(state_dir=state_dir)
    if not yes and not typer.confirm("Delete everything in the database?"):
        raise typer.Exit(1)
    with _servers(settings, attach=True, migrated=False) as (settings, _):
        asyncio.run(rebuild(_url(settings)))
        (settings.state_dir / "demo.json").unlink(missing_ok=True)
        out.print("mela: the database is empty")


@mela.command()
def seed(
    scale: Annotated[
        float, typer.Option(min=0.001, max=MAX_SCALE, help="1 is 5,000 users and 100,000 bids.")
    ] = 1.0,
    number: Annotated[int, typer.Option("--seed", help="The same seed, the same world.")] = 1,
    password: Annotated[
        str | None, typer.Option(help="Opens every seeded account; none if not given.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Add to people already there.")] = False,
    state_dir: StateDir = None,
) -> None:
    """Fill the database with a believable world."""
    with _attached(state_dir) as (settings, _):
        asyncio.run(_seed(settings, scale, number, password, force))


@mela.command()
def replay(
    source: Annotated[str, typer.Argument(help="What kind of recording: ebay.")],
    file: Annotated[Path, typer.Argument(help="CSV or CSV.gz.", exists=True, dir_okay=False)],
    speed: Annotated[
        str, typer.Option(help="max, in a scratch database; or how many times faster, live.")
    ] = "max",
    headroom: Annotated[
        bool, typer.Option("--headroom", help="Raise each winner's last bid far above.")
    ] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first auctions.")] = None,
    state_dir: StateDir = None,
) -> None:
    """Play recorded auctions through the real bidding and report where they close."""
    if source != "ebay":
        _fail(f"unknown kind of recording: {source} (ebay)")
    pace, recorded = _pace(speed), read_recorded(file)[:limit]
    with _attached(state_dir) as (settings, _):
        report = asyncio.run(_replay(settings, recorded, pace, headroom))
    out.print(replay_shown(report))


@auction_commands.command("verify")
def auction_verify(
    auction: Annotated[str, typer.Argument(help="Its id: auc_…")],
    log_alone: Annotated[bool, typer.Option(help="Not knowing the winner's maxima.")] = False,
    state_dir: StateDir = None,
) -> None:
    """Derive an auction's result anew from its log, or say where the log contradicts itself."""
    with _attached(state_dir) as (settings, _):
        asyncio.run(verify_auction(_url(settings), auction, log_alone=log_alone, console=out))


@mela.command()
def doctor(state_dir: StateDir = None) -> None:
    """Show the settings (secrets hidden), and what runs here."""
    out.print(doctor_shown(_settings(state_dir=state_dir)))


def _settings(**given: Any) -> Settings:
    for name in unknown_names(os.environ):
        err.print(f"mela: {name} is no setting; mela doctor lists them", soft_wrap=True)
    return Settings(**{name: value for name, value in given.items() if value is not None})


def _say_already_running(settings: Settings) -> None:
    if settings.database_url is not None and settings.redis_url is not None:
        return
    instance = running_instance(settings.state_dir)
    if instance is not None:
        raise AlreadyRunning(settings.state_dir, pid=instance.pid, url=instance.url)


@contextmanager
def _servers(
    settings: Settings, *, attach: bool = False, migrated: bool = True
) -> Iterator[tuple[Settings, EmbeddedHandle | None]]:
    """Settings with both URLs: as given, or of embedded servers that live as long as this.

    A given database must answer and, if `migrated`, lack no migration: else `DatabaseNotReady`.
    """
    if settings.database_url is not None:
        asyncio.run(require_database(_url(settings), migrated=migrated))
    need = {"postgres": settings.database_url is None, "valkey": settings.redis_url is None}
    if not any(need.values()):
        yield settings, None
        return
    start = attach_or_start if attach else start_embedded
    handle = start(settings.state_dir, **need)
    try:
        changes: dict[str, Any] = {}
        if settings.database_url is None:
            changes["database_url"] = SecretStr(handle.database_url or "")
        else:
            changes["demo"] = False  # never in somebody's own database
        if settings.redis_url is None:
            changes["redis_url"] = SecretStr(handle.redis_url or "")
        if handle.database_url is not None and not handle.attached:
            asyncio.run(upgrade(handle.database_url))
        yield settings.model_copy(update=changes), handle
    finally:
        handle.stop()


def _beside(settings: Settings, handle: EmbeddedHandle) -> Settings:
    """For a subgraph that uses the servers of another process, once that has migrated: which also
    has the demo's bots and, unless they are asked for here, the jobs."""
    if handle.database_url is not None:
        asyncio.run(wait_for_database(_url(settings), timeout_s=STARTING_TIMEOUT_S))
    jobs = settings.jobs and "jobs" in settings.model_fields_set
    return settings.model_copy(update={"demo": False, "jobs": jobs})


def _attached(state_dir: Path | None) -> AbstractContextManager[tuple[Settings, Any]]:
    return _servers(_settings(state_dir=state_dir), attach=True)


async def _prepare(settings: Settings, handle: EmbeddedHandle | None) -> DemoAccess | None:
    """The demo world, where it is wanted and the database is ours and empty."""
    if not settings.demo or handle is None or handle.database_url is None:
        return None
    passwords = passwords_of(settings)
    try:
        return await seed_demo(
            handle.database_url, state_dir=settings.state_dir, passwords=passwords
        )
    finally:
        passwords.close()


async def _work(settings: Settings) -> None:
    stop_telemetry, server = start_telemetry(settings), make_server(settings)
    await server.hub.start(server.db)
    try:
        bells = job_bells(server.hub)
        async with run_jobs(settings, server.db, _url(settings), server.ports, **bells):
            await asyncio.Event().wait()
    finally:
        await asyncio.gather(server.hub.close(), server.platforms.close())
        await server.db.close()
        await asyncio.to_thread(stop_telemetry)


async def _replay(
    settings: Settings, recorded: list[RecordedAuction], speed: float | None, headroom: bool
) -> ReplayReport:
    with progress_bars(out) as progress:
        if speed is None:
            return await replay_at_once(
                _url(settings), recorded, headroom=headroom, progress=progress
            )
        server = make_server(settings)
        await server.hub.start(server.db)
        try:
            return await replay_live(
                server.db,
                server.bids,
                recorded,
                speed=speed,
                headroom=headroom,
                progress=progress,
            )
        finally:
            await server.bids.close()
            await server.hub.close()
            await server.db.close()


async def _check_migrations(server_url: str) -> str | None:
    async with scratch_database(server_url) as scratch:
        return await differences(scratch.engine.url.render_as_string(hide_password=False))


async def _seed(
    settings: Settings, scale: float, number: int, password: str | None, force: bool
) -> None:
    passwords = passwords_of(settings)
    try:
        known = "!" if password is None else await passwords.hash(clean_password(password))
    finally:
        passwords.close()
    with progress_bars(out) as progress:
        summary = await seed_world(
            _url(settings),
            scale=scale,
            seed=number,
            password_hash=known,
            force=force,
            progress=progress,
        )
    out.print(seed_shown(summary))


def _pace(speed: str) -> float | None:
    """How many times as fast as recorded; None for `max`."""
    try:
        pace = None if speed == "max" else float(speed)
    except ValueError:
        pace = 0.0
    if pace is not None and not 1 <= pace <= MAX_SPEED:
        _fail(f"--speed must be max or a number from 1 to {MAX_SPEED:,.0f}, not {speed}")
    return pace


def _url(settings: Settings) -> str:
    assert settings.database_url is not None
    return settings.database_url.get_secret_value()


def _stopped() -> None:
    out.print("mela: stopped")


def _fail(message: str) -> NoReturn:
    err.print(f"mela: {message}", highlight=False, soft_wrap=True)
    raise SystemExit(1)
