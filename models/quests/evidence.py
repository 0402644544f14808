"""Tables of evidence and of what was found about it: checks, witnesses, votes, disputes."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Double,
    Index,
    LargeBinary,
    SmallInteger,
    UniqueConstraint,
    text,
)
from sqlmodel import Field, SQLModel

from models.columns import UUID, datetime, json, key, moment, reference, words
from models.quests.quests import count, one_of

EVIDENCE_KINDS = ("PHOTO", "VIDEO", "LOCATION", "NOTE")
FLAGS = ("PASSED", "NOT_CHECKED", "FLAGGED")
VOTES = ("APPROVE", "REJECT", "UNSURE")
REQUEST_STATUSES = ("ASKED", "VOTED", "CLOSED")
DISPUTE_STATUSES = ("OPEN", "UPHELD", "DISMISSED")


def _degrees() -> Any:
    return Field(default=None, sa_type=Double, nullable=True)


class Evidence(SQLModel, table=True):
    """A piece of evidence. What a camera says of itself (`exif`) is for the checks and for whoever
    sent it; what others are shown, the file behind `shown_key`, holds pixels alone.

    `captured_at` is what the device says, `submitted_at` when it was here; `skew_ms` is how far the
    device's clock was ahead of ours then. The row is written before the files are stored: without
    `stored_at` a photo or video is on its way, or was lost on it. Never changed otherwise.
    """

    __tablename__ = "evidence"
    __table_args__ = (
        CheckConstraint(one_of("kind", EVIDENCE_KINDS), name="kind_known"),
        CheckConstraint(
            "(kind IN ('PHOTO', 'VIDEO')) = (file_key IS NOT NULL)"
            " AND (file_key IS NULL) = (sha256 IS NULL)"
            " AND (file_key IS NULL) = (size_bytes IS NULL)"
            " AND (file_key IS NULL) = (media_type IS NULL)",
            name="file_if_taken",
        ),
        CheckConstraint("file_key ~ '^[a-z-]+/[0-9a-f]{32}$'", name="file_key_form"),
        CheckConstraint("shown_key ~ '^[a-z-]+/[0-9a-f]{32}$'", name="shown_key_form"),
        CheckConstraint("octet_length(sha256) = 32", name="sha256_length"),
        CheckConstraint("size_bytes > 0", name="size_positive"),
        CheckConstraint("duration_ms > 0", name="duration_positive"),
        CheckConstraint("latitude BETWEEN -90 AND 90", name="latitude_range"),
        CheckConstraint("longitude BETWEEN -180 AND 180", name="longitude_range"),
        CheckConstraint("(latitude IS NULL) = (longitude IS NULL)", name="whole_position"),
        CheckConstraint("kind <> 'LOCATION' OR latitude IS NOT NULL", name="fix_if_location"),
        CheckConstraint("accuracy_m >= 0", name="accuracy_not_negative"),
        CheckConstraint("(kind = 'NOTE') = (note IS NOT NULL)", name="note_if_note"),
        CheckConstraint("char_length(note) BETWEEN 1 AND 5000", name="note_length"),
        UniqueConstraint("assignment_id", "ordinal"),
        Index("ix_evidence_player", "player_id", "submitted_at", "id"),
        Index(
            "ix_evidence_fix",
            "player_id",
            "captured_at",
            postgresql_where=text("latitude IS NOT NULL"),
        ),
        Index("ix_evidence_sha256", "sha256", postgresql_where=text("sha256 IS NOT NULL")),
        Index("ix_evidence_phash", "phash", postgresql_where=text("phash IS NOT NULL")),
        Index(
            "ix_evidence_not_stored",
            "submitted_at",
            postgresql_where=text("file_key IS NOT NULL AND stored_at IS NULL"),
        ),
    )

    id: UUID = key()
    assignment_id: UUID = reference("assignment.id")
    player_id: UUID = reference("user_account.id")
    ordinal: int = count()
    kind: str = words()
    file_key: str | None = words(nullable=True)
    shown_key: str | None = words(nullable=True)
    media_type: str | None = words(nullable=True)
    size_bytes: int | None = Field(default=None, sa_type=BigInteger)
    width: int | None = None
    height: int | None = None
    duration_ms: int | None = None
    sha256: bytes | None = Field(default=None, sa_type=LargeBinary)
    phash: int | None = Field(default=None, sa_type=BigInteger)
    quality: dict[str, Any] | None = json(nullable=True)
    exif: dict[str, Any] | None = json(nullable=True)
    latitude: float | None = _degrees()
    longitude: float | None = _degrees()
    accuracy_m: float | None = _degrees()
    note: str | None = words(nullable=True)
    captured_at: datetime | None = moment(nullable=True)
    submitted_at: datetime = moment(now=True)
    skew_ms: int | None = Field(default=None, sa_type=BigInteger)
    stored_at: datetime | None = moment(nullable=True)


class VerificationRecord(SQLModel, table=True):
    """What one check found about an assignment's evidence. Append-only, by trigger.

    `round` counts the times it was checked, from 1. Score, confidence and weight are in hundredths;
    NOT_CHECKED has no score.
    """

    __tablename__ = "verification_record"
    __table_args__ = (
        CheckConstraint("flag IN ('PASSED', 'NOT_CHECKED', 'FLAGGED')", name="flag_known"),
        CheckConstraint(r"check_name ~ '^[A-Z][A-Z0-9_]{1,59}$'", name="check_name_form"),
        CheckConstraint("score BETWEEN 0 AND 100", name="score_range"),
        CheckConstraint("confidence BETWEEN 0 AND 100", name="confidence_range"),
        CheckConstraint("weight BETWEEN 0 AND 1000", name="weight_range"),
        CheckConstraint("(flag = 'NOT_CHECKED') = (score IS NULL)", name="score_if_checked"),
        CheckConstraint("char_length(words) BETWEEN 1 AND 500", name="words_length"),
        CheckConstraint("round >= 1", name="round_positive"),
        Index("ix_verification_record_assignment", "assignment_id", "round", "id"),
    )

    id: UUID = key()
    assignment_id: UUID = reference("assignment.id")
    evidence_id: UUID | None = reference("evidence.id", nullable=True)
    round: int = Field(default=1, sa_type=SmallInteger, sa_column_kwargs={"server_default": "1"})
    check_name: str = words()
    score: int | None = Field(default=None, sa_type=SmallInteger)
    confidence: int = Field(sa_type=SmallInteger)
    weight: int = Field(sa_type=SmallInteger)
    flag: str = words()
    words: str = words()
    at: datetime = moment(now=True)


class Witness(SQLModel, table=True):
    """How far a player's votes are trusted: `reputation` is a vote's weight in hundredths."""

    __tablename__ = "witness"
    __table_args__ = (
        CheckConstraint("reputation BETWEEN 10 AND 1000", name="reputation_range"),
        CheckConstraint("agreed >= 0 AND disagreed >= 0", name="counts_not_negative"),
        CheckConstraint("region ~ '^[A-Z]{2}$'", name="region_iso3166"),
        Index("ix_witness_region", "region", "reputation", "user_id"),
        Index("ix_witness_reputation", "reputation", "user_id"),
    )

    user_id: UUID = reference("user_account.id", primary_key=True)
    reputation: int = count(100)
    region: str | None = words(nullable=True)
    agreed: int = count()
    disagreed: int = count()
    available: bool = Field(default=True, sa_column_kwargs={"server_default": text("true")})
    asked_at: datetime | None = moment(nullable=True)
    created_at: datetime = moment(now=True)


class ReviewRequest(SQLModel, table=True):
    """That a witness was asked about an assignment. Once each."""

    __tablename__ = "review_request"
    __table_args__ = (
        CheckConstraint(one_of("status", REQUEST_STATUSES), name="status_known"),
        UniqueConstraint("assignment_id", "witness_id"),
        Index("ix_review_request_witness", "witness_id", "status", "asked_at", "id"),
    )

    id: UUID = key()
    assignment_id: UUID = reference("assignment.id")
    witness_id: UUID = reference("user_account.id")
    status: str = words(default="ASKED")
    asked_at: datetime = moment(now=True)
    answered_at: datetime | None = moment(nullable=True)


class EvidenceReview(SQLModel, table=True):
    """A witness's vote; a moderator's decision has `by_moderator`. Append-only, by trigger.
    `weight` is the witness's reputation at the time, in hundredths."""

    __tablename__ = "evidence_review"
    __table_args__ = (
        CheckConstraint(one_of("vote", VOTES), name="vote_known"),
        CheckConstraint("char_length(comment) <= 2000", name="comment_length"),
        CheckConstraint("weight BETWEEN 0 AND 1000", name="weight_range"),
        UniqueConstraint("assignment_id", "witness_id", "by_moderator"),
        Index("ix_evidence_review_witness", "witness_id", "at", "id"),
    )

    id: UUID = key()
    assignment_id: UUID = reference("assignment.id")
    witness_id: UUID = reference("user_account.id")
    by_moderator: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    vote: str = words()
    comment: str = words(default="")
    weight: int = count(100)
    at: datetime = moment(now=True)


class Dispute(SQLModel, table=True):
    """A player's objection to a rejection: once an assignment, and a moderator answers it."""

    __tablename__ = "quest_dispute"
    __table_args__ = (
        CheckConstraint(one_of("status", DISPUTE_STATUSES), name="status_known"),
        CheckConstraint("char_length(reason) BETWEEN 1 AND 2000", name="reason_length"),
        CheckConstraint("char_length(resolution) BETWEEN 1 AND 2000", name="resolution_length"),
        CheckConstraint(
            "(status = 'OPEN') = (resolved_at IS NULL)"
            " AND (resolved_at IS NULL) = (resolver_id IS NULL)"
            " AND (resolved_at IS NULL) = (resolution IS NULL)",
            name="resolved_if_not_open",
        ),
        UniqueConstraint("assignment_id"),
        Index("ix_quest_dispute_open", "opened_at", "id", postgresql_where=text("status = 'OPEN'")),
    )

    id: UUID = key()
    assignment_id: UUID = reference("assignment.id")
    player_id: UUID = reference("user_account.id")
    reason: str = words()
    status: str = words(default="OPEN")
    resolver_id: UUID | None = reference("user_account.id", nullable=True)
    resolution: str | None = words(nullable=True)
    opened_at: datetime = moment(now=True)
    resolved_at: datetime | None = moment(nullable=True)
