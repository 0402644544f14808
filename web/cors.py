"""Which other sites' pages may call: CORS for requests, and the Origin of sockets' handshakes, by
the same list. Nothing here lets cookies through: who asks is said by a header."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.settings import Settings
from web.headers import Pair, headers_of

PREFLIGHT_KEPT_S: Final = 24 * 3600
"""How long a browser may remember what it was allowed; it decides itself for how long it does."""
LOCAL: Final = re.compile(r"https?://(localhost|[a-z0-9-]+\.localhost|127\.0\.0\.1|\[::1\])(:\d+)?")
"""Pages of the developer's own machine."""
EXPOSED: Final = (
    "ETag",
    "RateLimit-Limit",
    "RateLimit-Remaining",
    "RateLimit-Reset",
    "Retry-After",
    "X-Request-Id",
)


def with_cors(app: ASGIApp, settings: Settings) -> ASGIApp:
    """The application, for pages of its own site and of those that the settings name; outside of
    `prod` for local ones too."""
    local = settings.profile != "prod"
    if not settings.cors_origins and not local:
        return app
    return _Cors(
        app,
        allow_origins=settings.cors_origins,
        allow_origin_regex=LOCAL.pattern if local else None,
        # PUT and DELETE are for streams of many operations.
        allow_methods=("GET", "POST", "PUT", "DELETE"),
        allow_headers=("*",),
        expose_headers=EXPOSED,
        max_age=PREFLIGHT_KEPT_S,
    )


class _Cors(CORSMiddleware):
    """Starlette's, which makes objects of all headers that a request and its answer have: only
    what asks beforehand is left to it. For answers without credentials, as all of ours are."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        origin = headers_of(scope).get(b"origin")
        if origin is not None and scope["method"] == "OPTIONS":
            await super().__call__(scope, receive, send)
            return
        told = () if origin is None else self._told(origin)

        async def send_told(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*_varied(message.get("headers", ())), *told]
            await send(message)

        await self.app(scope, receive, send_told)

    def _told(self, origin: bytes) -> list[Pair]:
        """What an answer says to a page of this origin."""
        told = {name.lower(): value for name, value in self.simple_headers.items()}
        if not self.allow_all_origins and self.is_allowed_origin(origin.decode("latin-1")):
            told["access-control-allow-origin"] = origin.decode("latin-1")
        return [(name.encode(), value.encode("latin-1")) for name, value in told.items()]


def _varied(headers: Iterable[Pair]) -> list[Pair]:
    """With the Origin in what the answer depends on, which is one header."""
    varied = [b"Origin"]
    others: list[Pair] = []
    for pair in headers:
        if pair[0] == b"vary":
            varied.insert(-1, pair[1])
        else:
            others.append(pair)
    return [*others, (b"vary", b", ".join(varied))]


def may_open_socket(settings: Settings, origin: str) -> bool:
    """Whether a page of this origin, which is not the server's own by its host, may open a socket:
    browsers ask nobody before they do."""
    origin = origin.lower()
    if "*" in settings.cors_origins or origin in (*settings.cors_origins, settings.public_url):
        return True
    return settings.profile != "prod" and LOCAL.fullmatch(origin) is not None
