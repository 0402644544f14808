"""Tables of search: what everyone may find, in two slots (one is read, in the other the next index
is built), how it is found, and what was searched. Vectors stand in a table of the migration, which
is made where the server has pgvector."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, get_args
from uuid import UUID

from sqlalchemy import (
    REAL,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Identity,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, DOUBLE_PRECISION, TSVECTOR
from sqlmodel import Field, SQLModel

from models.columns import json, key, minor_units, moment, reference, words
from models.content.titles import one_of

SearchKind = Literal["TITLE", "PERSON", "POST", "USER", "PRODUCT", "AUCTION", "QUEST"]
SEARCH_KINDS: tuple[str, ...] = get_args(SearchKind)
Facet = Literal[
    "TYPE",
    "GENRE",
    "YEAR",
    "DECADE",
    "PLATFORM",
    "TIER",
    "REGION",
    "OFFER",
    "PRICE",
    "TAG",
    "CATEGORY",
    "SELLER",
    "STALL",
    "CULTURAL_TAG",
    "LANGUAGE",
    "CONTENT_RATING",
    "AUCTION_STATE",
    "TITLE_KIND",
]
FACETS: tuple[str, ...] = get_args(Facet)
SLOTS = (0, 1)
QUERY_MAX = 500
"""Characters of a query."""

_PARTITIONED = {"postgresql_partition_by": "LIST (slot)"}


def _slot() -> Any:
    return Field(primary_key=True, sa_type=SmallInteger)


def _document() -> Any:
    return Field(primary_key=True, sa_type=Integer)


def _number(*, default: int = 0, kind: Any = Integer) -> Any:
    return Field(
        default=default, sa_type=kind, sa_column_kwargs={"server_default": text(str(default))}
    )


def _maybe(kind: Any) -> Any:
    return Field(default=None, sa_type=kind, nullable=True)


def _several(kind: Any) -> Any:
    return Field(
        default_factory=list, sa_type=ARRAY(kind), sa_column_kwargs={"server_default": "{}"}
    )


class SearchEntity(SQLModel, table=True):
    """The small number by which the index knows a thing, in either slot and for good: postings and
    vectors hold it in place of a UUID."""

    __tablename__ = "search_entity"
    __table_args__ = (
        CheckConstraint(one_of("kind", SEARCH_KINDS), name="kind_known"),
        UniqueConstraint("kind", "entity_id", name="uq_search_entity_thing"),
    )

    id: int | None = Field(
        default=None, sa_column=Column("id", Integer, Identity(always=False), primary_key=True)
    )
    kind: str = words()
    entity_id: UUID = Field(sa_type=Uuid, nullable=False)


class SearchDocument(SQLModel, table=True):
    """What everyone may find of a thing; what not everyone may see has no row at all. `id` is the
    SearchEntity's.

    Searched with falling weight: `name`, `names` (aliases), `details` (people, genres, kind, tags),
    `body`. `length` is their weighted number of words, `terms` what they come to: postings are made
    and taken back by it. `digest` changes with the searched text: vectors made for another are old.
    `version` is when its own row last changed, where that is known. `owner_id`: whose it is, for
    blocks and follows.
    """

    __tablename__ = "search_document"
    __table_args__ = (
        CheckConstraint(one_of("kind", SEARCH_KINDS), name="kind_known"),
        CheckConstraint("cardinality(facets) <= 2000", name="facets_bounded"),
        UniqueConstraint("slot", "kind", "entity_id", name="uq_search_document_thing"),
        Index("ix_search_document_facets", "facets", postgresql_using="gin"),
        Index("ix_search_document_popularity", "slot", "popularity", "id"),
        Index("ix_search_document_owner", "slot", "owner_id"),
        _PARTITIONED,
    )

    slot: int = _slot()
    id: int = _document()
    kind: str = words()
    entity_id: UUID = Field(sa_type=Uuid, nullable=False)
    name: str = words()
    names: list[str] = _several(Text)
    summary: str = words(default="")
    details: str = words(default="")
    body: str = words(default="")
    owner_id: UUID | None = _maybe(Uuid)
    facets: list[int] = _several(Integer)
    year: int | None = _maybe(SmallInteger)
    runtime_minutes: int | None = _maybe(Integer)
    maturity: int | None = _maybe(SmallInteger)
    price_minor: int | None = minor_units(nullable=True)
    price_asset: str | None = words(nullable=True)
    starts_at: datetime | None = moment(nullable=True)
    ends_at: datetime | None = moment(nullable=True)
    popularity: float = _number(kind=REAL)
    length: float = _number(kind=REAL)
    terms: Any = Field(sa_type=TSVECTOR, nullable=False)
    digest: bytes = Field(sa_type=LargeBinary, nullable=False)
    published_at: datetime | None = moment(nullable=True)
    version: datetime | None = moment(nullable=True)
    changed_at: datetime = moment(now=True)


class SearchPosting(SQLModel, table=True):
    """A document has a term; `impact` is the term's whole weight in it but for its rarity."""

    __tablename__ = "search_posting"
    __table_args__ = (
        Index(
            "uq_search_posting",
            "slot",
            "term",
            "document",
            unique=True,
            postgresql_include=["impact"],
        ),
        _PARTITIONED,
    )

    # The index above is the key, with the impact in it: a second one would double the table.
    slot: int = Field(primary_key=True, sa_type=SmallInteger)
    term: str = Field(primary_key=True, sa_type=Text(collation="C"))
    document: int = Field(primary_key=True, sa_type=Integer)
    impact: float = Field(sa_type=REAL)


class SearchTerm(SQLModel, table=True):
    """In how many documents a term stands."""

    __tablename__ = "search_term"
    __table_args__ = (_PARTITIONED,)

    slot: int = _slot()
    term: str = Field(primary_key=True, sa_type=Text(collation="C"))
    documents: int = Field(sa_type=Integer)


class SearchName(SQLModel, table=True):
    """A name of a document as it is compared: lower case, without accents. `place` 0 is the name,
    others are aliases. Kind, owner and popularity are the document's: suggestions read this alone.
    """

    __tablename__ = "search_name"
    __table_args__ = (
        Index(
            "ix_search_name_trigrams",
            "key",
            postgresql_using="gin",
            postgresql_ops={"key": "gin_trgm_ops"},
        ),
        Index("ix_search_name_prefix", "key", postgresql_ops={"key": "text_pattern_ops"}),
        _PARTITIONED,
    )

    slot: int = _slot()
    document: int = _document()
    place: int = Field(primary_key=True, sa_type=SmallInteger)
    key: str = words()
    kind: str = words()
    owner_id: UUID | None = _maybe(Uuid)
    popularity: float = _number(kind=REAL)


class SearchSlot(SQLModel, table=True):
    """What one of the two slots holds. One is ACTIVE; the other is EMPTY or BUILDING. The impacts
    were made with `mean_length`; what it is now follows from `documents` and `total_length`.
    `builds_until`: the build is given up by then unless its builder says more. `swept_at`: what
    changes by time alone was looked for up to then.
    """

    __tablename__ = "search_slot"
    __table_args__ = (
        CheckConstraint("slot IN (0, 1)", name="two_slots"),
        CheckConstraint("state IN ('ACTIVE', 'BUILDING', 'EMPTY')", name="state_known"),
        Index(
            "uq_search_slot_active", "state", unique=True, postgresql_where=text("state = 'ACTIVE'")
        ),
    )

    slot: int = Field(primary_key=True, sa_type=SmallInteger)
    state: str = words()
    generation: int = _number()
    documents: int = _number()
    total_length: float = _number(kind=DOUBLE_PRECISION)
    mean_length: float = _number(default=40, kind=REAL)
    builder: UUID | None = _maybe(Uuid)
    builds_until: datetime | None = moment(nullable=True)
    begun_at: datetime | None = moment(nullable=True)
    ready_at: datetime | None = moment(nullable=True)
    swept_at: datetime = moment(now=True)


class SearchTouched(SQLModel, table=True):
    """Something that was indexed while the next index is built, which must have it too."""

    __tablename__ = "search_touched"

    id: int | None = Field(
        default=None,
        sa_column=Column("id", BigInteger, Identity(always=False), primary_key=True),
    )
    kind: str = words()
    entity_id: UUID = Field(sa_type=Uuid, nullable=False)


class SearchFacetValue(SQLModel, table=True):
    """A value of a facet, by a small number that documents hold; never taken back."""

    __tablename__ = "search_facet_value"
    __table_args__ = (
        CheckConstraint(one_of("facet", FACETS), name="facet_known"),
        UniqueConstraint("facet", "value", name="uq_search_facet_value_facet_value"),
        Index(
            "ix_search_facet_value_label",
            text("search_key(label)"),
            postgresql_where=text("facet IN ('SELLER', 'STALL')"),
        ),
    )

    id: int | None = Field(
        default=None, sa_column=Column("id", Integer, Identity(always=False), primary_key=True)
    )
    facet: str = words()
    value: str = words()
    label: str = words()


class SearchModel(SQLModel, table=True):
    """A version of an embedding model. `ready`: all that there was is encoded; one is active."""

    __tablename__ = "search_model"
    __table_args__ = (
        CheckConstraint("dimension BETWEEN 1 AND 2000", name="dimension_range"),
        Index("uq_search_model_active", "active", unique=True, postgresql_where=text("active")),
    )

    name: str = Field(primary_key=True, sa_type=Text)
    dimension: int = Field(sa_type=SmallInteger)
    ready: bool = Field(
        default=False, sa_type=Boolean, sa_column_kwargs={"server_default": text("false")}
    )
    active: bool = Field(
        default=False, sa_type=Boolean, sa_column_kwargs={"server_default": text("false")}
    )
    created_at: datetime = moment(now=True)


class SearchSynonym(SQLModel, table=True):
    """Words that are also searched where a term is, set by administrators."""

    __tablename__ = "search_synonym"
    __table_args__ = (
        CheckConstraint("char_length(term) BETWEEN 1 AND 60", name="term_length"),
        CheckConstraint("cardinality(means) BETWEEN 1 AND 20", name="means_bounded"),
    )

    term: str = Field(primary_key=True, sa_type=Text)
    means: list[str] = Field(sa_type=ARRAY(Text), nullable=False)


class SearchPopular(SQLModel, table=True):
    """How often a query was searched, as it is compared: lower case, without accents. `searchers`
    are those who did, counted until they are enough for it to be shown."""

    __tablename__ = "search_popular"
    __table_args__ = (
        CheckConstraint("char_length(query) BETWEEN 1 AND 500", name="query_length"),
        Index("ix_search_popular_searches", "searches", "query"),
        Index("ix_search_popular_prefix", "query", postgresql_ops={"query": "text_pattern_ops"}),
    )

    query: str = Field(primary_key=True, sa_type=Text)
    searches: int = _number(kind=BigInteger)
    searchers: int = _number()
    last_at: datetime = moment(now=True)


class SearchHistory(SQLModel, table=True):
    """What someone searched, and which of the results they opened (`clicked`, ids and places)."""

    __tablename__ = "search_history"
    __table_args__ = (
        CheckConstraint("char_length(query) <= 500", name="query_length"),
        CheckConstraint("intent IN ('SEARCH', 'BROWSE', 'RECOMMEND')", name="intent_known"),
        CheckConstraint("results >= 0", name="results_not_negative"),
        CheckConstraint("jsonb_array_length(clicked) <= 100", name="clicked_bounded"),
        Index("ix_search_history_user", "user_id", "at", "id"),
        Index("ix_search_history_at", "at"),
    )

    id: UUID = key()
    user_id: UUID = reference("user_account.id")
    session_id: UUID | None = _maybe(Uuid)
    query: str = words()
    intent: str = words(default="SEARCH")
    results: int = _number()
    clicked: list[Any] = json(default="[]")
    at: datetime = moment(now=True)


class SearchChange(SQLModel, table=True):
    """What a document of the active slot was or became, for a few minutes: live results see by it
    whom a change concerns. Triggers fill it, by transaction as SearchColumnChange. No document:
    anything may have changed, for `viewers` alone if there are any. Not logged: a crash empties it.
    """

    __tablename__ = "search_change"
    __table_args__ = (
        Index("ix_search_change_xact", "xact", "id"),
        Index("ix_search_change_at", "at"),
        {"prefixes": ["UNLOGGED"]},
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
    document: int | None = _maybe(Integer)
    kind: str | None = words(nullable=True)
    entity_id: UUID | None = _maybe(Uuid)
    owner_id: UUID | None = _maybe(Uuid)
    terms: list[str] = _several(Text)
    names: list[str] = _several(Text)
    facets: list[int] = _several(Integer)
    viewers: list[UUID] = _several(Uuid)
    at: datetime = moment(now=True)


class SearchSetting(SQLModel, table=True):
    """What someone wants of search; who has no row wants what is usual."""

    __tablename__ = "search_setting"

    user_id: UUID = reference("user_account.id", primary_key=True)
    keep_history: bool = Field(
        default=True, sa_type=Boolean, sa_column_kwargs={"server_default": text("true")}
    )
    updated_at: datetime = moment(now=True)
