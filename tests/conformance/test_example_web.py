"""`examples/web` as a frontend developer has it: types as the schema is, and in a real browser a
live auction, a wallet, and a line that is cut."""

import asyncio
import json
import re
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from core.settings import Settings
from schema.committed import FOLDER
from schema.exporting import as_clients_see, scalars_of
from services.users.passwords import passwords_of
from tests.concurrency.racing import make_lot
from tests.concurrency.serving import serve_here, token_for
from tests.conformance.worlds import settings_for
from tests.npm import node_with
from web import graphiql_build
from web.node import ROOT, environment

PAGE = ROOT / "examples" / "web"
CODEGEN = Path(__file__).parent / "npm"
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
SERVED = re.compile(r"http://127\.0\.0\.1:(\d+)/")
PASSWORD = "a good password of a page"


async def run(*command: str, folder: Path, env: dict[str, str] | None = None) -> str:
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env=env,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, wrong = await asyncio.wait_for(process.communicate(), 120)
    assert process.returncode == 0, f"{said.decode()}\n{wrong.decode()}"
    return said.decode()


async def test_its_types_are_those_of_the_schema(tmp_path: Path) -> None:
    """Generated anew they are the same, and the page passes tsc --strict with them."""
    config = json.loads((PAGE / "codegen.json").read_text())
    [made] = config["generates"].values()
    schema = as_clients_see((FOLDER / "mela.graphql").read_text(encoding="utf-8"))
    assert made["config"]["scalars"] == {**scalars_of(schema), "_Any": "unknown"}
    config["schema"] = str(FOLDER / "mela.graphql")
    config["documents"] = str(PAGE / config["documents"])
    again = tmp_path / "generated.ts"
    config["generates"] = {str(again): made}
    (tmp_path / "codegen.json").write_text(json.dumps(config))
    node = node_with(CODEGEN).node
    script = CODEGEN / "node_modules" / "@graphql-codegen" / "cli" / "esm" / "bin.js"
    await run(node, str(script), "--config", str(tmp_path / "codegen.json"), folder=CODEGEN)
    told = "run `npm run codegen` in examples/web"
    assert again.read_text() == (PAGE / "src" / "generated.ts").read_text(), told
    node = node_with(PAGE, dev=False).node
    await run(node, "node_modules/typescript/bin/tsc", "--noEmit", "-p", ".", folder=PAGE)


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[Any]:
    made = await asyncpg.connect(database_url)
    yield made
    await made.close()


@asynccontextmanager
async def previewed(node: str, url: str, built: Path) -> AsyncIterator[str]:
    """The page as built, at an address of its own, with /graphql led on to the server."""
    vite = "node_modules/vite/bin/vite.js"
    env = environment(node_with(PAGE, dev=False)) | {"MELA_URL": url.removesuffix("/graphql")}
    await run(node, vite, "build", "--outDir", str(built), "--logLevel", "warn", folder=PAGE)
    options = ("--outDir", str(built), "--host", "127.0.0.1", "--clearScreen", "false")
    process = await asyncio.create_subprocess_exec(
        *(node, vite, "preview", *options), cwd=PAGE, env=env, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(30):
            while not (found := SERVED.search((await process.stdout.readline()).decode())):
                assert process.returncode is None
        yield found[0]
    finally:
        process.terminate()
        await process.wait()


@pytest.fixture
def settings(database_url: str, redis_url: str, redis_prefix: str, tmp_path: Path) -> Settings:
    return settings_for(database_url, redis_url, tmp_path, bus_prefix=redis_prefix)


@pytest.fixture
async def server(settings: Settings) -> AsyncIterator[Any]:
    async with serve_here(settings) as here:
        yield here


async def test_it_is_live_and_stays_so(
    server: Any,
    settings: Settings,
    connection: Any,
    database_url: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if not any(shutil.which(name) for name in CHROMIUM):
        pytest.skip("no Chromium on this machine: install the package `chromium` to run this")
    if not (graphiql_build.PROJECT / "node_modules" / "playwright-core").is_dir():
        pytest.skip("no playwright-core: run `make graphiql` to get it")
    node = node_with(PAGE, dev=False).node
    lot = await make_lot(database_url, 2, poor={0: 10_000})
    passwords = passwords_of(settings)
    try:
        known = await passwords.hash(PASSWORD)
    finally:
        passwords.close()
    await connection.execute(
        "UPDATE user_account SET password_hash = $2 WHERE id = $1", lot.bidders[0], known
    )
    picture = tmp_path / "page.png"
    async with previewed(node, server.url, tmp_path / "built") as page:
        options = {
            "page": f"{page}?auction={lot.public_id}",
            "graphql": server.url,
            "login": "user1",
            "password": PASSWORD,
            "auction": lot.public_id,
            "rival": token_for(server.ring, lot.bidders[1]),
            "out": str(picture),
        }
        given = [part for name, value in options.items() for part in (f"--{name}", value)]
        seen = json.loads(await run(node, "browse.mjs", *given, folder=PAGE))
    steps = seen["steps"]
    assert (seen["errors"], seen["external"]) == ([], [])
    assert (steps["title"], steps["watchers"], steps["pushed"]) == ("Bowl", "1", [1])
    assert steps["refused"] != ""
    assert (steps["before"], steps["words"]) == ("$100.00", "An amount, as in 1.01.")
    assert steps["low"] == "It takes at least $1.01."
    assert steps["led"] == "You lead at $20.01."
    assert (steps["after"], steps["held"]) == ("$50.00", "$50.00")
    # Each bid once and in order, though the line was cut when the last ones came.
    newest = steps["resumed"]
    assert newest == list(range(newest[0], 0, -1))
    assert newest[0] == await connection.fetchval(
        "SELECT max(sequence) FROM bid WHERE auction_id = $1", lot.id
    )
    assert steps["sockets"] >= 3  # before signing in, after, and after the cut
    assert picture.stat().st_size > 20_000
    with capsys.disabled():
        told = f"{newest[0]} bids, each once, over {steps['sockets']} sockets"
        sys.stdout.write(f"\n  examples/web: {told}\n")
