"""What posts push: publications, changes of a post, comments under it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import datetime
from enum import Enum
from typing import Annotated, cast

import strawberry

from loaders.content import posts as loaders
from resolvers.content.posts import watch_comments, watch_post, watch_posts
from schema.content.posts_types import Comment, Post
from schema.fields import Context, argument, attribute, loaded, subscription
from schema.rows import shows
from schema.scalars import Cursor
from subscriptions.content import posts as streams

RESUME = "`CURSOR_EXPIRED` where the log no longer goes back so far."
AfterPublication = Annotated[
    Cursor | None,
    argument(f"Go on after this event's `cursor`. From now on if not given. {RESUME}"),
]
AfterEvent = Annotated[
    Cursor | None,
    argument(
        "Go on after this event: the last `cursor` you saw, or `Post.eventCursor`. From now on if "
        f"not given. {RESUME}"
    ),
]
PostId = Annotated[strawberry.ID, argument("Which post.")]


@strawberry.enum(description="What happened to a post.")
class PostChangeKind(Enum):
    EDITED = strawberry.enum_value("EDITED", description="Its author changed what it says.")
    STATUS = strawberry.enum_value(
        "STATUS", description="It was published, archived, removed, restored or deleted."
    )
    FEATURED = strawberry.enum_value("FEATURED", description="It was featured, or no longer is.")
    COUNTS = strawberry.enum_value(
        "COUNTS", description="A comment, a reaction or a share came or went."
    )


@strawberry.type(description="A post was published.")
@shows(streams.PostAddedRow)
class PostAdded:
    cursor: Cursor = attribute("Where this event is in the stream: resume after it.")
    occurred_at: datetime = attribute("When it happened, by the server's clock.")
    post: Post | None = loaded(
        loaders.post_by_id,
        key="post_id",
        description="The post as it is now; null once it is hidden from you.",
        viewer=True,
    )


@strawberry.type(description="Something about a post changed.")
@shows(streams.PostUpdateRow)
class PostUpdate:
    cursor: Cursor = attribute("Where this event is in the post's stream: resume after it.")
    occurred_at: datetime = attribute("When it happened, by the server's clock.")
    kind: PostChangeKind = attribute("What changed.")
    post: Post | None = loaded(
        loaders.post_by_id,
        key="post_id",
        description="The post as it is now; null once it is hidden from you.",
        viewer=True,
    )


@strawberry.type(description="Someone commented on a post.")
@shows(streams.CommentAddedRow)
class CommentAdded:
    cursor: Cursor = attribute("Where this event is in the post's stream: resume after it.")
    occurred_at: datetime = attribute("When it happened, by the server's clock.")
    comment: Comment | None = loaded(
        loaders.comment_by_id,
        key="comment_id",
        description="The comment as it is now; null once it is hidden from you.",
        viewer=True,
    )


@strawberry.type
class PostSubscription:
    @subscription(
        "Each publication that you may see, once, in order: of a category or of all.",
        cost=2,
        viewer=True,
    )
    async def post_added(
        self,
        info: Context,
        category_id: Annotated[strawberry.ID | None, argument("Only in this category.")] = None,
        after: AfterPublication = None,
    ) -> AsyncGenerator[PostAdded, None]:
        async with aclosing(watch_posts(info.context, category_id, after)) as events:
            async for event in events:
                yield cast(PostAdded, streams.added_of(event))

    @subscription("What happens to a post: edits, its status, its counts.", cost=2, viewer=True)
    async def post_updated(
        self, info: Context, id: PostId, after: AfterEvent = None
    ) -> AsyncGenerator[PostUpdate, None]:
        async with aclosing(watch_post(info.context, id, after)) as events:
            async for event in events:
                yield cast(PostUpdate, streams.update_of(event))

    @subscription(
        "Each new comment under a post that you may see, replies too, once, in order.",
        cost=2,
        viewer=True,
    )
    async def comment_added(
        self, info: Context, post_id: PostId, after: AfterEvent = None
    ) -> AsyncGenerator[CommentAdded, None]:
        async with aclosing(watch_comments(info.context, post_id, after)) as events:
            async for event in events:
                yield cast(CommentAdded, streams.comment_added_of(event))
