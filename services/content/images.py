"""Uploaded images: put in place, shown as avatar or banner, sent, deleted, and removed when they
were lost on their way. What a picture becomes stands in image_encoding.

No transaction is open while files are stored. Their rows are written first, so that no file is ever
stored that no row knows, whatever crashes when.
"""

from __future__ import annotations

import asyncio
import io
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Row, insert, text

from core.database import Database, ReadSession, Transaction
from core.errors import Forbidden, InvalidInput, NotFound
from core.files import UploadedFile, new_file_key
from core.ids import encode_id, new_id
from core.ports import Storage
from models.content.images import image_files, images
from services.content.errors import ImageQuotaExceeded
from services.content.image_encoding import ORIGINAL, EncodedImage, encode_image
from services.users.profiles import update_profile

log = structlog.get_logger(__name__)

PREFIX = "img"
URL_PATH = "/images"
STORED_AS = "images"
MAX_IMAGES = 200
"""Images of one person."""
MAX_BYTES = 200 * 1024**2
"""What they may take together, in all their sizes."""
LOST_AFTER = timedelta(days=1)
"""An image that has been on its way for so long will not arrive."""
SHOWN_AS = {"AVATAR": ("avatarUrl", "200"), "BANNER": ("bannerUrl", ORIGINAL)}
"""The field of a profile that an image of a kind goes into, and in which size."""

# A picture of 40 million pixels takes 160 MB while it is read: two at once, the others wait.
_DECODERS = ThreadPoolExecutor(2, thread_name_prefix="images")

_LOCK_USER = text("SELECT 1 FROM user_account WHERE id = :owner FOR NO KEY UPDATE")
_KEPT = text(
    "SELECT count(*) AS images, coalesce(sum(size_bytes), 0) AS size_bytes FROM image"
    " WHERE owner_id = :owner"
)
_STORED = text("UPDATE image SET stored_at = clock_timestamp() WHERE id = :id")
_OWN = text(
    """
    SELECT owner_id, kind, ARRAY(
        SELECT storage_key FROM image_file WHERE image_id = image.id) AS keys
    FROM image WHERE id = :id AND stored_at IS NOT NULL AND deleted_at IS NULL
    """
)
_SHOWN = text(
    """
    SELECT a.avatar_url AS "avatarUrl", p.banner_url AS "bannerUrl"
    FROM user_account AS a LEFT JOIN profile AS p ON p.user_id = a.id WHERE a.id = :owner
    """
)
_DELETED = text("UPDATE image SET deleted_at = clock_timestamp() WHERE id = :id")
_FORGET_FILES = text("DELETE FROM image_file WHERE image_id = :id")
_FORGET = text("DELETE FROM image WHERE id = :id")
_TO_REMOVE = text(
    """
    SELECT id, ARRAY(SELECT storage_key FROM image_file WHERE image_id = image.id) AS keys
    FROM image
    WHERE deleted_at IS NOT NULL
       OR stored_at IS NULL AND created_at < now() - CAST(:lost AS interval)
    ORDER BY created_at LIMIT :limit
    """
)
_TO_SEND = text(
    """
    SELECT f.storage_key, f.size_bytes, i.media_type
    FROM image AS i JOIN image_file AS f ON f.image_id = i.id AND f.variant = :variant
    WHERE i.id = :id AND i.stored_at IS NOT NULL AND i.deleted_at IS NULL
    """
)


@dataclass(frozen=True, slots=True)
class ImageToSend:
    """Where a size of an image is kept, and what to say of it."""

    storage_key: str
    size_bytes: int
    media_type: str


def image_url(public_url: str, image_id: UUID, variant: str) -> str:
    """Where everyone finds a size of an image: `original`, or the side in pixels."""
    return f"{public_url}{URL_PATH}/{encode_id(PREFIX, image_id)}/{variant}"


async def upload_image(
    db: Database,
    storage: Storage,
    *,
    owner_id: UUID,
    kind: str,
    file: UploadedFile,
    max_bytes: int,
) -> UUID:
    """Keep a picture in the sizes of its kind (AVATAR, BANNER, PICTURE), for everyone to see; its
    key. The client's name and type for it are not looked at.

    Raises `InvalidInput("file")`: no JPEG, PNG, WebP or GIF that can be read, larger than
    `max_bytes`, more than 40 million pixels; `ImageQuotaExceeded` past 200 images or 200 MiB.
    """
    async with db.read() as session:
        await _require_room(session, owner_id, adding_bytes=0)  # before the work is done
    encode = partial(encode_image, file.content, kind=kind, max_bytes=max_bytes)
    encoded = await asyncio.get_running_loop().run_in_executor(_DECODERS, encode)
    keys = {each.variant: new_file_key(STORED_AS) for each in encoded.files}
    begin = partial(_begin, owner_id=owner_id, kind=kind, encoded=encoded, keys=keys)
    image_id = await db.transaction(begin)
    try:
        for each in encoded.files:
            await storage.put(keys[each.variant], io.BytesIO(each.content))
        await db.transaction(partial(_finish, image_id=image_id))
    except BaseException:
        # Whatever fails here, the row stays, and the sweep finds the files by it.
        with suppress(Exception):
            await _remove(db, storage, image_id, keys.values())
        raise
    return image_id


async def show_image(
    tx: Transaction, *, viewer_id: UUID, image_id: UUID, kind: str, public_url: str
) -> None:
    """Make an image of the viewer's their avatar (kind AVATAR) or banner (BANNER).

    Raises `NotFound("image")`, `Forbidden` (not theirs), `InvalidInput("imageId")`: another kind.
    """
    await tx.execute(_LOCK_USER, {"owner": viewer_id})
    image = await _own(tx, image_id, viewer_id)
    if image.kind != kind:
        raise InvalidInput("imageId", f"an image that was uploaded as {kind}")
    field, variant = SHOWN_AS[kind]
    url = image_url(public_url, image_id, variant)
    await update_profile(tx, user_id=viewer_id, changes={field: url})


async def delete_image(db: Database, storage: Storage, *, viewer_id: UUID, image_id: UUID) -> None:
    """Delete an image of the viewer's: it is sent to nobody any more, and is no avatar or banner of
    theirs. What its files cannot be removed now is removed later.

    Raises `NotFound("image")`, `Forbidden` (not theirs).
    """
    keys = await db.transaction(partial(_delete, viewer_id=viewer_id, image_id=image_id))
    try:
        await _remove(db, storage, image_id, keys)
    except Exception as error:
        log.warning("image_files_left", image=image_id.hex, error=repr(error))


async def remove_images(db: Database, storage: Storage, *, limit: int = 100) -> int:
    """Remove up to `limit` images that were deleted, or lost on their way, with their files; how
    many. Safe to run twice at once, and again after a crash."""
    async with db.read() as session:
        asked = {"limit": limit, "lost": LOST_AFTER}
        found = (await session.execute(_TO_REMOVE, asked)).all()
    for row in found:
        await _remove(db, storage, row.id, row.keys)
    return len(found)


async def image_to_send(session: ReadSession, image_id: UUID, variant: str) -> ImageToSend:
    """One size of an image, for whoever asks. Raises `NotFound("image")`."""
    row = (await session.execute(_TO_SEND, {"id": image_id, "variant": variant})).one_or_none()
    if row is None:
        raise NotFound("image")
    return ImageToSend(row.storage_key, row.size_bytes, row.media_type)


async def _require_room(
    session: ReadSession | Transaction, owner_id: UUID, *, adding_bytes: int
) -> None:
    kept = (await session.execute(_KEPT, {"owner": owner_id})).one()
    if kept.images >= MAX_IMAGES or kept.size_bytes + adding_bytes > MAX_BYTES:
        raise ImageQuotaExceeded(MAX_IMAGES, MAX_BYTES)


async def _begin(
    tx: Transaction, *, owner_id: UUID, kind: str, encoded: EncodedImage, keys: dict[str, str]
) -> UUID:
    # One at a time, so that two at once cannot both be the last that fits.
    await tx.execute(_LOCK_USER, {"owner": owner_id})
    await _require_room(tx, owner_id, adding_bytes=encoded.size_bytes)
    original, image_id = encoded.files[0], new_id()
    await tx.execute(
        insert(images).values(
            id=image_id,
            owner_id=owner_id,
            kind=kind,
            media_type=encoded.media_type,
            width=original.width,
            height=original.height,
            size_bytes=encoded.size_bytes,
        )
    )
    rows = [
        {
            "image_id": image_id,
            "variant": each.variant,
            "storage_key": keys[each.variant],
            "width": each.width,
            "height": each.height,
            "size_bytes": len(each.content),
            "sha256": each.sha256,
        }
        for each in encoded.files
    ]
    await tx.execute(insert(image_files).values(rows))
    return image_id


async def _finish(tx: Transaction, *, image_id: UUID) -> None:
    await tx.execute(_STORED, {"id": image_id})


async def _own(tx: Transaction, image_id: UUID, viewer_id: UUID) -> Row[Any]:
    image = (await tx.execute(_OWN, {"id": image_id})).one_or_none()
    if image is None:
        raise NotFound("image")
    if image.owner_id != viewer_id:
        raise Forbidden("not your image")
    return image


async def _delete(tx: Transaction, *, viewer_id: UUID, image_id: UUID) -> list[str]:
    """The keys of its files."""
    await tx.execute(_LOCK_USER, {"owner": viewer_id})
    image = await _own(tx, image_id, viewer_id)
    shown = (await tx.execute(_SHOWN, {"owner": viewer_id})).one()._mapping
    start = f"{URL_PATH}/{encode_id(PREFIX, image_id)}/"
    gone = {field: None for field, url in shown.items() if start in (url or "")}
    await update_profile(tx, user_id=viewer_id, changes=gone)
    await tx.execute(_DELETED, {"id": image_id})
    return list(image.keys)


async def _remove(db: Database, storage: Storage, image_id: UUID, keys: Any) -> None:
    """The files first: while there is one, there is a row that knows it."""
    for key in keys:
        await storage.delete(key)
    await db.transaction(partial(_forget, image_id=image_id))


async def _forget(tx: Transaction, *, image_id: UUID) -> None:
    await tx.execute(_FORGET_FILES, {"id": image_id})
    await tx.execute(_FORGET, {"id": image_id})
