"""Telemetry of a real database's engine, and of a real server of several processes."""

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from core.database import Database, PoolSettings
from core.health import ask, database_probe
from core.metrics import render_metrics
from core.telemetry import watch_engine

ROOT = Path(__file__).parents[2]
SERVER = """
import sys
from pathlib import Path
import uvicorn
from uvicorn.supervisors import Multiprocess
from core.metrics import prepare_metrics
from core.settings import Settings
from web.ports import pick_port, port_of, uvicorn_options

def make():
    from starlette.applications import Starlette
    from core.telemetry import start_telemetry
    from web.metrics import metrics_routes
    from web.middleware import wrap
    settings = Settings(log_format="json")
    start_telemetry(settings)
    return wrap(Starlette(routes=metrics_routes()), settings)

if __name__ == "__main__":
    prepare_metrics(Path(sys.argv[1]))
    listening = pick_port("127.0.0.1", 0)
    print(port_of(listening), flush=True)
    options = uvicorn_options(Settings()) | {"lifespan": "off", "workers": 2}
    Multiprocess(uvicorn.Config("served:make", factory=True, **options), sockets=[listening]).run()
"""


def pool_in_use() -> float:
    found = re.search(rb"^mela_db_pool_in_use (\S+)$", render_metrics()[0], re.MULTILINE)
    assert found is not None
    return float(found[1])


async def test_connections_in_use_are_counted(postgres_url: str) -> None:
    database = Database(postgres_url)
    watch_engine(database.engine)
    before = pool_in_use()
    async with database.read(), database.read() as two:
        assert pool_in_use() == before + 2
        await two.invalidate()
    assert pool_in_use() == before
    await database.close()


async def test_the_database_probe_tells_up_from_down_and_from_full(postgres_url: str) -> None:
    database = Database(postgres_url, pool=PoolSettings(maximum=1))
    probe = database_probe(database)
    assert await ask("database", probe) == (await probe())
    async with database.read():
        assert (await ask("database", probe)).detail == "no answer in 1 s"
    assert (await ask("database", probe)).ok
    await database.close()
    away = Database("postgresql://mela@127.0.0.1:9/mela")
    health = await ask("database", database_probe(away))
    assert (health.ok, health.detail) == (False, "ConnectionRefusedError")
    await away.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    (tmp_path / "served.py").write_text(SERVER)
    process = subprocess.Popen(
        [sys.executable, str(tmp_path / "served.py"), str(tmp_path / "state")],
        env=os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
    )
    yield process
    process.terminate()
    process.communicate(timeout=20)


async def test_any_worker_answers_for_all_of_them(server: subprocess.Popen[str]) -> None:
    assert server.stdout is not None
    port = int(server.stdout.readline())
    async with asyncio.timeout(20):
        pids = await pids_that_answer(port, count=2)
    before = await answered(port)
    killed = pids.pop()
    os.kill(killed, signal.SIGKILL)
    # One dies, another takes its place, and no count is lost.
    async with asyncio.timeout(20):
        while killed in (now := await pids_that_answer(port, count=2)):
            assert now
    assert await answered(port) > before


async def scrape(port: int) -> str:
    # A new connection each time, so that any of the workers may take it.
    async with httpx.AsyncClient() as client:
        for _ in range(200):
            try:
                return (await client.get(f"http://127.0.0.1:{port}/metrics", timeout=5)).text
            except httpx.TransportError:
                await asyncio.sleep(0.1)
    pytest.fail("the server does not answer")


async def pids_that_answer(port: int, *, count: int) -> set[int]:
    while True:
        found = re.findall(r'^mela_process_resident_bytes\{pid="(\d+)"\}', await scrape(port), re.M)
        if len(found) == count:
            return {int(pid) for pid in found}
        await asyncio.sleep(0.05)


async def answered(port: int) -> float:
    line = r'^mela_http_requests_total\{method="GET",route="/metrics",status="2xx"\} (\S+)$'
    found = re.search(line, await scrape(port), re.M)
    return float(found[1]) if found else 0.0
