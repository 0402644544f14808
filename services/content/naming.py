"""What titles and posts are called, for messages about them."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text

from core.database import ReadSession

_TITLES = text("SELECT id, name FROM title WHERE id = ANY (:ids)")
_POSTS = text("SELECT id, title FROM post WHERE id = ANY (:ids) AND status <> 'REMOVED'")


async def title_names(session: ReadSession, ids: Sequence[UUID]) -> dict[UUID, str]:
    """The names of titles; who is not there has none."""
    return {row.id: row.name for row in await session.execute(_TITLES, {"ids": list(ids)})}


async def post_titles(session: ReadSession, ids: Sequence[UUID]) -> dict[UUID, str]:
    """What posts are called; one that a moderator removed has no name any more."""
    return {row.id: row.title for row in await session.execute(_POSTS, {"ids": list(ids)})}
