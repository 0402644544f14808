"""The counts that stand in the rows of posts and comments: changed here alone, by differences and
in the transaction of what is counted, so that they are exact. And how hot a post is by them."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import text

from core.database import Transaction
from core.errors import NotFound
from core.events import NewEvent
from models.content.posts import REACTION_KINDS
from services.content.posts_access import locked_post

POINTS = {"reactions": 1, "comments": 2, "shares": 3}
"""What adds how much to a post's popularity."""

HEAT_DOUBLING_S = 12 * 3600
"""By so much younger a post may have half the popularity and be as hot: age needs no clockwork, for
the order of two posts changes only when they are counted anew."""

VIEW_AGAIN_HOURS = 24
"""Someone who reads a post again counts again only after so long."""


def heat_sql(popularity: str, published_at: str) -> str:
    """SQL for a post's heat, a whole number: a thousand for each doubling of popularity."""
    return (
        f"coalesce(round(1000 * ln((1 + {popularity})::numeric) / ln(2::numeric))"
        f" + round(extract(epoch FROM {published_at}) * 1000 / {HEAT_DOUBLING_S}), 0)"
    )


_COUNT_POST = text(
    f"""
    UPDATE post SET
        comment_count = comment_count + :comments,
        share_count = share_count + :shares,
        view_count = view_count + :views,
        popularity = popularity + :points,
        heat = {heat_sql("popularity + :points", "published_at")}
    WHERE id = :post
    """
)
_REACT = {
    "post": text(
        f"""
        UPDATE post SET
            reactions[:place] = reactions[:place] + :change,
            reaction_count = reaction_count + :change,
            popularity = popularity + :change * {POINTS["reactions"]},
            heat = {heat_sql(f"popularity + :change * {POINTS['reactions']}", "published_at")}
        WHERE id = :subject
        """
    ),
    "post_comment": text(
        """
        UPDATE post_comment SET
            reactions[:place] = reactions[:place] + :change,
            reaction_count = reaction_count + :change
        WHERE id = :subject
        """
    ),
}
_REPLIES = text("UPDATE post_comment SET reply_count = reply_count + :change WHERE id = :comment")
# In the order of their names: two posts that share two tags must not wait for one another.
_TAGS = text(
    """
    INSERT INTO tag AS t (name, post_count)
    SELECT name, greatest(change, 0)
    FROM unnest(CAST(:names AS text[]), CAST(:changes AS int[])) AS c(name, change) ORDER BY name
    ON CONFLICT (name) DO UPDATE SET post_count = t.post_count + (
        SELECT c.change
        FROM unnest(CAST(:names AS text[]), CAST(:changes AS int[])) AS c(name, change)
        WHERE c.name = t.name)
    """
)
_VIEW = text(
    f"""
    INSERT INTO post_visit AS v (post_id, user_id, viewed_at)
    VALUES (:post, :user, clock_timestamp())
    ON CONFLICT (post_id, user_id) DO UPDATE SET viewed_at = excluded.viewed_at
    WHERE v.viewed_at IS NULL
       OR v.viewed_at < clock_timestamp() - interval '{VIEW_AGAIN_HOURS} hours'
    RETURNING 1
    """
)
_SHARE = text(
    """
    INSERT INTO post_visit AS v (post_id, user_id, shared_at)
    VALUES (:post, :user, clock_timestamp())
    ON CONFLICT (post_id, user_id) DO UPDATE SET shared_at = excluded.shared_at
    WHERE v.shared_at IS NULL
    RETURNING 1
    """
)


def post_topic(post_id: UUID) -> str:
    """The topic of all that happens to a post, its comments and the reactions to them."""
    return f"post:{post_id.hex}"


async def count_post(
    tx: Transaction, post_id: UUID, *, comments: int = 0, shares: int = 0, views: int = 0
) -> None:
    """Change a locked post's counts by these differences."""
    points = POINTS["comments"] * comments + POINTS["shares"] * shares
    given = {"comments": comments, "shares": shares, "views": views, "points": points}
    await tx.execute(_COUNT_POST, {"post": post_id, **given})


async def count_reaction(
    tx: Transaction, table: str, subject_id: UUID, kind: str, *, change: int
) -> None:
    """Change how often a locked post or comment got a kind of reaction."""
    place = REACTION_KINDS.index(kind) + 1  # PostgreSQL counts from 1
    await tx.execute(_REACT[table], {"place": place, "change": change, "subject": subject_id})


async def count_reply(tx: Transaction, comment_id: UUID, *, change: int) -> None:
    """Change how many visible replies a comment has."""
    await tx.execute(_REPLIES, {"comment": comment_id, "change": change})


async def count_tags(tx: Transaction, *, before: Iterable[str], after: Iterable[str]) -> None:
    """Change how many listed posts carry the tags that a post has lost or gained."""
    lost, gained = set(before) - set(after), set(after) - set(before)
    changes = dict.fromkeys(lost, -1) | dict.fromkeys(gained, 1)
    if changes:
        names = sorted(changes)
        await tx.execute(_TAGS, {"names": names, "changes": [changes[name] for name in names]})


async def record_post_view(tx: Transaction, *, viewer_id: UUID, post_id: UUID) -> bool:
    """Count that someone else's published post is read, once a day and person. Whether it counted.
    Raises `NotFound`."""
    post = await locked_post(tx, post_id, viewer_id)
    if post.author_id == viewer_id or not await _first(tx, _VIEW, post_id, viewer_id):
        return False
    await count_post(tx, post_id, views=1)
    return True


async def share_post(tx: Transaction, *, viewer_id: UUID, post_id: UUID) -> bool:
    """Count that someone passed a post on, once a person; whether it counted. Raises `NotFound`."""
    post = await locked_post(tx, post_id, viewer_id)
    if post.status == "DRAFT":
        raise NotFound("post")
    if not await _first(tx, _SHARE, post_id, viewer_id):
        return False
    await count_post(tx, post_id, shares=1)
    tx.collect(NewEvent(post_topic(post_id), "PostShared", {"post": post_id.hex}, viewer_id))
    return True


async def _first(tx: Transaction, statement: object, post_id: UUID, user_id: UUID) -> bool:
    found = await tx.execute(statement, {"post": post_id, "user": user_id})  # type: ignore[call-overload]
    return found.first() is not None
