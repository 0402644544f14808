"""`GET /images/{id}/{variant}`: sends a size of an uploaded image to whoever asks. Avatars,
banners and published pictures are public by design: an id that cannot be guessed is no lock.
"""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from core.errors import BadUserInput, NotFound
from core.ids import decode_id
from resolvers.context import Server
from services.content.images import PREFIX, URL_PATH, image_to_send
from web.route_errors import refusal
from web.shown_files import show_file

KEPT: Final = "public, max-age=31536000, immutable"
"""An address always gives the same bytes; after a deletion, copies may live on in caches."""


def image_routes(server: Server) -> list[Route]:
    """The route of images. 404 for whatever is none, and for one that was deleted."""

    async def image(request: Request) -> Response:
        try:
            return await _send(server, request)
        except (BadUserInput, NotFound):
            return refusal(404, "no such image")

    return [Route(f"{URL_PATH}/{{id}}/{{variant}}", image, methods=["GET"])]


async def _send(server: Server, request: Request) -> Response:
    image_id = decode_id(request.path_params["id"], PREFIX)
    variant = request.path_params["variant"]
    if "\0" in variant:  # no text for the database
        raise NotFound("image")
    async with server.db.read() as session:
        file = await image_to_send(session, image_id, variant)
    return await show_file(
        server,
        request,
        file.storage_key,
        media_type=file.media_type,
        headers={"Cache-Control": KEPT, "Content-Length": str(file.size_bytes)},
        name="image",
        image=image_id.hex,
    )
