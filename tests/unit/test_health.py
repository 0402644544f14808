"""Liveness, readiness and its three states, and the port a server gets."""

import asyncio
import socket
import time
from datetime import timedelta

import httpx
import pytest
from starlette.applications import Starlette

from core.clock import utc_now
from core.health import Health, Probe, sweep_probe
from web.health import health_routes
from web.metrics import metrics_routes
from web.ports import NoFreePort, pick_port, port_of


def says(ok: bool, detail: str = "x") -> Probe:
    async def probe() -> Health:
        return Health(ok, detail)

    return probe


async def hangs() -> Health:
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        await asyncio.sleep(1)
    return Health(True, "too late")


async def raises() -> Health:
    raise ConnectionError("postgresql://mela:hunter2@db is away")


async def get(path: str, **probes: Probe) -> httpx.Response:
    app = Starlette(routes=health_routes(**probes) if probes else metrics_routes())
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
        return await client.get(path)


async def test_alive_whatever_the_parts_say() -> None:
    response = await get("/healthz", database=says(False), bus=says(False))
    assert (response.status_code, response.text) == (200, "ok")
    assert response.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("database", "bus", "jobs", "status", "state"),
    [
        (True, True, True, 200, "ready"),
        (True, False, True, 200, "degraded"),
        (True, True, False, 200, "degraded"),
        (False, True, True, 503, "unavailable"),
        (False, False, False, 503, "unavailable"),
    ],
)
async def test_readiness(database: bool, bus: bool, jobs: bool, status: int, state: str) -> None:
    response = await get("/readyz", database=says(database), bus=says(bus), jobs=says(jobs, "j"))
    assert response.status_code == status
    body = response.json()
    assert body["status"] == state
    assert body["checks"]["jobs"] == {"ok": jobs, "detail": "j"}
    assert list(body["checks"]) == ["database", "bus", "jobs"]


async def test_a_server_without_jobs_is_ready() -> None:
    response = await get("/readyz", database=says(True), bus=says(True))
    assert response.json()["status"] == "ready"
    assert list(response.json()["checks"]) == ["database", "bus"]


async def test_a_probe_that_hangs_costs_a_second_even_if_it_resists() -> None:
    began = time.monotonic()
    response = await get("/readyz", database=hangs, bus=hangs)
    assert 0.9 < time.monotonic() - began < 1.8
    assert response.status_code == 503
    assert response.json()["checks"]["database"] == {"ok": False, "detail": "no answer in 1 s"}


async def test_a_probe_that_raises_tells_the_kind_and_no_more() -> None:
    response = await get("/readyz", database=raises, bus=says(True))
    assert response.status_code == 503
    assert response.json()["checks"]["database"] == {"ok": False, "detail": "ConnectionError"}


async def test_a_flood_asks_once() -> None:
    asked = 0
    begun, go = asyncio.Event(), asyncio.Event()

    async def database() -> Health:
        nonlocal asked
        asked += 1
        begun.set()
        await go.wait()
        return Health(True, "x")

    app = Starlette(routes=health_routes(database=database, bus=says(True)))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
        flood = [asyncio.create_task(client.get("/readyz")) for _ in range(20)]
        await asyncio.wait_for(begun.wait(), 1)
        flood[0].cancel()
        go.set()
        answers = await asyncio.gather(*flood[1:])
        assert {answer.status_code for answer in answers} == {200}
        assert asked == 1
        assert (await client.get("/readyz")).status_code == 200
        assert asked == 2


@pytest.mark.parametrize(
    ("age_s", "ok"), [(0, True), (180, True), (181, False), (3600, False), (None, False)]
)
async def test_jobs_are_well_if_they_swept_lately(age_s: int | None, ok: bool) -> None:
    now = utc_now()

    async def last() -> object:
        return None if age_s is None else now - timedelta(seconds=age_s)

    health = await sweep_probe(last, lambda: now)()
    assert health.ok is ok


async def test_metrics_are_served_as_text() -> None:
    response = await get("/metrics")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain; version=")
    assert response.headers["content-type"].count("charset") == 1
    assert 'mela_info{python="3.11' in response.text


def test_the_wanted_port_is_given_and_listens() -> None:
    with pick_port("127.0.0.1", 0) as free:
        wanted = port_of(free)
    with pick_port("127.0.0.1", wanted) as got:
        assert port_of(got) == wanted
        assert got.get_inheritable() is False
        socket.create_connection(("127.0.0.1", wanted), timeout=2).close()


def test_a_taken_port_gives_the_next_even_if_only_bound() -> None:
    with pick_port("127.0.0.1", 0) as first, pick_port("127.0.0.1", port_of(first)) as second:
        assert port_of(first) < port_of(second) <= port_of(first) + 50


def test_two_callers_never_get_one_port() -> None:
    sockets = [pick_port("127.0.0.1", 43_000) for _ in range(10)]
    assert len({port_of(each) for each in sockets}) == 10
    for each in sockets:
        each.close()


def test_no_free_port_is_one_clear_sentence() -> None:
    with pick_port("127.0.0.1", 65_535), pytest.raises(NoFreePort) as raised:
        pick_port("127.0.0.1", 65_535)
    assert str(raised.value).startswith("ports 65535 to 65535 on 127.0.0.1 are all taken: ")
    assert "MELA_PORT" in str(raised.value)


@pytest.mark.parametrize("host", ["203.0.113.7", "no such host"])
def test_a_host_that_is_not_ours_is_told_at_once(host: str) -> None:
    with pytest.raises(NoFreePort, match="MELA_HOST"):
        pick_port(host, 8000)


def test_ipv6_is_listened_on() -> None:
    with pick_port("::1", 0) as got:
        assert got.family is socket.AF_INET6
