"""Titles for the rules of others: whether a viewer may act on one. Reading them for people is the
loaders' business."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import text

from core.database import Transaction
from core.errors import NotFound

_SEEN = text(
    """
    SELECT id FROM title WHERE id = :title AND coalesce(maturity <= (
        SELECT maturity_limit FROM user_preference WHERE user_id = :viewer), true)
    """
)


def title_topic(title_id: UUID) -> str:
    """The topic of where a title can be watched."""
    return f"title:{title_id.hex}"


async def require_title(tx: Transaction, *, title_id: UUID, viewer_id: UUID) -> None:
    """Raises `NotFound` for a title that is not there, or above the viewer's rating limit."""
    found = await tx.execute(_SEEN, {"title": title_id, "viewer": viewer_id})
    if found.first() is None:
        raise NotFound("title")
