"""Tables of reports by people and of what moderators did. What is acted upon is named by a prefix
and a key and not by a foreign key: it may stand in any domain."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, text
from sqlmodel import SQLModel

from models.columns import key, moment, reference, words

REPORT_REASONS = (
    "SPAM",
    "TOXICITY",
    "INAPPROPRIATE",
    "CULTURAL_MISREPRESENTATION",
    "FRAUD",
    "COPYRIGHT",
    "OTHER",
)
ACTIONS = ("WARN", "SUSPEND", "REMOVE", "RESTORE")


def _one_of(column: str, values: tuple[str, ...]) -> str:
    return f"{column} IN ({', '.join(repr(value) for value in values)})"


class ModerationAction(SQLModel, table=True):
    """What a moderator did, to what, why, and whom it concerns."""

    __tablename__ = "moderation_action"
    __table_args__ = (
        CheckConstraint("subject_kind ~ '^[a-z]{3}$'", name="subject_kind_form"),
        CheckConstraint(_one_of("action", ACTIONS), name="action_known"),
        CheckConstraint("char_length(reason) BETWEEN 1 AND 500", name="reason_length"),
        Index("ix_moderation_action_user", "user_id", "created_at", "id"),
        Index("ix_moderation_action_moderator", "moderator_id", "created_at"),
        Index("ix_moderation_action_subject", "subject_id", "created_at"),
    )

    id: UUID = key()
    moderator_id: UUID = reference("user_account.id")
    user_id: UUID = reference("user_account.id")
    subject_kind: str = words()
    subject_id: UUID
    action: str = words()
    reason: str = words()
    created_at: datetime = moment(now=True)


class Report(SQLModel, table=True):
    """Someone's word that something should be looked at; one open one a person and thing."""

    __tablename__ = "report"
    __table_args__ = (
        CheckConstraint("subject_kind ~ '^[a-z]{3}$'", name="subject_kind_form"),
        CheckConstraint(_one_of("reason", REPORT_REASONS), name="reason_known"),
        CheckConstraint("char_length(details) <= 2000", name="details_length"),
        CheckConstraint("status IN ('OPEN', 'RESOLVED', 'DISMISSED')", name="status_known"),
        CheckConstraint("(status = 'OPEN') = (resolved_at IS NULL)", name="resolved_when_not_open"),
        Index(
            "uq_report_open",
            "subject_id",
            "reporter_id",
            unique=True,
            postgresql_where=text("status = 'OPEN'"),
        ),
        Index("ix_report_queue", "status", "created_at", "id"),
        Index("ix_report_reporter", "reporter_id", "created_at"),
    )

    id: UUID = key()
    reporter_id: UUID = reference("user_account.id")
    subject_kind: str = words()
    subject_id: UUID
    reason: str = words()
    details: str = words(default="")
    status: str = words(default="OPEN")
    created_at: datetime = moment(now=True)
    resolved_at: datetime | None = moment(nullable=True)
    resolved_by: UUID | None = reference("user_account.id", nullable=True)
    action_id: UUID | None = reference("moderation_action.id", nullable=True)
