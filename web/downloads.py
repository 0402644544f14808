"""`GET /downloads/{token}`: sends a file that was bought to whoever has the link. Who may, how
often and how long is judged in services/auctions/downloads.py, not here."""

from __future__ import annotations

from functools import partial
from typing import Final
from urllib.parse import quote

import structlog
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from core.clock import utc_now
from core.links import LinkRefused, read_link
from resolvers.context import Server
from resolvers.downloads import LINK_PATH, LINK_PURPOSE
from services.auctions.downloads import (
    DownloadRefused,
    FileToSend,
    peek_download,
    take_download,
)
from web.route_errors import refusal

log = structlog.get_logger(__name__)

_REASONS: Final = {
    "EXPIRED": "the time to download this is over",
    "USED_UP": "this was downloaded as often as it may be",
    "REFUNDED": "the order was refunded",
    "GONE": "the file is gone",
}


def download_routes(server: Server) -> list[Route]:
    """The route of signed links. 404 for what is no link, 410 for one that opens nothing now."""

    async def download(request: Request) -> Response:
        try:
            return await _send(server, request)
        except LinkRefused as refused:
            return refusal(410 if refused.expired else 404, str(refused))
        except DownloadRefused as refused:
            return refusal(410, _REASONS[refused.reason])

    return [Route(f"{LINK_PATH}/{{token}}", download, methods=["GET"])]


async def _send(server: Server, request: Request) -> Response:
    token = request.path_params["token"]
    grant_id = read_link(server.keys, LINK_PURPOSE, token, now=utc_now())
    async with server.db.read() as session:
        file = await peek_download(session, grant_id)
    if request.method == "HEAD":  # asks what would come, and takes nothing
        return Response(headers=_headers(file), media_type=file.media_type)
    try:
        content = await server.storage.get(file.storage_key)
    except FileNotFoundError:
        log.error("stored_file_missing", grant=grant_id.hex)
        return refusal(503, "the file cannot be read at present; nothing was counted")
    # Only now: a file that cannot be opened costs the buyer nothing.
    await server.db.transaction(partial(take_download, grant_id=grant_id))
    return StreamingResponse(content, headers=_headers(file), media_type=file.media_type)


def _headers(file: FileToSend) -> dict[str, str]:
    """Never shown in a page, never guessed at, never kept by a cache."""
    return {
        "Content-Disposition": attachment(file.file_name),
        "Content-Length": str(file.size_bytes),
        "Accept-Ranges": "none",
        "Cache-Control": "private, no-store",
        "Content-Security-Policy": "default-src 'none'; sandbox; frame-ancestors 'none'",
        "X-Content-Type-Options": "nosniff",
    }


def attachment(name: str) -> str:
    """Content-Disposition as RFC 6266 has it: the name in ASCII, and in UTF-8 percent-encoded."""
    plain = "".join(c if c.isascii() and c.isprintable() and c not in '"\\%' else "_" for c in name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
