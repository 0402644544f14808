"""Tables of the catalogue: titles, people, credits and genres. What viewers do with titles stands
in viewing.py, where titles can be watched in availability.py."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal, get_args
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Computed,
    Date,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field, SQLModel

from models.columns import key, moment, reference, words

TitleKind = Literal["MOVIE", "SERIES", "DOCUMENTARY", "SHORT"]
TITLE_KINDS: tuple[str, ...] = get_args(TitleKind)
CreditRole = Literal[
    "ACTOR", "DIRECTOR", "WRITER", "PRODUCER", "COMPOSER", "CINEMATOGRAPHER", "EDITOR", "OTHER"
]
CREDIT_ROLES: tuple[str, ...] = get_args(CreditRole)
CONTENT_RATINGS = ("G", "PG", "PG_13", "R", "NC_17")
"""From the mildest on: a title keeps the place in this row as `maturity`."""

SORT_LENGTH = 40
"""Characters of a name that titles are sorted by: a cursor must hold them."""

# A date as one number, so that titles of which only the year is known stand among the others.
_RELEASE_KEY = (
    "coalesce(year, 0) * 10000 + coalesce(extract(month FROM released_on)::int * 100"
    " + extract(day FROM released_on)::int, 0)"
)


def one_of(column: str, values: tuple[str, ...]) -> str:
    """A condition of a CHECK: the column has one of these values."""
    return f"{column} IN ({', '.join(repr(value) for value in values)})"


def texts() -> Any:
    """A column of several short texts, none by default."""
    return Field(
        default_factory=list, sa_type=ARRAY(Text), sa_column_kwargs={"server_default": "{}"}
    )


def _counter() -> Any:
    return Field(default=0, sa_type=BigInteger, sa_column_kwargs={"server_default": text("0")})


def _known(table: str, number: str, *more: str) -> Index:
    """One row a number of another catalogue. Most rows have none, and do not burden the index."""
    known = text(f"{number} IS NOT NULL")
    return Index(f"uq_{table}_{number}", number, *more, unique=True, postgresql_where=known)


class Title(SQLModel, table=True):
    """A film, series, documentary or short. `fingerprint` is what an import knows it by when it has
    no number of another catalogue; `popularity` and `trend` are kept by a job."""

    __tablename__ = "title"
    __table_args__ = (
        CheckConstraint(one_of("kind", TITLE_KINDS), name="kind_known"),
        CheckConstraint("char_length(name) BETWEEN 1 AND 500", name="name_length"),
        CheckConstraint("char_length(sort_name) BETWEEN 1 AND 40", name="sort_name_length"),
        CheckConstraint("char_length(original_name) <= 500", name="original_name_length"),
        CheckConstraint("char_length(description) <= 10000", name="description_length"),
        CheckConstraint("year BETWEEN 1870 AND 2200", name="year_range"),
        CheckConstraint("year = extract(year FROM released_on)", name="year_of_release"),
        CheckConstraint("runtime_minutes BETWEEN 1 AND 100000", name="runtime_range"),
        CheckConstraint("maturity BETWEEN 0 AND 4", name="maturity_range"),
        CheckConstraint("cardinality(languages) <= 50", name="languages_bounded"),
        CheckConstraint("cardinality(countries) <= 50", name="countries_bounded"),
        CheckConstraint("imdb_id ~ '^tt[0-9]{5,12}$'", name="imdb_id_form"),
        CheckConstraint("tmdb_id ~ '^[0-9]{1,12}$'", name="tmdb_id_form"),
        CheckConstraint("wikidata_id ~ '^Q[0-9]{1,12}$'", name="wikidata_id_form"),
        CheckConstraint("octet_length(fingerprint) = 32", name="fingerprint_sha256"),
        UniqueConstraint("fingerprint"),
        _known("title", "imdb_id"),
        _known("title", "tmdb_id", "kind"),
        _known("title", "wikidata_id"),
        Index("ix_title_release", "release_key", "id"),
        Index("ix_title_popularity", "popularity", "id"),
        Index("ix_title_trend", "trend", "id"),
        Index("ix_title_sort_name", "sort_name", "id"),
        Index(
            "ix_title_name_trigrams",
            "name",
            postgresql_using="gin",
            postgresql_ops={"name": "gin_trgm_ops"},
        ),
    )

    id: UUID = key()
    kind: str = words()
    name: str = words()
    sort_name: str = words()
    original_name: str | None = words(nullable=True)
    description: str = words(default="")
    year: int | None = Field(default=None, sa_type=SmallInteger, nullable=True)
    released_on: date | None = Field(default=None, sa_type=Date, nullable=True)
    release_key: int = Field(
        default=None,
        sa_column=Column(
            "release_key", Integer, Computed(_RELEASE_KEY, persisted=True), nullable=False
        ),
    )
    runtime_minutes: int | None = Field(default=None, sa_type=Integer, nullable=True)
    maturity: int | None = Field(default=None, sa_type=SmallInteger, nullable=True)
    languages: list[str] = texts()
    countries: list[str] = texts()
    imdb_id: str | None = words(nullable=True)
    tmdb_id: str | None = words(nullable=True)
    wikidata_id: str | None = words(nullable=True)
    fingerprint: bytes | None = Field(default=None, sa_type=LargeBinary, nullable=True)
    popularity: int = _counter()
    trend: int = _counter()
    created_at: datetime = moment(now=True)
    updated_at: datetime = moment(now=True)


class Person(SQLModel, table=True):
    """Someone who is credited. `name_key` is what imports know them by: one person a name."""

    __tablename__ = "person"
    __table_args__ = (
        CheckConstraint("char_length(name) BETWEEN 1 AND 200", name="name_length"),
        CheckConstraint("char_length(biography) <= 10000", name="biography_length"),
        CheckConstraint("imdb_id ~ '^nm[0-9]{5,12}$'", name="imdb_id_form"),
        CheckConstraint("wikidata_id ~ '^Q[0-9]{1,12}$'", name="wikidata_id_form"),
        UniqueConstraint("name_key"),
        _known("person", "imdb_id"),
        _known("person", "wikidata_id"),
    )

    id: UUID = key()
    name: str = words()
    name_key: str | None = words(nullable=True)
    biography: str = words(default="")
    born_on: date | None = Field(default=None, sa_type=Date, nullable=True)
    imdb_id: str | None = words(nullable=True)
    wikidata_id: str | None = words(nullable=True)
    created_at: datetime = moment(now=True)


class Credit(SQLModel, table=True):
    """What a person did in a title; `position` is the billing, over all roles of the title."""

    __tablename__ = "credit"
    __table_args__ = (
        CheckConstraint(one_of("role", CREDIT_ROLES), name="role_known"),
        CheckConstraint("char_length(character) <= 200", name="character_length"),
        CheckConstraint("position >= 0", name="position_not_negative"),
        UniqueConstraint("person_id", "title_id", "role", name="uq_credit_person_title_role"),
    )

    title_id: UUID = reference("title.id", primary_key=True)
    position: int = Field(primary_key=True, sa_type=SmallInteger)
    person_id: UUID = reference("person.id")
    role: str = words()
    character: str | None = words(nullable=True)


class Genre(SQLModel, table=True):
    """A kind of story, by its slug."""

    __tablename__ = "genre"
    __table_args__ = (
        CheckConstraint("slug ~ '^[a-z0-9](-?[a-z0-9]){0,59}$'", name="slug_form"),
        CheckConstraint("char_length(name) BETWEEN 1 AND 60", name="name_length"),
        UniqueConstraint("slug"),
    )

    id: UUID = key()
    slug: str = words()
    name: str = words()


class TitleGenre(SQLModel, table=True):
    """A title is of a genre."""

    __tablename__ = "title_genre"
    __table_args__ = (Index("ix_title_genre_genre", "genre_id", "title_id"),)

    title_id: UUID = reference("title.id", primary_key=True)
    genre_id: UUID = reference("genre.id", primary_key=True)
