"""Tables of what is suggested while somebody types: names by the start of each of their words, and
who searched a query that is not yet popular."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import REAL, Index, Integer, LargeBinary, SmallInteger, Text, text
from sqlmodel import Field, SQLModel

from models.columns import words

ORDERED_LETTERS = 4
"""First letters by which names stand in the order that they are shown in. Four, for `the `."""


class SearchStart(SQLModel, table=True):
    """A name from one of its words on, as it is compared: `word` 0 is the whole name. Triggers
    keep it as `search_name` is. The heavier `weight` is suggested first; the indexes on the first
    letters hold that order, so that one letter typed reads ten rows and not all of that letter."""

    __tablename__ = "search_start"
    __table_args__ = (
        *(
            Index(f"ix_search_start_{n}", text(f'"left"(key, {n})'), text("weight DESC"))
            for n in range(1, ORDERED_LETTERS + 1)
        ),
        Index("ix_search_start_key", "key"),
        {"postgresql_partition_by": "LIST (slot)"},
    )

    slot: int = Field(primary_key=True, sa_type=SmallInteger)
    document: int = Field(primary_key=True, sa_type=Integer)
    place: int = Field(primary_key=True, sa_type=SmallInteger)
    word: int = Field(primary_key=True, sa_type=SmallInteger)
    key: str = Field(sa_type=Text(collation="C"))
    kind: str = words()
    owner_id: UUID | None = Field(default=None)
    weight: float = Field(sa_type=REAL)


class SearchSearcher(SQLModel, table=True):
    """Somebody searched a query: a digest, kept only until enough people did to show it."""

    __tablename__ = "search_searcher"

    query: str = Field(primary_key=True, sa_type=Text)
    searcher: bytes = Field(primary_key=True, sa_type=LargeBinary)
