"""What goes out on a socket: messages as text frames, and frames made once for all who get the same
answer."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Hashable, Mapping
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any

import orjson
from starlette.websockets import WebSocketDisconnect, WebSocketState
from strawberry.asgi import ASGIWebSocketAdapter
from strawberry.http.exceptions import WebSocketDisconnected

from core.ids import new_id
from execution.sharing import SharedData
from loaders.base import Loaders
from resolvers.context import OperationContext
from schema.executing import MelaSchema
from subscriptions.crowds import Resuming, Seat
from subscriptions.log import LogEvent
from web.socket_messages import cut_reason
from web.wire import EXTENSION, SocketProtocol, frame_head

if TYPE_CHECKING:
    from web.sockets import SocketHandler


class TextAdapter(ASGIWebSocketAdapter):
    """Sends orjson's bytes as text frames. `result_head` begins the message of a result."""

    result_head = b'{"id":%b,"type":"next","payload":'

    @property
    def wire(self) -> SocketProtocol | None:
        """The way past ASGI; None where another server than ours holds the socket."""
        wire: SocketProtocol | None = self.ws.scope.get("extensions", {}).get(EXTENSION)
        return wire

    async def send_json(self, message: Mapping[str, object]) -> None:
        if self.ws.application_state is not WebSocketState.CONNECTED:
            raise WebSocketDisconnected  # we closed it, and an operation has not heard of that yet
        try:
            await self.ws.send_text(_encoded(message))
        except WebSocketDisconnect as error:
            raise WebSocketDisconnected from error

    async def close(self, code: int, reason: str) -> None:
        """Close it, unless it is closed; of a long reason only the beginning is told."""
        if self.ws.application_state is WebSocketState.CONNECTED:
            with suppress(WebSocketDisconnect):  # the client was quicker
                await super().close(code, cut_reason(reason))


def _encoded(message: Mapping[str, object]) -> str:
    """A message as JSON; of data that many get, the JSON that was made once."""
    payload = message.get("payload")
    if isinstance(payload, dict) and isinstance(data := payload.get("data"), SharedData):
        message = {**message, "payload": {**payload, "data": _json_once(data)}}
    return orjson.dumps(message).decode()


class Answer:
    """A result that many get: the same bytes behind each one's own head."""

    __slots__ = ("_frame_heads", "_rest")

    def __init__(self, result: Any) -> None:
        payload = {"data": _json_once(result.data)}
        if result.extensions:
            payload["extensions"] = result.extensions
        self._rest = orjson.dumps(payload) + b"}"
        self._frame_heads: dict[int, bytes] = {}

    def framed(self, head: bytes) -> bytes:
        """The frame of a `next` message that begins with `head`."""
        size = len(head)
        frame = self._frame_heads.get(size)
        if frame is None:
            frame = self._frame_heads[size] = frame_head(size + len(self._rest))
        return b"".join((frame, head, self._rest))


def _json_once(data: Any) -> Any:
    return orjson.Fragment(data.encoded) if isinstance(data, SharedData) else data


class SocketOutlet:
    """One subscription of a socket, as a crowd writes to it; see `subscriptions.crowds.Outlet`."""

    __slots__ = ("_handler", "_head", "_operation", "_wire")

    def __init__(self, handler: SocketHandler, operation: Any, wire: SocketProtocol) -> None:
        self._handler = handler
        self._operation = operation
        self._wire = wire
        head = handler.websocket.result_head
        self._head = head % orjson.dumps(operation.id)

    @property
    def question(self) -> Hashable | None:
        """The text and the variables that answers depend on; None where an answer is personal."""
        operation = self._operation
        asking = self._handler.schema.asking(operation.query, operation.operation_name)
        if asking is None or asking.guarded:
            return None
        if asking.personal and self._handler.context.viewer is not None:
            return None
        given = operation.variables or {}
        read = tuple((name, name in given, repr(given.get(name))) for name in asking.variables)
        return (operation.query, operation.operation_name, read)

    def answers(self, events: AsyncGenerator[LogEvent, None]) -> AsyncGenerator[Any, None]:
        """The answers to the question as nobody in particular gets them."""
        server, operation = self._handler.context.server, self._operation
        context = OperationContext(
            server=server,
            viewer=None,
            request_id=new_id().hex,
            address=None,
            user_agent="",
            loaders=Loaders(server.db),
            feeding=events,
        )
        asked = (operation.query, operation.variables, operation.operation_name)
        return _answers(self._handler.schema, context, *asked)

    def write(self, answer: Answer) -> bool:
        """To an operation that is over, nothing is written."""
        return self._operation.completed or self._wire.write_frame(answer.framed(self._head))

    def when_writable(self, call: Callable[[], None]) -> None:
        """When the whole socket is."""
        self._wire.when_writable(call)

    def seated(self, seat: Seat) -> None:
        """See `SocketHandler.ride`."""
        self._handler.ride(self._operation, seat)

    def resume(self, resuming: Resuming) -> None:
        """See `SocketHandler.resume`."""
        self._handler.resume(self._operation, resuming)


async def _answers(
    schema: MelaSchema,
    context: OperationContext,
    query: str,
    variables: dict[str, Any] | None,
    operation_name: str | None,
) -> AsyncGenerator[Answer | None, None]:
    results = await schema.stream(
        query, variable_values=variables, context_value=context, operation_name=operation_name
    )
    async with aclosing(results):
        async for result in results:
            # Errors carry the id of a request, and are logged with it: each has its own.
            yield None if result.errors else Answer(result)
