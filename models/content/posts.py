"""Tables of what people write: posts, their comments, reactions and counts. Reports and what comes
of them stand in moderation.py."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, Integer, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field, SQLModel

from models.columns import json, key, moment, reference, words

REACTION_KINDS = ("LIKE", "LOVE", "INSIGHTFUL", "FUNNY", "SUPPORT", "CELEBRATE")
"""In this order a row's `reactions` counts them: a new kind comes last, and with a migration."""

LISTED = "status = 'PUBLISHED' AND deleted_at IS NULL"
"""What feeds and lists show; the partial indexes are made for just these words."""

_KINDS = ", ".join(f"'{kind}'" for kind in REACTION_KINDS)
_NONE = "{" + ",".join("0" for _ in REACTION_KINDS) + "}"


def _count() -> Any:
    return Field(default=0, sa_type=Integer, sa_column_kwargs={"server_default": text("0")})


def _counts() -> Any:
    return Field(
        default=None,
        sa_type=ARRAY(Integer),
        nullable=False,
        sa_column_kwargs={"server_default": text(f"'{_NONE}'")},
    )


def _counts_sound() -> list[CheckConstraint]:
    return [
        CheckConstraint(f"cardinality(reactions) = {len(REACTION_KINDS)}", name="reactions_whole"),
        CheckConstraint("0 <= ALL (reactions)", name="reactions_not_negative"),
        CheckConstraint("reaction_count >= 0", name="reaction_count_not_negative"),
    ]


class Category(SQLModel, table=True):
    """A shelf of posts, made by administrators."""

    __tablename__ = "category"
    __table_args__ = (
        CheckConstraint("char_length(name) BETWEEN 1 AND 60", name="name_length"),
        CheckConstraint("char_length(description) <= 1000", name="description_length"),
        CheckConstraint("slug ~ '^[a-z0-9](-?[a-z0-9]){0,59}$'", name="slug_form"),
        UniqueConstraint("slug"),
        Index("ix_category_position", "position", "id"),
    )

    id: UUID = key()
    slug: str = words()
    name: str = words()
    description: str = words(default="")
    position: int = _count()
    created_at: datetime = moment(now=True)


class Tag(SQLModel, table=True):
    """A word that posts carry, and on how many listed posts it stands."""

    __tablename__ = "tag"
    __table_args__ = (
        CheckConstraint("char_length(name) BETWEEN 1 AND 40", name="name_length"),
        CheckConstraint("post_count >= 0", name="post_count_not_negative"),
        Index("ix_tag_most_used", "post_count", "name"),
    )

    name: str = Field(primary_key=True, sa_type=Text)
    post_count: int = _count()


class Post(SQLModel, table=True):
    """What someone wrote. `opening` is the beginning of its text, for where no excerpt is given.

    `removed_from` is the status to which RESTORE takes a removed post back. `popularity` is 1 for
    a reaction, 2 for a comment, 3 for a share; `heat` weighs it against age (posts_counts.py).
    """

    __tablename__ = "post"
    __table_args__ = (
        CheckConstraint("char_length(title) BETWEEN 1 AND 300", name="title_length"),
        CheckConstraint("slug ~ '^[a-z0-9](-?[a-z0-9]){2,119}$'", name="slug_form"),
        CheckConstraint("jsonb_typeof(blocks) = 'array'", name="blocks_array"),
        CheckConstraint("jsonb_array_length(blocks) <= 200", name="blocks_bounded"),
        CheckConstraint("char_length(excerpt) <= 500", name="excerpt_length"),
        CheckConstraint("char_length(opening) <= 300", name="opening_length"),
        CheckConstraint("char_length(cover_url) <= 2048", name="cover_url_length"),
        CheckConstraint("cardinality(tags) <= 20", name="tags_bounded"),
        CheckConstraint(
            "status IN ('DRAFT', 'PUBLISHED', 'ARCHIVED', 'REMOVED')", name="status_known"
        ),
        CheckConstraint(
            "removed_from IN ('DRAFT', 'PUBLISHED', 'ARCHIVED')", name="removed_from_known"
        ),
        CheckConstraint(
            "(status = 'REMOVED') = (removed_from IS NOT NULL)", name="removed_from_something"
        ),
        CheckConstraint("status <> 'PUBLISHED' OR published_at IS NOT NULL", name="published_once"),
        CheckConstraint("comment_count >= 0", name="comment_count_not_negative"),
        CheckConstraint("share_count >= 0", name="share_count_not_negative"),
        CheckConstraint("view_count >= 0", name="view_count_not_negative"),
        *_counts_sound(),
        UniqueConstraint("slug"),
        Index("ix_post_newest", "published_at", "id", postgresql_where=text(LISTED)),
        Index("ix_post_popular", "popularity", "id", postgresql_where=text(LISTED)),
        Index("ix_post_trending", "heat", "id", postgresql_where=text(LISTED)),
        Index("ix_post_shelf", "category_id", "published_at", "id", postgresql_where=text(LISTED)),
        Index("ix_post_feed", "author_id", "published_at", "id", postgresql_where=text(LISTED)),
        Index(
            "ix_post_featured",
            "published_at",
            "id",
            postgresql_where=text(f"{LISTED} AND featured_at IS NOT NULL"),
        ),
        Index("ix_post_author", "author_id", "created_at", "id"),
        Index("ix_post_tags", "tags", postgresql_using="gin"),
    )

    id: UUID = key()
    author_id: UUID = reference("user_account.id")
    title: str = words()
    slug: str = words()
    blocks: list[Any] = json(default="[]")
    excerpt: str | None = words(nullable=True)
    opening: str = words(default="")
    cover_url: str | None = words(nullable=True)
    tags: list[str] = Field(
        default_factory=list, sa_type=ARRAY(Text), sa_column_kwargs={"server_default": "{}"}
    )
    category_id: UUID | None = reference("category.id", nullable=True)
    status: str = words(default="DRAFT")
    removed_from: str | None = words(nullable=True)
    reading_time_s: int = _count()
    comment_count: int = _count()
    reaction_count: int = _count()
    reactions: list[int] = _counts()
    share_count: int = _count()
    view_count: int = _count()
    popularity: int = _count()
    heat: int = Field(default=0, sa_type=BigInteger, sa_column_kwargs={"server_default": text("0")})
    created_at: datetime = moment(now=True)
    published_at: datetime | None = moment(nullable=True)
    edited_at: datetime | None = moment(nullable=True)
    featured_at: datetime | None = moment(nullable=True)
    deleted_at: datetime | None = moment(nullable=True)


class Comment(SQLModel, table=True):
    """An answer to a post or to another comment. One that is deleted or removed stays in its place
    without its words; `reply_count` and the post's count have the visible ones alone."""

    __tablename__ = "post_comment"
    __table_args__ = (
        CheckConstraint("char_length(text) BETWEEN 1 AND 5000", name="text_length"),
        CheckConstraint("depth BETWEEN 1 AND 8", name="depth_bounded"),
        CheckConstraint("(depth = 1) = (parent_id IS NULL)", name="depth_of_roots"),
        CheckConstraint("status IN ('VISIBLE', 'DELETED', 'REMOVED')", name="status_known"),
        CheckConstraint("reply_count >= 0", name="reply_count_not_negative"),
        *_counts_sound(),
        Index(
            "ix_post_comment_post",
            "post_id",
            "created_at",
            "id",
            postgresql_where=text("parent_id IS NULL"),
        ),
        Index("ix_post_comment_parent", "parent_id", "created_at", "id"),
        Index("ix_post_comment_author", "author_id", "created_at", "id"),
    )

    id: UUID = key()
    post_id: UUID = reference("post.id")
    parent_id: UUID | None = reference("post_comment.id", nullable=True)
    author_id: UUID = reference("user_account.id")
    depth: int = Field(default=1, sa_type=Integer)
    text: str = words()
    status: str = words(default="VISIBLE")
    reply_count: int = _count()
    reaction_count: int = _count()
    reactions: list[int] = _counts()
    created_at: datetime = moment(now=True)
    edited_at: datetime | None = moment(nullable=True)


class Reaction(SQLModel, table=True):
    """One person's one kind of reaction to a post or a comment (`subject_id`) under `post_id`."""

    __tablename__ = "reaction"
    __table_args__ = (
        CheckConstraint(f"kind IN ({_KINDS})", name="kind_known"),
        Index("ix_reaction_user", "user_id", "created_at"),
    )

    subject_id: UUID = Field(primary_key=True)
    user_id: UUID = reference("user_account.id", primary_key=True)
    kind: str = Field(primary_key=True, sa_type=Text)
    post_id: UUID = reference("post.id")
    created_at: datetime = moment(now=True)


class PostVisit(SQLModel, table=True):
    """When someone last read a post, as it was counted, and when they first shared it."""

    __tablename__ = "post_visit"
    __table_args__ = (Index("ix_post_visit_user", "user_id"),)

    post_id: UUID = reference("post.id", primary_key=True)
    user_id: UUID = reference("user_account.id", primary_key=True)
    viewed_at: datetime | None = moment(nullable=True)
    shared_at: datetime | None = moment(nullable=True)
