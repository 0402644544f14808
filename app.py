"""`create_app(settings, domains=None)`: one server process put together. Lifespan, routes and
middleware; nothing else."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route, Router, WebSocketRoute
from starlette.types import ASGIApp

from adapters.couriers import make_couriers
from adapters.embedder import open_embedder
from adapters.payments import SandboxPaymentProvider
from adapters.platforms.making import make_platforms
from adapters.storage import open_storage
from core.clock import utc_now
from core.database import Database, PoolSettings
from core.errors import DomainError
from core.health import Health, Probe, database_probe, sweep_probe
from core.memory import settle_collector
from core.metrics import count_bid, observe_bid_batch
from core.settings import Settings
from core.telemetry import start_telemetry, watch_engine
from core.tokens import KeyRing, TokenPolicy, ensure_keys
from execution.limits import Limits
from execution.registered import RegisteredTexts
from jobs.background import run_jobs
from jobs.demo import run_demo_bots
from jobs.health import run_health
from jobs.running import Worker
from resolvers.context import Server
from schema.build import build_schema
from schema.executing import MelaSchema
from schema.splitting import named_domains
from services.auctions.queue import BidQueue, Outcome
from services.search.encoding import Encoder
from services.search.engine import make_engine
from services.search.history import SearchRecorder
from services.seed.demo import read_demo
from services.spending import make_spending
from services.users.passwords import passwords_of
from services.users.revocations import Revocations
from services.users.throttle import Throttle
from services.wallets.queue import TransferQueue
from subscriptions.hub import INDEX_BELL, LOG_BELL, Hub
from subscriptions.live import make_live
from subscriptions.search import make_live_searches
from web.availability_webhooks import availability_webhook_routes
from web.downloads import download_routes
from web.evidence import evidence_routes
from web.graphiql_page import GraphiQLConfig, graphiql_routes
from web.graphql import GraphQLEndpoint
from web.health import health_routes
from web.images import image_routes
from web.metrics import metrics_routes
from web.middleware import wrap
from web.route_errors import Routed
from web.webhooks import webhook_routes

DEMO_LOT_S = 3.0


@dataclass(slots=True)
class _Running:
    """What exists only while the server runs."""

    worker: Worker | None = None


def create_app(settings: Settings, domains: Iterable[str] | None = None) -> ASGIApp:
    """The ASGI application of one process. `settings` must name a database and a Redis.

    `domains` makes it the subgraph of those domains; None, of those that the settings name, else
    the whole graph. Raises `ValueError` for an unknown domain or a missing URL.
    """
    if domains is None:
        domains = named_domains(settings.domains)
    server = make_server(settings)
    schema = make_schema(settings, domains)
    endpoint = GraphQLEndpoint(schema, server, graphiql=settings.profile != "prod")
    running = _Running()

    async def home(request: Request) -> Response:
        return RedirectResponse("/graphql")

    async def jwks(request: Request) -> Response:
        return JSONResponse(server.keys.jwks(), headers={"Cache-Control": "public, max-age=300"})

    async def graphiql_config() -> GraphiQLConfig:
        return await _graphiql_config(settings)

    routes = [
        Route("/graphql", endpoint),
        WebSocketRoute("/graphql", endpoint),
        Route("/", home),
        Route("/.well-known/jwks.json", jwks),
        *health_routes(
            database=database_probe(server.db),
            bus=lambda: _bus_health(server.hub),
            jobs=_jobs_probe(running) if settings.jobs else None,
        ),
        *metrics_routes(),
        *webhook_routes(server),
        *download_routes(server),
        *image_routes(server),
        *evidence_routes(server),
        *availability_webhook_routes(server),
        *(graphiql_routes(graphiql_config) if settings.profile != "prod" else ()),
    ]
    router = Router(routes, lifespan=_lifespan(server, running, schema))
    return wrap(Routed(router), settings)


def make_schema(settings: Settings, domains: Iterable[str] | None) -> MelaSchema:
    """The schema as it runs here, with the documents that requests may name.

    Raises `TrustedDocumentsRefused` for a manifest that cannot be used with it, and `ValueError`
    for an unknown domain.
    """
    schema = build_schema(domains, limits=limits_of(settings), executor=settings.executor)
    redis_url = settings.redis_url
    schema.texts.registered = RegisteredTexts(
        None if redis_url is None else redis_url.get_secret_value(),
        prefix=settings.bus_prefix,
        maximum=settings.registered_documents,
    )
    if settings.trusted_documents is not None:
        schema.texts.trust(schema._schema, settings.trusted_documents, only=settings.trusted_only)
    return schema


def make_server(settings: Settings) -> Server:
    """The parts of a process, made and not yet started. Raises `ValueError` without URLs."""
    if settings.database_url is None or settings.redis_url is None:
        raise ValueError("create_app needs MELA_DATABASE_URL and MELA_REDIS_URL")
    redis_url = settings.redis_url.get_secret_value()
    hub = Hub(
        redis_url,
        prefix=settings.bus_prefix,
        buffer=settings.subscriber_buffer,
        heads_interval_s=settings.heads_interval_s,
    )
    db = Database(
        settings.database_url.get_secret_value(),
        pool=pool_of(settings),
        after_commit=hub.publish,
    )
    encoder = Encoder(open_embedder(settings), capacity=settings.encode_queue_size)
    engine = make_engine(settings, db, encoder)
    return Server(
        settings=settings,
        db=db,
        hub=hub,
        bids=BidQueue(
            db,
            capacity=settings.bid_queue_size,
            batch=settings.bid_batch_size,
            observe=_observe_bids,
        ),
        transfers=TransferQueue(db),
        keys=_keys(settings),
        tokens=TokenPolicy(settings.token_issuer, settings.token_audience, settings.access_token_s),
        passwords=passwords_of(settings),
        revocations=Revocations(
            db, redis_url, prefix=settings.bus_prefix, access_token_s=settings.access_token_s
        ),
        throttle=Throttle(
            redis_url,
            prefix=settings.bus_prefix,
            tries_per_account=settings.sign_in_tries_per_account,
            tries_per_address=settings.sign_in_tries_per_address,
        ),
        spending=make_spending(settings, redis_url),
        payments=SandboxPaymentProvider(),
        storage=open_storage(settings.storage_url, folder=settings.state_dir / "files"),
        live=make_live(settings, db, redis_url),
        couriers=make_couriers(settings),
        platforms=make_platforms(settings),
        encoder=encoder,
        engine=engine,
        searched=SearchRecorder(db),
        searches=make_live_searches(settings, db, hub.bells, engine.search),
    )


def job_bells(hub: Hub) -> dict[str, Any]:
    """What wakes a process's jobs, and what they say to others."""
    return {
        "wake": partial(hub.bells.heard, LOG_BELL),
        "indexed": partial(hub.bells.ring, INDEX_BELL),
        "reindexed": partial(hub.bells.heard, INDEX_BELL),
    }


def pool_of(settings: Settings) -> PoolSettings:
    """The database's part of the settings."""
    return PoolSettings(
        maximum=settings.pool_max,
        pool_timeout_s=settings.pool_timeout_s,
        connect_timeout_s=settings.connect_timeout_s,
        idle_timeout_s=settings.idle_timeout_s,
        statement_timeout_s=settings.statement_timeout_s,
        slow_statement_s=settings.slow_statement_s,
        transaction_tries=settings.transaction_tries,
    )


def limits_of(settings: Settings) -> Limits:
    """The executor's part of the settings."""
    return Limits(
        max_depth=settings.max_depth,
        max_aliases=settings.max_aliases,
        max_directives=settings.max_directives,
        max_root_fields=settings.max_root_fields,
        max_breadth=settings.max_breadth,
        max_fields=settings.max_fields,
        max_list_items=settings.max_list_items,
        max_string_length=settings.max_string_length,
        max_tokens=settings.max_tokens,
        max_length=settings.max_document_length,
        documents=settings.document_cache_size,
        documents_bytes=settings.document_cache_bytes,
        introspection=settings.profile != "prod",
    )


def _lifespan(
    server: Server, running: _Running, schema: MelaSchema
) -> Callable[[Routed], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: Routed) -> AsyncIterator[None]:
        settings = server.settings
        async with AsyncExitStack() as stack:
            # What is entered first is left last: the database outlives all that uses it.
            stop_telemetry = start_telemetry(settings)
            stack.push_async_callback(asyncio.to_thread, stop_telemetry)
            watch_engine(server.db.engine)
            stack.push_async_callback(server.db.close)
            stack.callback(server.passwords.close)
            stack.push_async_callback(server.throttle.close)
            stack.push_async_callback(server.spending.budgets.close)
            stack.push_async_callback(schema.texts.registered.close)
            stack.push_async_callback(server.platforms.close)
            stack.push_async_callback(server.encoder.close)
            await server.hub.start(server.db)
            stack.push_async_callback(server.hub.close)
            await server.revocations.start()
            stack.push_async_callback(server.revocations.close)
            await stack.enter_async_context(server.live.running())
            stack.push_async_callback(server.searches.close)
            stack.push_async_callback(server.searched.close)
            stack.push_async_callback(server.bids.close)
            stack.push_async_callback(server.transfers.close)
            await _start_background(server, running, stack)
            settle_collector()
            yield

    return lifespan


async def _start_background(server: Server, running: _Running, stack: AsyncExitStack) -> None:
    settings = server.settings
    assert settings.database_url is not None
    # With jobs or without: it is the page of this server's processes that wants the numbers.
    await stack.enter_async_context(run_health(server.db))
    url = settings.database_url.get_secret_value()
    if settings.jobs:
        running.worker = await stack.enter_async_context(
            run_jobs(settings, server.db, url, server.ports, **job_bells(server.hub))
        )
    if settings.demo and read_demo(settings.state_dir) is not None:
        await stack.enter_async_context(
            run_demo_bots(server.db, server.bids, state_dir=settings.state_dir)
        )


def _keys(settings: Settings) -> KeyRing:
    folder = settings.signing_keys_dir
    if folder is not None:
        return KeyRing(folder, settings.signing_algorithm)
    return ensure_keys(settings.state_dir / "keys", settings.signing_algorithm)


def _observe_bids(outcomes: list[Outcome]) -> None:
    observe_bid_batch(len(outcomes))
    for outcome in outcomes:
        count_bid(outcome.code if isinstance(outcome, DomainError) else "accepted")


async def _bus_health(hub: Hub) -> Health:
    status = hub.status()
    return Health(status.connected, f"{status.mode}, {status.topics} topics")


def _jobs_probe(running: _Running) -> Probe:
    async def last_sweep() -> datetime | None:
        return None if running.worker is None else await running.worker.last_sweep()

    return sweep_probe(last_sweep, utc_now)


async def _graphiql_config(settings: Settings) -> GraphiQLConfig:
    demo = read_demo(settings.state_dir) if settings.demo else None
    deadline = time.monotonic() + DEMO_LOT_S
    while demo is not None and demo.auction_id is None and time.monotonic() < deadline:
        # The very first visitor may come before the bots have put their first lot up.
        await asyncio.sleep(0.1)
        demo = read_demo(settings.state_dir)
    if demo is None:
        return GraphiQLConfig()
    return GraphiQLConfig(
        demo_auction_id=demo.auction_id,
        demo_username=demo.username,
        demo_password=demo.password,
        notice="A demo world: sign in with the tab SignIn, bid with PlaceBid.",
    )
