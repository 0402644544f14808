"""What goes out on a socket: messages as text frames, and frames made once for all who get the same
answer."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Hashable, Mapping
from contextlib import suppress
from typing import Any, Protocol

import orjson
from starlette.websockets import WebSocketDisconnect, WebSocketState
from strawberry.asgi import ASGIWebSocketAdapter
from strawberry.http.exceptions import WebSocketDisconnected

from execution.sharing import SharedData
from resolvers.context import OperationContext
from schema.executing import MelaSchema
from subscriptions.crowds import Resuming, Seat
from subscriptions.log import LogEvent
from web.crowding import answers_to, question_of
from web.encoding import encoded, json_once
from web.requests import Asked
from web.socket_messages import cut_reason
from web.wire import EXTENSION, SocketProtocol, frame_head


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
        message = {**message, "payload": {**payload, "data": json_once(data)}}
    return orjson.dumps(message).decode()


class Answer:
    """A result that many get: the same bytes behind each one's own head."""

    __slots__ = ("_frame_heads", "_rest")

    def __init__(self, result: Any) -> None:
        self._rest = encoded(result, with_data=True) + b"}"
        self._frame_heads: dict[int, bytes] = {}

    def framed(self, head: bytes) -> bytes:
        """The frame of a `next` message that begins with `head`."""
        size = len(head)
        begun = self._frame_heads.get(size)
        if begun is None:
            begun = self._frame_heads[size] = frame_head(size + len(self._rest))
        return b"".join((begun, head, self._rest))


class Riding(Protocol):
    """A socket's handler, as its outlets know it."""

    websocket: TextAdapter
    schema: MelaSchema
    context: OperationContext

    def ride(self, operation: Any, seat: Seat) -> None:
        """A crowd writes to the operation."""

    def resume(self, operation: Any, resuming: Resuming) -> None:
        """The crowd has let the operation go."""


class SocketOutlet:
    """One subscription of a socket, as a crowd writes to it; see `subscriptions.crowds.Outlet`."""

    __slots__ = ("_handler", "_head", "_operation", "_wire")

    def __init__(self, handler: Riding, operation: Any, wire: SocketProtocol) -> None:
        self._handler = handler
        self._operation = operation
        self._wire = wire
        head = handler.websocket.result_head
        self._head = head % orjson.dumps(operation.id)

    @property
    def question(self) -> Hashable | None:
        """See `web.crowding.question_of`."""
        handler = self._handler
        viewer = handler.context.viewer
        return question_of(handler.schema, self._asked, viewer, transport="sockets")

    def answers(self, events: AsyncGenerator[LogEvent, None]) -> AsyncGenerator[Any, None]:
        """The answers to the question as nobody in particular gets them."""
        handler = self._handler
        return answers_to(handler.schema, self._asked, events, handler.context.server, Answer)

    @property
    def _asked(self) -> Asked:
        """What the operation asks for, and nothing of the socket: a crowd may live longer."""
        operation = self._operation
        return Asked(operation.query, operation.variables, operation.operation_name, None)

    def write(self, answer: Answer) -> bool:
        """To an operation that is over, nothing is written."""
        return self._operation.completed or self._wire.write_frame(answer.framed(self._head))

    def when_writable(self, call: Callable[[], None]) -> None:
        """When the whole socket is."""
        self._wire.when_writable(call)

    def seated(self, seat: Seat) -> None:
        """See `Riding.ride`."""
        self._handler.ride(self._operation, seat)

    def resume(self, resuming: Resuming) -> None:
        """See `Riding.resume`."""
        self._handler.resume(self._operation, resuming)
