"""Requests over HTTP that come to no operation: what is raised for them, how they are answered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson
from starlette.types import Scope, Send

from core.errors import BadUserInput, RateLimited, RequestError, Unauthenticated
from core.ids import new_id
from core.logging import current_request_id
from execution.trusted import DocumentNotFound, NothingRegistered
from web.error_shapes import shaped
from web.headers import headers_of
from web.negotiating import JSON, RESPONSE, negotiate

CLOSED_BY_CLIENT: Final = 499
"""nginx's status for who left before the answer: nobody reads it but metrics."""


class Refused(Exception):
    """A request that is none for an operation, with the status and headers of its answer."""

    def __init__(
        self, status: int, error: RequestError | str, headers: Mapping[bytes, bytes] | None = None
    ) -> None:
        self.error = BadUserInput(error) if isinstance(error, str) else error
        super().__init__(self.error.message)
        self.status = status
        self.headers: Mapping[bytes, bytes] = headers or {}


class Gone(Exception):
    """The client has left before its request was there, or before it was answered."""


def refused(error: RequestError) -> Refused:
    """The refusal of a request for what was raised before it was read: 401 for credentials that do
    not hold or are missing (RFC 6750), 429 for too many, 200 for a document that is not known, else
    400."""
    if isinstance(error, Unauthenticated):
        missing = error.reason == "TOKEN_MISSING"
        challenge = b"Bearer" if missing else b'Bearer error="invalid_token"'
        return Refused(401, error, {b"www-authenticate": challenge})
    if isinstance(error, RateLimited):
        return Refused(429, error, {b"retry-after": b"%d" % error.retry_after_s})
    if isinstance(error, DocumentNotFound | NothingRegistered):
        return Refused(200, error)  # Apollo's clients send the text to no other status
    return Refused(400, error)


async def send_refusal(refusal: Refused, scope: Scope, send: Send) -> None:
    """Answer with the error alone, as whichever kind of JSON the client takes."""
    request_id = current_request_id() or new_id().hex
    body = orjson.dumps({"errors": [shaped(refusal.error, request_id).formatted]})
    headers = [
        (b"content-type", _content_type(scope)),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
        *refusal.headers.items(),
    ]
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def send_nothing(send: Send) -> None:
    """End a request whose client has left, so that it is counted."""
    start: dict[str, Any] = {"type": "http.response.start", "status": CLOSED_BY_CLIENT}
    await send(start | {"headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


def _content_type(scope: Scope) -> bytes:
    accepted = negotiate(headers_of(scope).get(b"accept"))
    plain = RESPONSE if accepted is not None and accepted.plain == RESPONSE else JSON
    return plain + b"; charset=utf-8"
