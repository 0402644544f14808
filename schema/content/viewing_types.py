"""What viewers do with titles, as clients see it, and what that adds to a user."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any

import strawberry

from execution.caching import INHERITS
from loaders import users as user_loaders
from loaders.content import availability as offers
from loaders.content import titles as titles
from loaders.content import viewing as loaders
from loaders.content.viewing import PreferenceRow, ReviewRow, TrendRow, ViewRow, WatchlistRow
from resolvers.content import titles as resolvers
from schema.common import Connection, Node
from schema.content.titles_types import ContentRating, Platform, Title
from schema.fields import (
    After,
    Before,
    Context,
    First,
    Last,
    attribute,
    bounded,
    connected,
    loaded,
    page_size,
    resolved,
)
from schema.rows import found_by, shows
from services.content.preferences import ITEMS_MAX

if TYPE_CHECKING:
    from schema.users.types import User

LazyUser = Annotated["User", strawberry.lazy("schema.users.types")]


@strawberry.enum(description="How much someone wants to watch a title.")
class WatchlistPriority(Enum):
    LOW = strawberry.enum_value("LOW", description="Some day, perhaps.")
    NORMAL = strawberry.enum_value("NORMAL", description="As the others.")
    HIGH = strawberry.enum_value("HIGH", description="Before the others.")


@strawberry.federation.type(keys=["id"], description="What someone writes of a title.")
@shows(ReviewRow)
@found_by(loaders.review_by_id, "rvw")
class Review(Node):
    headline: str | None = attribute("A line above it.")
    body: str = attribute("What they write; may have several lines. Never interpreted.")
    spoilers: bool = attribute("Whether it tells what happens.")
    created_at: datetime = attribute("When it was first written.")
    updated_at: datetime = attribute("When it was last written.")
    author: LazyUser = loaded(user_loaders.user_by_id, key="user_id", description="Who writes.")
    title: Title = loaded(
        titles.title_by_id, key="title_id", description="What it is written of.", viewer=True
    )


@strawberry.type(description="A title that you mean to watch.")
@shows(WatchlistRow)
class WatchlistItem:
    importance: WatchlistPriority = attribute("How much you want it.", name="priority")
    added_at: datetime = attribute("When you put it there.")
    title: Title = loaded(
        titles.title_by_id, key="title_id", description="What is watched.", viewer=True
    )


@strawberry.federation.type(keys=["id"], description="A viewing in your history.")
@shows(ViewRow)
@found_by(loaders.own_view_by_id, "vwr")
class ViewRecord(Node):
    watched_at: datetime = attribute("When it began.")
    duration_s: int = attribute("How long you watched, in seconds.", name="durationSeconds")
    progress: int = attribute("How far you came, in percent.")
    completed: bool = attribute("Whether you saw it to the end.")
    title: Title = loaded(
        titles.title_by_id, key="title_id", description="What is watched.", viewer=True
    )
    platform: Platform | None = loaded(
        offers.platform_by_id, key="platform_id", description="Where, if you said so."
    )


@strawberry.type(description="What you want of the catalogue.")
@shows(PreferenceRow)
class Preferences:
    genres: list[str] = attribute("Slugs of genres you like.", list_size=bounded(ITEMS_MAX))
    languages: list[str] = attribute(
        "What you want spoken: ISO 639, as `fr`.", list_size=bounded(ITEMS_MAX)
    )
    content_rating_limit: ContentRating | None = attribute(
        "Titles above it are hidden from you everywhere, counts included; null hides nothing. "
        "Titles without a rating are not hidden."
    )
    region: str | None = attribute(
        "Where you watch: ISO 3166-1. Your profile's region if you set none."
    )

    @resolved("Platforms you want to hear of.", list_size=bounded(ITEMS_MAX))
    async def platforms(root: strawberry.Parent[Any], info: Context) -> list[Platform]:
        return await info.context.loaders.load(offers.platforms_by_slugs, tuple(root.platforms))

    @resolved("Platforms you are a paying member of.", list_size=bounded(ITEMS_MAX))
    async def memberships(root: strawberry.Parent[Any], info: Context) -> list[Platform]:
        return await info.context.loaders.load(offers.platforms_by_slugs, tuple(root.memberships))


@strawberry.type(
    description="A place among the titles that move people now.", directives=[INHERITS]
)
@shows(TrendRow)
class TrendingTitle:
    rank: int = attribute("From 1 on, among the titles you may see.")
    score: int = attribute("Thousandths of points: viewers, ratings, watchlists; halved by age.")
    computed_at: datetime = attribute("When the trend was computed; 15 minutes ago at most.")
    title: Title = attribute("What moves them.")


@strawberry.type
class ViewingUserFields:
    """What the catalogue adds to a user."""

    reviews: Connection[Review] = connected(
        loaders.reviews_by_user_id,
        key="id",
        description="What they write of titles, newest first.",
        viewer=True,
    )

    @resolved(
        "What you mean to watch, what you want most first; null for anyone but yourself.",
        viewer=True,
        list_size=page_size(),
    )
    async def watchlist(
        root: strawberry.Parent[Any],
        info: Context,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[WatchlistItem] | None:
        loader = loaders.own_watchlist_by_user_id
        return await resolvers.own(info.context, root.id, loader, first, after, last, before)

    @resolved(
        "What you watched, newest first; null for anyone but yourself.",
        viewer=True,
        list_size=page_size(),
    )
    async def viewing_history(
        root: strawberry.Parent[Any],
        info: Context,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[ViewRecord] | None:
        loader = loaders.own_views_by_user_id
        return await resolvers.own(info.context, root.id, loader, first, after, last, before)

    @resolved("What you want of the catalogue; null for anyone but yourself.", viewer=True)
    async def preferences(root: strawberry.Parent[Any], info: Context) -> Preferences | None:
        return await resolvers.own_preferences(info.context, root.id)
