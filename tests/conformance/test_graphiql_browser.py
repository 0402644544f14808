"""GraphiQL as built, in a real browser: bids arrive, and nothing leaves the origin."""

import asyncio
import json
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from core.settings import Settings
from tests.concurrency.racing import make_lots
from tests.concurrency.serving import serve_here
from web import graphiql_build
from web.node import ROOT, NodeError, node_tools

PROJECT = graphiql_build.PROJECT
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
LOADS = re.compile(
    r"""(?:src|href)\s*=\s*["']?(?:https?:)?//        # HTML
    | @import\s+(?:url\()?["']?(?:https?:)?//          # CSS
    | url\(["']?(?:https?:)?//
    | (?:import|importScripts|Worker)\(["'`]https?://  # JavaScript
    | \b(?:cdn\.jsdelivr\.net|unpkg\.com|esm\.sh|fonts\.googleapis\.com)\b""",
    re.VERBOSE,
)


@pytest.fixture(scope="module")
def dist() -> Path:
    try:
        graphiql_build.build()
    except NodeError as error:
        pytest.skip(f"GraphiQL cannot be built here: {error}")
    return PROJECT / "dist"


@pytest.fixture
def server(dist: Path) -> Iterator[str]:
    listener = socket.create_server(("127.0.0.1", 0))
    command = [sys.executable, "-m", "uvicorn", "--fd", str(listener.fileno())]
    command += ["--app-dir", str(Path(__file__).parent), "graphiql_app:app"]
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
        pass_fds=[listener.fileno()],
    ) as process:
        try:
            wait_for(url, process)
            yield url
        finally:
            process.terminate()
            listener.close()


def wait_for(url: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        try:
            # A refused read times out here: the socket listens before the server does.
            httpx.get(f"{url}/seen", timeout=5)
            return
        except httpx.TransportError:
            continue
    pytest.fail("the test's server did not start")


def browse(url: str, *options: str) -> dict[str, Any]:
    if not any(shutil.which(name) for name in CHROMIUM):
        pytest.skip("no Chromium on this machine: install the package `chromium` to run this")
    tools = node_tools(fetch=False)
    if not tools or not (PROJECT / "node_modules" / "playwright-core").is_dir():
        pytest.skip("no Node.js or no playwright-core: run `make graphiql` to get them")
    command = [tools.node, "screenshot.mjs", "--url", url, "--timeout", "40", *options]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.timeout(400)
def test_the_built_page_loads_nothing_from_elsewhere(dist: Path) -> None:
    files = [path for path in dist.rglob("*") if path.suffix in {".html", ".css", ".js", ".svg"}]
    assert any(path.suffix == ".js" for path in files)
    found = {
        f"{path.name}: {match[0]}"
        for path in files
        for match in LOADS.finditer(path.read_text(errors="replace"))
    }
    assert found == set()


@pytest.mark.timeout(400)
def test_the_built_page_has_hashed_names_and_no_inline_script(dist: Path) -> None:
    page = (dist / "index.html").read_text()
    assert re.findall(r"<script(?![^>]*\ssrc=)", page) == []
    names = [path.name for path in (dist / "assets").iterdir()]
    assert [name for name in names if not re.search(r"-[\w-]{8}\.\w+$", name)] == []
    assert (PROJECT / "dist" / ".stamp").read_text() == graphiql_build.sources_digest()


@pytest.mark.timeout(400)
def test_bids_arrive_and_nothing_leaves_the_origin(server: str, tmp_path: Path) -> None:
    picture = tmp_path / "live.png"
    report = browse(server, "--events", "3", "--journey", "--out", str(picture))
    assert report["errors"] == []
    assert report["external"] == []
    assert all(url.startswith(f"{server}/") for url in report["requests"])
    assert set(report["sockets"]) == {f"{server.replace('http', 'ws')}/graphql"}
    sequences = [int(number) for row in report["rows"] for number in re.findall(r"#(\d+)", row)]
    assert sequences == list(range(len(sequences), 0, -1))
    assert len(sequences) >= 3
    assert picture.stat().st_size > 20_000

    seen = httpx.get(f"{server}/seen").json()
    assert seen["http"] == ["Bearer a-demo-token", "Bearer typed-by-hand"]
    assert seen["socket"] == [None, "Bearer a-demo-token"]
    assert len(set(seen["keys"])) == 2
    assert "typed-by-hand" not in report["stored"]
    assert "a-demo-token" not in report["stored"]


@pytest.mark.timeout(400)
async def test_the_plan_panel_tells_each_load_and_keeps_it_out_of_the_response(
    dist: Path, database_url: str, redis_url: str, tmp_path: Path
) -> None:
    settings = Settings(
        profile="test",
        database_url=database_url,
        redis_url=redis_url,
        state_dir=tmp_path,
        signing_algorithm="EdDSA",
        jobs=False,
        demo=False,
    )
    await make_lots(database_url, 2, lots=2)
    async with serve_here(settings) as server:
        report = await asyncio.to_thread(browse, server.url.removesuffix("/graphql"), "--plan")
    assert report["errors"] == []
    assert "query Auctions · cost " in report["plan"]
    assert "3 loads · run by levels" in report["plan"]
    for loader in ("user_by_id", "top_bids_by_auction_id"):
        assert f"one statement by {loader}" in report["plan"]
    assert "statement" not in report["response"]
