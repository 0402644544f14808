"""Files of the storage that pages of any site show: photos and videos. Who may have one is judged
by its route."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import structlog
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from resolvers.context import Server
from web.route_errors import refusal

log = structlog.get_logger(__name__)

_HEADERS: Final = {
    "Content-Disposition": "inline",
    "Content-Security-Policy": "default-src 'none'; sandbox; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "cross-origin",  # frontends of other sites show it
    "X-Content-Type-Options": "nosniff",
    "Accept-Ranges": "none",
}


async def show_file(
    server: Server,
    request: Request,
    storage_key: str,
    *,
    media_type: str,
    headers: Mapping[str, str],
    name: str,
    **logged: str,
) -> Response:
    """The file, with these headers beside what every shown file has; 503 where the storage has
    lost it, told as "the `name` cannot be read at present" and logged with `logged`."""
    headers = {**headers, **_HEADERS}
    if request.method == "HEAD":
        return Response(headers=headers, media_type=media_type)
    try:
        content = await server.storage.get(storage_key)
    except FileNotFoundError:
        log.error("stored_file_missing", **logged)
        return refusal(503, f"the {name} cannot be read at present")
    return StreamingResponse(content, headers=headers, media_type=media_type)
