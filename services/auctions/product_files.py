"""The files that digital products are delivered as: put in place, replaced, removed when nobody may
have them any more.

No transaction is open while a file is stored. Its row is written first, so that no file is ever
stored that no row knows, whatever crashes when.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from uuid import UUID

from sqlalchemy import text

from core.database import Database, Transaction, database_now
from core.errors import InvalidInput
from core.files import UploadedFile, clean_file_name, digest_of, media_type_of, new_file_key
from core.ids import new_id
from core.ports import Storage
from core.text import clean_text
from models.downloads import ProductFile
from services.auctions.downloads import grant_to_earlier_buyers
from services.auctions.stalls import lock_product, product_event, require_seller

KIND = "products"
MAX_LICENCE = 10_000
MAX_STALL_BYTES = 2 * 1024**3
"""Files that a stall's products may have together, those included that only earlier buyers get."""
LOST_AFTER = timedelta(days=1)
"""A file that has been on its way for so long will not arrive."""

_SOLD = {
    "application": "pdf epub+zip rtf postscript ogg zip gzip x-gzip x-7z-compressed"
    " x-mobipocket-ebook font-sfnt x-font-ttf",
    "application/vnd.openxmlformats-officedocument.": "wordprocessingml.document"
    " spreadsheetml.sheet presentationml.presentation",
    "audio": "mpeg mp3 mp4 aac flac midi ogg wave x-wav",
    "font": "otf ttf woff woff2",
    "image": "bmp gif jpeg png tiff webp vnd.adobe.photoshop",
    "model": "gltf-binary stl",
    "text": "plain",
    "video": "mp4 mpeg ogg quicktime webm x-matroska x-msvideo",
}
MEDIA_TYPES = frozenset(
    f"{kind}{'' if kind.endswith('.') else '/'}{name}"
    for kind, names in _SOLD.items()
    for name in names.split()
)
"""What may be sold as a file: documents, books, pictures, sound, film, fonts, archives. By their
own bytes; programs and pages are not among them."""

_CURRENT = text(
    """
    SELECT id, sha256, file_name, licence FROM product_file
    WHERE product_id = :product AND stored_at IS NOT NULL AND replaced_at IS NULL
    """
)
_KEPT_BYTES = text(
    """
    SELECT coalesce(sum(f.size_bytes), 0) FROM product_file AS f
    JOIN product AS p ON p.id = f.product_id
    WHERE p.stall_id = :stall AND f.removed_at IS NULL
    """
)
_REPLACE = text(
    """
    UPDATE product_file SET replaced_at = :now
    WHERE product_id = :product AND stored_at IS NOT NULL AND replaced_at IS NULL AND id <> :id
    """
)
_STORED = text("UPDATE product_file SET stored_at = :now WHERE id = :id AND removed_at IS NULL")
_FORGET = text("DELETE FROM product_file WHERE id = :id AND stored_at IS NULL")
# What is on its way for too long, and what was replaced, or whose product was deleted, once no
# grant may be used any more.
_TO_REMOVE = text(
    """
    SELECT f.id, f.storage_key FROM product_file AS f
    JOIN product AS p ON p.id = f.product_id
    WHERE f.removed_at IS NULL AND (
        f.stored_at IS NULL AND f.created_at < now() - CAST(:lost AS interval)
        OR (f.replaced_at IS NOT NULL OR p.deleted_at IS NOT NULL)
           AND f.stored_at IS NOT NULL AND NOT EXISTS (
            SELECT FROM download_grant AS g JOIN sale_order AS o ON o.id = g.order_id
            WHERE g.product_file_id = f.id AND g.expires_at > now() AND o.status <> 'REFUNDED'))
    ORDER BY f.created_at LIMIT :limit
    """
)
_REMOVED = text(
    "UPDATE product_file SET removed_at = clock_timestamp() WHERE id = :id AND removed_at IS NULL"
)


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What is known of a file before it is stored."""

    file_name: str
    media_type: str
    size_bytes: int
    sha256: bytes
    licence: str


async def set_product_file(
    db: Database,
    storage: Storage,
    *,
    viewer_id: UUID,
    product_id: UUID,
    file: UploadedFile,
    licence: str,
) -> UUID:
    """Make a file what a digital product is delivered as; the product's id. Who bought before keeps
    the file that they bought; who bought when there was none may download this one from now on.
    The same file again, by name, content and licence, changes nothing.

    Raises `NotFound`, `Forbidden` (not one's stall), `InvalidInput`: a physical product, an empty
    file, a type that is not sold as a file, a licence of more than 10,000 characters, more than
    2 GiB of files in the stall.
    """
    facts = await asyncio.to_thread(_examined, file, licence)
    begun = await db.transaction(
        partial(_begin, viewer_id=viewer_id, product_id=product_id, facts=facts)
    )
    if begun is None:
        return product_id
    file_id, key = begun
    try:
        await storage.put(key, file.content)
        await db.transaction(
            partial(_finish, viewer_id=viewer_id, product_id=product_id, file_id=file_id)
        )
    except BaseException:
        # Whatever fails here, the row stays, and the sweep finds the file by it.
        with suppress(Exception):
            await storage.delete(key)
            await db.transaction(partial(_forget, file_id=file_id))
        raise
    return product_id


async def remove_files(db: Database, storage: Storage, *, limit: int = 100) -> int:
    """Remove up to `limit` files that nobody may download any more, and what was lost on its way;
    how many. Safe to run twice at once, and again after a crash: none of these gets a new grant."""
    async with db.read() as session:
        asked = {"limit": limit, "lost": LOST_AFTER}
        found = (await session.execute(_TO_REMOVE, asked)).all()
    for row in found:
        await storage.delete(row.storage_key)
        await db.transaction(partial(_removed, file_id=row.id))
    return len(found)


async def _removed(tx: Transaction, *, file_id: UUID) -> None:
    await tx.execute(_REMOVED, {"id": file_id})


def _examined(file: UploadedFile, licence: str) -> FileFacts:
    """Blocks: reads the whole file."""
    if file.size == 0:
        raise InvalidInput("file", "is empty")
    media_type = media_type_of(file.content)
    if media_type not in MEDIA_TYPES:
        raise InvalidInput(
            "file",
            "by its content a document, book, picture, sound, film, font, text or archive"
            f" (it looks like {media_type or 'nothing that is known'})",
        )
    return FileFacts(
        file_name=clean_file_name(file.name),
        media_type=media_type,
        size_bytes=file.size,
        sha256=digest_of(file.content),
        licence=clean_text(
            licence, field="licence", minimum=0, maximum=MAX_LICENCE, multiline=True
        ),
    )


async def _begin(
    tx: Transaction, *, viewer_id: UUID, product_id: UUID, facts: FileFacts
) -> tuple[UUID, str] | None:
    """The new row's id and key; None where the product has this very file."""
    product = await lock_product(tx, product_id)
    await require_seller(tx, product.stall_id, viewer_id)
    if product.kind != "DIGITAL":
        raise InvalidInput("productId", "a digital product: only those are delivered as files")
    current = (await tx.execute(_CURRENT, {"product": product_id})).one_or_none()
    if current is not None:
        same = (bytes(current.sha256), current.file_name, current.licence)
        if same == (facts.sha256, facts.file_name, facts.licence):
            return None
    kept = (await tx.execute(_KEPT_BYTES, {"stall": product.stall_id})).scalar_one()
    if kept + facts.size_bytes > MAX_STALL_BYTES:
        raise InvalidInput("file", f"the stall's files may have {MAX_STALL_BYTES} bytes together")
    key = new_file_key(KIND)
    row = ProductFile(
        id=new_id(),
        product_id=product_id,
        storage_key=key,
        file_name=facts.file_name,
        media_type=facts.media_type,
        size_bytes=facts.size_bytes,
        sha256=facts.sha256,
        licence=facts.licence,
    )
    tx.add(row)
    return row.id, key


async def _finish(tx: Transaction, *, viewer_id: UUID, product_id: UUID, file_id: UUID) -> None:
    """The file is stored: from here on it is the product's."""
    product = await lock_product(tx, product_id)
    await require_seller(tx, product.stall_id, viewer_id)
    if product.kind != "DIGITAL":
        raise InvalidInput("productId", "a digital product: only those are delivered as files")
    now = await database_now(tx)
    await tx.execute(_REPLACE, {"product": product_id, "id": file_id, "now": now})
    await tx.execute(_STORED, {"id": file_id, "now": now})
    await grant_to_earlier_buyers(tx, product_id=product_id, file_id=file_id, now=now)
    tx.collect(product_event(product, "ProductChanged", viewer_id))


async def _forget(tx: Transaction, *, file_id: UUID) -> None:
    await tx.execute(_FORGET, {"id": file_id})
