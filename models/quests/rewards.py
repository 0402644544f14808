"""Tables of what quests gave: impact entries, players, badges, achievements."""

from __future__ import annotations

from datetime import date
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Date,
    Identity,
    Index,
    UniqueConstraint,
    text,
)
from sqlalchemy import Text as SqlText
from sqlmodel import Field, SQLModel

from models.auctions import ASSET_KNOWN
from models.columns import UUID, datetime, json, key, minor_units, moment, reference, words
from models.events import TransactionId
from models.quests.quests import SLUG_FORM, big_count, count, slug_of

BADGE_RULES = ("COUNT", "STREAK", "CATEGORY", "REGION", "FIRST")


class ImpactEntry(SQLModel, table=True):
    """What an assignment gave, and every number that it follows from. Append-only, by trigger.

    One an assignment: its id is the reward's key. `impact_hundredths` is the impact value in
    hundredths. The entry becomes a leaf of the ledger's transparency log (`ledger_leaf`), whose
    order is `(transaction_id, row_id)`.
    """

    __tablename__ = "impact_entry"
    __table_args__ = (
        CheckConstraint("xp_awarded >= 0", name="xp_not_negative"),
        CheckConstraint("token_minor >= 0", name="token_not_negative"),
        CheckConstraint("(token_minor = 0) = (transfer_id IS NULL)", name="transfer_if_paid"),
        CheckConstraint("impact_hundredths >= 0", name="impact_not_negative"),
        CheckConstraint(ASSET_KNOWN, name="asset_known"),
        UniqueConstraint("assignment_id"),
        Index("ix_impact_entry_log", "transaction_id", "row_id", unique=True),
        Index("ix_impact_entry_player", "player_id", "created_at", "id"),
        Index("ix_impact_entry_quest", "quest_id", "created_at", "id"),
        Index("ix_impact_entry_sponsor", "sponsor_id", "created_at", "id"),
        Index("ix_impact_entry_region", "region", "created_at", "id"),
        Index("ix_impact_entry_category", "category", "created_at", "id"),
        Index("ix_impact_entry_created_at", "created_at", "id"),
    )

    id: UUID = key()
    row_id: int = Field(
        default=None, sa_type=BigInteger, sa_column_args=[Identity(always=True)], nullable=False
    )
    transaction_id: int = Field(
        default=None,
        sa_type=TransactionId,
        nullable=False,
        sa_column_kwargs={"server_default": text("pg_current_xact_id()")},
    )
    assignment_id: UUID = reference("assignment.id")
    player_id: UUID = reference("user_account.id")
    quest_id: UUID = reference("quest.id")
    sponsor_id: UUID | None = reference("user_account.id", nullable=True)
    category: str = slug_of("quest_category.slug")
    region: str | None = words(nullable=True)
    xp_awarded: int = big_count()
    token_minor: int = minor_units(default=0)
    asset: str = words(default="SPARK")
    transfer_id: UUID | None = reference("transfer.id", nullable=True)
    impact_hundredths: int = big_count()
    breakdown: dict[str, Any] = json()
    created_at: datetime = moment(now=True)


class Player(SQLModel, table=True):
    """An account's standing in quests: the fold of its impact entries, kept beside them.

    `streak_last_date` is the player's own date of the last completion, in `time_zone` as it was.
    """

    __tablename__ = "player"
    __table_args__ = (
        CheckConstraint("xp >= 0", name="xp_not_negative"),
        CheckConstraint("level BETWEEN 1 AND 8", name="level_range"),
        CheckConstraint("streak_days >= 0", name="streak_not_negative"),
        CheckConstraint("streak_best_days >= streak_days", name="best_is_best"),
        CheckConstraint("(streak_days = 0) = (streak_last_date IS NULL)", name="date_if_streak"),
        CheckConstraint("completed >= 0", name="completed_not_negative"),
        CheckConstraint("char_length(time_zone) BETWEEN 1 AND 64", name="time_zone_length"),
        Index("ix_player_xp", "xp", "user_id"),
    )

    user_id: UUID = reference("user_account.id", primary_key=True)
    xp: int = big_count()
    level: int = count(1)
    completed: int = count()
    streak_days: int = count()
    streak_best_days: int = count()
    streak_last_date: date | None = Field(default=None, sa_type=Date)
    time_zone: str = words(default="UTC")
    last_completed_at: datetime | None = moment(nullable=True)
    created_at: datetime = moment(now=True)


class Badge(SQLModel, table=True):
    """A badge and its rule, which is data: services/quests/badges.py says which there are."""

    __tablename__ = "badge"
    __table_args__ = (
        CheckConstraint(f"slug ~ {SLUG_FORM}", name="slug_form"),
        CheckConstraint("char_length(name) BETWEEN 1 AND 100", name="name_length"),
        CheckConstraint("char_length(description) BETWEEN 1 AND 1000", name="description_length"),
        CheckConstraint(
            f"rule_kind IN ({', '.join(repr(kind) for kind in BADGE_RULES)})", name="rule_known"
        ),
    )

    slug: str = Field(primary_key=True, sa_type=SqlText)
    name: str = words()
    description: str = words()
    rule_kind: str = words()
    rule: dict[str, Any] = json()
    created_at: datetime = moment(now=True)
    retired_at: datetime | None = moment(nullable=True)


class Achievement(SQLModel, table=True):
    """That a player earned a badge, by which entry, and the signed credential that says so."""

    __tablename__ = "achievement"
    __table_args__ = (
        CheckConstraint("char_length(credential) <= 20000", name="credential_length"),
        UniqueConstraint("player_id", "badge_slug"),
        Index("ix_achievement_player", "player_id", "earned_at", "id"),
    )

    id: UUID = key()
    player_id: UUID = reference("user_account.id")
    badge_slug: str = slug_of("badge.slug")
    impact_entry_id: UUID | None = reference("impact_entry.id", nullable=True)
    credential: str | None = words(nullable=True)
    earned_at: datetime = moment(now=True)
