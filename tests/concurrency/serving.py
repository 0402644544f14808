"""Server processes as an operator starts them, and clients as the world has them: HTTP with tokens,
and sockets that speak graphql-transport-ws."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import uvicorn
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.typing import Subprotocol

from app import create_app
from core.clock import utc_now
from core.ids import new_id
from core.settings import Settings
from core.tokens import KeyRing, TokenPolicy, ensure_keys, issue_access_token
from services.users.access import scopes_of, session_public_id, user_public_id
from web.ports import pick_port, port_of, uvicorn_options

ROOT = Path(__file__).parents[2]
STARTED = re.compile(r"http://127\.0\.0\.1:(\d+)/graphql")
START_TIMEOUT_S = 40.0
BID_PLACED = """
subscription Bids($auction: ID!, $after: Cursor) {
  bidPlaced(auctionId: $auction, after: $after) { cursor bid { id sequence } }
}
"""


def token_for(
    ring: KeyRing,
    user_id: UUID,
    *,
    session_id: UUID | None = None,
    roles: Sequence[str] = ("USER",),
    **policy: Any,
) -> str:
    """An access token as signing in gives one; `lifetime_s` may be short."""
    return issue_access_token(
        ring,
        TokenPolicy(**policy),
        subject=user_public_id(user_id),
        session_id=session_public_id(session_id or new_id()),
        scopes=scopes_of(roles),
        tier="FREE",
        now=utc_now(),
    ).token


class ServerProcess:
    """One `mela serve` in a process of its own. `log` is the file of what it says."""

    def __init__(self, process: asyncio.subprocess.Process, port: int, log: Path) -> None:
        self.process = process
        self.log = log
        self.url = f"http://127.0.0.1:{port}/graphql"
        self.socket_url = f"ws://127.0.0.1:{port}/graphql"

    def said(self, words: str) -> bool:
        """Whether its log has these words by now."""
        return words in self.log.read_text()

    def kill(self) -> None:
        """SIGKILL: nothing is answered, closed or flushed."""
        self.process.kill()

    async def stop(self) -> int:
        """SIGTERM, and the exit status; fails after 20 s."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        return await asyncio.wait_for(self.process.wait(), 20)


async def start_server(settings: Mapping[str, object], log: Path) -> ServerProcess:
    """`mela serve` with MELA_… of these settings, on any port; returns when it answers."""
    environment = {name: value for name, value in os.environ.items() if name[:5] != "MELA_"}
    environment |= {f"MELA_{name.upper()}": str(value) for name, value in settings.items()}
    with log.open("ab") as errors:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-c", "from cli import main; main()", "serve", "--port", "0"),
            cwd=ROOT,
            env=environment | {"MELA_DEMO": "false", "MELA_LOG_FORMAT": "json"},
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
        )
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            server = ServerProcess(process, await _port_of(process), log)
            await _until_it_answers(server)
            return server
    except BaseException as error:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        said = await asyncio.to_thread(log.read_text)
        raise RuntimeError(f"no server: {said[-3000:]}") from error


@dataclass(frozen=True)
class Here:
    """A server in this process, on a real port. `leave` asks it to go down; `task` ends then."""

    url: str
    socket_url: str
    ring: KeyRing
    leave: Callable[[], None]
    task: asyncio.Task[None]

    async def ask(self, query: str, /, *, token: str | None = None, **variables: object) -> Any:
        """The `data` of a query over HTTP, which must not have errors."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        async with httpx.AsyncClient(trust_env=False, headers=headers) as client:
            answer = await client.post(self.url, json={"query": query, "variables": variables})
        body = answer.json()
        assert "errors" not in body, body
        return body["data"]

    async def follows(self, topics: int) -> None:
        """Return when it follows so many topics of the log; fails after five seconds."""
        async with asyncio.timeout(5), httpx.AsyncClient(trust_env=False) as client:
            while True:
                ready = await client.get(self.url.replace("/graphql", "/readyz"))
                if f"{topics} topics" in ready.text:
                    return
                await asyncio.sleep(0.01)


@asynccontextmanager
async def serve_here(settings: Settings, *, drain_s: int = 10) -> AsyncIterator[Here]:
    """Serve by uvicorn, as `mela serve` does, until left; quicker to start than a process."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    listening = pick_port("127.0.0.1", 0)
    port = port_of(listening)
    server = uvicorn.Server(
        uvicorn.Config(
            create_app(settings), timeout_graceful_shutdown=drain_s, **uvicorn_options(settings)
        )
    )
    task = asyncio.create_task(server.serve([listening]))
    while not server.started:
        assert not task.done(), task
        await asyncio.sleep(0.01)

    def leave() -> None:
        server.should_exit = True

    ring = ensure_keys(settings.state_dir / "keys", settings.signing_algorithm)
    try:
        yield Here(
            f"http://127.0.0.1:{port}/graphql", f"ws://127.0.0.1:{port}/graphql", ring, leave, task
        )
    finally:
        leave()
        await task
        root.handlers[:] = handlers
        root.setLevel(level)
        logging.captureWarnings(False)


async def _port_of(process: asyncio.subprocess.Process) -> int:
    assert process.stdout is not None
    async for line in process.stdout:
        if found := STARTED.search(line.decode()):
            return int(found[1])
    raise RuntimeError("it ended before it said where it serves")


async def _until_it_answers(server: ServerProcess) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        while True:
            with suppress(httpx.TransportError):
                ready = await client.get(server.url.replace("/graphql", "/readyz"))
                if ready.status_code == 200:
                    return
            await asyncio.sleep(0.05)


class Socket:
    """A connection that has been acknowledged."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def send(self, **message: object) -> None:
        await self.connection.send(json.dumps(message))

    async def subscribe(self, id: str, query: str, /, **variables: object) -> None:
        """Begin an operation of any kind."""
        payload = {"query": query, "variables": variables}
        await self.send(id=id, type="subscribe", payload=payload)

    async def receive(self, *, within_s: float = 10.0) -> Any:
        """The next message; pings are answered. Raises `ConnectionClosed` (its `rcvd.code`), or
        `TimeoutError`."""
        async with asyncio.timeout(within_s):
            while (message := json.loads(await self.connection.recv())) == {"type": "ping"}:
                await self.send(type="pong")
            return message

    async def closed(self, *, within_s: float = 10.0) -> int:
        """Read on until the server closes; its code (1006: broken off without one)."""
        with suppress(ConnectionClosed):
            while True:
                await self.receive(within_s=within_s)
        code = self.connection.close_code
        assert code is not None
        return code


@asynccontextmanager
async def open_socket(
    url: str, *, token: str | None = None, authorization: object = None, **options: Any
) -> AsyncIterator[Socket]:
    """A graphql-transport-ws connection after its acknowledgement. `token` signs in;
    `authorization` is sent as it is. Raises `ConnectionClosed` where that is not taken."""
    protocol = Subprotocol("graphql-transport-ws")
    async with connect(url, subprotocols=[protocol], proxy=None, **options) as connection:
        socket = Socket(connection)
        sent = authorization if token is None else f"Bearer {token}"
        payload = {} if sent is None else {"authorization": sent}
        await socket.send(type="connection_init", payload=payload)
        message = await socket.receive()
        assert message["type"] == "connection_ack", message
        yield socket


class Follower:
    """A subscriber to an auction's bids that, whenever its connection breaks, goes on after the
    last cursor it saw, at whatever address it is then given."""

    def __init__(self, auction: str, after: str, address: Callable[[int], str]) -> None:
        self.seen: list[tuple[int, str]] = []
        self.breaks = 0
        self.subscribed = asyncio.Event()
        self._auction, self._after, self._address = auction, after, address
        self.task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Raises what the follower died of, if it did."""
        self.task.cancel()
        with suppress(asyncio.CancelledError):
            await self.task

    async def _run(self) -> None:
        while True:
            with suppress(OSError, TimeoutError, ConnectionClosed, InvalidHandshake):
                await self._follow(self._address(self.breaks))
            self.breaks += 1
            await asyncio.sleep(0.05)

    async def _follow(self, url: str) -> None:
        async with open_socket(url, open_timeout=5) as socket:
            await socket.subscribe("1", BID_PLACED, auction=self._auction, after=self._after)
            self.subscribed.set()
            while True:
                message = await socket.receive(within_s=60)
                assert message["type"] == "next", message
                assert "errors" not in message["payload"], message
                event = message["payload"]["data"]["bidPlaced"]
                self._after = event["cursor"]
                self.seen.append((event["bid"]["sequence"], event["bid"]["id"]))
