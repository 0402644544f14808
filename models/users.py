"""Tables of accounts, sessions and people."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, LargeBinary, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field, SQLModel

from models.columns import json, key, moment, reference, words


class UserAccount(SQLModel, table=True):
    """A person who can sign in; `user` is a reserved word in SQL."""

    __tablename__ = "user_account"
    __table_args__ = (
        CheckConstraint("char_length(email) BETWEEN 3 AND 320", name="email_length"),
        CheckConstraint("username ~ '^[A-Za-z0-9_]{3,30}$'", name="username_form"),
        CheckConstraint("char_length(display_name) BETWEEN 1 AND 100", name="display_name_length"),
        CheckConstraint("char_length(avatar_url) <= 2048", name="avatar_url_length"),
        CheckConstraint("status IN ('ACTIVE', 'SUSPENDED', 'DELETED')", name="status_known"),
        CheckConstraint("tier IN ('FREE', 'PREMIUM')", name="tier_known"),
        Index("uq_user_account_email", text("lower(email)"), unique=True),
        Index("uq_user_account_username", text("lower(username)"), unique=True),
        Index("ix_user_account_created_at", "created_at", "id"),
    )

    id: UUID = key()
    email: str = words()
    username: str = words()
    password_hash: str = words()
    display_name: str = words()
    avatar_url: str | None = words(nullable=True)
    status: str = words(default="ACTIVE")
    tier: str = words(default="FREE")
    show_email: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    email_verified_at: datetime | None = moment(nullable=True)
    last_login_at: datetime | None = moment(nullable=True)
    last_login_address: str | None = words(nullable=True)
    created_at: datetime = moment(now=True)


class Profile(SQLModel, table=True):
    """What a person tells of themselves; a private one is seen by followers they accept."""

    __tablename__ = "profile"
    __table_args__ = (
        CheckConstraint("char_length(bio) <= 2000", name="bio_length"),
        CheckConstraint("char_length(banner_url) <= 2048", name="banner_url_length"),
        CheckConstraint("char_length(location) <= 100", name="location_length"),
        CheckConstraint("char_length(website) <= 2048", name="website_length"),
        CheckConstraint("char_length(pronouns) <= 40", name="pronouns_length"),
        CheckConstraint("region ~ '^[A-Z]{2}$'", name="region_iso3166"),
        CheckConstraint("accent_colour ~ '^#[0-9a-f]{6}$'", name="accent_colour_hex"),
        CheckConstraint("theme IN ('system', 'light', 'dark')", name="theme_known"),
        CheckConstraint("visibility IN ('PUBLIC', 'PRIVATE')", name="visibility_known"),
        CheckConstraint("cardinality(social_links) <= 10", name="social_links_bounded"),
    )

    user_id: UUID = reference("user_account.id", primary_key=True)
    bio: str = words(default="")
    banner_url: str | None = words(nullable=True)
    location: str | None = words(nullable=True)
    website: str | None = words(nullable=True)
    pronouns: str | None = words(nullable=True)
    time_zone: str = words(default="UTC")
    locale: str = words(default="en")
    region: str | None = words(nullable=True)
    social_links: list[str] = Field(
        default_factory=list,
        sa_type=ARRAY(Text),
        sa_column_kwargs={"server_default": "{}"},
    )
    visibility: str = words(default="PUBLIC")
    theme: str = words(default="system")
    accent_colour: str = words(default="#6366f1")
    updated_at: datetime = moment(now=True)


class UserRole(SQLModel, table=True):
    """A role someone was given. USER is everyone's and has no row."""

    __tablename__ = "user_role"
    __table_args__ = (
        CheckConstraint("role IN ('ARTISAN', 'SPONSOR', 'MODERATOR', 'ADMIN')", name="role_known"),
    )

    user_id: UUID = reference("user_account.id", primary_key=True)
    role: str = Field(primary_key=True)
    granted_at: datetime = moment(now=True)


class UserScope(SQLModel, table=True):
    """A scope given to one person beyond their roles (`ledger:mint` …)."""

    __tablename__ = "user_scope"

    user_id: UUID = reference("user_account.id", primary_key=True)
    scope: str = Field(primary_key=True)
    granted_at: datetime = moment(now=True)


class UserSession(SQLModel, table=True):
    """One sign-in on one device: the family of its refresh tokens."""

    __tablename__ = "user_session"
    __table_args__ = (
        CheckConstraint("char_length(device) <= 200", name="device_length"),
        Index("ix_user_session_user", "user_id", "created_at", "id"),
        Index(
            "ix_user_session_revoked_at",
            "revoked_at",
            postgresql_where=text("revoked_at IS NOT NULL"),
        ),
    )

    id: UUID = key()
    user_id: UUID = reference("user_account.id")
    device: str = words(default="")
    address: str | None = words(nullable=True)
    created_at: datetime = moment(now=True)
    last_seen_at: datetime = moment(now=True)
    expires_at: datetime = moment()
    revoked_at: datetime | None = moment(nullable=True)
    revoked_reason: str | None = words(nullable=True)


class RefreshToken(SQLModel, table=True):
    """One link of a session's chain: stored hashed, used once; a second use revokes all."""

    __tablename__ = "refresh_token"
    __table_args__ = (
        CheckConstraint("octet_length(token_hash) = 32", name="token_hash_sha256"),
        UniqueConstraint("token_hash"),
        Index("ix_refresh_token_session", "session_id"),
        Index("ix_refresh_token_expires_at", "expires_at"),
    )

    id: UUID = key()
    session_id: UUID = reference("user_session.id")
    token_hash: bytes = Field(sa_type=LargeBinary)
    created_at: datetime = moment(now=True)
    expires_at: datetime = moment()
    used_at: datetime | None = moment(nullable=True)


class Follow(SQLModel, table=True):
    """`follower_id` sees what `followee_id` does."""

    __tablename__ = "follow"
    __table_args__ = (
        CheckConstraint("follower_id <> followee_id", name="not_oneself"),
        Index("ix_follow_follower", "follower_id", "created_at", "followee_id"),
        Index("ix_follow_followee", "followee_id", "created_at", "follower_id"),
    )

    follower_id: UUID = reference("user_account.id", primary_key=True)
    followee_id: UUID = reference("user_account.id", primary_key=True)
    created_at: datetime = moment(now=True)


class Block(SQLModel, table=True):
    """Neither of the two sees, follows or writes to the other."""

    __tablename__ = "block"
    __table_args__ = (
        CheckConstraint("blocker_id <> blocked_id", name="not_oneself"),
        Index("ix_block_blocked", "blocked_id"),
    )

    blocker_id: UUID = reference("user_account.id", primary_key=True)
    blocked_id: UUID = reference("user_account.id", primary_key=True)
    created_at: datetime = moment(now=True)


class Mute(SQLModel, table=True):
    """What `muted_id` does stays out of `muter_id`'s feeds; the muted does not learn of it."""

    __tablename__ = "mute"
    __table_args__ = (CheckConstraint("muter_id <> muted_id", name="not_oneself"),)

    muter_id: UUID = reference("user_account.id", primary_key=True)
    muted_id: UUID = reference("user_account.id", primary_key=True)
    created_at: datetime = moment(now=True)


class SecurityEvent(SQLModel, table=True):
    """The audit log of sign-ins, refusals, revocations and changes of rights."""

    __tablename__ = "security_event"
    __table_args__ = (Index("ix_security_event_user", "user_id", "at"),)

    id: UUID = key()
    user_id: UUID | None = reference("user_account.id", nullable=True)
    actor_id: UUID | None = reference("user_account.id", nullable=True)
    session_id: UUID | None = Field(default=None)
    kind: str = words()
    address: str | None = words(nullable=True)
    details: dict[str, Any] = json()
    at: datetime = moment(now=True)
