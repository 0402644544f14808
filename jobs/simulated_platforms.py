"""Platforms that do not exist, over HTTP: what they offer moves with time, and they fail as real
ones do. For trying by hand; no part of a server."""

from __future__ import annotations

import asyncio
import hashlib
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
import structlog
from standardwebhooks.webhooks import Webhook
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from core.ids import new_id

log = structlog.get_logger(__name__)

PLATFORMS = {
    "mooncast": (("SUBSCRIPTION", 0), ("RENT", 399)),
    "kiln-plus": (("ADS", 0), ("BUY", 999)),
    "reel-house": (("RENT", 299), ("BUY", 799)),
    "harbour": (("FREE", 0),),
}
"""The platforms by slug, with their tiers and what they take, in cents of a euro."""
ASKED_MAX = 100
REMEMBERED_MAX = 200
TELL_S = 3.0
FAILURES = ("error", "slow", "half", "limit", "nonsense")


def offers_at(slug: str, ids: list[str], region: str, step: int) -> list[dict[str, Any]]:
    """What a platform offers of these titles at a step of its time: always the same for the same
    step; from one to the next about one in six offers comes, goes or changes its price."""
    return [
        offer
        for id in ids
        for tier, price in PLATFORMS[slug]
        if (offer := _offer(slug, id, region, tier, price, step)) is not None
    ]


def _offer(
    slug: str, id: str, region: str, tier: str, price: int, step: int
) -> dict[str, Any] | None:
    dice = hashlib.sha256(f"{slug} {id} {region} {tier}".encode()).digest()
    there = (step + dice[0]) // 12 % 3 != 0  # away for a third of its time
    if not there:
        return None
    offer: dict[str, Any] = {
        "id": id,
        "tier": tier,
        "url": f"https://{slug}.example/watch/{id}",
    }
    if price:
        cents = price + (step + dice[1]) // 8 % 3 * 50
        offer |= {"price": f"{cents // 100}.{cents % 100:02}", "currency": "EUR"}
    return offer


@dataclass(slots=True)
class Simulation:
    """How the platforms behave: a step of their time is `step_s` seconds, and this part of the
    answers fails. With `tell_url`, whose `{platform}` is filled in, changes of what was asked about
    are told by webhooks that `secret` signs."""

    step_s: float = 60.0
    trouble: float = 0.0
    tell_url: str | None = None
    secret: str | None = None
    now: Callable[[], float] = time.time
    dice: random.Random = field(default_factory=random.Random)
    asked: dict[tuple[str, str, str], None] = field(default_factory=dict)

    @property
    def step(self) -> int:
        """The present step."""
        return int(self.now() / self.step_s)


def simulated_platforms(simulation: Simulation) -> Starlette:
    """`GET /{platform}/offers?ids=…&region=…` of each platform, and `GET /` for what there is."""

    async def overview(request: Request) -> Response:
        return JSONResponse({"platforms": list(PLATFORMS), "step": simulation.step})

    async def offers(request: Request) -> Response:
        slug = request.path_params["platform"]
        if slug not in PLATFORMS:
            return JSONResponse({"error": "no such platform"}, 404)
        if simulation.dice.random() < simulation.trouble:
            return await _fail(simulation)
        region = request.query_params.get("region", "")
        ids = [id for id in request.query_params.get("ids", "").split(",") if id][:ASKED_MAX]
        for id in ids:
            if len(simulation.asked) < REMEMBERED_MAX:
                simulation.asked[slug, id, region] = None
        return JSONResponse({"offers": offers_at(slug, ids, region, simulation.step)})

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        task = asyncio.create_task(_tell_always(simulation))
        yield
        task.cancel()
        await asyncio.wait({task})

    routes = [Route("/", overview), Route("/{platform}/offers", offers)]
    return Starlette(routes=routes, lifespan=lifespan)


async def _fail(simulation: Simulation) -> Response:
    how = simulation.dice.choice(FAILURES)
    if how == "slow":
        await asyncio.sleep(10)
    if how == "limit":
        return JSONResponse({"error": "slowly"}, 429, {"Retry-After": "5"})
    if how == "half":
        return Response(b'{"offers": [{"id": "tt', media_type="application/json")
    if how == "nonsense":
        return JSONResponse({"films": 7})
    return JSONResponse({"error": "broken"}, 500)


async def _tell_always(simulation: Simulation) -> None:
    """Tell of each step's changes as it comes."""
    told = simulation.step
    async with httpx.AsyncClient(timeout=TELL_S, trust_env=False) as client:
        while True:
            await asyncio.sleep(min(1.0, simulation.step_s / 4))
            if simulation.step == told or simulation.tell_url is None:
                continue
            before, told = told, simulation.step
            for slug in PLATFORMS:
                await _tell(simulation, client, slug, before, told)


async def _tell(
    simulation: Simulation, client: httpx.AsyncClient, slug: str, before: int, now: int
) -> None:
    changed = [
        offer
        for platform, id, region in simulation.asked
        if platform == slug
        for offer in changes_between(slug, id, region, before, now)
    ]
    if not changed or simulation.tell_url is None or simulation.secret is None:
        return
    body = JSONResponse({"type": "availability.changed", "data": {"offers": changed}}).body
    id, at = f"msg_{new_id().hex}", datetime.now(UTC)
    headers = {
        "webhook-id": id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(simulation.secret).sign(id, at, bytes(body).decode()),
    }
    url = simulation.tell_url.replace("{platform}", slug)
    try:
        answer = await client.post(url, content=bytes(body), headers=headers)
        log.info("told", platform=slug, offers=len(changed), status=answer.status_code)
    except httpx.HTTPError as error:
        log.warning("not_told", platform=slug, error=repr(error))


def changes_between(slug: str, id: str, region: str, before: int, now: int) -> list[dict[str, Any]]:
    """What changed of a title, as a webhook of ours says it."""
    old, new = (
        {offer["tier"]: offer for offer in offers_at(slug, [id], region, step)}
        for step in (before, now)
    )
    name = {"titleId": id} if id.startswith("ttl_") else {"imdbId": id}
    changed = []
    for tier, _ in PLATFORMS[slug]:
        offer = new.get(tier)
        if offer == old.get(tier):
            continue
        said: dict[str, Any] = {**name, "region": region, "tier": tier, "available": bool(offer)}
        if offer is not None:
            said["link"] = offer["url"]
            if "price" in offer:
                said["price"] = {"amount": offer["price"], "asset": offer["currency"]}
        changed.append(said)
    return changed
