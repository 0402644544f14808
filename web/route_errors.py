"""The routes, with refusals of those beside GraphQL and of addresses that are none: JSON in the
shape of GraphQL's errors, with a code and the request's id."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

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


class Routed:
    """Starlette's router with our answers to what it or a route raises. Starlette's application
    does the same in five layers, each request and message through all of them.

    What is no refusal is answered and raised, for the log.
    """

    def __init__(self, router: ASGIApp) -> None:
        self.router = router

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"] = self  # without one, routes refuse by themselves
        begun = False

        async def send_noted(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self.router(scope, receive, send_noted)
        except Exception as error:
            if scope["type"] == "http" and not begun:
                await _answer_to(error)(scope, receive, send)
                if isinstance(error, HTTPException):
                    return
            raise


def _answer_to(error: Exception) -> Response:
    if isinstance(error, HTTPException):
        # Of an address that no route has, and of a method that its route does not take.
        said = _SAID.get(error.status_code, error.detail)
        return refusal(error.status_code, said, error.headers)
    return refusal(500, "something went wrong here; give the requestId when you report it")
