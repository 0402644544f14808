"""Which other sites' pages may call: CORS for requests, and the Origin of sockets' handshakes, by
the same list. Nothing here lets cookies through: who asks is said by a header."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

import structlog
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from core.settings import Settings

log = structlog.get_logger(__name__)

PREFLIGHT_KEPT_S: Final = 24 * 3600
"""How long a browser may remember what it was allowed; it decides itself for how long it does."""
LOCAL: Final = re.compile(r"https?://(localhost|[a-z0-9-]+\.localhost|127\.0\.0\.1|\[::1\])(:\d+)?")
"""Pages of the developer's own machine."""
EXPOSED: Final = ("ETag", "Retry-After", "X-Request-Id")


def with_cors(app: ASGIApp, settings: Settings) -> ASGIApp:
    """The application, for pages of its own site and of those that the settings name; outside of
    `prod` for local ones too."""
    local = LOCAL if settings.profile != "prod" else None
    inner = app
    if settings.cors_origins or local:
        app = CORSMiddleware(
            app,
            allow_origins=settings.cors_origins,
            allow_origin_regex=None if local is None else local.pattern,
            allow_methods=("GET", "POST"),
            allow_headers=("*",),
            expose_headers=EXPOSED,
            max_age=PREFLIGHT_KEPT_S,
        )
    return SocketOrigins(app, inner, settings.cors_origins, settings.public_url, local)


class SocketOrigins:
    """Refuses handshakes (403) of other sites' pages: browsers ask nobody before they open a
    socket. Clients that are no browsers send no Origin, and are let in."""

    def __init__(
        self,
        http: ASGIApp,
        sockets: ASGIApp,
        allowed: tuple[str, ...],
        public_url: str,
        local: re.Pattern[str] | None,
    ) -> None:
        self.http = http
        self.sockets = sockets
        self.allowed = frozenset((*allowed, public_url))
        self.local = local

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket":
            await self.http(scope, receive, send)
        elif self._may_open(scope):
            await self.sockets(scope, receive, send)
        else:
            log.info("socket_refused", reason="origin")
            await send({"type": "websocket.close", "code": 4403, "reason": "Forbidden"})

    def _may_open(self, scope: Scope) -> bool:
        headers = dict(scope["headers"])
        given = headers.get(b"origin")
        if given is None or "*" in self.allowed:
            return True
        origin = given.decode("latin-1").lower()
        own = headers.get(b"host", b"").decode("latin-1").lower()
        if origin in self.allowed or (own and urlsplit(origin).netloc == own):
            return True
        return self.local is not None and self.local.fullmatch(origin) is not None
