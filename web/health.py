"""`/healthz` for the process, `/readyz` for what it needs; the questions stand in core/health.py.

Only the database makes a server unready: without the bus streams poll the log, and jobs that
lag are another server's work too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Literal

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from core.health import Health, Probe, ask

State = Literal["ready", "degraded", "unavailable"]
ESSENTIAL: Final = "database"
NO_STORE: Final = {"Cache-Control": "no-store"}


def health_routes(*, database: Probe, bus: Probe, jobs: Probe | None = None) -> list[Route]:
    """The two routes. `jobs=None`: this deployment runs no jobs (`--no-jobs`)."""
    probes = {ESSENTIAL: database, "bus": bus} | ({"jobs": jobs} if jobs is not None else {})
    check = shared(lambda: check_all(probes))

    async def readyz(request: Request) -> Response:
        found = await check()
        state = overall(found)
        body = {
            "status": state,
            "checks": {name: {"ok": h.ok, "detail": h.detail} for name, h in found.items()},
        }
        return JSONResponse(body, 503 if state == "unavailable" else 200, NO_STORE)

    return [Route("/healthz", _healthz), Route("/readyz", readyz)]


async def check_all(probes: Mapping[str, Probe]) -> dict[str, Health]:
    """Ask all at once: the whole takes a second at most."""
    answers = await asyncio.gather(*(ask(name, probe) for name, probe in probes.items()))
    return dict(zip(probes, answers, strict=True))


def overall(found: Mapping[str, Health]) -> State:
    """The state of the server, given that of its parts."""
    if not found[ESSENTIAL].ok:
        return "unavailable"
    return "ready" if all(health.ok for health in found.values()) else "degraded"


def shared(
    check: Callable[[], Awaitable[dict[str, Health]]],
) -> Callable[[], Awaitable[dict[str, Health]]]:
    """One check at a time, whose answer all who ask meanwhile get: a flood costs one connection."""
    running: asyncio.Future[dict[str, Health]] | None = None

    async def ask_once() -> dict[str, Health]:
        nonlocal running
        if running is None or running.done():
            running = asyncio.ensure_future(check())
        # Shielded: one caller that goes away must not take the others' answer with it.
        return await asyncio.shield(running)

    return ask_once


async def _healthz(request: Request) -> Response:
    return PlainTextResponse("ok", headers=NO_STORE)
