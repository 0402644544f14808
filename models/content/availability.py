"""Tables of platforms, and of where each title can be watched."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, get_args
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, Integer, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from models.auctions import ASSET_KNOWN
from models.columns import key, minor_units, moment, reference, words
from models.content.titles import one_of

Tier = Literal["FREE", "ADS", "SUBSCRIPTION", "RENT", "BUY"]
TIERS: tuple[str, ...] = get_args(Tier)
Source = Literal["POLL", "WEBHOOK", "ON_DEMAND", "MANUAL"]
SOURCES: tuple[str, ...] = get_args(Source)


def _flag(default: bool) -> Any:
    return Field(default=default, sa_column_kwargs={"server_default": text(str(default).lower())})


def _limit() -> Any:
    return Field(default=None, sa_type=Integer, nullable=True)


class Platform(SQLModel, table=True):
    """A service that shows titles, and how often it may be asked."""

    __tablename__ = "platform"
    __table_args__ = (
        CheckConstraint("slug ~ '^[a-z0-9](-?[a-z0-9]){1,59}$'", name="slug_form"),
        CheckConstraint("char_length(name) BETWEEN 1 AND 100", name="name_length"),
        CheckConstraint("char_length(home_url) <= 2048", name="home_url_length"),
        CheckConstraint("char_length(logo_url) <= 2048", name="logo_url_length"),
        CheckConstraint(
            "least(per_second, per_minute, per_hour, burst) > 0", name="limits_positive"
        ),
        UniqueConstraint("slug"),
    )

    id: UUID = key()
    slug: str = words()
    name: str = words()
    home_url: str | None = words(nullable=True)
    logo_url: str | None = words(nullable=True)
    active: bool = _flag(True)
    per_second: int | None = _limit()
    per_minute: int | None = _limit()
    per_hour: int | None = _limit()
    burst: int | None = _limit()
    created_at: datetime = moment(now=True)


class Availability(SQLModel, table=True):
    """One offer: a title on a platform in a region on a tier. It stays as a row when it ends.

    `leaving_told_for` is the end that LEAVING_SOON was told for.
    """

    __tablename__ = "availability"
    __table_args__ = (
        CheckConstraint("region ~ '^[A-Z]{2}$'", name="region_iso3166"),
        CheckConstraint(one_of("tier", TIERS), name="tier_known"),
        CheckConstraint(one_of("source", SOURCES), name="source_known"),
        CheckConstraint("price_minor >= 0", name="price_not_negative"),
        CheckConstraint(ASSET_KNOWN, name="asset_known"),
        CheckConstraint("(price_minor IS NULL) = (asset IS NULL)", name="price_has_asset"),
        CheckConstraint("char_length(link) <= 2048", name="link_length"),
        CheckConstraint("available_until > available_from", name="until_after_from"),
        UniqueConstraint("title_id", "platform_id", "region", "tier", name="uq_availability_offer"),
        Index(
            "ix_availability_platform",
            "platform_id",
            "region",
            "title_id",
            postgresql_where=text("available"),
        ),
        Index(
            "ix_availability_until",
            "available_until",
            "id",
            postgresql_where=text("available AND available_until IS NOT NULL"),
        ),
        Index(
            "ix_availability_begins",
            "available_from",
            "title_id",
            postgresql_where=text("available AND available_from IS NOT NULL"),
        ),
        Index("ix_availability_stale", "platform_id", "title_id", postgresql_where=text("stale")),
    )

    id: UUID = key()
    title_id: UUID = reference("title.id")
    platform_id: UUID = reference("platform.id")
    region: str = words()
    tier: str = words()
    price_minor: int | None = minor_units(nullable=True)
    asset: str | None = words(nullable=True)
    link: str | None = words(nullable=True)
    available: bool = _flag(True)
    available_from: datetime | None = moment(nullable=True)
    available_until: datetime | None = moment(nullable=True)
    leaving_told_for: datetime | None = moment(nullable=True)
    last_verified_at: datetime = moment()
    source: str = words()
    stale: bool = _flag(False)
