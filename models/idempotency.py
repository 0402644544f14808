"""Answers kept by idempotency key, so that a retried mutation acts once."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, LargeBinary
from sqlmodel import Field, SQLModel

from models.columns import json, moment


class IdempotencyKey(SQLModel, table=True):
    """One row a (person, operation, key): the hash of the arguments and the answer given."""

    __tablename__ = "idempotency_key"
    __table_args__ = (
        CheckConstraint("char_length(key) BETWEEN 1 AND 200", name="key_length"),
        CheckConstraint("octet_length(request_hash) = 32", name="request_hash_sha256"),
        Index("ix_idempotency_key_created_at", "created_at"),
    )

    user_id: UUID = Field(primary_key=True)
    operation: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    request_hash: bytes = Field(sa_type=LargeBinary)
    answer: dict[str, Any] | None = json(nullable=True)
    created_at: datetime = moment(now=True)
