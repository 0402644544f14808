"""From a field of images to one unit of work: the viewer, ids decoded, a service."""

from __future__ import annotations

from functools import partial
from typing import Any
from uuid import UUID

from core.files import UploadedFile
from loaders import users as user_loaders
from loaders.content.images import ImageRow, image_by_id, images_by_owner_id
from resolvers.auctions import find, named_key
from resolvers.context import OperationContext
from services.content import images


async def upload_image(context: OperationContext, file: UploadedFile, kind: str) -> Any:
    """Keep a picture of the viewer's; its row."""
    server = context.server
    image_id = await images.upload_image(
        server.db,
        server.storage,
        owner_id=context.signed_in().user_id,
        kind=kind,
        file=file,
        max_bytes=server.settings.max_upload_bytes,
    )
    context.forget()
    return await context.loaders.load(image_by_id, image_id)


async def show_image(context: OperationContext, image_id: str, kind: str) -> Any:
    """Make an image the viewer's avatar or banner; the viewer's row."""
    viewer_id = context.signed_in().user_id
    await context.transact(
        partial(
            images.show_image,
            viewer_id=viewer_id,
            image_id=named_key(image_id, images.PREFIX, "image"),
            kind=kind,
            public_url=context.server.settings.public_url,
        )
    )
    context.forget()
    return await context.loaders.load(user_loaders.user_by_id, viewer_id)


async def delete_image(context: OperationContext, image_id: str) -> None:
    """Delete an image of the viewer's."""
    await images.delete_image(
        context.server.db,
        context.server.storage,
        viewer_id=context.signed_in().user_id,
        image_id=named_key(image_id, images.PREFIX, "image"),
    )
    context.forget()


def url_of(context: OperationContext, row: ImageRow, variant: str) -> str:
    """Where everyone finds a size of it."""
    return images.image_url(context.server.settings.public_url, row.id, variant)


async def images_of(context: OperationContext, user_id: UUID, *page: Any) -> Any:
    """A page of someone's images: for themselves, else None."""
    if context.viewer_id != user_id:
        return None
    request = context.page_request(images_by_owner_id.order, *page)
    return await context.loaders.load(images_by_owner_id, (user_id, request))


async def referred_image(context: OperationContext, public_id: str) -> Any:
    """What an entity's reference names, or None."""
    return await find(context, image_by_id, public_id, images.PREFIX)
