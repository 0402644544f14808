"""Tables of the platform's own settings, which change while servers run, and of their changes."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Index
from sqlmodel import Field, SQLModel

from models.columns import UUID, datetime, key, moment, reference, words

KEY_FORM = "key ~ '^[a-z][a-z0-9_]{0,62}$'"


class PlatformParameter(SQLModel, table=True):
    """A whole number by its name: what it means and its range stand in `services/parameters.py`.

    One that was never set has no row, and its default there holds.
    """

    __tablename__ = "platform_parameter"
    __table_args__ = (CheckConstraint(KEY_FORM, name="key_form"),)

    key: str = Field(primary_key=True)
    value: int = Field(sa_type=BigInteger)
    changed_at: datetime = moment(now=True)
    changed_by: UUID | None = reference("user_account.id", nullable=True)


class PlatformParameterChange(SQLModel, table=True):
    """Who changed a parameter, from what to what, when and why. Append-only, by trigger."""

    __tablename__ = "platform_parameter_change"
    __table_args__ = (
        CheckConstraint(KEY_FORM, name="key_form"),
        CheckConstraint("char_length(reason) BETWEEN 1 AND 500", name="reason_length"),
        Index("ix_platform_parameter_change_key", "key", "changed_at", "id"),
    )

    id: UUID = key()
    key: str = words()
    old_value: int = Field(sa_type=BigInteger)
    new_value: int = Field(sa_type=BigInteger)
    reason: str = words()
    actor_id: UUID = reference("user_account.id")
    changed_at: datetime = moment(now=True)
