"""Who may download what they bought: grants, their limits, and each download counted and logged.

No file is read here: `web/downloads.py` sends what `take_download` allows.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import text

from core.database import ReadSession, Transaction, database_now
from core.ids import new_id

GRANTED_FOR = timedelta(days=30)
DOWNLOADS = 5

DownloadEnd = Literal["EXPIRED", "USED_UP", "REFUNDED", "GONE"]

_GRANT = text(
    """
    INSERT INTO download_grant (id, order_id, product_file_id, expires_at, download_limit)
    SELECT :id, :order, f.id, :expires_at, :limit
    FROM product_file AS f JOIN product AS p ON p.id = f.product_id
    WHERE f.product_id = :product AND p.kind = 'DIGITAL'
      AND f.stored_at IS NOT NULL AND f.replaced_at IS NULL
    ON CONFLICT DO NOTHING
    RETURNING id
    """
)
# The ids from here, as everywhere: they are ordered by time.
_WITHOUT_GRANT = text(
    """
    SELECT o.id FROM sale_order AS o
    WHERE o.product_id = :product AND o.status <> 'REFUNDED'
      AND NOT EXISTS (SELECT FROM download_grant AS g WHERE g.order_id = o.id)
    ORDER BY o.created_at, o.id
    """
)
_GRANT_ALL = text(
    """
    INSERT INTO download_grant (id, order_id, product_file_id, expires_at, download_limit)
    SELECT pair.id, pair.order_id, :file, :expires_at, :limit
    FROM unnest(CAST(:ids AS uuid[]), CAST(:orders AS uuid[])) AS pair(id, order_id)
    ON CONFLICT DO NOTHING
    """
)
_READ = """
    SELECT g.expires_at, g.download_count, g.download_limit, o.status, f.removed_at,
           f.storage_key, f.file_name, f.media_type, f.size_bytes, clock_timestamp() AS read_at
    FROM download_grant AS g
    JOIN sale_order AS o ON o.id = g.order_id
    JOIN product_file AS f ON f.id = g.product_file_id
    WHERE g.id = :id
"""
_PEEK = text(_READ)
# The order too, so that no download begins beside a refund.
_LOCK = text(_READ + " FOR NO KEY UPDATE OF g FOR SHARE OF o")
_COUNT = text("UPDATE download_grant SET download_count = download_count + 1 WHERE id = :id")
_LOG = text("INSERT INTO download_log (id, grant_id, at) VALUES (:id, :grant, :at)")


class DownloadRefused(Exception):
    """The grant gives nothing (any more): `reason` says why."""

    def __init__(self, reason: DownloadEnd) -> None:
        super().__init__(f"nothing to download: {reason.lower()}")
        self.reason: DownloadEnd = reason


@dataclass(frozen=True, slots=True)
class FileToSend:
    """What a grant gives."""

    storage_key: str
    file_name: str
    media_type: str
    size_bytes: int


async def grant_download(
    tx: Transaction, *, order_id: UUID, product_id: UUID, now: datetime
) -> UUID | None:
    """Let an order's buyer download the product's present file, 5 times within 30 days; the grant's
    id. None where there is nothing to download: a physical product, or no file yet (who bought
    before it came gets it by `grant_to_earlier_buyers`). Belongs into the sale's transaction."""
    asked = {
        "id": new_id(),
        "order": order_id,
        "product": product_id,
        "expires_at": now + GRANTED_FOR,
        "limit": DOWNLOADS,
    }
    granted: UUID | None = (await tx.execute(_GRANT, asked)).scalar_one_or_none()
    return granted


async def grant_to_earlier_buyers(
    tx: Transaction, *, product_id: UUID, file_id: UUID, now: datetime
) -> int:
    """Let everyone download a first file who bought the product before there was any; how many."""
    orders = (await tx.execute(_WITHOUT_GRANT, {"product": product_id})).scalars().all()
    if orders:
        asked = {
            "ids": [new_id() for _ in orders],
            "orders": orders,
            "file": file_id,
            "expires_at": now + GRANTED_FOR,
            "limit": DOWNLOADS,
        }
        await tx.execute(_GRANT_ALL, asked)
    return len(orders)


async def peek_download(session: ReadSession, grant_id: UUID) -> FileToSend:
    """What a download would give now. Raises `DownloadRefused`."""
    return _judged((await session.execute(_PEEK, {"id": grant_id})).one_or_none())


async def take_download(tx: Transaction, *, grant_id: UUID) -> FileToSend:
    """Count and log one download, by the database's clock. Whoever comes at once takes turns, so
    the limit is never exceeded. Raises `DownloadRefused`, and then nothing is counted."""
    row = (await tx.execute(_LOCK, {"id": grant_id})).one_or_none()
    now = await database_now(tx)
    file = _judged(row, now)
    await tx.execute(_COUNT, {"id": grant_id})
    await tx.execute(_LOG, {"id": new_id(), "grant": grant_id, "at": now})
    return file


def end_of(
    *, expires_at: datetime, left: int, order_status: str, removed: bool, now: datetime
) -> DownloadEnd | None:
    """Why a grant gives nothing at this moment, or None."""
    if order_status == "REFUNDED":
        return "REFUNDED"
    if now >= expires_at:
        return "EXPIRED"
    if left <= 0:
        return "USED_UP"
    return "GONE" if removed else None


def _judged(row: Any, now: datetime | None = None) -> FileToSend:
    if row is None:
        raise DownloadRefused("GONE")
    end = end_of(
        expires_at=row.expires_at,
        left=row.download_limit - row.download_count,
        order_status=row.status,
        removed=row.removed_at is not None,
        now=now or row.read_at,
    )
    if end is not None:
        raise DownloadRefused(end)
    return FileToSend(row.storage_key, row.file_name, row.media_type, row.size_bytes)
