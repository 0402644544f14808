"""Tables of notifications, of how they reach people, and of where the log's consumers stand."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, UniqueConstraint, Uuid, text
from sqlmodel import Field, SQLModel

from models.columns import json, key, moment, reference, words
from models.events import TransactionId


class Notification(SQLModel, table=True):
    """One thing that one person is told. `facts` are ids, amounts and enums; text is made of them
    where it is shown. `dedupe_key` lets the same thing be told once."""

    __tablename__ = "notification"
    __table_args__ = (
        CheckConstraint("kind ~ '^[A-Z_]{1,40}$'", name="kind_form"),
        CheckConstraint("char_length(dedupe_key) BETWEEN 1 AND 200", name="dedupe_key_length"),
        CheckConstraint("reference ~ '^[a-z]{3}_[0-9a-f]{32}$'", name="reference_form"),
        UniqueConstraint("user_id", "dedupe_key"),
        Index(
            "ix_notification_shown",
            "user_id",
            "created_at",
            "id",
            postgresql_where=text("in_app"),
        ),
        Index(
            "ix_notification_unread",
            "user_id",
            "created_at",
            "id",
            postgresql_where=text("in_app AND read_at IS NULL"),
        ),
        Index("ix_notification_created_at", "created_at"),
    )

    id: UUID = key()
    user_id: UUID = reference("user_account.id")
    kind: str = words()
    actor_id: UUID | None = reference("user_account.id", nullable=True)
    reference: str | None = words(nullable=True)
    dedupe_key: str = words()
    facts: dict[str, Any] = json()
    in_app: bool = Field(sa_column_kwargs={"server_default": text("true")})
    created_at: datetime = moment(now=True)
    read_at: datetime | None = moment(nullable=True)


class NotificationDelivery(SQLModel, table=True):
    """A notification on its way by mail or push. SENDING is written before it is handed over, so
    that a crash in between is seen."""

    __tablename__ = "notification_delivery"
    __table_args__ = (
        CheckConstraint("channel IN ('EMAIL', 'PUSH')", name="channel_known"),
        CheckConstraint(
            "status IN ('PENDING', 'SENDING', 'SENT', 'SKIPPED', 'FAILED')", name="status_known"
        ),
        Index(
            "ix_notification_delivery_open",
            "changed_at",
            postgresql_where=text("status IN ('PENDING', 'SENDING')"),
        ),
    )

    notification_id: UUID = Field(
        sa_type=Uuid,
        sa_column_args=[ForeignKey("notification.id", ondelete="CASCADE")],
        primary_key=True,
    )
    channel: str = Field(primary_key=True)
    status: str = words(default="PENDING")
    tries: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    changed_at: datetime = moment(now=True)


class NotificationPreference(SQLModel, table=True):
    """Where someone departs from a kind's defaults."""

    __tablename__ = "notification_preference"
    __table_args__ = (
        CheckConstraint("kind ~ '^[A-Z_]{1,40}$'", name="kind_form"),
        CheckConstraint("channel IN ('IN_APP', 'EMAIL', 'PUSH')", name="channel_known"),
    )

    user_id: UUID = reference("user_account.id", primary_key=True)
    kind: str = Field(primary_key=True)
    channel: str = Field(primary_key=True)
    enabled: bool


class PushSubscription(SQLModel, table=True):
    """A browser that takes pushes (RFC 8030). An endpoint is one browser's, so one person's."""

    __tablename__ = "push_subscription"
    __table_args__ = (
        CheckConstraint("char_length(endpoint) BETWEEN 10 AND 1000", name="endpoint_length"),
        CheckConstraint("char_length(p256dh) BETWEEN 80 AND 100", name="p256dh_length"),
        CheckConstraint("char_length(auth) BETWEEN 16 AND 40", name="auth_length"),
        UniqueConstraint("endpoint"),
        Index("ix_push_subscription_user", "user_id", "created_at", "id"),
    )

    id: UUID = key()
    user_id: UUID = reference("user_account.id")
    endpoint: str = words()
    p256dh: str = words()
    auth: str = words()
    created_at: datetime = moment(now=True)


class LogConsumer(SQLModel, table=True):
    """How far a consumer of the whole event log has come: the last row it took. Without a row it
    begins at the log's beginning."""

    __tablename__ = "log_consumer"

    name: str = Field(primary_key=True)
    transaction_id: int = Field(sa_type=TransactionId)
    row_id: UUID = Field(sa_type=Uuid)
    taken: int = Field(default=0, sa_type=BigInteger, sa_column_kwargs={"server_default": "0"})
    moved_at: datetime = moment(now=True)
