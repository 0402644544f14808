"""Column types and constraint names shared by the tables. No tables here."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, ForeignKey, Text, Uuid, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from core.ids import new_id

SQLModel.metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


def key() -> Any:
    """A UUIDv7 primary key."""
    return Field(default_factory=new_id, primary_key=True, sa_type=Uuid)


def reference(target: str, *, nullable: bool = False, primary_key: bool = False) -> Any:
    """A foreign key to `table.column`; the row referred to may not be deleted."""
    return Field(
        default=None if nullable else ...,
        sa_type=Uuid,
        sa_column_args=[ForeignKey(target)],
        nullable=nullable,
        primary_key=primary_key,
    )


def moment(*, nullable: bool = False, now: bool = False) -> Any:
    """A timestamp with time zone; `now` lets the database's clock fill it."""
    return Field(
        default=None,
        sa_type=DateTime(timezone=True),
        nullable=nullable,
        sa_column_kwargs={"server_default": func.clock_timestamp()} if now else {},
    )


def minor_units(*, nullable: bool = False, default: int | None = None) -> Any:
    """An int64 amount in minor units of the row's asset."""
    return Field(
        default=default if nullable or default is not None else ...,
        sa_type=BigInteger,
        nullable=nullable,
    )


def words(*, nullable: bool = False, default: str | None = None) -> Any:
    """Text; its limits are CHECKs on the table."""
    return Field(
        default=default if nullable or default is not None else ...,
        sa_type=Text,
        nullable=nullable,
        sa_column_kwargs={} if default is None else {"server_default": default},
    )


def json(*, nullable: bool = False, default: str = "{}") -> Any:
    """A JSONB column."""
    return Field(
        default=None,
        sa_type=JSONB,
        nullable=nullable,
        sa_column_kwargs={} if nullable else {"server_default": text(f"'{default}'::jsonb")},
    )


__all__ = ["UUID", "datetime", "json", "key", "minor_units", "moment", "reference", "words"]
