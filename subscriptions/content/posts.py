"""The streams of posts: publications, what happens to one post, the comments under it; which events
each one passes on, and what they say."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from models.content.post_tables import POSTS_TOPIC
from services.content.posts import category_topic
from services.content.posts_counts import post_topic
from subscriptions.feeds import Feed
from subscriptions.log import LogEvent

PUBLISHED = frozenset({"PostPublished"})
COMMENTED = frozenset({"CommentAdded"})
CHANGES = {
    "PostChanged": "EDITED",
    "PostStatusChanged": "STATUS",
    "PostDeleted": "STATUS",
    "PostFeatured": "FEATURED",
    "PostUnfeatured": "FEATURED",
    "PostShared": "COUNTS",
    "CommentAdded": "COUNTS",
    "CommentStatusChanged": "COUNTS",
    "ReactionsChanged": "COUNTS",
}
"""What an event changed of a post: values of the GraphQL enum `PostChangeKind`."""

_CHANGE_TYPES = frozenset(CHANGES)


def posts_published(category_id: UUID | None) -> Feed:
    """Publications, in a category or all."""
    topic = POSTS_TOPIC if category_id is None else category_topic(category_id)
    return Feed(topic, types=PUBLISHED)


def comments_added(post_id: UUID) -> Feed:
    """New comments under a post, replies too."""
    return Feed(post_topic(post_id), types=COMMENTED)


def post_changes(post_id: UUID) -> Feed:
    """What changes a post or its counts; reactions to its comments are none of it."""
    return Feed(post_topic(post_id), types=_CHANGE_TYPES, passes=_is_of_post)


def _is_of_post(event: LogEvent) -> bool:
    return str(event.payload.get("subject", "pst_")).startswith("pst_")


class PostAddedRow(NamedTuple):
    """One publication."""

    cursor: str
    occurred_at: datetime
    post_id: UUID


class PostUpdateRow(NamedTuple):
    """One change of a post."""

    cursor: str
    occurred_at: datetime
    kind: str
    post_id: UUID


class CommentAddedRow(NamedTuple):
    """One new comment."""

    cursor: str
    occurred_at: datetime
    comment_id: UUID


def added_of(event: LogEvent) -> PostAddedRow:
    """What a `PostPublished` says."""
    return PostAddedRow(event.cursor, event.occurred_at, UUID(hex=event.payload["post"]))


def update_of(event: LogEvent) -> PostUpdateRow:
    """What any other event of a post's topic says of the post."""
    post_id = UUID(hex=event.topic.partition(":")[2])
    return PostUpdateRow(event.cursor, event.occurred_at, CHANGES[event.type], post_id)


def comment_added_of(event: LogEvent) -> CommentAddedRow:
    """What a `CommentAdded` says."""
    return CommentAddedRow(event.cursor, event.occurred_at, UUID(hex=event.payload["comment"]))
