"""Batched reads of titles, people, credits and genres. A title above the viewer's content rating
limit is in no answer here, and in no count."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

from sqlalchemy import ColumnElement, Table, Text, and_, exists, func, literal, select, true
from sqlalchemy import cast as sql_cast
from sqlmodel import SQLModel

from core.database import Database
from core.pagination import PageRequest
from loaders.base import many_by, one_by, page_by, read_page
from loaders.pages import Page, order
from loaders.rows import row_of
from models.content.availability import Availability
from models.content.titles import CONTENT_RATINGS, Credit, Genre, Person, Title, TitleGenre
from models.content.viewing import UserPreference
from models.events import EventTopic

CREDITS_MAX = 100
GENRES_MAX = 50


def table_of(model: type[SQLModel]) -> Table:
    """The table for statements: SQLModel's own attributes are typed as values."""
    return cast("Table", model.__table__)  # type: ignore[attr-defined]


titles, people, credits = table_of(Title), table_of(Person), table_of(Credit)
genres, title_genres = table_of(Genre), table_of(TitleGenre)
offers, preferences, topics = table_of(Availability), table_of(UserPreference), table_of(EventTopic)


def within_limit(viewer_id: UUID | None, maturity: ColumnElement[Any]) -> ColumnElement[bool]:
    """The viewer's content rating limit lets a title through; one without a rating always."""
    if viewer_id is None:
        return true()
    limit = (
        select(preferences.c.maturity_limit)
        .where(preferences.c.user_id == viewer_id)
        .scalar_subquery()
    )
    return func.coalesce(maturity <= limit, True)


def title_within_limit(
    viewer_id: UUID | None, title_id: ColumnElement[UUID]
) -> ColumnElement[bool]:
    """As `within_limit`, for rows that refer to a title."""
    if viewer_id is None:
        return true()
    theirs = titles.alias()
    return exists().where(theirs.c.id == title_id, within_limit(viewer_id, theirs.c.maturity))


# Read in the row's own statement, so in its snapshot: see loaders/auctions.py.
_EVENT_SEQUENCE = (
    select(topics.c.head)
    .where(
        topics.c.topic
        == literal("title:").op("||")(func.replace(sql_cast(titles.c.id, Text), "-", ""))
    )
    .correlate(titles)
    .scalar_subquery()
    .label("event_sequence")
)


class TitleRow(row_of(Title, "ttl", without=("fingerprint",), extra=(_EVENT_SEQUENCE,))):  # type: ignore[misc]
    """A title; `event_sequence` is the last event of its topic that the row reflects."""

    __slots__ = ()

    @property
    def content_rating(self) -> str | None:
        """For whom it is, as one of `CONTENT_RATINGS`; None where it has no rating."""
        return None if self.maturity is None else CONTENT_RATINGS[self.maturity]


class PersonRow(row_of(Person, "per", without=("name_key",))):  # type: ignore[misc]
    """Someone who is credited."""

    __slots__ = ()


class GenreRow(row_of(Genre, "")):  # type: ignore[misc]
    """A genre."""

    __slots__ = ()


class CreditRow(row_of(Credit, "")):  # type: ignore[misc]
    """A person's part in a title."""

    __slots__ = ()


TITLE_ORDERS = {
    "NEWEST": order("newest", titles.c.release_key, titles.c.id, descending=True),
    "POPULAR": order("popular", titles.c.popularity, titles.c.id, descending=True),
    "TRENDING": order("trending", titles.c.trend, titles.c.id, descending=True),
    "TITLE": order("title", titles.c.sort_name, titles.c.id),
}

title_by_id = one_by(
    "title_by_id",
    TitleRow,
    titles.c.id,
    visible=lambda viewer_id: within_limit(viewer_id, titles.c.maturity),
)
person_by_id = one_by("person_by_id", PersonRow, people.c.id)
cast_by_title_id = many_by(
    "cast_by_title_id",
    CreditRow,
    credits.c.title_id,
    order_by=(credits.c.position,),
    limit=CREDITS_MAX,
    where=credits.c.role == "ACTOR",
)
crew_by_title_id = many_by(
    "crew_by_title_id",
    CreditRow,
    credits.c.title_id,
    order_by=(credits.c.position,),
    limit=CREDITS_MAX,
    where=credits.c.role != "ACTOR",
)


def _genres_of_titles() -> Any:
    listed = (
        select(*genres.c, title_genres.c.title_id)
        .join_from(title_genres, genres, title_genres.c.genre_id == genres.c.id)
        .subquery("genres_of_titles")
    )
    columns = tuple(listed.c[column.name] for column in GenreRow.__columns__)
    row = type("TitleGenreRow", (GenreRow,), {"__slots__": (), "__columns__": columns})
    return many_by(
        "genres_by_title_id",
        row,
        listed.c.title_id,
        order_by=(listed.c.slug,),
        limit=GENRES_MAX,
    )


def _credits_of_people() -> Any:
    """Newest title first. The join is a subquery, which PostgreSQL dissolves."""
    listed = (
        select(*credits.c, titles.c.release_key, titles.c.maturity)
        .join_from(credits, titles, credits.c.title_id == titles.c.id)
        .subquery("credits_of_people")
    )
    row = row_of(Credit, "", extra=(listed.c.release_key,))
    row.__columns__ = tuple(listed.c[column.name] for column in row.__columns__)
    return page_by(
        "credits_by_person_id",
        type("PersonCreditRow", (row,), {"__slots__": ()}),
        listed.c.person_id,
        order=order(
            "credits",
            listed.c.release_key,
            listed.c.title_id,
            listed.c.position,
            descending=True,
        ),
        visible=lambda viewer_id: within_limit(viewer_id, listed.c.maturity),
    )


genres_by_title_id = _genres_of_titles()
credits_by_person_id = _credits_of_people()
PersonCreditRow = credits_by_person_id.row


@dataclass(frozen=True, slots=True)
class TitleFilter:
    """What `titles` narrows by; None means any. A title has all of `genres` (slugs); `text` stands
    in its name; `platform_id`, `region` and `tier` are of one and the same offer."""

    kinds: Sequence[str] | None = None
    genres: Sequence[str] | None = None
    year_from: int | None = None
    year_to: int | None = None
    language: str | None = None
    country: str | None = None
    text: str | None = None
    platform_id: UUID | None = None
    region: str | None = None
    tier: str | None = None


async def titles_page(
    db: Database,
    viewer_id: UUID | None,
    wanted: TitleFilter,
    ordering: str,
    request: PageRequest,
) -> Page:
    """One page of the catalogue as the viewer may see it, in one of `TITLE_ORDERS`."""
    conditions = [within_limit(viewer_id, titles.c.maturity), *_conditions(wanted)]
    return await read_page(db, TitleRow, TITLE_ORDERS[ordering], request, conditions)


async def all_genres(db: Database, limit: int) -> list[GenreRow]:
    """The genres by name, `limit` at most."""
    statement = select(*GenreRow.__columns__).order_by(genres.c.name, genres.c.id).limit(limit)
    async with db.read() as session:
        return [GenreRow._make(row) for row in await session.execute(statement)]


def _conditions(wanted: TitleFilter) -> list[ColumnElement[bool]]:
    conditions: list[tuple[object, Callable[[Any], ColumnElement[bool]]]] = [
        (wanted.kinds, titles.c.kind.in_),
        (wanted.year_from, titles.c.year.__ge__),
        (wanted.year_to, titles.c.year.__le__),
        (wanted.language, lambda code: titles.c.languages.contains([code])),
        (wanted.country, lambda code: titles.c.countries.contains([code])),
        (wanted.text, lambda text: titles.c.name.ilike(f"%{_escaped(text)}%")),
    ]
    found = [condition(value) for value, condition in conditions if value is not None]
    return [*found, *map(_of_genre, wanted.genres or ()), *_offered(wanted)]


def _escaped(text: str) -> str:
    for special in "\\%_":
        text = text.replace(special, f"\\{special}")
    return text


def _of_genre(slug: str) -> ColumnElement[bool]:
    genre_id = select(genres.c.id).where(genres.c.slug == slug).scalar_subquery()
    return exists().where(
        title_genres.c.title_id == titles.c.id, title_genres.c.genre_id == genre_id
    )


def _offered(wanted: TitleFilter) -> list[ColumnElement[bool]]:
    columns = (
        (wanted.platform_id, offers.c.platform_id),
        (wanted.region, offers.c.region),
        (wanted.tier, offers.c.tier),
    )
    asked = [column == value for value, column in columns if value is not None]
    if not asked:
        return []
    return [exists().where(offers.c.title_id == titles.c.id, offers.c.available, and_(*asked))]
