"""The event log: one row a fact, numbered without gaps per topic (realtime.md)."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, text
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.types import UserDefinedType
from sqlmodel import Field, SQLModel

from models.columns import json, moment, words


class TransactionId(UserDefinedType[int]):
    """PostgreSQL's xid8: which transaction wrote the row; never reused, unlike xid."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "xid8"


ischema_names["xid8"] = TransactionId  # so that reflection, as `alembic check` does it, knows it


class EventTopic(SQLModel, table=True):
    """The last sequence given in each topic; its row lock orders the topic's commits."""

    __tablename__ = "event_topic"
    __table_args__ = (CheckConstraint("head >= 1", name="head_positive"),)

    topic: str = Field(primary_key=True)
    head: int = Field(sa_type=BigInteger)


class Event(SQLModel, table=True):
    """Append-only. `payload` holds ids, amounts and enums; never personal data."""

    __tablename__ = "event"
    __table_args__ = (
        CheckConstraint("sequence >= 1", name="sequence_positive"),
        # Consumers of the whole log read it in this order, below the oldest running transaction.
        Index("ix_event_transaction", "transaction_id", "id"),
        Index("ix_event_occurred_at", "occurred_at"),
    )

    topic: str = Field(primary_key=True)
    sequence: int = Field(primary_key=True, sa_type=BigInteger)
    id: UUID = Field(unique=True)
    transaction_id: int = Field(
        sa_type=TransactionId, sa_column_kwargs={"server_default": text("pg_current_xact_id()")}
    )
    type: str = words()
    payload: dict[str, Any] = json()
    actor_id: UUID | None = Field(default=None)
    occurred_at: datetime = moment()
