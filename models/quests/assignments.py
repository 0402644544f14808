"""Tables of who does a quest: assignments, and the teams that do one together."""

from __future__ import annotations

from typing import Any

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text
from sqlmodel import SQLModel

from models.auctions import ASSET_KNOWN
from models.columns import UUID, datetime, json, key, minor_units, moment, reference, words
from models.quests.quests import count, one_of

ASSIGNMENT_STATUSES = (
    "ACCEPTED",
    "SUBMITTED",
    "UNDER_REVIEW",
    "VERIFIED",
    "REJECTED",
    "REWARDED",
    "ABANDONED",
    "EXPIRED",
)
LIVE_STATUSES = ("ACCEPTED", "SUBMITTED", "UNDER_REVIEW", "VERIFIED")
"""Of these a player has one a quest at most."""
INVITATION_STATUSES = ("PENDING", "ACCEPTED", "DECLINED")
TEAM_SIZE_MAX = 20


class Team(SQLModel, table=True):
    """Players who do one quest together. Whoever founded it leads it."""

    __tablename__ = "team"
    __table_args__ = (
        CheckConstraint("char_length(name) BETWEEN 1 AND 60", name="name_length"),
        CheckConstraint(f"size_max BETWEEN 2 AND {TEAM_SIZE_MAX}", name="size_max_range"),
        CheckConstraint("size BETWEEN 0 AND size_max", name="size_within_limit"),
        Index("ix_team_quest", "quest_id", "created_at", "id"),
        Index("ix_team_leader", "leader_id"),
    )

    id: UUID = key()
    quest_id: UUID = reference("quest.id")
    leader_id: UUID = reference("user_account.id")
    name: str = words()
    size: int = count(1)
    size_max: int = count(2)
    created_at: datetime = moment(now=True)
    disbanded_at: datetime | None = moment(nullable=True)


class TeamMember(SQLModel, table=True):
    """A player in a team; the row goes when they leave. One quest, one team."""

    __tablename__ = "team_member"
    __table_args__ = (
        UniqueConstraint("quest_id", "user_id"),
        Index("ix_team_member_user", "user_id", "joined_at"),
    )

    team_id: UUID = reference("team.id", primary_key=True)
    user_id: UUID = reference("user_account.id", primary_key=True)
    quest_id: UUID = reference("quest.id")
    joined_at: datetime = moment(now=True)


class TeamInvitation(SQLModel, table=True):
    """That a team's leader asked a player to join; one a player."""

    __tablename__ = "team_invitation"
    __table_args__ = (
        CheckConstraint(one_of("status", INVITATION_STATUSES), name="status_known"),
        CheckConstraint("(status = 'PENDING') = (answered_at IS NULL)", name="answered_at"),
        UniqueConstraint("team_id", "user_id"),
        Index("ix_team_invitation_user", "user_id", "created_at", "id"),
    )

    id: UUID = key()
    team_id: UUID = reference("team.id")
    user_id: UUID = reference("user_account.id")
    inviter_id: UUID = reference("user_account.id")
    status: str = words(default="PENDING")
    created_at: datetime = moment(now=True)
    answered_at: datetime | None = moment(nullable=True)


class Assignment(SQLModel, table=True):
    """That a player took a quest on, and how far they are.

    ACCEPTED, SUBMITTED, UNDER_REVIEW, then VERIFIED or REJECTED; VERIFIED becomes REWARDED in the
    transaction that pays. ABANDONED and EXPIRED end an accepted one. `terms` is what was promised
    then (services/quests/contract.py: `Terms`); `base_xp` and the reward stand in columns too.
    `authenticity` is 0 to 100.
    """

    __tablename__ = "assignment"
    __table_args__ = (
        CheckConstraint(one_of("status", ASSIGNMENT_STATUSES), name="status_known"),
        CheckConstraint("base_xp > 0", name="base_xp_positive"),
        CheckConstraint("reward_minor >= 0", name="reward_not_negative"),
        CheckConstraint(ASSET_KNOWN, name="asset_known"),
        CheckConstraint("accepted_at < due_at", name="accepted_before_due"),
        CheckConstraint("authenticity BETWEEN 0 AND 100", name="authenticity_range"),
        CheckConstraint("team_size BETWEEN 1 AND 20", name="team_size_range"),
        CheckConstraint(
            "status NOT IN ('SUBMITTED', 'UNDER_REVIEW', 'VERIFIED', 'REWARDED', 'REJECTED')"
            " OR submitted_at IS NOT NULL",
            name="submitted_at_if_submitted",
        ),
        CheckConstraint(
            "(status IN ('VERIFIED', 'REJECTED', 'REWARDED')) = (decided_at IS NOT NULL)",
            name="decided_at_if_decided",
        ),
        CheckConstraint(
            "(status IN ('ABANDONED', 'EXPIRED')) = (ended_at IS NOT NULL)",
            name="ended_at_if_given_up",
        ),
        Index(
            "uq_assignment_live",
            "quest_id",
            "player_id",
            unique=True,
            postgresql_where=text(one_of("status", LIVE_STATUSES)),
        ),
        Index("ix_assignment_player", "player_id", "accepted_at", "id"),
        Index("ix_assignment_quest", "quest_id", "accepted_at", "id"),
        Index("ix_assignment_team", "team_id"),
        Index("ix_assignment_due", "due_at", postgresql_where=text("status = 'ACCEPTED'")),
        Index(
            "ix_assignment_under_review",
            "submitted_at",
            "id",
            postgresql_where=text("status IN ('SUBMITTED', 'UNDER_REVIEW', 'VERIFIED')"),
        ),
        Index("ix_assignment_decided", "decided_at", "id"),
    )

    id: UUID = key()
    quest_id: UUID = reference("quest.id")
    player_id: UUID = reference("user_account.id")
    team_id: UUID | None = reference("team.id", nullable=True)
    team_size: int = count(1)
    status: str = words(default="ACCEPTED")
    terms: dict[str, Any] = json()
    base_xp: int = count(100)
    reward_minor: int = minor_units(default=0)
    asset: str = words(default="SPARK")
    authenticity: int | None = None
    accepted_at: datetime = moment(now=True)
    due_at: datetime = moment()
    submitted_at: datetime | None = moment(nullable=True)
    decided_at: datetime | None = moment(nullable=True)
    ended_at: datetime | None = moment(nullable=True)
