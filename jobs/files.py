"""Removing files that nobody may have any more."""

from __future__ import annotations

from collections.abc import Callable

from core.database import Database
from core.ports import Storage
from services.auctions.product_files import remove_files
from services.content.images import remove_images
from services.quests.evidence import remove_lost_evidence

BATCH = 100
MAX_BATCHES = 100
"""Batches of each kind in one run: the next run goes on."""


async def remove_unwanted_files(
    db: Database, storage: Storage, *, stopping: Callable[[], bool] = bool
) -> int:
    """Remove products' files that were replaced, or whose product was deleted, once no grant gives
    them, images that were deleted, and what was lost on its way for a day; how many. Safe to run
    twice at once; stops between batches when `stopping()`. Raises what the storage raises: the next
    run tries again."""
    removed = 0
    for remove in (remove_files, remove_images, remove_lost_evidence):
        for _ in range(MAX_BATCHES):
            if stopping():
                break
            gone = await remove(db, storage, limit=BATCH)
            removed += gone
            if gone < BATCH:
                break
    return removed
