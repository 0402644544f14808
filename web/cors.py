"""Which other sites' pages may call: CORS for requests, and the Origin of sockets' handshakes, by
the same list. Nothing here lets cookies through: who asks is said by a header."""

from __future__ import annotations

import re
from typing import Final

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from core.settings import Settings

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
    return CORSMiddleware(
        app,
        allow_origins=settings.cors_origins,
        allow_origin_regex=LOCAL.pattern if local else None,
        # PUT and DELETE are for streams of many operations.
        allow_methods=("GET", "POST", "PUT", "DELETE"),
        allow_headers=("*",),
        expose_headers=EXPOSED,
        max_age=PREFLIGHT_KEPT_S,
    )


def may_open_socket(settings: Settings, origin: str) -> bool:
    """Whether a page of this origin, which is not the server's own by its host, may open a socket:
    browsers ask nobody before they do."""
    origin = origin.lower()
    if "*" in settings.cors_origins or origin in (*settings.cors_origins, settings.public_url):
        return True
    return settings.profile != "prod" and LOCAL.fullmatch(origin) is not None
