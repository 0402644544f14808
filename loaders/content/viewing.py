"""Batched reads of what viewers do with titles: ratings, reviews, watchlists, histories,
preferences and trends. What is one viewer's own is read for that viewer alone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, and_, false, select

from core.database import Database
from loaders.base import Computed, one_by, page_by
from loaders.content.titles import TitleRow, table_of, title_within_limit, titles, within_limit
from loaders.pages import order
from loaders.rows import row_of
from loaders.users import unblocked
from models.content.titles import CONTENT_RATINGS
from models.content.viewing import (
    HISTOGRAM_BUCKETS,
    Rating,
    RatingStats,
    Review,
    TitleTrend,
    UserPreference,
    ViewRecord,
    WatchlistItem,
)

ratings, stats, reviews = table_of(Rating), table_of(RatingStats), table_of(Review)
watchlist, views = table_of(WatchlistItem), table_of(ViewRecord)
trends, preferences = table_of(TitleTrend), table_of(UserPreference)

PRIORITIES = ("LOW", "NORMAL", "HIGH")
"""Of watchlist items, from 1 on."""


class RatingStatsRow(NamedTuple):
    """The sums of a title's ratings."""

    ratings: int
    sum_tenths: int
    histogram: list[int]

    @property
    def mean(self) -> Decimal | None:
        """The mean with two places, rounded half to even; None without ratings."""
        if not self.ratings:
            return None
        return (Decimal(self.sum_tenths) / (10 * self.ratings)).quantize(Decimal("0.01"))


_UNRATED = RatingStatsRow(0, 0, [0] * HISTOGRAM_BUCKETS)


class ReviewRow(row_of(Review, "rvw")):  # type: ignore[misc]
    """A review."""

    __slots__ = ()


class WatchlistRow(row_of(WatchlistItem, "")):  # type: ignore[misc]
    """A title that its viewer means to watch."""

    __slots__ = ()

    @property
    def importance(self) -> str:
        """Its priority as clients know it."""
        return PRIORITIES[self.priority - 1]


class ViewRow(row_of(ViewRecord, "vwr")):  # type: ignore[misc]
    """A viewing."""

    __slots__ = ()


class PreferenceRow(row_of(UserPreference, "")):  # type: ignore[misc]
    """What a viewer wants of the catalogue."""

    __slots__ = ()

    @property
    def content_rating_limit(self) -> str | None:
        """Titles above it are hidden; None hides nothing."""
        return None if self.maturity_limit is None else CONTENT_RATINGS[self.maturity_limit]


def no_preferences(user_id: UUID) -> PreferenceRow:
    """What a viewer wants who never said it."""
    return PreferenceRow(user_id, [], [], None, [], [], None, None)


class TrendRow(NamedTuple):
    """A place in a trend."""

    rank: int
    score: int
    computed_at: datetime
    title: Any


def _own(viewer_id: UUID | None, table: Any) -> ColumnElement[bool]:
    """The viewer's own rows, without those of titles that are hidden from them."""
    if viewer_id is None:
        return false()
    return and_(table.c.user_id == viewer_id, title_within_limit(viewer_id, table.c.title_id))


def _review_visible(viewer_id: UUID | None) -> ColumnElement[bool]:
    return and_(
        unblocked(viewer_id, reviews.c.user_id),
        title_within_limit(viewer_id, reviews.c.title_id),
    )


review_by_id = one_by("review_by_id", ReviewRow, reviews.c.id, visible=_review_visible)
reviews_by_title_id = page_by(
    "reviews_by_title_id",
    ReviewRow,
    reviews.c.title_id,
    order=order("reviews", reviews.c.created_at, reviews.c.id, descending=True),
    visible=_review_visible,
)
reviews_by_user_id = page_by(
    "reviews_by_user_id",
    ReviewRow,
    reviews.c.user_id,
    order=order("users_reviews", reviews.c.created_at, reviews.c.id, descending=True),
    visible=_review_visible,
)
own_watchlist_by_user_id = page_by(
    "own_watchlist_by_user_id",
    WatchlistRow,
    watchlist.c.user_id,
    order=order(
        "watchlist",
        watchlist.c.priority,
        watchlist.c.added_at,
        watchlist.c.title_id,
        descending=True,
    ),
    visible=lambda viewer_id: _own(viewer_id, watchlist),
)
own_view_by_id = one_by(
    "own_view_by_id", ViewRow, views.c.id, visible=lambda viewer_id: _own(viewer_id, views)
)
own_views_by_user_id = page_by(
    "own_views_by_user_id",
    ViewRow,
    views.c.user_id,
    order=order("views", views.c.watched_at, views.c.id, descending=True),
    visible=lambda viewer_id: _own(viewer_id, views),
)
own_preferences_by_user_id = one_by(
    "own_preferences_by_user_id",
    PreferenceRow,
    preferences.c.user_id,
    visible=lambda viewer_id: false() if viewer_id is None else preferences.c.user_id == viewer_id,
)
rating_stats_by_title_id = Computed(
    "rating_stats_by_title_id", lambda db, _, keys: _rating_stats(db, keys)
)
viewer_rating_by_title_id = Computed(
    "viewer_rating_by_title_id",
    lambda db, viewer, keys: _viewer_ratings(db, viewer, keys),
    viewer=True,
)
viewer_review_by_title_id = Computed(
    "viewer_review_by_title_id",
    lambda db, viewer, keys: _viewer_reviews(db, viewer, keys),
    viewer=True,
)
in_watchlist_by_title_id = Computed(
    "in_watchlist_by_title_id",
    lambda db, viewer, keys: _in_watchlist(db, viewer, keys),
    viewer=True,
)
watchlist_item_by_title_id = Computed(
    "watchlist_item_by_title_id",
    lambda db, viewer, keys: _watchlist_items(db, viewer, keys),
    viewer=True,
)


async def _rating_stats(db: Database, title_ids: Sequence[UUID]) -> list[RatingStatsRow]:
    statement = select(
        stats.c.title_id, stats.c.count, stats.c.sum_tenths, stats.c.histogram
    ).where(stats.c.title_id.in_(title_ids))
    async with db.read() as session:
        rows = await session.execute(statement)
        found = {row[0]: RatingStatsRow(*row[1:]) for row in rows}
    return [found.get(key, _UNRATED) for key in title_ids]


async def _viewer_ratings(
    db: Database, viewer_id: UUID | None, title_ids: Sequence[UUID]
) -> list[Decimal | None]:
    if viewer_id is None:
        return [None] * len(title_ids)
    statement = select(ratings.c.title_id, ratings.c.value_tenths).where(
        ratings.c.user_id == viewer_id, ratings.c.title_id.in_(title_ids)
    )
    async with db.read() as session:
        found = {
            key: Decimal(tenths).scaleb(-1) for key, tenths in await session.execute(statement)
        }
    return [found.get(key) for key in title_ids]


async def _viewer_reviews(
    db: Database, viewer_id: UUID | None, title_ids: Sequence[UUID]
) -> list[ReviewRow | None]:
    if viewer_id is None:
        return [None] * len(title_ids)
    statement = select(*ReviewRow.__columns__).where(
        reviews.c.user_id == viewer_id, reviews.c.title_id.in_(title_ids)
    )
    async with db.read() as session:
        found = {row.title_id: ReviewRow._make(row) for row in await session.execute(statement)}
    return [found.get(key) for key in title_ids]


async def _watchlist_items(
    db: Database, viewer_id: UUID | None, title_ids: Sequence[UUID]
) -> list[WatchlistRow | None]:
    if viewer_id is None:
        return [None] * len(title_ids)
    statement = select(*WatchlistRow.__columns__).where(
        watchlist.c.user_id == viewer_id, watchlist.c.title_id.in_(title_ids)
    )
    async with db.read() as session:
        found = {row.title_id: WatchlistRow._make(row) for row in await session.execute(statement)}
    return [found.get(key) for key in title_ids]


async def _in_watchlist(
    db: Database, viewer_id: UUID | None, title_ids: Sequence[UUID]
) -> list[bool]:
    return [item is not None for item in await _watchlist_items(db, viewer_id, title_ids)]


_TREND_COLUMNS = (trends.c.score, trends.c.computed_at)


async def trending(
    db: Database,
    viewer_id: UUID | None,
    *,
    timeframe: str,
    kind: str | None,
    region: str,
    first: int,
) -> list[TrendRow]:
    """The first places of a trend as last computed, without titles hidden from the viewer."""
    conditions = [
        trends.c.timeframe == timeframe,
        trends.c.region == region,
        within_limit(viewer_id, titles.c.maturity),
    ]
    if kind is not None:
        conditions.append(trends.c.kind == kind)
    statement = (
        select(*_TREND_COLUMNS, *TitleRow.__columns__)
        .join_from(trends, titles, trends.c.title_id == titles.c.id)
        .where(*conditions)
        .order_by(trends.c.score.desc(), trends.c.title_id.desc())
        .limit(first)
    )
    async with db.read() as session:
        rows = (await session.execute(statement)).all()
    return [
        TrendRow(rank, score, computed_at, TitleRow._make(columns))
        for rank, (score, computed_at, *columns) in enumerate(rows, start=1)
    ]
