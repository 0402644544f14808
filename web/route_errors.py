"""Refusals of the routes beside GraphQL, and of addresses that are none: JSON in the shape of
GraphQL's errors, with a code and the request's id."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from web.error_shapes import error_body

CODES: Final = {
    401: "UNAUTHENTICATED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    410: "NOT_FOUND",
    429: "RATE_LIMITED",
    500: "INTERNAL_SERVER_ERROR",
    503: "UNAVAILABLE",
}
"""By status; of any other BAD_USER_INPUT."""
_SAID: Final = {404: "there is nothing at this address", 405: "this method is not for this address"}


def refusal(status: int, said: str, headers: Mapping[str, str] | None = None) -> Response:
    """An answer that refuses, to be kept by no cache."""
    body = error_body(said, CODES.get(status, "BAD_USER_INPUT"))
    return JSONResponse(body, status, headers={**(headers or {}), "Cache-Control": "no-store"})


async def crashed(request: Request, error: Exception) -> Response:
    """Of a route that raised what nobody expects: the log has it, the answer does not."""
    return refusal(500, "something went wrong here; give the requestId when you report it")


async def not_routed(request: Request, error: Exception) -> Response:
    """Of an address that no route has, and of a method that its route does not take."""
    assert isinstance(error, HTTPException)
    said = _SAID.get(error.status_code, error.detail)
    return refusal(error.status_code, said, error.headers)
