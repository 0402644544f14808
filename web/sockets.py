"""GraphQL over sockets, by graphql-transport-ws: operations that end when their token does, and
sockets that end when nobody is there. What goes out stands in `web/outlets.py`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import aclosing, suppress
from contextvars import Context
from dataclasses import replace
from typing import Any, ClassVar, Protocol, cast

import structlog
from graphql import GraphQLError
from strawberry.exceptions import ConnectionRejectionError
from strawberry.http.exceptions import WebSocketDisconnected
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import (
    BaseGraphQLTransportWSHandler,
    Operation,
)

from core.errors import BadUserInput, RequestError
from core.metrics import add_subscriptions
from resolvers.context import OperationContext
from schema.executing import MelaSchema
from services.users.access import Viewer
from subscriptions.crowds import Resuming, Seat
from web.error_shapes import shaped
from web.outlets import SocketOutlet, TextAdapter
from web.presence import join_presence, until_signed_out
from web.pulse import Pulse
from web.socket_counts import SocketCounts
from web.socket_messages import TRANSPORT_WS, Close, fault_of
from web.wire import PONG_TIMEOUT, text_frame

TELLING_S = 2.0
"""How long a client whose session has ended may take to hear of it."""
PING = text_frame(b'{"type":"ping"}')


class SocketOperation(Operation[Any, Any]):
    """An operation with what its request says beside the text, or in its place."""

    __slots__ = ("document_id", "extensions")

    def __init__(self, handler: SocketHandler, id: str, payload: Mapping[str, Any]) -> None:
        asked = payload.get("query"), payload.get("variables"), payload.get("operationName")
        super().__init__(handler, id, cast(str, asked[0]), *asked[1:])
        self.extensions: dict[str, Any] | None = payload.get("extensions")
        self.document_id: str | None = payload.get("documentId")

    async def find_text(self, schema: MelaSchema) -> None:
        """Put the text where only its name was sent. Raises `RequestError` where it has none."""
        if self.extensions is not None or self.document_id is not None:
            found = await schema.text_of(self.query, self.extensions, self.document_id)
            self.query = cast(str, found)


class SocketView(Protocol):
    """The endpoint of sockets, as their handlers know it."""

    sockets: SocketCounts

    async def on_ws_connect(self, context: OperationContext) -> Any:
        """Sign in whoever `connection_init` names. Raises `ConnectionRejectionError`."""


class SocketHandler(BaseGraphQLTransportWSHandler[Any, Any]):
    """graphql-transport-ws whose operations end with the viewer's token, and whose socket closes
    with the viewer's session. Subscriptions that many ask alike are written to by a crowd."""

    words: ClassVar[Mapping[str, str]] = TRANSPORT_WS
    """What the client calls its messages, and what PROTOCOL.md does."""
    view: SocketView  # type: ignore[assignment]  # beside what the base knows of it
    websocket: TextAdapter
    schema: MelaSchema

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._watch: asyncio.Task[None] | None = None
        self._riding: dict[str, Seat] = {}
        self._pulse: Pulse | None = None
        self._counted: Viewer | None = None

    async def handle(self) -> None:
        """As the base's, where there is room. The handshake's headers are read, and not kept for
        the socket's life."""
        self.websocket.ws.scope["headers"].clear()
        counts, address = self.view.sockets, self.context.address
        if (full := counts.enter(address)) is not None:
            await self.websocket.close(Close.TRY_AGAIN_LATER, full)
            return
        try:
            await super().handle()
        finally:
            counts.leave(address)

    async def handle_message(self, message: Any) -> None:
        """Do what a message asks, or close the socket with what is wrong about it."""
        if self._pulse is not None:
            self._pulse.heard()
        fault = fault_of(message, self.words)
        if fault is not None:
            await self.handle_invalid_message(fault)
        else:
            await getattr(self, "handle_" + self.words[message["type"]])(message)

    async def handle_connection_init(self, message: Any) -> None:
        """Sign in whoever the payload names, and acknowledge."""
        if self.connection_timed_out:
            return
        if self.connection_init_received:
            reason = "Too many initialisation requests"
            await self.websocket.close(Close.TOO_MANY_INITS, reason)
            return
        self.connection_init_received = True
        if self.connection_init_timeout_task is not None:
            self.connection_init_timeout_task.cancel()
            self.connection_init_timeout_task = None
        self.context.connection_params = message.get("payload") or {}
        try:
            await self.view.on_ws_connect(self.context)
        except ConnectionRejectionError:
            await self.reject(Close.FORBIDDEN, "Forbidden")
            return
        viewer = self.context.viewer
        if viewer is not None and (full := self.view.sockets.sign_in(viewer.user_id)) is not None:
            await self.reject(Close.TRY_AGAIN_LATER, full)
            return
        self._counted = viewer
        await self.send_message({"type": "connection_ack"})
        self.connection_acknowledged = True
        self._pulse = self.pulse()
        if viewer is not None:
            self._watch = asyncio.create_task(self._end_with(viewer))
            join_presence(self.context)

    async def reject(self, code: Close, reason: str) -> None:
        """Close a socket that is not acknowledged."""
        await self.websocket.close(code, reason)

    def pulse(self) -> Pulse | None:
        """What finds out whether the client is there, begun; None where pings are switched off."""
        settings, wire = self.context.server.settings, self.websocket.wire
        if wire is None or not settings.socket_ping_s:
            return None
        wire.stop_keepalive()  # by frames, which proxies may answer in a client's place
        pulse = Pulse(
            lambda: wire.write_frame(PING),
            lambda: wire.give_up(*PONG_TIMEOUT),
            every_s=settings.socket_ping_s,
            within_s=settings.socket_pong_s,
        )
        pulse.start()
        return pulse

    async def handle_ping(self, message: Any) -> None:
        """Answer, with the payload that came."""
        payload = message.get("payload")
        pong = {"type": "pong"} if payload is None else {"type": "pong", "payload": payload}
        await self.send_message(cast(Any, pong))

    async def handle_subscribe(self, message: Any) -> None:
        """Begin an operation; one too many ends at once with BAD_USER_INPUT."""
        maximum, id = self.max_subscriptions_per_connection, message["id"]
        if not self.connection_acknowledged:
            await self.websocket.close(Close.UNAUTHORIZED, "Unauthorized")
        elif id in self.operations:
            await self.websocket.close(Close.ID_IN_USE, f"Subscriber for {id} already exists")
        elif maximum is not None and len(self.operations) >= maximum:
            said = f"a socket runs {maximum} operations at once"
            await self._tell(id, BadUserInput(said, {"maximum": maximum}))
        else:
            operation = self.operations[id] = SocketOperation(self, id, message["payload"])
            operation.task = asyncio.create_task(self.run_operation(operation))
            operation.task.add_done_callback(self._task_done)

    async def run_operation(self, operation: Any, resuming: Resuming | None = None) -> None:
        """As the base's. A subscription that a crowd takes on has no task from there on, and gets
        one again where the crowd lets it go."""
        outlet = self._outlet(operation) if resuming is None else None
        try:
            if resuming is None:
                await operation.find_text(self.schema)
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
        except RequestError as error:  # it names a text that there is not
            await operation.send_initial_errors([shaped(error, self.context.request_id)])
        except Exception as error:
            await self.handle_task_exception(error)
            with suppress(Exception):
                await operation.send_operation_message({"id": operation.id, "type": "complete"})
            self.operations.pop(operation.id, None)
            raise

    def _outlet(self, operation: Any) -> SocketOutlet | None:
        wire = self.websocket.wire
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
        """Leave nothing behind."""
        self._sign_out()
        if self._pulse is not None:
            self._pulse.stop()
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
        error = await until_signed_out(viewer, self.context.server.revocations)
        if error.reason == "TOKEN_EXPIRED":
            await self._end_operations(error)
            return
        try:
            async with asyncio.timeout(TELLING_S):
                await self._end_operations(error)
                await self.websocket.close(Close.FORBIDDEN, "Forbidden")
        except TimeoutError:
            if (wire := self.websocket.wire) is not None:
                wire.give_up(Close.FORBIDDEN, "Forbidden")

    def _sign_out(self) -> None:
        """Nobody is signed in here any more."""
        self.context.viewer = None
        self.context.server.live.presence.leave(self.context.connection_id)
        viewer, self._counted = self._counted, None
        if viewer is not None:
            self.view.sockets.sign_out(viewer.user_id)

    async def _end_operations(self, error: RequestError) -> None:
        """All are over before any of them is told so: a client may not listen."""
        self._sign_out()
        ended = [operation for operation in self.operations.values() if not operation.completed]
        for operation in ended:
            operation.completed = True
            self.forget_id(operation.id)
            if operation.task is not None:
                operation.task.cancel()
        for operation in ended:
            await self._tell(operation.id, error)

    async def _tell(self, operation_id: str, error: RequestError) -> None:
        payload = [shaped(error, self.context.request_id).formatted]
        await self.send_message({"id": operation_id, "type": "error", "payload": payload})
