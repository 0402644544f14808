"""When people were last here, and who may know: what of presence outlives Redis."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint
from sqlmodel import SQLModel

from models.columns import moment, reference, words


class LastSeen(SQLModel, table=True):
    """When someone's last connection gave its last sign of life. Written in batches: it may be a
    minute old while they are here."""

    __tablename__ = "last_seen"

    user_id: UUID = reference("user_account.id", primary_key=True)
    seen_at: datetime = moment()


class PrivacySettings(SQLModel, table=True):
    """What a person lets others know. Without a row everything is at its default."""

    __tablename__ = "privacy_settings"
    __table_args__ = (
        CheckConstraint("presence IN ('EVERYONE', 'FOLLOWED', 'NOBODY')", name="presence_known"),
    )

    user_id: UUID = reference("user_account.id", primary_key=True)
    presence: str = words(default="EVERYONE")
    updated_at: datetime = moment(now=True)
