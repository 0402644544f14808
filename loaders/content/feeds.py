"""Pages of posts from many authors: all of them under a filter, of the people one follows, the hot
ones; and the lists of categories and tags."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, exists, func, select, true

from core.database import Database
from core.pagination import PageRequest
from loaders.base import read_page
from loaders.content.posts import (
    LISTED,
    MOST_USED_TAGS,
    POST_ORDERS,
    SHELVES,
    CategoryRow,
    PostRow,
    TagRow,
    post_listed,
)
from loaders.pages import Page, make_page
from loaders.users import unblocked
from models.content.post_tables import posts, tags
from models.user_tables import follows, mutes

NEWEST = POST_ORDERS["NEWEST"]


@dataclass(frozen=True, slots=True)
class PostFilter:
    """What `posts` narrows by; None means any."""

    category_id: UUID | None = None
    author_id: UUID | None = None
    tags: Sequence[str] | None = None
    featured: bool | None = None
    published_from: datetime | None = None
    published_to: datetime | None = None


async def posts_page(
    db: Database,
    viewer_id: UUID | None,
    wanted: PostFilter,
    ordering: str,
    request: PageRequest,
) -> Page:
    """One page of listed posts under a filter, in one of `POST_ORDERS`."""
    conditions = [post_listed(viewer_id), *_conditions(wanted)]
    return await read_page(db, PostRow, POST_ORDERS[ordering], request, conditions)


async def trending_page(
    db: Database, viewer_id: UUID | None, age: timedelta | None, request: PageRequest
) -> Page:
    """Listed posts of so long, the hottest first, without those of people the viewer has muted."""
    conditions = [post_listed(viewer_id), _unmuted(viewer_id, posts.c.author_id)]
    if age is not None:
        conditions.append(posts.c.published_at > func.now() - age)
    return await read_page(db, PostRow, POST_ORDERS["TRENDING"], request, conditions)


async def home_page(db: Database, viewer_id: UUID, request: PageRequest) -> Page:
    """Listed posts of the people the viewer follows, the newest first.

    A page of n posts is by those n of them whose newest posts are the newest: so one post of each
    is looked up by the index, then n posts of those n. What it costs follows from how many people
    one follows (10,000 at most), not from how much is written.
    """
    followed = (
        select(follows.c.followee_id.label("author_id"))
        .where(
            follows.c.follower_id == viewer_id,
            unblocked(viewer_id, follows.c.followee_id),
            _unmuted(viewer_id, follows.c.followee_id),
        )
        .subquery("followed")
    )
    writers = _newest_of(followed, request, each=1, name="writers")
    newest = _newest_of(writers, request, each=request.limit + 1, name="newest")
    statement = (
        select(*PostRow.__columns__)
        .select_from(posts.join(newest, posts.c.id == newest.c.id))
        .order_by(*NEWEST.by(forward=request.forward))
    )

    async def count() -> int:
        counted = (
            select(func.count())
            .select_from(posts.join(followed, posts.c.author_id == followed.c.author_id))
            .where(LISTED)
        )
        async with db.read() as session:
            return int((await session.execute(counted)).scalar_one())

    async with db.read() as session:
        rows = [PostRow._make(row) for row in await session.execute(statement)]
    return make_page(rows, NEWEST, request, count)


def _newest_of(authors: Any, request: PageRequest, *, each: int, name: str) -> Any:
    """The first posts of a page, and one more, of the first `each` of each author."""
    recent = (
        select(posts.c.id, posts.c.published_at)
        .where(posts.c.author_id == authors.c.author_id, LISTED, *NEWEST.between(request))
        .order_by(*NEWEST.by(forward=request.forward))
        .limit(each)
        .lateral(f"{name}_recent")
    )
    down = NEWEST.descending == request.forward
    order = [
        column.desc() if down else column.asc() for column in (recent.c.published_at, recent.c.id)
    ]
    return (
        select(authors.c.author_id, recent.c.id)
        .select_from(authors.join(recent, true()))
        .order_by(*order)
        .limit(request.limit + 1)
        .subquery(name)
    )


async def categories_page(db: Database, request: PageRequest) -> Page:
    """One page of all categories, as administrators ordered them."""
    return await read_page(db, CategoryRow, SHELVES, request, ())


async def tags_page(db: Database, prefix: str | None, request: PageRequest) -> Page:
    """One page of the tags in use, the most used first; those that begin so."""
    conditions = [tags.c.post_count > 0]
    if prefix is not None:
        conditions.append(tags.c.name.istartswith(prefix, autoescape=True))
    return await read_page(db, TagRow, MOST_USED_TAGS, request, conditions)


def _unmuted(viewer_id: UUID | None, author_id: ColumnElement[UUID]) -> ColumnElement[bool]:
    if viewer_id is None:
        return true()
    return ~exists().where(mutes.c.muter_id == viewer_id, mutes.c.muted_id == author_id)


def _conditions(wanted: PostFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.category_id is not None:
        found.append(posts.c.category_id == wanted.category_id)
    if wanted.author_id is not None:
        found.append(posts.c.author_id == wanted.author_id)
    if wanted.tags:
        found.append(posts.c.tags.contains(list(wanted.tags)))
    if wanted.featured is not None:
        marked: Any = posts.c.featured_at
        found.append(marked.is_not(None) if wanted.featured else marked.is_(None))
    if wanted.published_from is not None:
        found.append(posts.c.published_at >= wanted.published_from)
    if wanted.published_to is not None:
        found.append(posts.c.published_at < wanted.published_to)
    return [and_(true(), *found)] if found else []
