"""GraphQL over sockets, by graphql-transport-ws: operations that end when their token does, and
frames made once for all who get the same."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Hashable, Mapping
from contextlib import aclosing, suppress
from contextvars import Context
from dataclasses import replace
from typing import Any, cast

import orjson
import structlog
from graphql import GraphQLError
from starlette.websockets import WebSocketDisconnect, WebSocketState
from strawberry.asgi import ASGIWebSocketAdapter
from strawberry.http.exceptions import WebSocketDisconnected
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import (
    BaseGraphQLTransportWSHandler,
    Operation,
)

from core.clock import utc_now
from core.errors import BadUserInput, RequestError, Unauthenticated
from core.ids import new_id
from core.metrics import add_subscriptions
from execution.shaping import shape_error
from execution.sharing import SharedData
from loaders.base import Loaders
from resolvers.context import OperationContext
from schema.executing import MelaSchema
from services.users.access import Viewer
from subscriptions.crowds import Resuming, Seat
from subscriptions.log import LogEvent
from subscriptions.presence_store import OpenConnection
from web.wire import EXTENSION, SocketProtocol, frame_head

CLOSE_FORBIDDEN = 4403


class TextAdapter(ASGIWebSocketAdapter):
    """Sends orjson's bytes as text frames; a malformed message closes the socket."""

    async def send_json(self, message: Mapping[str, object]) -> None:
        if self.ws.application_state is not WebSocketState.CONNECTED:
            raise WebSocketDisconnected  # we closed it, and an operation has not heard of that yet
        try:
            await self.ws.send_text(_encoded(message))
        except WebSocketDisconnect as error:
            raise WebSocketDisconnected from error


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
        self._head = b'{"id":%b,"type":"next","payload":' % orjson.dumps(operation.id)

    @property
    def question(self) -> Hashable | None:
        """The text and the variables that answers depend on; None where an answer is personal."""
        operation = self._operation
        schema = cast(MelaSchema, self._handler.schema)
        asking = schema.asking(operation.query, operation.operation_name)
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
        return _answers(cast(MelaSchema, self._handler.schema), context, *asked)

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


class SocketOperation(Operation[Any, Any]):
    """An operation with the extensions of its request."""

    __slots__ = ("extensions",)

    def __init__(self, handler: SocketHandler, id: str, payload: Mapping[str, Any]) -> None:
        asked = payload["query"], payload.get("variables"), payload.get("operationName")
        super().__init__(handler, id, *asked)
        self.extensions: dict[str, Any] | None = payload.get("extensions")


class SocketHandler(BaseGraphQLTransportWSHandler[Any, Any]):
    """graphql-transport-ws whose operations end with the viewer's token, and whose socket closes
    with the viewer's session. Subscriptions that many ask alike are written to by a crowd."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._watch: asyncio.Task[None] | None = None
        self._riding: dict[str, Seat] = {}

    async def handle(self) -> None:
        """As the base's. The handshake's headers are read, and not kept for the socket's life."""
        cast(TextAdapter, self.websocket).ws.scope["headers"].clear()
        await super().handle()

    async def handle_connection_init(self, message: Any) -> None:
        await super().handle_connection_init(message)
        viewer = self.context.viewer
        if self.connection_acknowledged and viewer is not None and self._watch is None:
            self._watch = asyncio.create_task(self._end_with(viewer))
            self.context.server.live.presence.join(_connection(self.context, viewer))

    async def handle_message(self, message: Any) -> None:
        """Close with 4400 where JSON is no message of the protocol."""
        if _is_message(message):
            await super().handle_message(message)
        else:
            await self.handle_invalid_message("Failed to parse message")

    async def handle_subscribe(self, message: Any) -> None:
        """Begin an operation; one too many ends at once with BAD_USER_INPUT."""
        maximum, id = self.max_subscriptions_per_connection, message["id"]
        if not self.connection_acknowledged:
            await self.websocket.close(4401, "Unauthorized")
            return
        if id in self.operations:
            await self.websocket.close(4409, f"Subscriber for {id} already exists")
            return
        if maximum is None or len(self.operations) < maximum:
            operation = self.operations[id] = SocketOperation(self, id, message["payload"])
            operation.task = asyncio.create_task(self.run_operation(operation))
            operation.task.add_done_callback(self._task_done)
            return
        error = BadUserInput(f"a socket runs {maximum} operations at once", {"maximum": maximum})
        payload = [self._shaped(error).formatted]
        await self.send_message({"id": id, "type": "error", "payload": payload})

    async def run_operation(self, operation: Any, resuming: Resuming | None = None) -> None:
        """As the base's. A subscription that a crowd takes on has no task from there on, and gets
        one again where the crowd lets it go."""
        outlet = self._outlet(operation) if resuming is None else None
        try:
            results = await self.schema.stream(
                operation.query,
                variable_values=operation.variables,
                context_value=replace(self.context, outlet=outlet, resuming=resuming),
                root_value=self.root_value,
                operation_name=operation.operation_name,
                operation_extensions=operation.extensions,
            )
            async with aclosing(results):
                await self._send_result_stream(operation, results)
            if operation.id not in self._riding:
                await operation.send_operation_message({"id": operation.id, "type": "complete"})
        except Exception as error:
            await self.handle_task_exception(error)
            with suppress(Exception):
                await operation.send_operation_message({"id": operation.id, "type": "complete"})
            self.operations.pop(operation.id, None)
            raise

    def _outlet(self, operation: Any) -> SocketOutlet | None:
        wire = cast(TextAdapter, self.websocket).ws.scope["extensions"].get(EXTENSION)
        return None if wire is None else SocketOutlet(self, operation, wire)

    def ride(self, operation: Any, seat: Seat) -> None:
        """A crowd writes to the operation."""
        self._riding[operation.id] = seat
        add_subscriptions(1)

    def alight(self, operation_id: str) -> None:
        """No crowd does."""
        seat = self._riding.pop(operation_id, None)
        if seat is not None:
            add_subscriptions(-1)
            seat.leave()

    def resume(self, operation: Any, resuming: Resuming) -> None:
        """Give an operation that a crowd has let go a task of its own again."""
        self.alight(operation.id)
        if operation.completed:
            return
        context = Context()
        context.run(structlog.contextvars.bind_contextvars, request_id=self.context.request_id)
        work = self.run_operation(operation, resuming)
        operation.task = asyncio.create_task(work, context=context)
        operation.task.add_done_callback(self._task_done)

    def forget_id(self, id: str) -> None:
        """The operation is over."""
        self.alight(id)
        super().forget_id(id)

    async def cleanup_operation(self, operation_id: str) -> None:
        """Nothing more is said of it from this moment on: its id may be used anew at once."""
        if operation_id in self.operations:
            self.operations[operation_id].completed = True
            self.alight(operation_id)
        await super().cleanup_operation(operation_id)

    async def handle_task_exception(self, error: Exception) -> None:
        """Log what no operation should raise; that the client has gone is no such thing."""
        if not isinstance(error, WebSocketDisconnected):
            await super().handle_task_exception(error)

    @staticmethod
    def _get_pre_execution_close_reason(error: GraphQLError) -> str | None:
        """None: a document that cannot be run ends its operation, not all those beside it."""
        return None

    async def shutdown(self) -> None:
        self.context.server.live.presence.leave(self.context.connection_id)
        try:
            if self._watch is not None:
                self._watch.cancel()
                await asyncio.wait({self._watch})
        finally:
            await super().shutdown()

    async def _end_with(self, viewer: Viewer) -> None:
        """Whatever comes first: the token expires, or the session is revoked."""
        with suppress(WebSocketDisconnected):
            await self._wait_and_end(viewer)

    async def _wait_and_end(self, viewer: Viewer) -> None:
        left_s = (viewer.expires_at - utc_now()).total_seconds()
        revocations = self.context.server.revocations
        try:
            async with asyncio.timeout(max(0.0, left_s)):
                await revocations.wait_revoked(viewer)
        except TimeoutError:
            await self._end_operations(Unauthenticated("TOKEN_EXPIRED", "the token expired"))
            return
        await self._end_operations(Unauthenticated("REVOKED", "this session was revoked"))
        await self.websocket.close(CLOSE_FORBIDDEN, "Forbidden")

    async def _end_operations(self, error: RequestError) -> None:
        self.context.viewer = None
        self.context.server.live.presence.leave(self.context.connection_id)
        for operation in list(self.operations.values()):
            if operation.task is not None:
                operation.task.cancel()
            await operation.send_initial_errors([self._shaped(error)])

    def _shaped(self, error: RequestError) -> GraphQLError:
        wrapped = GraphQLError(error.message, original_error=error)
        return shape_error(wrapped, self.context.request_id)


def _connection(context: OperationContext, viewer: Viewer) -> OpenConnection:
    """The socket as presence tells of it."""
    assert context.connection_id is not None
    return OpenConnection(
        id=context.connection_id,
        user_id=viewer.user_id,
        session_id=viewer.session_id,
        device=context.user_agent,
        since=utc_now().timestamp(),
    )


def _is_message(message: object) -> bool:
    """Whether its parts have the types that the protocol gives them; the base looks at the rest."""
    if not isinstance(message, dict):
        return False
    kind = message.get("type")
    if kind != "subscribe":
        return kind != "complete" or isinstance(message.get("id"), str)
    payload = message.get("payload")
    return (
        isinstance(message.get("id"), str)
        and isinstance(payload, dict)
        and isinstance(payload.get("query"), str)
        and isinstance(payload.get("operationName"), str | None)
        and isinstance(payload.get("variables"), dict | None)
        and isinstance(payload.get("extensions"), dict | None)
    )
