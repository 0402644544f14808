"""Tables of what viewers do with titles: ratings and their sums, reviews, watchlists, histories,
preferences, and the trends that follow from them."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, get_args
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Index,
    Integer,
    SmallInteger,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field, SQLModel

from models.columns import key, moment, reference, words
from models.content.titles import TITLE_KINDS, one_of, texts

HISTOGRAM_BUCKETS = 11
"""One for each whole number from 0 to 10: a rating of 7.3 counts as 7."""

Timeframe = Literal["DAY", "WEEK", "MONTH", "ALL"]
TIMEFRAMES: tuple[str, ...] = get_args(Timeframe)


class Rating(SQLModel, table=True):
    """What a viewer gives a title, in tenths: 73 is 7.3."""

    __tablename__ = "rating"
    __table_args__ = (
        CheckConstraint("value_tenths BETWEEN 0 AND 100", name="value_range"),
        Index("ix_rating_title", "title_id"),
        Index("ix_rating_updated_at", "updated_at"),
    )

    user_id: UUID = reference("user_account.id", primary_key=True)
    title_id: UUID = reference("title.id", primary_key=True)
    value_tenths: int = Field(sa_type=SmallInteger)
    created_at: datetime = moment(now=True)
    updated_at: datetime = moment(now=True)


class RatingStats(SQLModel, table=True):
    """The fold of a title's ratings, kept in the transaction of each."""

    __tablename__ = "rating_stats"
    __table_args__ = (
        CheckConstraint("count >= 0", name="count_not_negative"),
        CheckConstraint("sum_tenths BETWEEN 0 AND count * 100", name="sum_range"),
        CheckConstraint("cardinality(histogram) = 11", name="histogram_length"),
        CheckConstraint("0 <= ALL (histogram)", name="histogram_not_negative"),
    )

    title_id: UUID = reference("title.id", primary_key=True)
    count: int = Field(sa_type=BigInteger)
    sum_tenths: int = Field(sa_type=BigInteger)
    histogram: list[int] = Field(sa_type=ARRAY(Integer))


class Review(SQLModel, table=True):
    """What a viewer writes of a title; one each."""

    __tablename__ = "review"
    __table_args__ = (
        CheckConstraint("char_length(headline) BETWEEN 1 AND 300", name="headline_length"),
        CheckConstraint("char_length(body) BETWEEN 1 AND 10000", name="body_length"),
        UniqueConstraint("title_id", "user_id", name="uq_review_title_user"),
        Index("ix_review_title", "title_id", "created_at", "id"),
        Index("ix_review_user", "user_id", "created_at", "id"),
    )

    id: UUID = key()
    user_id: UUID = reference("user_account.id")
    title_id: UUID = reference("title.id")
    headline: str | None = words(nullable=True)
    body: str = words()
    spoilers: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    created_at: datetime = moment(now=True)
    updated_at: datetime = moment(now=True)


class WatchlistItem(SQLModel, table=True):
    """A title that a viewer means to watch; priority 1 is low, 3 high."""

    __tablename__ = "watchlist_item"
    __table_args__ = (
        CheckConstraint("priority BETWEEN 1 AND 3", name="priority_range"),
        Index("ix_watchlist_item_order", "user_id", "priority", "added_at", "title_id"),
        Index("ix_watchlist_item_title", "title_id", "user_id"),
        Index("ix_watchlist_item_added_at", "added_at"),
    )

    user_id: UUID = reference("user_account.id", primary_key=True)
    title_id: UUID = reference("title.id", primary_key=True)
    priority: int = Field(default=2, sa_type=SmallInteger)
    added_at: datetime = moment(now=True)


class ViewRecord(SQLModel, table=True):
    """One viewing of a title, known by its beginning; progress in percent."""

    __tablename__ = "view_record"
    __table_args__ = (
        CheckConstraint("duration_s BETWEEN 0 AND 604800", name="duration_range"),
        CheckConstraint("progress BETWEEN 0 AND 100", name="progress_range"),
        UniqueConstraint("user_id", "title_id", "watched_at", name="uq_view_record_viewing"),
        Index("ix_view_record_user", "user_id", "watched_at", "id"),
        Index("ix_view_record_title", "title_id", "watched_at"),
        Index("ix_view_record_watched_at", "watched_at"),
    )

    id: UUID = key()
    user_id: UUID = reference("user_account.id")
    title_id: UUID = reference("title.id")
    platform_id: UUID | None = reference("platform.id", nullable=True)
    watched_at: datetime = moment()
    duration_s: int = Field(default=0, sa_type=Integer)
    progress: int = Field(default=0, sa_type=SmallInteger)
    completed: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    recorded_at: datetime = moment(now=True)


class UserPreference(SQLModel, table=True):
    """What a viewer wants of the catalogue. `maturity_limit` hides titles above it from them
    everywhere; genres and platforms are slugs."""

    __tablename__ = "user_preference"
    __table_args__ = (
        CheckConstraint("maturity_limit BETWEEN 0 AND 4", name="maturity_limit_range"),
        CheckConstraint("cardinality(genres) <= 50", name="genres_bounded"),
        CheckConstraint("cardinality(languages) <= 50", name="languages_bounded"),
        CheckConstraint("cardinality(platforms) <= 50", name="platforms_bounded"),
        CheckConstraint("cardinality(memberships) <= 50", name="memberships_bounded"),
        CheckConstraint("region ~ '^[A-Z]{2}$'", name="region_iso3166"),
    )

    user_id: UUID = reference("user_account.id", primary_key=True)
    genres: list[str] = texts()
    languages: list[str] = texts()
    maturity_limit: int | None = Field(default=None, sa_type=SmallInteger, nullable=True)
    platforms: list[str] = texts()
    memberships: list[str] = texts()
    region: str | None = words(nullable=True)
    updated_at: datetime = moment(now=True)


class TitleTrend(SQLModel, table=True):
    """A place among the titles that move people now, as a job last saw it. Region '' is all."""

    __tablename__ = "title_trend"
    __table_args__ = (
        CheckConstraint(one_of("timeframe", TIMEFRAMES), name="timeframe_known"),
        CheckConstraint(one_of("kind", TITLE_KINDS), name="kind_known"),
        CheckConstraint("score > 0", name="score_positive"),
        Index("ix_title_trend_score", "timeframe", "region", "score", "title_id"),
    )

    timeframe: str = Field(primary_key=True)
    region: str = Field(primary_key=True)
    title_id: UUID = reference("title.id", primary_key=True)
    kind: str = words()
    score: int = Field(sa_type=BigInteger)
    computed_at: datetime = moment(now=True)
