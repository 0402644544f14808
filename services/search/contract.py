"""What the parts of search hand to each other: a question, its filters, what was understood of it,
and the page that answers. Data alone; no SQL and no GraphQL."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Literal, NamedTuple, get_args
from uuid import UUID

from core.errors import BadUserInput

QUERY_MAX = 500
"""Characters of a query."""
DEPTH_MAX = 1_000
"""Hits that can be paged through; totals and facets count beyond."""
RETRIEVED_MAX = {"LEXICAL": DEPTH_MAX, "FUZZY": 50, "SEMANTIC": 100}
"""How many each retriever ranks at most."""
FILTER_VALUES_MAX = 50
"""Values in one filter."""
FACET_VALUES_MAX = 50
"""Values that one facet shows."""

Kind = Literal["TITLE", "PERSON", "POST", "USER", "PRODUCT", "AUCTION", "QUEST"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Retriever = Literal["LEXICAL", "FUZZY", "SEMANTIC"]
RETRIEVERS: tuple[Retriever, ...] = get_args(Retriever)
Mode = Literal["ALL", "LEXICAL", "FUZZY", "SEMANTIC"]
Intent = Literal["SEARCH", "BROWSE", "RECOMMEND"]
FacetName = Literal[
    "TYPE",
    "TITLE_KIND",
    "GENRE",
    "DECADE",
    "YEAR",
    "PLATFORM",
    "TIER",
    "REGION",
    "PRICE",
    "TAG",
    "CATEGORY",
    "SELLER",
    "STALL",
    "CULTURAL_TAG",
    "LANGUAGE",
    "CONTENT_RATING",
    "AUCTION_STATE",
]
FACETS: tuple[FacetName, ...] = get_args(FacetName)
EntityKind = Literal[
    "YEAR",
    "TYPE",
    "GENRE",
    "PERSON",
    "PLATFORM",
    "TIER",
    "REGION",
    "PRICE",
    "AUCTION_STATE",
    "RUNTIME",
    "TAG",
    "CATEGORY",
    "CULTURAL_TAG",
    "SELLER",
    "STALL",
    "LANGUAGE",
    "CONTENT_RATING",
    "ORDER",
    "INTENT",
]


class InvalidFilter(BadUserInput):
    """A filter of a search has a value that it cannot have: `filter` in the schema's spelling,
    `reason` says what it must be."""

    def __init__(self, filter: str, reason: str) -> None:
        super().__init__(f"{filter}: {reason}", {"filter": filter, "reason": reason})
        self.filter = filter
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Without:
    """What a hit must not be: one with any of `values` of `facet` is left out."""

    facet: FacetName
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SearchFilters:
    """What a hit must be. Several values of one filter: any of them; several filters: all of them.
    `platforms` (slugs), `tiers` and `regions` are of one and the same offer. Ranges include both
    ends; prices are in minor units of `price_asset`, which must be given with them.

    `people`: somebody of each group is credited in it. `genres_all`: it has every one of these.
    `title_kinds` are MOVIE, SERIES …"""

    kinds: tuple[Kind, ...] = ()
    title_kinds: tuple[str, ...] = ()
    people: tuple[tuple[UUID, ...], ...] = ()
    without: tuple[Without, ...] = ()
    genres: tuple[str, ...] = ()
    genres_all: tuple[str, ...] = ()
    year_from: int | None = None
    year_to: int | None = None
    platforms: tuple[str, ...] = ()
    tiers: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    price_from_minor: int | None = None
    price_to_minor: int | None = None
    price_asset: str | None = None
    tags: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    sellers: tuple[UUID, ...] = ()
    stalls: tuple[UUID, ...] = ()
    cultural_tags: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    content_ratings: tuple[str, ...] = ()
    runtime_from_minutes: int | None = None
    runtime_to_minutes: int | None = None
    auction_states: tuple[str, ...] = ()
    starts_after: datetime | None = None
    starts_before: datetime | None = None
    ends_after: datetime | None = None
    ends_before: datetime | None = None
    published_after: datetime | None = None


FACET_FIELDS: Mapping[FacetName, str] = MappingProxyType(
    {
        "TYPE": "kinds",
        "TITLE_KIND": "title_kinds",
        "GENRE": "genres",
        "PLATFORM": "platforms",
        "TIER": "tiers",
        "REGION": "regions",
        "TAG": "tags",
        "CATEGORY": "categories",
        "SELLER": "sellers",
        "STALL": "stalls",
        "CULTURAL_TAG": "cultural_tags",
        "LANGUAGE": "languages",
        "CONTENT_RATING": "content_ratings",
        "AUCTION_STATE": "auction_states",
    }
)
"""The filter that wants any of some values of a facet, by facet."""


@dataclass(frozen=True, slots=True)
class Boost:
    """What a hit should rather be: one with any of `values` of `facet` has its score multiplied by
    1 + `weight`. A wrong boost reorders; it hides nothing."""

    facet: FacetName
    values: tuple[str, ...]
    weight: float = 0.3


@dataclass(frozen=True, slots=True)
class Entity:
    """Something recognised in a query: the words that name it, and what they were taken for."""

    kind: EntityKind
    text: str
    value: str
    certain: bool = False


@dataclass(frozen=True, slots=True)
class Interpretation:
    """What was understood of a query. `remaining` is what is looked up in the index; `filters` are
    what is certain, and are joined to those asked for; `boosts` what is likely."""

    intent: Intent
    remaining: str
    entities: tuple[Entity, ...] = ()
    filters: SearchFilters = field(default_factory=SearchFilters)
    boosts: tuple[Boost, ...] = ()


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """A question. `first` hits after `after` (a cursor of the same question), or the `last` before
    `before`; `facets` are those to be counted; `total` and `highlights` where somebody asks for
    them. `text` is as it was typed."""

    text: str
    filters: SearchFilters = field(default_factory=SearchFilters)
    facets: tuple[FacetName, ...] = ()
    first: int = 20
    after: str | None = None
    last: int | None = None
    before: str | None = None
    mode: Mode = "ALL"
    viewer_id: UUID | None = None
    personalize: bool = True
    understand: bool = True
    total: bool = True
    highlights: bool = True


class Ranked(NamedTuple):
    """A document in one retriever's list, best first; `score` is that retriever's own."""

    document: int
    score: float


class Span(NamedTuple):
    """A run of characters: from `start` on, `end` not included."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Highlight:
    """A piece of a document's own text as it stands, and where in it the query's words are: ranges
    of characters from 0 on, the end not included. No markup: nothing has to be escaped here."""

    field: Literal["NAME", "SUMMARY", "BODY"]
    text: str
    ranges: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Hit:
    """A document that was found: `document` in the index, `entity_id` in its own table."""

    document: int
    kind: Kind
    entity_id: UUID
    score: float
    matched: tuple[Retriever, ...]
    highlights: tuple[Highlight, ...] = ()
    cursor: str = ""


@dataclass(frozen=True, slots=True)
class FacetValue:
    """How many matches have a value; `selected` where the search is filtered by it."""

    value: str
    label: str
    count: int
    selected: bool = False


@dataclass(frozen=True, slots=True)
class Facet:
    """The values of one facet with most matches first, counted over all matches, as they would be
    without this facet's own filter. `values_count` is how many there are."""

    name: FacetName
    values: tuple[FacetValue, ...]
    values_count: int


@dataclass(frozen=True, slots=True)
class SearchPage:
    """The answer. `total` is exact, and None where it was not asked for; `retrievers` are those
    that ran (SEMANTIC only where vectors are installed)."""

    hits: tuple[Hit, ...]
    has_next_page: bool
    has_previous_page: bool
    total: int | None
    facets: tuple[Facet, ...]
    took_ms: int
    interpretation: Interpretation
    retrievers: tuple[Retriever, ...]
    did_you_mean: str | None = None


SemanticRetriever = Callable[[str, int], Awaitable[Sequence[Ranked]]]
"""`await semantic(text, limit)`: the nearest documents of the generation in use, best first; an
empty list where it finds none near enough. None in its place where no vectors are installed."""
