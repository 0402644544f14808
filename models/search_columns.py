"""What changed in the index: by it each server brings its columns in memory up to date."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Column, Identity, Index, Integer, SmallInteger, text
from sqlmodel import Field, SQLModel

from models.columns import moment


class SearchColumnChange(SQLModel, table=True):
    """A document of the active slot was written or deleted by the transaction `xact`. Triggers on
    search_document fill it. Read by `xact` and not by `id`: numbers are given before the commit, so
    a lower one may come to be seen later."""

    __tablename__ = "search_column_change"
    __table_args__ = (
        Index("ix_search_column_change_xact", "xact", "id"),
        Index("ix_search_column_change_at", "at"),
    )

    id: int | None = Field(
        default=None, sa_column=Column("id", BigInteger, Identity(always=False), primary_key=True)
    )
    xact: int = Field(
        sa_type=BigInteger,
        sa_column_kwargs={
            "server_default": text("CAST(CAST(pg_current_xact_id() AS text) AS bigint)")
        },
    )
    slot: int = Field(sa_type=SmallInteger)
    document: int = Field(sa_type=Integer)
    at: datetime = moment(now=True)
