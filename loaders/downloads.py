"""Batched reads of digital products' files and of what a buyer may download. No storage key is in a
row here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text

from core.database import Database
from loaders.base import Computed

DOWNLOADS_MAX = 10
"""Files of one order."""

_FILES = text(
    """
    SELECT product_id, file_name, media_type, size_bytes, sha256, licence, stored_at
    FROM product_file
    WHERE product_id = ANY(CAST(:keys AS uuid[])) AND stored_at IS NOT NULL AND replaced_at IS NULL
    """
)
_DOWNLOADS = text(
    """
    SELECT g.order_id, g.id, f.file_name, f.media_type, f.size_bytes, f.sha256, f.licence,
           g.expires_at, g.download_limit, g.download_count, o.status AS order_status,
           f.removed_at IS NOT NULL AS removed, clock_timestamp() AS read_at
    FROM download_grant AS g
    JOIN sale_order AS o ON o.id = g.order_id
    JOIN product_file AS f ON f.id = g.product_file_id
    WHERE g.order_id = ANY(CAST(:keys AS uuid[])) AND o.buyer_id = :viewer
    ORDER BY g.id
    """
)


class ProductFileRow(NamedTuple):
    """What a digital product is delivered as, for everyone to see."""

    file_name: str
    media_type: str
    size_bytes: int
    sha256: bytes
    licence: str
    stored_at: datetime


class DownloadRow(NamedTuple):
    """What a buyer may download, and how often and how long still."""

    id: UUID
    file_name: str
    media_type: str
    size_bytes: int
    sha256: bytes
    licence: str
    expires_at: datetime
    download_limit: int
    download_count: int
    order_status: str
    removed: bool
    read_at: datetime

    @property
    def remaining(self) -> int:
        """Downloads that are left."""
        return self.download_limit - self.download_count


file_by_product_id = Computed("file_by_product_id", lambda db, viewer, keys: _files(db, keys))
downloads_by_order_id = Computed(
    "downloads_by_order_id",
    lambda db, viewer, keys: _downloads(db, viewer, keys),
    viewer=True,
)


async def _files(db: Database, product_ids: Sequence[UUID]) -> list[ProductFileRow | None]:
    async with db.read() as session:
        rows = await session.execute(_FILES, {"keys": list(product_ids)})
        found = {row[0]: ProductFileRow(*row[1:]) for row in rows}
    return [found.get(key) for key in product_ids]


async def _downloads(
    db: Database, viewer_id: UUID | None, order_ids: Sequence[UUID]
) -> list[list[DownloadRow]]:
    """The viewer's own: nobody else's is ever read."""
    if viewer_id is None:
        return [[] for _ in order_ids]
    found: dict[UUID, list[DownloadRow]] = {key: [] for key in order_ids}
    async with db.read() as session:
        asked = {"keys": list(order_ids), "viewer": viewer_id}
        for row in await session.execute(_DOWNLOADS, asked):
            found[row[0]].append(DownloadRow(*row[1:]))
    return [found[key][:DOWNLOADS_MAX] for key in order_ids]
