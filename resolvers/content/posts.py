"""From a field of posts to one unit of work: the viewer, ids decoded, a service; and streams."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from core.errors import BadUserInput, NotFound
from core.ids import split_id
from core.pagination import PageRequest
from loaders.content import feeds
from loaders.content import posts as loaders
from loaders.content.feeds import PostFilter
from resolvers.auctions import find, named_key, public_key
from resolvers.context import OperationContext
from resolvers.following import follow
from services.content import posts, posts_comments, posts_counts, posts_reactions
from services.content.posts import PostDetails
from subscriptions.content import posts as streams
from subscriptions.feeds import Feed
from subscriptions.log import LogEvent

POST_MODERATOR = "post:delete"
COMMENT_MODERATOR = "comment:delete"


def moderates(context: OperationContext, scope: str) -> bool:
    """Whether the viewer sees what was removed."""
    return context.viewer is not None and context.viewer.has(scope)


async def post_at(context: OperationContext, key: UUID) -> Any:
    """The post's row as this viewer may see it, or None."""
    moderator = moderates(context, POST_MODERATOR)
    loader = loaders.moderator_post_by_id if moderator else loaders.post_by_id
    return await context.loaders.load(loader, key)


async def comment_at(context: OperationContext, key: UUID) -> Any:
    """The comment's row as this viewer may see it, or None."""
    moderator = moderates(context, COMMENT_MODERATOR)
    loader = loaders.moderator_comment_by_id if moderator else loaders.comment_by_id
    return await context.loaders.load(loader, key)


async def post(context: OperationContext, public_id: str | None, slug: str | None) -> Any:
    """A post by one of its two names, or None. Raises `BadUserInput` unless given just one."""
    if (public_id is None) == (slug is None):
        raise BadUserInput("give id or slug, and not both")
    if slug is None:
        key = public_key(public_id or "", "pst")
    elif posts.is_post_slug(slug):
        key = await context.loaders.load(loaders.post_id_by_slug, slug)
    else:
        return None
    return None if key is None else await post_at(context, key)


async def referred_post(context: OperationContext, public_id: str) -> Any:
    """A post that another subgraph names."""
    key = public_key(public_id, "pst")
    return None if key is None else await post_at(context, key)


async def referred_comment(context: OperationContext, public_id: str) -> Any:
    """A comment that another subgraph names."""
    key = public_key(public_id, "cmt")
    return None if key is None else await comment_at(context, key)


async def category(context: OperationContext, public_id: str | None, slug: str | None) -> Any:
    """A category by one of its two names, or None."""
    if (public_id is None) == (slug is None):
        raise BadUserInput("give id or slug, and not both")
    if slug is None:
        return await find(context, loaders.category_by_id, public_id or "", "cat")
    if "\0" in slug:
        return None
    return await context.loaders.load(loaders.category_by_slug, slug)


async def posts_page(
    context: OperationContext, wanted: PostFilter, ordering: str, request: PageRequest
) -> Any:
    """A page of listed posts."""
    page = await feeds.posts_page(context.server.db, context.viewer_id, wanted, ordering, request)
    return _remembered(context, page)


async def trending_posts(
    context: OperationContext, age: timedelta | None, request: PageRequest
) -> Any:
    """A page of the hottest posts."""
    page = await feeds.trending_page(context.server.db, context.viewer_id, age, request)
    return _remembered(context, page)


async def home_feed(context: OperationContext, request: PageRequest) -> Any:
    """A page of posts by those whom the viewer follows."""
    viewer = context.signed_in()
    page = await feeds.home_page(context.server.db, viewer.user_id, request)
    return _remembered(context, page)


async def categories(context: OperationContext, request: PageRequest) -> Any:
    """A page of all categories."""
    return await feeds.categories_page(context.server.db, request)


async def tags(context: OperationContext, prefix: str | None, request: PageRequest) -> Any:
    """A page of the tags in use."""
    return await feeds.tags_page(context.server.db, prefix, request)


def _remembered(context: OperationContext, page: Any) -> Any:
    for edge in page.edges:
        context.loaders.prime(loaders.post_by_id, edge.node.id, edge.node)
    return page


async def comment_text(context: OperationContext, row: Any) -> str | None:
    """The words of a comment; of a removed one for its moderators alone."""
    return str(row.text) if _reads(context, row) else None


async def comment_author(context: OperationContext, row: Any, loader: Any) -> Any:
    """Who wrote a comment; None where its words are gone."""
    return await context.loaders.load(loader, row.author_id) if _reads(context, row) else None


def _reads(context: OperationContext, row: Any) -> bool:
    return row.status == "VISIBLE" or (
        row.status == "REMOVED" and moderates(context, COMMENT_MODERATOR)
    )


async def create_post(
    context: OperationContext, details: PostDetails, category_id: str | None, **options: Any
) -> Any:
    """Write a post for the viewer; its row."""
    viewer = context.signed_in()
    if category_id is not None:
        key = named_key(category_id, "cat", "category")
        details = PostDetails(
            details.title,
            details.blocks,
            details.excerpt,
            details.cover_url,
            details.tags,
            key,
        )
    post_id = await context.transact(
        partial(posts.create_post, author_id=viewer.user_id, details=details, **options)
    )
    return _still_there(await _afresh(context, post_id), "post")


async def update_post(context: OperationContext, post_id: str, changes: Mapping[str, Any]) -> Any:
    """Change the given fields of one's own post; its row."""
    changed = dict(changes)
    if changed.get("category_id") is not None:
        changed["category_id"] = named_key(changed["category_id"], "cat", "category")
    return await act_on_post(context, posts.update_post, post_id, changes=changed)


async def act_on_post(context: OperationContext, service: Any, post_id: str, **given: Any) -> Any:
    """Run a service of `(tx, *, viewer_id, post_id)` on a post; its row after it."""
    viewer = context.signed_in()
    key = named_key(post_id, "pst", "post")
    await context.transact(partial(service, viewer_id=viewer.user_id, post_id=key, **given))
    return await _afresh(context, key)


async def delete_post(context: OperationContext, post_id: str) -> str:
    """Delete one's own post; its id."""
    viewer = context.signed_in()
    key = named_key(post_id, "pst", "post")
    await context.transact(partial(posts.delete_post, viewer_id=viewer.user_id, post_id=key))
    return post_id


async def record_post_view(context: OperationContext, post_id: str) -> Any:
    """Count that the viewer reads a post; its row."""
    return await act_on_post(context, posts_counts.record_post_view, post_id)


async def share_post(context: OperationContext, post_id: str) -> Any:
    """Count that the viewer passes a post on; its row."""
    return await act_on_post(context, posts_counts.share_post, post_id)


async def create_category(context: OperationContext, **given: Any) -> Any:
    """Make a shelf; its row."""
    key = await context.transact(partial(posts.create_category, **given))
    return await context.loaders.load(loaders.category_by_id, key)


async def add_comment(
    context: OperationContext, post_id: str, parent_id: str | None, **given: Any
) -> Any:
    """Answer a post or a comment; the comment's row."""
    viewer = context.signed_in()
    parent = None if parent_id is None else named_key(parent_id, "cmt", "comment")
    comment_id = await context.transact(
        partial(
            posts_comments.add_comment,
            author_id=viewer.user_id,
            post_id=named_key(post_id, "pst", "post"),
            parent_id=parent,
            **given,
        )
    )
    context.forget()
    return _still_there(await context.loaders.load(loaders.comment_by_id, comment_id), "comment")


async def act_on_comment(
    context: OperationContext, service: Any, comment_id: str, **given: Any
) -> Any:
    """Run a service of `(tx, *, viewer_id, comment_id)` on a comment; its row after it."""
    viewer = context.signed_in()
    key = named_key(comment_id, "cmt", "comment")
    await context.transact(partial(service, viewer_id=viewer.user_id, comment_id=key, **given))
    context.forget()
    # One's own may stand under a post that is hidden by now.
    return await context.loaders.load(loaders.moderator_comment_by_id, key)


async def react(context: OperationContext, node_id: str, kind: str) -> Any:
    """Add the viewer's reaction; the row of what it is to."""
    return await _react(context, posts_reactions.react, node_id, kind)


async def unreact(context: OperationContext, node_id: str, kind: str) -> Any:
    """Take the viewer's reaction back; the row of what it was to."""
    return await _react(context, posts_reactions.unreact, node_id, kind)


async def _react(context: OperationContext, service: Any, node_id: str, kind: str) -> Any:
    viewer = context.signed_in()
    prefix, key = named_node(node_id, *posts_reactions.SUBJECTS)
    await context.transact(
        partial(service, viewer_id=viewer.user_id, prefix=prefix, subject_id=key, kind=kind)
    )
    context.forget()
    return await (post_at if prefix == "pst" else comment_at)(context, key)


def named_node(node_id: str, *prefixes: str) -> tuple[str, UUID]:
    """The prefix and key of an id of one of these kinds. Raises `NotFound` for any other."""
    for prefix in prefixes:
        key = public_key(node_id, prefix)
        if key is not None:
            return split_id(node_id)
    raise NotFound("node")


def watch_posts(
    context: OperationContext, category_id: str | None, after: str | None
) -> AsyncGenerator[LogEvent, None]:
    """Publications that the viewer may see."""

    async def find_feed() -> Feed:
        if category_id is None:
            return streams.posts_published(None)
        found = await find(context, loaders.category_by_id, category_id, "cat")
        if found is None:
            raise BadUserInput("there is no such category to subscribe to")
        return streams.posts_published(found.id)

    async def sees(event: LogEvent) -> bool:
        post_id = UUID(hex=event.payload["post"])
        return await context.loaders.load(loaders.post_by_id, post_id) is not None

    return follow(context, after, find_feed, sees=sees)


def watch_post(
    context: OperationContext, post_id: str, after: str | None
) -> AsyncGenerator[LogEvent, None]:
    """Changes of a post."""

    async def find_feed() -> Feed:
        return streams.post_changes(await _existing(context, post_id))

    return follow(context, after, find_feed)


def watch_comments(
    context: OperationContext, post_id: str, after: str | None
) -> AsyncGenerator[LogEvent, None]:
    """New comments that the viewer may see."""

    async def find_feed() -> Feed:
        return streams.comments_added(await _existing(context, post_id))

    async def sees(event: LogEvent) -> bool:
        comment_id = UUID(hex=event.payload["comment"])
        return await context.loaders.load(loaders.comment_by_id, comment_id) is not None

    return follow(context, after, find_feed, sees=sees)


def _still_there(row: Any, what: str) -> Any:
    """The row that a key stands for: with a key used before it may be hidden by now."""
    if row is None:
        raise NotFound(what)
    return row


async def _existing(context: OperationContext, post_id: str) -> UUID:
    found = await find(context, loaders.post_by_id, post_id, "pst")
    if found is None:
        raise BadUserInput("there is no such post to subscribe to")
    key: UUID = found.id
    return key


async def _afresh(context: OperationContext, key: UUID) -> Any:
    context.forget()
    return await post_at(context, key)
