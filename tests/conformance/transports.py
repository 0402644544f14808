"""One way to speak to a server over any of its transports, and the drivers for its WebSockets:
what `test_transports.py` says of one transport, it says of all.

A driver's connection reads only while somebody iterates, so a client that does not read is one
that does not iterate.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import socket
from collections import defaultdict, deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

Result = dict[str, Any]
"""`data`, `errors`, `extensions` as they came. A request that could not run has no `data`."""

NARROW_BYTES = 4_096
"""What a narrow connection lets the kernel keep for it."""


class Refused(Exception):
    """The server does not take these credentials."""


class Left(Exception):
    """The server has ended the connection in good order, and the client should come again."""


class Lost(Exception):
    """The connection broke, or was closed for another reason; the message has it."""


class Connection(Protocol):
    """What a driver gives."""

    def subscribe(
        self,
        query: str,
        variables: Mapping[str, object] | None = None,
        *,
        operation_name: str | None = None,
        extensions: Mapping[str, object] | None = None,
    ) -> AsyncGenerator[Result, None]:
        """The results of an operation of any kind, until it is complete. Closing the generator
        (`aclosing`) gives the operation up, and no other beside it.

        Raises `Refused` (here or on connecting), `Left` and `Lost`.
        """


class Driver(Protocol):
    """A transport, as a client library has it."""

    @property
    def name(self) -> str:
        """Names it in a run of tests."""

    def connect(
        self, url: str, token: str | None = None, *, narrow: bool = False
    ) -> AbstractAsyncContextManager[Connection]:
        """A connection to `http://…/graphql`, signed in with the token. A narrow one lets its
        system buffer next to nothing. On leaving, the connection is closed as a client does."""


@dataclass(frozen=True)
class Words:
    """What the messages of a protocol are called."""

    begin: str
    result: str
    end: str


class Inbox:
    """What comes on a connection for its many operations. `read` gives the next of it, of whichever
    operation, and `id_of` tells of which."""

    def __init__(self, read: Callable[[], Awaitable[Any]], *, id_of: Callable[[Any], str]) -> None:
        self._read, self._id_of = read, id_of
        self._found: defaultdict[str, deque[Any]] = defaultdict(deque)
        self._turn: asyncio.Future[None] | None = None

    async def next(self, id: str) -> Any:
        """The next of an operation. Whoever waits first reads for all."""
        while not self._found[id]:
            if self._turn is not None:
                await asyncio.shield(self._turn)
                continue
            turn = self._turn = asyncio.get_running_loop().create_future()
            try:
                message = await self._read()
                self._found[self._id_of(message)].append(message)
            finally:
                self._turn = None
                turn.set_result(None)
        return self._found[id].popleft()


def body_of(
    query: str,
    variables: Mapping[str, object] | None,
    operation_name: str | None,
    extensions: Mapping[str, object] | None,
) -> dict[str, Any]:
    """The JSON of a request."""
    return {
        "query": query,
        "variables": variables and dict(variables),
        "operationName": operation_name,
        "extensions": extensions and dict(extensions),
    }


class SocketConnection:
    """A WebSocket whose connection has been acknowledged, many operations beside each other."""

    def __init__(self, connection: ClientConnection, words: Words) -> None:
        self._connection = connection
        self._words = words
        self._ids = itertools.count(1)
        self._inbox = Inbox(self.receive, id_of=lambda message: message["id"])

    async def send(self, **message: object) -> None:
        """A message, of any type."""
        try:
            await self._connection.send(json.dumps(message))
        except ConnectionClosed as closed:
            raise _ended(closed) from closed

    async def receive(self) -> Any:
        """The next message that is no sign of life."""
        while True:
            try:
                message = json.loads(await self._connection.recv())
            except ConnectionClosed as closed:
                raise _ended(closed) from closed
            if message["type"] == "ping":
                await self.send(type="pong")
            elif message["type"] != "ka":
                return message

    async def subscribe(
        self,
        query: str,
        variables: Mapping[str, object] | None = None,
        *,
        operation_name: str | None = None,
        extensions: Mapping[str, object] | None = None,
    ) -> AsyncGenerator[Result, None]:
        """See `Connection.subscribe`."""
        id = f"operation {next(self._ids)}"
        payload = body_of(query, variables, operation_name, extensions)
        await self.send(id=id, type=self._words.begin, payload=payload)
        over = False
        try:
            while (message := await self._inbox.next(id))["type"] == self._words.result:
                yield message["payload"]
            over = True
            if message["type"] == "error":
                told = message["payload"]
                yield {"errors": told if isinstance(told, list) else [told]}
            else:
                assert message["type"] == "complete", message
        except Left:
            over = True
            raise
        finally:
            if not over:
                with suppress(Left, Lost):
                    await self.send(id=id, type=self._words.end)


@dataclass(frozen=True)
class SocketDriver:
    """A subprotocol of WebSockets; `name` is the subprotocol's too."""

    name: str
    words: Words

    @asynccontextmanager
    async def connect(
        self, url: str, token: str | None = None, *, narrow: bool = False
    ) -> AsyncIterator[SocketConnection]:
        """See `Driver.connect`."""
        options: dict[str, Any] = (
            {"max_queue": 1, "sock": await narrow_socket(url)} if narrow else {}
        )
        opened = connect(
            url.replace("http", "ws", 1),
            subprotocols=[Subprotocol(self.name)],
            compression=None,
            proxy=None,
            **options,
        )
        async with opened as connection:
            made = SocketConnection(connection, self.words)
            given = {} if token is None else {"authorization": f"Bearer {token}"}
            await made.send(type="connection_init", payload=given)
            message = await made.receive()
            if message["type"] == "connection_error":
                raise Refused(message)
            assert message["type"] == "connection_ack", message
            yield made


async def narrow_socket(url: str) -> socket.socket:
    """Connected to a URL's host, with little room for what nobody reads."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, NARROW_BYTES)
    made.setblocking(False)
    parts = urlsplit(url)
    await asyncio.get_running_loop().sock_connect(made, (parts.hostname, parts.port))
    return made


def _ended(closed: ConnectionClosed) -> Exception:
    code = None if closed.rcvd is None else closed.rcvd.code
    if code == 4403:
        return Refused(str(closed))
    return Left(str(closed)) if code in (1001, 1012) else Lost(str(closed))


TRANSPORT_WS = SocketDriver("graphql-transport-ws", Words("subscribe", "next", "complete"))
LEGACY_WS = SocketDriver("graphql-ws", Words("start", "data", "stop"))
SOCKET_DRIVERS: list[Driver] = [TRANSPORT_WS, LEGACY_WS]
