"""GraphQL over HTTP, and the way to its sockets (`web/sockets.py`): who asks, JSON, GraphiQL."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import orjson
from cross_web import HTTPException
from graphql import GraphQLError
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.exceptions import ConnectionRejectionError
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL

from core.clock import utc_now
from core.errors import BadUserInput, RequestError, Unauthenticated
from core.ids import new_id
from core.logging import current_request_id
from core.tokens import verify_access_token
from execution.shaping import shape_error
from loaders.base import Loaders
from resolvers.context import OperationContext, Server
from schema.executing import MelaSchema
from services.users.access import Viewer, viewer_of
from web.graphiql_page import graphiql_response, wants_graphiql
from web.posting import answer_post, is_plain_post
from web.sockets import CLOSE_FORBIDDEN, SocketHandler, TextAdapter
from web.uploads import is_multipart, placed, read_form, require_preflight

UPLOADS = "uploads"
"""The request's state that holds its form, to be closed at the end."""

PLAN_HEADER = "x-mela-plan"
INIT_TIMEOUT = timedelta(seconds=10)
CLOSE_TRY_LATER = 1013


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

    def __init__(self, schema: MelaSchema, server: Server, *, graphiql: bool) -> None:
        super().__init__(
            schema,
            graphql_ide=None,
            subscription_protocols=(GRAPHQL_TRANSPORT_WS_PROTOCOL,),
            connection_init_wait_timeout=INIT_TIMEOUT,
            max_subscriptions_per_connection=server.settings.max_operations_per_socket,
            multipart_uploads_enabled=True,
        )
        self.server = server
        self.mela = schema
        self.graphiql = graphiql
        self.sockets = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            if scope["type"] == "http" and is_plain_post(scope):
                headers = Headers(scope=scope)
                # GraphiQL lets people set headers, and no extensions of a request.
                tell_plan = self.graphiql and headers.get(PLAN_HEADER) == "1"
                context = self._context(headers, scope)
                await answer_post(self.mela, context, receive, send, tell_plan=tell_plan)
            elif scope["type"] == "http":
                response = await self.run(Request(scope, receive))
                await response(scope, receive, send)
            else:
                await self._socket(WebSocket(scope, receive, send))
        except (RequestError, HTTPException) as error:
            await self._refuse(error, scope, receive, send)

    async def _socket(self, websocket: WebSocket) -> None:
        """One socket for as long as it lives; the handshake is refused past `max_sockets`."""
        if self.sockets >= self.server.settings.max_sockets:
            await websocket.close(CLOSE_TRY_LATER, "too many sockets")
            return
        self.sockets += 1
        try:
            await self.run(websocket)
        finally:
            self.sockets -= 1

    async def run(self, request: Any, *args: Any, **options: Any) -> Any:
        """GraphiQL for a browser's visit, else Strawberry's handling; uploaded files are gone
        afterwards, whatever came of the operation."""
        if not isinstance(request, Request):
            return await super().run(request, *args, **options)
        if self.graphiql and wants_graphiql(request):
            return graphiql_response(request)
        if is_multipart(request.headers):
            require_preflight(request.headers)
        try:
            return await super().run(request, *args, **options)
        finally:
            if (form := getattr(request.state, UPLOADS, None)) is not None:
                await form.close()

    async def parse_multipart(self, request: Any) -> dict[str, Any]:
        """An operation with its files in place; see `web.uploads`."""
        settings = self.server.settings
        inner: Request = request._request
        form = await read_form(inner, settings)
        setattr(inner.state, UPLOADS, form)
        return placed(form, self.parse_json, max_places=settings.max_upload_files)

    async def get_context(
        self, request: HTTPConnection, response: Response | WebSocket
    ) -> OperationContext:
        """Who asks and from where. Raises `Unauthenticated` for a bad Authorization header."""
        context = self._context(request.headers, request.scope)
        if context.viewer is None and is_multipart(request.headers):
            # Before the body is read: nobody fills our disk without a name.
            raise Unauthenticated("TOKEN_MISSING", "sign in before you upload")
        return context

    def _context(self, headers: Headers, scope: Scope) -> OperationContext:
        server = self.server
        viewer = viewer_from(server, headers.get("authorization"))
        return OperationContext(
            server=server,
            viewer=viewer,
            request_id=current_request_id() or new_id().hex,
            address=_address(headers, scope, trusted=server.settings.trust_forwarded_for),
            user_agent=headers.get("user-agent", "")[:200],
            loaders=Loaders(server.db, viewer.user_id if viewer else None),
            connection_id=new_id().hex if scope["type"] == "websocket" else None,
        )

    async def on_ws_connect(self, context: OperationContext) -> Any:
        """`connectionParams.authorization` signs in, over the handshake's header."""
        given = context.connection_params.get("authorization") or context.connection_params.get(
            "Authorization"
        )
        if given is not None:
            try:
                context.viewer = viewer_from(self.server, str(given))
            except Unauthenticated:
                raise ConnectionRejectionError from None
        return await super().on_ws_connect(context)

    def encode_json(self, data: object) -> str | bytes:
        """orjson; also for what Strawberry's own encoder would take."""
        return orjson.dumps(data)

    def decode_json(self, data: str | bytes) -> object:
        """orjson: strict UTF-8, no NaN."""
        return orjson.loads(data)

    def parse_json(self, data: str | bytes) -> object:
        """The body of a POST: an object whose `operationName` is a string or null."""
        body = super().parse_json(data)
        if not isinstance(body, dict):
            raise HTTPException(400, "the body must be a JSON object")
        if not isinstance(body.get("operationName"), str | None):
            raise HTTPException(400, "operationName must be a string or null")
        return body

    async def _refuse(
        self, error: RequestError | HTTPException, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """A request that failed before any operation: a GraphQL error with an HTTP status, or a
        closed handshake."""
        if scope["type"] != "http":
            await WebSocket(scope, receive, send).close(CLOSE_FORBIDDEN, "Forbidden")
            return
        if isinstance(error, HTTPException):
            status, error = error.status_code, BadUserInput(error.reason)
        else:
            status = 401 if isinstance(error, Unauthenticated) else 400
        shaped = shape_error(
            GraphQLError(error.message, original_error=error),
            current_request_id() or new_id().hex,
        )
        response = Response(
            orjson.dumps({"errors": [shaped.formatted]}), status, media_type="application/json"
        )
        await response(scope, receive, send)


def _address(headers: Headers, scope: Scope, *, trusted: bool) -> str | None:
    """The client's address; the proxy's word for it only where that is trusted."""
    if trusted and (forwarded := headers.get("x-forwarded-for")):
        return forwarded.rpartition(",")[2].strip()[:64]
    client = scope.get("client")
    return None if client is None else str(client[0])
