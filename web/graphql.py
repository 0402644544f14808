"""The GraphQL address: who asks, and the way to an operation's answer (`web/answering.py`), to
sockets (`web/sockets.py`) and to GraphiQL."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any, Final

import orjson
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect
from strawberry.asgi import GraphQL
from strawberry.exceptions import ConnectionRejectionError
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL, GRAPHQL_WS_PROTOCOL

from core.clock import utc_now
from core.errors import RequestError, Unauthenticated
from core.ids import new_id
from core.logging import current_request_id
from core.tokens import verify_access_token
from loaders.base import Loaders
from resolvers.context import OperationContext, Server
from schema.executing import MelaSchema
from services.users.access import Viewer, viewer_of
from web.answering import answer
from web.cors import may_open_socket
from web.graphiql_page import graphiql_response, wants_graphiql
from web.headers import Headers, headers_of
from web.legacy_sockets import LegacyHandler
from web.negotiating import negotiate
from web.outlets import TextAdapter
from web.refusing import Gone, Refused, refused, send_nothing, send_refusal
from web.requests import Asked, read_request, read_url
from web.socket_counts import counts_of
from web.socket_messages import Close, credentials_of
from web.sockets import SocketHandler
from web.streams import Exchange
from web.streams_serving import answer_by_stream
from web.streams_single import SingleConnections

PLAN_HEADER: Final = b"x-mela-plan"
TRACE_HEADER: Final = b"apollo-federation-include-trace"
COST_HEADER: Final = b"x-mela-cost"
EVENT_STREAM: Final = b"text/event-stream"
NOT_ACCEPTABLE: Final = "answers are application/graphql-response+json or application/json"


def viewer_from(server: Server, authorization: str | None) -> Viewer | None:
    """The viewer of `Bearer <token>`; None without one.

    Raises `Unauthenticated` for any other header and for a token that is expired, forged or
    revoked.
    """
    if not authorization:
        return None
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated("INVALID", "Authorization must be: Bearer <access token>")
    claims = verify_access_token(server.keys, server.tokens, token.strip(), now=utc_now())
    viewer = viewer_of(claims)
    if server.revocations.is_revoked(viewer):
        raise Unauthenticated("REVOKED", "this session was revoked; sign in again")
    return viewer


class GraphQLEndpoint(GraphQL[OperationContext, None]):
    """The ASGI application at `/graphql`."""

    websocket_adapter_class = TextAdapter
    graphql_transport_ws_handler_class = SocketHandler
    graphql_ws_handler_class = LegacyHandler  # type: ignore[assignment]

    def __init__(self, schema: MelaSchema, server: Server, *, graphiql: bool) -> None:
        super().__init__(
            schema,
            graphql_ide=None,
            subscription_protocols=(GRAPHQL_TRANSPORT_WS_PROTOCOL, GRAPHQL_WS_PROTOCOL),
            connection_init_wait_timeout=timedelta(seconds=server.settings.socket_init_s),
            max_subscriptions_per_connection=server.settings.max_operations_per_socket,
        )
        self.server = server
        self.mela = schema
        self.graphiql = graphiql
        self.sockets = counts_of(server.settings)
        self.single = SingleConnections(schema, self.sockets, workers=server.settings.workers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._socket(WebSocket(scope, receive, send))
            return
        try:
            await self._answer(scope, receive, send)
        except Refused as refusal:
            await send_refusal(refusal, scope, send)
        except RequestError as error:
            await send_refusal(refused(error), scope, send)
        except Gone:
            await send_nothing(send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """GraphiQL for a browser's visit, else the answer to an operation; uploaded files are gone
        afterwards, whatever came of it."""
        headers = headers_of(scope)
        if self.graphiql and scope["method"] != "POST" and wants_graphiql(Request(scope)):
            await graphiql_response(Request(scope))(scope, receive, send)
            return
        accepted = negotiate(headers.get(b"accept"))
        context = self._context(headers, scope)
        if self.single.concerns(scope, headers):
            exchange = Exchange(scope, headers, receive, send)
            read = partial(self._read, scope, headers, receive, context)
            await self.single.answer(exchange, context, read)
            return
        asked = await self._read(scope, headers, receive, context)
        try:
            if accepted is not None and accepted.streams and asked.form is None:
                counts, exchange = self.sockets, Exchange(scope, headers, receive, send)
                if await answer_by_stream(self.mela, context, asked, accepted, counts, exchange):
                    return
            if accepted is None or accepted.plain is None:
                raise Refused(406, NOT_ACCEPTABLE)
            # GraphiQL lets people set headers, and no extensions of a request.
            if self.graphiql and headers.get(PLAN_HEADER) == b"1":
                asked = replace(asked, extensions={**(asked.extensions or {}), "plan": True})
            if headers.get(TRACE_HEADER) == b"ftv1":
                asked = replace(asked, extensions={**(asked.extensions or {}), "ftv1": True})
            await answer(self.mela, context, asked, accepted.plain, receive, send)
        finally:
            if asked.form is not None:
                await asked.form.close()

    async def _read(
        self, scope: Scope, headers: Headers, receive: Receive, context: OperationContext
    ) -> Asked:
        """What is asked, with its text. Raises `Refused`, `RequestError` and `Gone`."""
        settings = self.server.settings
        if scope["method"] == "GET" and headers.get(b"accept") == EVENT_STREAM:
            # A browser's EventSource can send no header of its own. Nothing is changed by a GET,
            # and no other site is shown what comes of it.
            asked = read_url(scope["query_string"])
        else:
            signed_in = context.viewer is not None
            asked = await read_request(scope, receive, headers, settings, may_upload=signed_in)
        if asked.extensions is None and asked.document_id is None:
            return asked
        try:
            text = await self.mela.text_of(asked.query, asked.extensions, asked.document_id)
        except RequestError:
            if asked.form is not None:
                await asked.form.close()
            raise
        return replace(asked, query=text)

    async def _socket(self, websocket: WebSocket) -> None:
        """One socket for as long as it lives."""
        with suppress(WebSocketDisconnect):  # in the midst of its handshake
            try:
                await self.run(websocket)
            except RequestError:
                await websocket.close(Close.FORBIDDEN, "Forbidden")

    def is_websocket_origin_allowed(self, request: WebSocket, origin: str) -> bool:
        """Whether a page of another site may open a socket; others get 403."""
        return may_open_socket(self.server.settings, origin)

    async def get_context(
        self, request: HTTPConnection, response: Response | WebSocket
    ) -> OperationContext:
        """Whose socket this is. Raises `Unauthenticated` for a bad Authorization header."""
        return self._context(headers_of(request.scope), request.scope)

    def _context(self, headers: Headers, scope: Scope) -> OperationContext:
        """Who asks and from where. Raises `Unauthenticated` for a bad Authorization header."""
        server = self.server
        viewer = viewer_from(server, _text(headers, b"authorization"))
        return OperationContext(
            server=server,
            viewer=viewer,
            request_id=current_request_id() or new_id().hex,
            address=_address(headers, scope, trusted=server.settings.trust_forwarded_for),
            user_agent=_text(headers, b"user-agent")[:200],
            loaders=Loaders(server.db, viewer.user_id if viewer else None),
            connection_id=new_id().hex if scope["type"] == "websocket" else None,
            tells_cost=headers.get(COST_HEADER) == b"1",
        )

    async def on_ws_connect(self, context: OperationContext) -> Any:
        """The credentials of `connectionParams` sign in, over the handshake's header."""
        given = credentials_of(context.connection_params)
        if given is not None:
            try:
                context.viewer = viewer_from(self.server, given)
            except Unauthenticated:
                raise ConnectionRejectionError from None
        return await super().on_ws_connect(context)

    def encode_json(self, data: object) -> str | bytes:
        """orjson; also for what Strawberry's own encoder would take."""
        return orjson.dumps(data)

    def decode_json(self, data: str | bytes) -> object:
        """orjson: strict UTF-8, no NaN."""
        return orjson.loads(data)


def _text(headers: Headers, name: bytes) -> str:
    return headers.get(name, b"").decode("latin-1")


def _address(headers: Headers, scope: Scope, *, trusted: bool) -> str | None:
    """The client's address; the proxy's word for it only where that is trusted."""
    if trusted and (forwarded := _text(headers, b"x-forwarded-for")):
        return forwarded.rpartition(",")[2].strip()[:64]
    client = scope.get("client")
    return None if client is None else str(client[0])
