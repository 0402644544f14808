"""What happens to each request at the edge: its id, its metrics, its headers, its size.

Pure ASGI, outside Starlette: also its answers to unknown paths and to crashes pass through here.
Nothing here knows GraphQL but the shape of an error.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from typing import Final

import orjson
import structlog
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.ids import new_name
from core.logging import REQUEST_ID
from core.metrics import add_sockets, observe_request
from core.settings import Settings
from core.tracing import traced_request, tracing_is_on
from web.compression import compressed
from web.cors import with_cors
from web.error_shapes import error_body
from web.headers import Pair, headers_of
from web.negotiating import JSON, RESPONSE

log = structlog.get_logger(__name__)

UPLOAD_PATH: Final = "/graphql"
REQUEST_ID_HEADER: Final = b"x-request-id"
_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9_-]{1,64}")
_SOCKET_HEADS: Final = frozenset({"websocket.accept", "websocket.http.response.start"})
_SECURITY: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
)
_ONLY_HTTPS: Final = (b"strict-transport-security", b"max-age=31536000")
_NO_FRAMES: Final = (b"content-security-policy", b"frame-ancestors 'none'")
_SECURITY_NAMES: Final = frozenset(name for name, _ in (*_SECURITY, _ONLY_HTTPS, _NO_FRAMES))


def wrap(app: ASGIApp, settings: Settings) -> ASGIApp:
    """The application with the whole edge around it, in the order that holds."""
    upload_bytes = settings.max_upload_bytes + settings.max_body_bytes
    edge: ASGIApp = BodyLimit(app, settings.max_body_bytes, upload_bytes=upload_bytes)
    if settings.compress:
        edge = compressed(edge)
    secure = settings.profile == "prod" and settings.public_url.startswith("https:")
    return with_cors(Edge(edge, only_https=secure), settings)


class Edge:
    """What every request and socket gets here: its id, its count and time, its headers.

    The id is in each log line, in the answer and in its errors; the caller's `X-Request-Id` holds
    if it is 1 to 64 of `[A-Za-z0-9_-]`. Requests are counted by route, method and class of status,
    and timed to the answer's head: a stream of events lasts as long as its reader. Answers say
    that nothing is sniffed, referred, embedded by other sites' pages or framed, unless their own
    policy speaks of framing; `only_https`: browsers come by HTTPS for a year. Opens the request's
    span when tracing is on.

    An exception that nobody caught is logged here, where the id is still known, and answered by a
    masked 500.
    """

    def __init__(self, app: ASGIApp, *, only_https: bool = False) -> None:
        self.app = app
        self.pairs = (*_SECURITY, _ONLY_HTTPS) if only_https else _SECURITY

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        request_id = _inbound_id(scope) or new_name()
        app = self._traced if tracing_is_on() else self.app
        serve = self._http if kind == "http" else self._websocket
        token = REQUEST_ID.set(request_id)
        try:
            await serve(app, scope, receive, send, (REQUEST_ID_HEADER, request_id.encode()))
        finally:
            REQUEST_ID.reset(token)

    async def _http(
        self, app: ASGIApp, scope: Scope, receive: Receive, send: Send, own: Pair
    ) -> None:
        began = time.perf_counter()
        begun = ended = False

        async def send_with_headers(message: Message) -> None:
            nonlocal begun, ended
            if message["type"] == "http.response.start":
                if not begun:
                    took_s = time.perf_counter() - began
                    observe_request(_route(scope), scope["method"], message["status"], took_s)
                begun = True
                message["headers"] = [*_secured(message.get("headers", ()), self.pairs), own]
            elif message["type"] == "http.response.body":
                ended = not message.get("more_body")
            await send(message)

        try:
            await app(scope, receive, send_with_headers)
        except Exception:
            log.exception("request_failed", path=scope["path"], kind="http")
            if begun and not ended:
                raise  # half an answer: only the server can cut it off
            if not begun:
                said, code = "internal server error", "INTERNAL_SERVER_ERROR"
                await _send_error(scope, send_with_headers, 500, said, code)

    async def _websocket(
        self, app: ASGIApp, scope: Scope, receive: Receive, send: Send, own: Pair
    ) -> None:
        accepted = False

        async def send_with_id(message: Message) -> None:
            nonlocal accepted
            if message["type"] in _SOCKET_HEADS:
                message["headers"] = [*message.get("headers", ()), own]
            if message["type"] == "websocket.accept" and not accepted:
                accepted = True
                add_sockets(1)
            await send(message)

        try:
            await app(scope, receive, send_with_id)
        except Exception:
            log.exception("request_failed", path=scope["path"], kind="websocket")
            raise
        finally:
            if accepted:
                add_sockets(-1)

    async def _traced(self, scope: Scope, receive: Receive, send: Send) -> None:
        method = scope.get("method", "WEBSOCKET")
        with traced_request(method, Headers(scope=scope)) as span:
            try:
                await self.app(scope, receive, send)
            finally:
                span.update_name(f"{method} {_route(scope)}")


class BodyLimit:
    """Answers 413 to a body above the limit: at once by Content-Length, else while it streams.
    A form with files sent to `UPLOAD_PATH`, and nothing else, may have `upload_bytes`, which are
    more.

    For a streamed body the application is stopped by an exception from `receive`; whatever it
    still sends is dropped. Messages of sockets are bounded by uvicorn's `ws_max_size`.
    """

    def __init__(self, app: ASGIApp, max_bytes: int, *, upload_bytes: int) -> None:
        self.app = app
        self.max_bytes = max_bytes
        self.upload_bytes = upload_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        declared = _declared_length(scope)
        if declared is not None and declared <= self.max_bytes:
            await self.app(scope, receive, send)
            return
        maximum = self.upload_bytes if _is_upload(scope) else self.max_bytes
        if declared is None:
            await self._counted(scope, receive, send, maximum)
        elif declared <= maximum:
            await self.app(scope, receive, send)  # the server holds the body to its declaration
        else:
            await self._refuse(scope, send, maximum)

    async def _counted(self, scope: Scope, receive: Receive, send: Send, maximum: int) -> None:
        received = 0
        started = False

        async def receive_counted() -> Message:
            nonlocal received
            message = await receive()
            if message["type"] == "http.request":
                received += len(message.get("body", b""))
                if received > maximum:
                    raise BodyTooLarge
            return message

        async def send_guarded(message: Message) -> None:
            nonlocal started
            if received > maximum and not started:
                return
            started = True
            await send(message)

        try:
            await self.app(scope, receive_counted, send_guarded)
        except Exception:
            # Any exception: what we raised may have been wrapped on its way.
            if received <= maximum or started:
                raise
        if received > maximum and not started:
            await self._refuse(scope, send, maximum)

    async def _refuse(self, scope: Scope, send: Send, maximum: int) -> None:
        message = f"the request's body is larger than {maximum} bytes"
        details = {"maxBodyBytes": maximum}
        await _send_error(scope, send, 413, message, "BAD_USER_INPUT", details, close=True)


class BodyTooLarge(Exception):
    """Raised by `receive` inside the application; nothing need catch it."""


async def _send_error(
    scope: Scope,
    send: Send,
    status: int,
    message: str,
    code: str,
    details: Mapping[str, object] | None = None,
    *,
    close: bool = False,
) -> None:
    body = orjson.dumps(error_body(message, code, details))
    headers = [
        (b"content-type", _error_type(scope)),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    if close:  # else the server would read the rest of the body to reuse the connection
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _error_type(scope: Scope) -> bytes:
    accept = headers_of(scope).get(b"accept", b"")
    return (RESPONSE if RESPONSE in accept else JSON) + b"; charset=utf-8"


def _secured(headers: Sequence[Pair], pairs: tuple[Pair, ...]) -> list[Pair]:
    given = dict(headers)
    if _SECURITY_NAMES.isdisjoint(given):
        return [*headers, *pairs, _NO_FRAMES]
    secured = [*headers, *(pair for pair in pairs if pair[0] not in given)]
    if not any(n == _NO_FRAMES[0] and b"frame-ancestors" in value for n, value in headers):
        secured.append(_NO_FRAMES)  # browsers hold all the policies they are sent
    return secured


def _inbound_id(scope: Scope) -> str | None:
    found = headers_of(scope).get(REQUEST_ID_HEADER)
    return found.decode() if found is not None and _REQUEST_ID.fullmatch(found) else None


def _declared_length(scope: Scope) -> int | None:
    """The body's length as declared; None if it is not, or if a transfer coding overrides it."""
    headers = headers_of(scope)
    length = headers.get(b"content-length", b"")
    return int(length) if length.isdigit() and b"transfer-encoding" not in headers else None


def _is_upload(scope: Scope) -> bool:
    kind = headers_of(scope).get(b"content-type", b"").partition(b";")[0].strip().lower()
    return scope["path"] == UPLOAD_PATH and kind == b"multipart/form-data"


def _route(scope: Scope) -> str:
    # The pattern, set by Starlette's router; a path would be a series for each.
    return getattr(scope.get("route"), "path", None) or "unmatched"
