"""Tables of how platforms are asked: their feeds, runs through their titles, what is worth asking
about often, and the messages that they sent."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal, get_args
from uuid import UUID

from sqlalchemy import CheckConstraint, Date, Index, Integer
from sqlmodel import Field, SQLModel

from models.columns import json, moment, reference, words
from models.content.titles import one_of, texts

ADAPTERS = ("JSON_FEED", "TMDB")
Bucket = Literal["HIGH", "MEDIUM", "LOW"]
Scope = Literal["HIGH", "MEDIUM", "LOW", "FULL", "INCREMENTAL"]
SCOPES: tuple[str, ...] = get_args(Scope)
REGIONS_MAX = 50


def _count() -> Any:
    return Field(default=0, sa_type=Integer, sa_column_kwargs={"server_default": "0"})


class PlatformFeedRow(SQLModel, table=True):
    """Where a platform is asked. No secrets: those are settings."""

    __tablename__ = "platform_feed"
    __table_args__ = (
        CheckConstraint(one_of("kind", ADAPTERS), name="kind_known"),
        CheckConstraint("char_length(url) BETWEEN 1 AND 2048", name="url_length"),
        CheckConstraint("cardinality(regions) BETWEEN 1 AND 50", name="regions_bounded"),
        CheckConstraint("octet_length(options::text) <= 10000", name="options_bounded"),
    )

    platform_id: UUID = reference("platform.id", primary_key=True)
    kind: str = words()
    url: str = words()
    regions: list[str] = texts()
    options: dict[str, Any] = json()
    updated_at: datetime = moment(now=True)


class PlatformSync(SQLModel, table=True):
    """A run through a platform's titles in a region: how far it has come, or came last time.
    `run_id` is the run that may go on; `problem` the last error's code."""

    __tablename__ = "platform_sync"
    __table_args__ = (CheckConstraint(one_of("scope", SCOPES), name="scope_known"),)

    platform_id: UUID = reference("platform.id", primary_key=True)
    region: str = Field(primary_key=True)
    scope: str = Field(primary_key=True)
    run_id: UUID
    after_id: UUID | None = None
    asked: int = _count()
    changes: int = _count()
    problem: str | None = words(nullable=True)
    started_at: datetime = moment(now=True)
    moved_at: datetime = moment(now=True)
    finished_at: datetime | None = moment(nullable=True)


class TitleSignal(SQLModel, table=True):
    """What a day tells of a title's being wanted, beside what viewers' own rows say."""

    __tablename__ = "title_signal"
    __table_args__ = (
        CheckConstraint("least(searches, checks) >= 0", name="counts_not_negative"),
        Index("ix_title_signal_day", "day"),
    )

    title_id: UUID = reference("title.id", primary_key=True)
    day: date = Field(primary_key=True, sa_type=Date)
    searches: int = _count()
    checks: int = _count()


class TitlePriority(SQLModel, table=True):
    """Titles to be asked about more often than others, as a job last saw it; all others are LOW.
    `priority_ppm` is in millionths."""

    __tablename__ = "title_priority"
    __table_args__ = (
        CheckConstraint("bucket IN ('HIGH', 'MEDIUM')", name="bucket_known"),
        CheckConstraint("priority_ppm BETWEEN 0 AND 1000000", name="priority_range"),
        Index("ix_title_priority_bucket", "bucket", "title_id"),
    )

    title_id: UUID = reference("title.id", primary_key=True)
    priority_ppm: int = Field(sa_type=Integer)
    bucket: str = words()


class AvailabilityCheck(SQLModel, table=True):
    """When a platform was last asked about a title because somebody wanted to know; who is asking
    now keeps others from doing so too until `claimed_until`."""

    __tablename__ = "availability_check"
    __table_args__ = (Index("ix_availability_check_claimed", "claimed_until"),)

    title_id: UUID = reference("title.id", primary_key=True)
    platform_id: UUID = reference("platform.id", primary_key=True)
    region: str = Field(primary_key=True)
    checked_at: datetime | None = moment(nullable=True)
    claimed_until: datetime = moment()


class PlatformMessage(SQLModel, table=True):
    """A webhook's message, or a part of one, that was taken. One without an end is remembered for
    ever: nothing in it says how old it is."""

    __tablename__ = "platform_message"
    __table_args__ = (
        CheckConstraint("char_length(message_id) BETWEEN 1 AND 200", name="message_id_length"),
        Index("ix_platform_message_expires_at", "expires_at"),
    )

    platform_id: UUID = reference("platform.id", primary_key=True)
    message_id: str = Field(primary_key=True)
    part: int = Field(primary_key=True, sa_type=Integer)
    received_at: datetime = moment(now=True)
    expires_at: datetime | None = moment(nullable=True)
