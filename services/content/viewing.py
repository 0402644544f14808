"""Watchlists and viewing histories: each viewer's own. No event tells of them: what someone watches
is nobody else's business, and must be gone when they clear it."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import text

from core.database import Transaction, database_now
from core.errors import Forbidden, InvalidInput, NotFound
from core.ids import new_id
from services.content.titles import require_title

WATCHLIST_MAX = 5_000
"""Titles in one watchlist."""
DURATION_MAX_S = 604_800
COMPLETED_FROM = 95
"""Percent from which a viewing counts as completed unless the client says otherwise."""
PRIORITIES = range(1, 4)
_EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)

_LOCK_USER = text("SELECT 1 FROM user_account WHERE id = :viewer FOR NO KEY UPDATE")
_WATCHLIST_SIZE = text(
    "SELECT count(*) FROM watchlist_item WHERE user_id = :viewer AND title_id <> :title"
)
_ADD = text(
    """
    INSERT INTO watchlist_item (user_id, title_id, priority) VALUES (:viewer, :title, :priority)
    ON CONFLICT (user_id, title_id) DO UPDATE SET priority = excluded.priority
    """
)
_REMOVE = text("DELETE FROM watchlist_item WHERE user_id = :viewer AND title_id = :title")
_PLATFORM = text("SELECT 1 FROM platform WHERE id = :platform")
_RECORD = text(
    """
    INSERT INTO view_record AS v
        (id, user_id, title_id, platform_id, watched_at, duration_s, progress, completed)
    VALUES (:id, :viewer, :title, :platform, :watched_at, :duration, :progress, :completed)
    ON CONFLICT (user_id, title_id, watched_at) DO UPDATE SET
        platform_id = coalesce(excluded.platform_id, v.platform_id),
        duration_s = greatest(excluded.duration_s, v.duration_s),
        progress = excluded.progress,
        completed = excluded.completed OR v.completed,
        recorded_at = clock_timestamp()
    RETURNING id
    """
)
_REMOVE_VIEW = text("DELETE FROM view_record WHERE id = :id AND user_id = :viewer RETURNING id")
_CLEAR = text("DELETE FROM view_record WHERE user_id = :viewer")


async def add_to_watchlist(
    tx: Transaction, *, viewer_id: UUID, title_id: UUID, priority: int = 2
) -> None:
    """Add a title, or change its priority (1 low, 2 normal, 3 high). Raises `NotFound`,
    `Forbidden` past 5,000 titles."""
    if priority not in PRIORITIES:
        raise InvalidInput("priority", "from 1 to 3")
    await require_title(tx, title_id=title_id, viewer_id=viewer_id)
    asked = {"viewer": viewer_id, "title": title_id}
    # Locked, so that two requests at once cannot both be the last.
    await tx.execute(_LOCK_USER, {"viewer": viewer_id})
    if (await tx.execute(_WATCHLIST_SIZE, asked)).scalar_one() >= WATCHLIST_MAX:
        raise Forbidden(f"a watchlist holds {WATCHLIST_MAX} titles")
    await tx.execute(_ADD, asked | {"priority": priority})


async def remove_from_watchlist(tx: Transaction, *, viewer_id: UUID, title_id: UUID) -> bool:
    """Take a title off; False where it was not on it. Raises `NotFound` for no title."""
    await require_title(tx, title_id=title_id, viewer_id=viewer_id)
    done = await tx.execute(_REMOVE, {"viewer": viewer_id, "title": title_id})
    return bool(done.rowcount)  # type: ignore[attr-defined]


async def record_view(
    tx: Transaction,
    *,
    viewer_id: UUID,
    title_id: UUID,
    platform_id: UUID | None = None,
    watched_at: datetime | None = None,
    duration_s: int = 0,
    progress: int = 0,
    completed: bool | None = None,
) -> UUID:
    """Keep a viewing in one's history; its id. The same title and `watched_at` again is the same
    viewing, further on. `progress` in percent; `watched_at` None is now.

    Raises `NotFound`, `InvalidInput` (a moment in the future or before 1900, more than a week, a
    progress outside 0 … 100).
    """
    if not 0 <= duration_s <= DURATION_MAX_S:
        raise InvalidInput("durationSeconds", f"from 0 to {DURATION_MAX_S}")
    if not 0 <= progress <= 100:
        raise InvalidInput("progress", "from 0 to 100 percent")
    now = await database_now(tx)
    if watched_at is not None and not _EARLIEST <= watched_at <= now:
        raise InvalidInput("watchedAt", "not before 1900, and not in the future")
    await require_title(tx, title_id=title_id, viewer_id=viewer_id)
    if platform_id is not None:
        known = await tx.execute(_PLATFORM, {"platform": platform_id})
        if known.first() is None:
            raise NotFound("platform")
    values = {
        "id": new_id(),
        "viewer": viewer_id,
        "title": title_id,
        "platform": platform_id,
        "watched_at": watched_at or now,
        "duration": duration_s,
        "progress": progress,
        "completed": progress >= COMPLETED_FROM if completed is None else completed,
    }
    view_id: UUID = (await tx.execute(_RECORD, values)).scalar_one()
    return view_id


async def remove_view(tx: Transaction, *, viewer_id: UUID, view_id: UUID) -> None:
    """Take one viewing out of one's history. Raises `NotFound`, also for another's."""
    found = await tx.execute(_REMOVE_VIEW, {"id": view_id, "viewer": viewer_id})
    if found.first() is None:
        raise NotFound("view")


async def clear_history(tx: Transaction, *, viewer_id: UUID) -> int:
    """Take all viewings out of one's history; how many there were."""
    done = await tx.execute(_CLEAR, {"viewer": viewer_id})
    return int(done.rowcount)  # type: ignore[attr-defined]
