"""Batched reads of uploaded images: each for everyone, the list of all for its owner alone (its
resolver asks who it is). No storage key is in a row here."""

from __future__ import annotations

from sqlalchemy import and_

from loaders.base import one_by, page_by
from loaders.pages import order
from loaders.rows import row_of
from models.content.images import Image, images


class ImageRow(row_of(Image, "img")):  # type: ignore[misc]
    """An uploaded image."""

    __slots__ = ()


NEWEST_IMAGES = order("images", images.c.created_at, images.c.id, descending=True)
_THERE = and_(images.c.stored_at.is_not(None), images.c.deleted_at.is_(None))

image_by_id = one_by("image_by_id", ImageRow, images.c.id, where=_THERE)
images_by_owner_id = page_by(
    "images_by_owner_id", ImageRow, images.c.owner_id, order=NEWEST_IMAGES, where=_THERE
)
