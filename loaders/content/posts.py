"""Batched reads of posts, comments, reactions and the shelves they stand on. Drafts are their
author's, what is removed is the moderators', and who blocks whom is absent: here, in the batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Text,
    and_,
    cast,
    exists,
    false,
    func,
    literal_column,
    or_,
    select,
    true,
)
from sqlmodel import col

from core.database import Database
from loaders.base import Computed, one_by, page_by
from loaders.pages import order
from loaders.rows import row_of
from loaders.users import open_to, unblocked
from models.content.post_tables import categories, comments, posts, reactions, tags
from models.content.posts import REACTION_KINDS, Category, Comment, Post, Tag
from models.events import EventTopic

# In the row's own statement, so in its snapshot: see `loaders.auctions`.
_EVENT_SEQUENCE = (
    select(col(EventTopic.head))
    .where(col(EventTopic.topic) == "post:" + func.replace(cast(posts.c.id, Text), "-", ""))
    .correlate(posts)
    .scalar_subquery()
    .label("event_sequence")
)


@dataclass(frozen=True, slots=True)
class ReactionCountRow:
    """How often one kind of reaction was given."""

    kind: str
    count: int


def reaction_counts(row: Any) -> list[ReactionCountRow]:
    """The kinds that a post's or a comment's row has, without those nobody gave."""
    counted = zip(REACTION_KINDS, row.reactions, strict=True)
    return [ReactionCountRow(kind, count) for kind, count in counted if count]


class PostRow(
    row_of(Post, "pst", without=("blocks", "removed_from"), extra=(_EVENT_SEQUENCE,))  # type: ignore[misc]
):
    """A post without its body, which may be long: lists seldom show it. `event_sequence` is the
    last event that the row reflects."""

    __slots__ = ()

    @property
    def summary(self) -> str:
        """The author's excerpt, or else the beginning of the text."""
        return str(self.opening if self.excerpt is None else self.excerpt)


class CommentRow(row_of(Comment, "cmt")):  # type: ignore[misc]
    """A comment, its words among them: whether they are shown is the field's to say."""

    __slots__ = ()

    @property
    def is_visible(self) -> bool:
        """Whether it is neither deleted nor removed."""
        return bool(self.status == "VISIBLE")


class CategoryRow(row_of(Category, "cat")):  # type: ignore[misc]
    """A shelf of posts."""

    __slots__ = ()


class TagRow(row_of(Tag, "")):  # type: ignore[misc]
    """A word that posts carry."""

    __slots__ = ()


# Written out and not bound: only so PostgreSQL sees that the partial indexes will do.
_PUBLISHED: ColumnElement[str] = literal_column("'PUBLISHED'")
LISTED = and_(posts.c.status == _PUBLISHED, posts.c.deleted_at.is_(None))


def post_listed(viewer_id: UUID | None) -> ColumnElement[bool]:
    """What lists show: published, and the author's profile is open to the viewer."""
    return and_(LISTED, open_to(viewer_id, posts.c.author_id))


def post_shown(viewer_id: UUID | None) -> ColumnElement[bool]:
    """What someone finds who has its address: archived ones too, and one's own drafts."""
    public = and_(
        posts.c.status.in_(("PUBLISHED", "ARCHIVED")), open_to(viewer_id, posts.c.author_id)
    )
    return and_(
        posts.c.deleted_at.is_(None),
        posts.c.status != "REMOVED",
        public if viewer_id is None else or_(posts.c.author_id == viewer_id, public),
    )


def _of_author(viewer_id: UUID | None) -> ColumnElement[bool]:
    """Of someone's posts the listed ones; of one's own, drafts and archived ones too."""
    listed = post_listed(viewer_id)
    if viewer_id is None:
        return listed
    kept = and_(posts.c.deleted_at.is_(None), posts.c.status != "REMOVED")
    return or_(and_(posts.c.author_id == viewer_id, kept), listed)


def _moderated_post(viewer_id: UUID | None) -> ColumnElement[bool]:
    """All but what is deleted and other people's drafts."""
    own = false() if viewer_id is None else posts.c.author_id == viewer_id
    return and_(posts.c.deleted_at.is_(None), or_(posts.c.status != "DRAFT", own))


def comment_in_thread(viewer_id: UUID | None) -> ColumnElement[bool]:
    """Under a post that the viewer sees: all but those of people who are absent to them."""
    return unblocked(viewer_id, comments.c.author_id)


def comment_shown(viewer_id: UUID | None) -> ColumnElement[bool]:
    """What someone finds who has its id."""
    of_post = exists().where(posts.c.id == comments.c.post_id, post_shown(viewer_id))
    return and_(of_post, comment_in_thread(viewer_id))


POST_ORDERS = {
    "NEWEST": order("newest_posts", posts.c.published_at, posts.c.id, descending=True),
    "POPULAR": order("popular_posts", posts.c.popularity, posts.c.id, descending=True),
    "TRENDING": order("trending_posts", posts.c.heat, posts.c.id, descending=True),
}
NEWEST_WRITTEN = order("written_posts", posts.c.created_at, posts.c.id, descending=True)
OLDEST_COMMENTS = order("comments", comments.c.created_at, comments.c.id)
SHELVES = order("categories", categories.c.position, categories.c.id)
MOST_USED_TAGS = order("tags", tags.c.post_count, tags.c.name, descending=True)

post_by_id = one_by("post_by_id", PostRow, posts.c.id, visible=post_shown)
moderator_post_by_id = one_by("moderator_post_by_id", PostRow, posts.c.id, visible=_moderated_post)
# A comment's post exists, and whoever got to see the comment saw it.
referred_post_by_id = one_by("referred_post_by_id", PostRow, posts.c.id)
post_id_by_slug = Computed("post_id_by_slug", lambda db, viewer_id, slugs: _ids_by_slug(db, slugs))
blocks_by_post_id = Computed("blocks_by_post_id", lambda db, viewer_id, keys: _blocks(db, keys))
category_by_id = one_by("category_by_id", CategoryRow, categories.c.id)
category_by_slug = Computed(
    "category_by_slug", lambda db, viewer_id, slugs: _categories_by_slug(db, slugs)
)
posts_by_author_id = page_by(
    "posts_by_author_id", PostRow, posts.c.author_id, order=NEWEST_WRITTEN, visible=_of_author
)
posts_by_category_id = page_by(
    "posts_by_category_id",
    PostRow,
    posts.c.category_id,
    order=POST_ORDERS["NEWEST"],
    visible=post_listed,
)
comment_by_id = one_by("comment_by_id", CommentRow, comments.c.id, visible=comment_shown)
moderator_comment_by_id = one_by(
    "moderator_comment_by_id", CommentRow, comments.c.id, visible=lambda viewer_id: true()
)
comments_by_post_id = page_by(
    "comments_by_post_id",
    CommentRow,
    comments.c.post_id,
    order=OLDEST_COMMENTS,
    where=comments.c.parent_id.is_(None),
    visible=comment_in_thread,
)
replies_by_comment_id = page_by(
    "replies_by_comment_id",
    CommentRow,
    comments.c.parent_id,
    order=OLDEST_COMMENTS,
    visible=comment_in_thread,
)
viewer_reactions_by_subject_id = Computed(
    "viewer_reactions_by_subject_id",
    lambda db, viewer_id, keys: _viewer_reactions(db, viewer_id, keys),
    viewer=True,
)


async def _ids_by_slug(db: Database, slugs: Sequence[str]) -> list[UUID | None]:
    statement = select(posts.c.slug, posts.c.id).where(posts.c.slug.in_(slugs))
    async with db.read() as session:
        found = {row.slug: row.id for row in await session.execute(statement)}
    return [found.get(slug) for slug in slugs]


async def _blocks(db: Database, post_ids: Sequence[UUID]) -> list[list[Any]]:
    """Bodies of posts that the viewer was shown: an empty one for what is not there any more."""
    statement = select(posts.c.id, posts.c.blocks).where(posts.c.id.in_(post_ids))
    async with db.read() as session:
        found = {row.id: row.blocks for row in await session.execute(statement)}
    return [found.get(id, []) for id in post_ids]


async def _categories_by_slug(db: Database, slugs: Sequence[str]) -> list[CategoryRow | None]:
    statement = select(*CategoryRow.__columns__).where(categories.c.slug.in_(slugs))
    async with db.read() as session:
        found = {row.slug: CategoryRow._make(row) for row in await session.execute(statement)}
    return [found.get(slug) for slug in slugs]


async def _viewer_reactions(
    db: Database, viewer_id: UUID | None, subject_ids: Sequence[UUID]
) -> list[list[str]]:
    """The viewer's own reactions to posts and comments alike, in the order of the kinds."""
    if viewer_id is None:
        return [[] for _ in subject_ids]
    statement = select(reactions.c.subject_id, reactions.c.kind).where(
        reactions.c.user_id == viewer_id, reactions.c.subject_id.in_(subject_ids)
    )
    found: dict[UUID, list[str]] = {id: [] for id in subject_ids}
    async with db.read() as session:
        for subject_id, kind in await session.execute(statement):
            found[subject_id].append(kind)
    return [sorted(found[id], key=REACTION_KINDS.index) for id in subject_ids]
