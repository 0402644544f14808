"""Root fields that read posts, feeds, comments, categories and tags."""

from __future__ import annotations

from typing import Annotated

import strawberry

from loaders.content import feeds
from loaders.content.posts import MOST_USED_TAGS, POST_ORDERS, SHELVES
from resolvers.content import posts as resolvers
from schema.common import Connection
from schema.content.posts_inputs import PostFilterInput, PostOrder, post_filter, refuse_nul
from schema.content.posts_types import Category, Post, Tag
from schema.content.timeframes import AGES, TRENDING_KEPT_S, Timeframe
from schema.fields import After, Before, Context, First, Last, argument, page_size, resolved
from schema.scalars import code_of

Id = Annotated[strawberry.ID | None, argument("Its id; or give `slug`.")]
Slug = Annotated[str | None, argument("Its public address; or give `id`.")]

POSTS_KEPT_S = 60


@strawberry.type
class PostQuery:
    @resolved(
        "A post, by id or by slug; null where there is none that you may see.",
        viewer=True,
        cache=POSTS_KEPT_S,
    )
    async def post(self, info: Context, id: Id = None, slug: Slug = None) -> Post | None:
        return await resolvers.post(info.context, id, slug)

    @resolved(
        "Published posts that you may see, page by page.",
        list_size=page_size(),
        viewer=True,
        cache=POSTS_KEPT_S,
    )
    async def posts(
        self,
        info: Context,
        filter: Annotated[PostFilterInput | None, argument("Which; all if not given.")] = None,
        order_by: Annotated[PostOrder, argument("In which order.")] = PostOrder.NEWEST,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Post]:
        ordering = code_of(order_by)
        page = info.context.page_request(POST_ORDERS[ordering], first, after, last, before)
        return await resolvers.posts_page(info.context, post_filter(filter), ordering, page)

    @resolved(
        "Posts of the people you follow, newest first, without those you have muted.",
        authenticated=True,
        list_size=page_size(),
        viewer=True,
    )
    async def home_feed(
        self,
        info: Context,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Post]:
        page = info.context.page_request(feeds.NEWEST, first, after, last, before)
        return await resolvers.home_feed(info.context, page)

    @resolved(
        "The hottest posts of a span of time, without those of people you have muted.",
        list_size=page_size(),
        viewer=True,
        cache=TRENDING_KEPT_S,
    )
    async def trending_posts(
        self,
        info: Context,
        timeframe: Annotated[Timeframe, argument("Published within it.")] = Timeframe.WEEK,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Post]:
        page = info.context.page_request(POST_ORDERS["TRENDING"], first, after, last, before)
        return await resolvers.trending_posts(info.context, AGES[code_of(timeframe)], page)

    @resolved("A category, by id or by slug; null where there is none.")
    async def category(self, info: Context, id: Id = None, slug: Slug = None) -> Category | None:
        return await resolvers.category(info.context, id, slug)

    @resolved("All categories, in their order.", list_size=page_size())
    async def categories(
        self,
        info: Context,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Category]:
        page = info.context.page_request(SHELVES, first, after, last, before)
        return await resolvers.categories(info.context, page)

    @resolved("Tags in use, the most used first.", list_size=page_size())
    async def tags(
        self,
        info: Context,
        prefix: Annotated[str | None, argument("Those that begin so, in any case.")] = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Tag]:
        refuse_nul(prefix)
        page = info.context.page_request(MOST_USED_TAGS, first, after, last, before)
        return await resolvers.tags(info.context, prefix, page)
