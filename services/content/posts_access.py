"""Which posts and comments someone may act upon, found and locked; how many they may write in a
minute. What may be read is said by the loaders, by the same rules."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Row, text

from core.database import Transaction
from core.errors import Forbidden, NotFound, RateLimited

WINDOW_S = 60
POSTS_A_MINUTE = 10
COMMENTS_A_MINUTE = 20
REACTIONS_A_MINUTE = 120
REPORTS_A_MINUTE = 10

# Who reads a post: its author, as long as it is neither deleted nor removed; of what is or was
# published, everyone whom the author's profile is open to, save where one blocks the other.
_SHOWN = """
    p.deleted_at IS NULL AND p.status <> 'REMOVED' AND (
        p.author_id = :viewer OR p.status IN ('PUBLISHED', 'ARCHIVED')
        AND NOT EXISTS (
            SELECT FROM block AS b
            WHERE (b.blocker_id = :viewer AND b.blocked_id = p.author_id)
               OR (b.blocker_id = p.author_id AND b.blocked_id = :viewer))
        AND (
            EXISTS (SELECT FROM profile AS f
                    WHERE f.user_id = p.author_id AND f.visibility = 'PUBLIC')
            OR EXISTS (SELECT FROM follow AS w
                       WHERE w.follower_id = :viewer AND w.followee_id = p.author_id)))
"""
_POST = text(
    f"SELECT p.*, {_SHOWN} AS shown FROM post AS p WHERE p.id = :post FOR NO KEY UPDATE OF p"
)
_COMMENT = text(
    f"""
    SELECT c.*, p.status AS post_status, p.author_id AS post_author_id, {_SHOWN} AND NOT EXISTS (
        SELECT FROM block AS b
        WHERE (b.blocker_id = :viewer AND b.blocked_id = c.author_id)
           OR (b.blocker_id = c.author_id AND b.blocked_id = :viewer)) AS shown
    FROM post_comment AS c JOIN post AS p ON p.id = c.post_id
    WHERE c.id = :comment FOR NO KEY UPDATE OF c
    """
)
_POST_OF = text("SELECT post_id FROM post_comment WHERE id = :comment")
_TURN = text("SELECT pg_advisory_xact_lock(hashtextextended(:turn, 0))")
_RECENT = {
    table: text(
        f"""
        SELECT count(*), extract(epoch FROM min(at) - clock_timestamp()) + {WINDOW_S}
        FROM (SELECT created_at AS at FROM {table}
              WHERE {column} = :author
                AND created_at > clock_timestamp() - interval '{WINDOW_S} seconds'
              ORDER BY created_at DESC LIMIT :maximum) AS recent
        """
    )
    for table, column in (
        ("post", "author_id"),
        ("post_comment", "author_id"),
        ("reaction", "user_id"),
        ("report", "reporter_id"),
    )
}


async def locked_post(tx: Transaction, post_id: UUID, viewer_id: UUID) -> Row[Any]:
    """The post's row, locked, if the viewer may see it. Raises `NotFound`."""
    row = (await tx.execute(_POST, {"post": post_id, "viewer": viewer_id})).one_or_none()
    if row is None or not row.shown:
        raise NotFound("post")
    return row


async def own_post(tx: Transaction, post_id: UUID, viewer_id: UUID) -> Row[Any]:
    """The viewer's own post, locked. Raises `NotFound`, `Forbidden`."""
    row = await locked_post(tx, post_id, viewer_id)
    if row.author_id != viewer_id:
        raise Forbidden("only its author changes a post")
    return row


async def open_post(tx: Transaction, post_id: UUID, viewer_id: UUID) -> Row[Any]:
    """A published post, locked. Raises `NotFound`, `Forbidden` for a draft or an archived one."""
    row = await locked_post(tx, post_id, viewer_id)
    require_published(row.status)
    return row


def require_published(status: str) -> None:
    """Raises `Forbidden` for what takes neither comments nor reactions."""
    if status != "PUBLISHED":
        raise Forbidden("only a published post takes comments and reactions")


async def any_post(tx: Transaction, post_id: UUID) -> Row[Any]:
    """The post's row, locked, whoever may see it, unless it is deleted. Raises `NotFound`."""
    row = (await tx.execute(_POST, {"post": post_id, "viewer": None})).one_or_none()
    if row is None or row.deleted_at is not None:
        raise NotFound("post")
    return row


async def post_of_comment(tx: Transaction, comment_id: UUID) -> UUID:
    """Where a comment stands, so that the post can be locked before it. Raises `NotFound`."""
    found: UUID | None = await tx.scalar(_POST_OF, {"comment": comment_id})
    if found is None:
        raise NotFound("comment")
    return found


async def locked_comment(
    tx: Transaction, comment_id: UUID, viewer_id: UUID | None, *, hidden: bool = False
) -> Row[Any]:
    """The comment's row, locked, if the viewer may see its words; `hidden`: whoever may.

    Who changes counts of the post locks that before. Raises `NotFound`.
    """
    row = (await tx.execute(_COMMENT, {"comment": comment_id, "viewer": viewer_id})).one_or_none()
    if row is None or not (hidden or (row.shown and row.status == "VISIBLE")):
        raise NotFound("comment")
    return row


async def take_turn(tx: Transaction, table: str, author_id: UUID, *, maximum: int) -> None:
    """Let someone write one row of `table` more, `maximum` in a minute; one at a time, so that two
    requests at once cannot both be the last one. Raises `RateLimited`."""
    await tx.execute(_TURN, {"turn": f"{table}:{author_id.hex}"})
    count, left_s = (
        await tx.execute(_RECENT[table], {"author": author_id, "maximum": maximum})
    ).one()
    if count >= maximum:
        raise RateLimited(
            f"{maximum} a minute at most; wait a while",
            retry_after_s=max(1, int(left_s) + 1),
            limit=maximum,
        )
