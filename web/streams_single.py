"""GraphQL over SSE's single connection mode: a token is reserved (PUT), opens one stream of events
(GET), and operations are added to it (POST) and stopped (DELETE) by requests of their own.

What is reserved is known to this process alone: with several workers there is no such mode.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import parse_qs

from graphql import OperationType
from starlette.types import Scope, Send

from core.errors import AccessDenied, BadUserInput
from core.ids import new_id
from resolvers.context import OperationContext
from schema.executing import MelaSchema
from services.users.access import Viewer
from web.answering import answer
from web.headers import Headers
from web.negotiating import RESPONSE
from web.presence import join_presence
from web.refusing import Refused
from web.requests import Asked
from web.socket_counts import SocketCounts
from web.streams import Exchange, Stream
from web.streams_framing import EVENTS, SharedEventFraming
from web.streams_operations import StreamedOperation
from web.streams_serving import counted, look_at, stream_for

TOKEN_HEADER: Final = b"x-graphql-event-stream-token"
UNUSED_S: Final = 30.0
"""A reservation that nobody opens is forgotten after so long."""
MAX_ID: Final = 100
"""Characters of an operation's id."""
_NOT_HERE: Final = (
    "no stream is reserved under this token here: it was never opened, is over, or is another "
    "server process's"
)
_ALONE: Final = (
    "streams of many operations need a single server process; open a stream for each operation"
)


@dataclass(slots=True, eq=False)
class Reservation:
    """A stream of many operations, from its PUT to its end."""

    stream: Stream
    viewer: Viewer | None
    connection_id: str
    counted: ExitStack
    """To be closed where it is over: see `web.streams_serving.counted`."""
    opened: bool = False
    names: set[str] = field(default_factory=set)
    """Of operations that run, or are about to."""


class SingleConnections:
    """Those of one process."""

    def __init__(self, schema: MelaSchema, counts: SocketCounts, *, workers: int) -> None:
        self._schema = schema
        self._counts = counts
        self._workers = workers
        self._reserved: dict[str, Reservation] = {}

    def concerns(self, scope: Scope, headers: Headers) -> bool:
        """Whether a request is one of this mode: by its method, or because it has a token."""
        if scope["method"] in ("PUT", "DELETE") or TOKEN_HEADER in headers:
            return True
        query: bytes = scope["query_string"]
        return query.startswith(b"token=") or b"&token=" in query

    async def answer(
        self, exchange: Exchange, context: OperationContext, read: Callable[[], Awaitable[Asked]]
    ) -> None:
        """Answer such a request; `read` reads the operation of a POST. Raises `Refused`."""
        send, method = exchange.send, exchange.scope["method"]
        if method == "PUT":
            await self._reserve(context, send)
            return
        token, parameters = _token(exchange)
        found = self._reserved.get(token)
        if found is None:
            raise Refused(404, _NOT_HERE)
        opens = b"text/event-stream" in exchange.headers.get(b"accept", b"")
        _check_viewer(found, context.viewer, ticket=method == "GET")
        if method == "DELETE":
            await self._stop(found, parameters.get("operationId", [""])[0], send)
        elif opens:
            await self._open(token, found, context, exchange)
        elif method == "POST":
            await self._add(found, context, await read(), exchange)
        else:
            raise Refused(406, "a stream is opened with Accept: text/event-stream")

    async def _reserve(self, context: OperationContext, send: Send) -> None:
        if self._workers > 1:
            raise Refused(404, _ALONE)
        counting = ExitStack()
        counting.enter_context(counted(self._counts, context))
        token = secrets.token_urlsafe(32)
        stream = stream_for(context, EVENTS)
        self._reserved[token] = Reservation(stream, context.viewer, new_id().hex, counting)
        asyncio.get_running_loop().call_later(UNUSED_S, self._forget_unused, token)
        await _tell(send, 201, token.encode())

    def _forget_unused(self, token: str) -> None:
        found = self._reserved.get(token)
        if found is not None and not found.opened:
            self._forget(token)
            asyncio.ensure_future(found.stream.stop())  # noqa: RUF006 - ends with what it stops

    def _forget(self, token: str) -> None:
        if (found := self._reserved.pop(token, None)) is not None:
            found.counted.close()

    async def _open(
        self, token: str, found: Reservation, context: OperationContext, exchange: Exchange
    ) -> None:
        if found.opened:
            raise Refused(409, "this stream is open already")
        found.opened = True
        here = replace(context, viewer=found.viewer, connection_id=found.connection_id)
        join_presence(here)
        try:
            await found.stream.serve(exchange, lambda: None)
        finally:
            self._forget(token)
            context.server.live.presence.leave(found.connection_id)

    async def _add(
        self, found: Reservation, context: OperationContext, asked: Asked, exchange: Exchange
    ) -> None:
        if asked.form is not None:
            await asked.form.close()
            raise Refused(415, "files are sent by a request of their own")
        name, asked = _named(asked)
        maximum = context.server.settings.max_operations_per_socket
        if name in found.names:
            raise Refused(409, "an operation of this operationId runs already")
        if len(found.names) >= maximum:
            said = f"a stream runs {maximum} operations at once"
            raise Refused(429, BadUserInput(said, {"maximum": maximum}))
        found.names.add(name)
        try:
            look = await look_at(self._schema, asked)
        except BaseException:
            found.names.discard(name)
            raise
        if look.kind is None:
            found.names.discard(name)
            receive, send = exchange.receive, exchange.send
            await answer(self._schema, context, asked, RESPONSE, receive, send)
            return
        if name in found.names and not found.stream.ended:
            lasting = look.kind is OperationType.SUBSCRIPTION
            self._begin(found, name, context, asked, lasting=lasting)
        await _tell(exchange.send, 202, b"")

    def _begin(
        self,
        found: Reservation,
        name: str,
        context: OperationContext,
        asked: Asked,
        *,
        lasting: bool,
    ) -> None:
        def ended() -> None:
            found.names.discard(name)
            found.stream.finished(name)

        operation = StreamedOperation(
            found.stream,
            self._schema,
            replace(context, connection_id=found.connection_id),
            asked,
            SharedEventFraming(name),
            lasting=lasting,
            ended=ended,
        )
        found.stream.running[name] = operation
        operation.begin()

    async def _stop(self, found: Reservation, name: str, send: Send) -> None:
        if not name:
            raise Refused(400, "operationId is missing")
        found.names.discard(name)
        operation = found.stream.running.pop(name, None)
        if operation is not None:
            await operation.stop()
        await _tell(send, 200, b"")


def _token(exchange: Exchange) -> tuple[str, dict[str, list[str]]]:
    """The token of a request, and its parameters. Raises `Refused`."""
    try:
        query = exchange.scope["query_string"].decode("latin-1")
        parameters = parse_qs(query, max_num_fields=20)
    except ValueError:
        raise Refused(400, "too many parameters") from None
    given = exchange.headers.get(TOKEN_HEADER, b"").decode("latin-1")
    return given or parameters.get("token", [""])[0], parameters


def _check_viewer(found: Reservation, viewer: Viewer | None, *, ticket: bool) -> None:
    """A reservation is for whoever made it; browsers' EventSource sends no credentials, so the
    token alone opens the stream, once. Raises `Refused` (403)."""
    if ticket and viewer is None:
        return
    if _who(found.viewer) != _who(viewer):
        raise Refused(403, AccessDenied("this stream is another's"))


def _who(viewer: Viewer | None) -> Any:
    return None if viewer is None else (viewer.user_id, viewer.session_id)


def _named(asked: Asked) -> tuple[str, Asked]:
    """The operation's id, and what is asked without it."""
    extensions = dict(asked.extensions or {})
    name = extensions.pop("operationId", None)
    if not isinstance(name, str) or not 0 < len(name) <= MAX_ID:
        raise Refused(400, f"extensions.operationId must be a string of 1 to {MAX_ID} characters")
    return name, replace(asked, extensions=extensions or None)


async def _tell(send: Send, status: int, body: bytes) -> None:
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
