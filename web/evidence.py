"""`GET /evidence/{token}`: sends a piece of evidence to whoever has the signed link: a photo's
pixels, or a video. Who gets a link is judged in resolvers/quest_evidence.py, not here."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from core.clock import utc_now
from core.errors import NotFound
from core.links import LinkRefused, read_link
from resolvers.context import Server
from resolvers.quest_evidence import LINK_PATH, ORIGINAL_PURPOSE, SHOWN_PURPOSE
from services.quests.evidence import EvidenceFile, file_to_send
from web.route_errors import refusal
from web.shown_files import show_file

_HEADERS: Final = {"Cache-Control": "private, no-store"}


def evidence_routes(server: Server) -> list[Route]:
    """The route of evidence. 404 for what is no link, 410 for one that opens nothing now."""

    async def evidence(request: Request) -> Response:
        try:
            return await _send(server, request)
        except LinkRefused as refused:
            return refusal(410 if refused.expired else 404, str(refused))
        except NotFound:
            return refusal(410, "the file is gone")

    return [Route(f"{LINK_PATH}/{{token}}", evidence, methods=["GET"])]


async def _send(server: Server, request: Request) -> Response:
    file = await _file(server, request.path_params["token"])
    return await show_file(
        server,
        request,
        file.storage_key,
        media_type=file.media_type,
        headers=_HEADERS,
        name="file",
        key=file.storage_key,
    )


async def _file(server: Server, token: str) -> EvidenceFile:
    now, original = utc_now(), False
    try:
        evidence_id = read_link(server.keys, SHOWN_PURPOSE, token, now=now)
    except LinkRefused as refused:
        if refused.expired:
            raise
        evidence_id, original = read_link(server.keys, ORIGINAL_PURPOSE, token, now=now), True
    async with server.db.read() as session:
        return await file_to_send(session, evidence_id, original=original)
