"""Search as clients see it: hits, facets, and what was understood of a query."""

from __future__ import annotations

from decimal import Decimal
from enum import Enum
from typing import Annotated

import strawberry

from schema.auctions.types import Auction, Product
from schema.common import PAGE_LIMIT, PageInfo
from schema.content.posts_types import Post
from schema.content.titles_types import Person, Title
from schema.fields import attribute, bounded
from schema.quests.types import Quest
from schema.scalars import Cursor
from schema.users.types import User
from services.search.contract import FACET_VALUES_MAX, FACETS, FILTER_VALUES_MAX, RETRIEVERS
from services.search.highlights import FIELDS_MAX, RANGES_MAX

ENTITIES_MAX = 50

SearchResult = Annotated[
    Title | Person | Post | User | Product | Auction | Quest,
    strawberry.union("SearchResult", description="What search can find."),
]


@strawberry.enum(description="What kinds of things search finds.")
class SearchResultType(Enum):
    TITLE = strawberry.enum_value("TITLE", description="Films, series, documentaries, shorts.")
    PERSON = strawberry.enum_value("PERSON", description="People who made titles.")
    POST = strawberry.enum_value("POST", description="Published posts.")
    USER = strawberry.enum_value("USER", description="Members with a public profile.")
    PRODUCT = strawberry.enum_value("PRODUCT", description="What stalls sell.")
    AUCTION = strawberry.enum_value("AUCTION", description="What is or was auctioned.")
    QUEST = strawberry.enum_value("QUEST", description="Good deeds to take on, but for drafts.")


@strawberry.enum(description="Which ways of finding are used.")
class SearchMode(Enum):
    ALL = strawberry.enum_value("ALL", description="All there are, their rankings made one.")
    LEXICAL = strawberry.enum_value("LEXICAL", description="Words alone, as they stand.")
    FUZZY = strawberry.enum_value("FUZZY", description="Names nearly like the query alone.")
    SEMANTIC = strawberry.enum_value(
        "SEMANTIC", description="Meaning alone. Finds nothing where no model is installed."
    )


@strawberry.enum(description="A way of finding.")
class SearchRetriever(Enum):
    LEXICAL = strawberry.enum_value("LEXICAL", description="The query's words stand in it.")
    FUZZY = strawberry.enum_value("FUZZY", description="It is called nearly so.")
    SEMANTIC = strawberry.enum_value("SEMANTIC", description="It means something like it.")


@strawberry.enum(description="What matches can be counted by.")
class SearchFacetName(Enum):
    TYPE = strawberry.enum_value("TYPE", description="The kind of thing: `TITLE`, `POST` …")
    TITLE_KIND = strawberry.enum_value(
        "TITLE_KIND", description="The kind of title: `MOVIE`, `SERIES` …"
    )
    GENRE = strawberry.enum_value("GENRE", description="Genres of titles, by slug.")
    DECADE = strawberry.enum_value("DECADE", description="By its first year: `1990`.")
    YEAR = strawberry.enum_value("YEAR", description="The year a title came out.")
    PLATFORM = strawberry.enum_value("PLATFORM", description="Who shows a title, by slug.")
    TIER = strawberry.enum_value("TIER", description="The terms on which a title can be watched.")
    REGION = strawberry.enum_value(
        "REGION", description="Where it can be watched, comes from or lies: ISO 3166-1."
    )
    PRICE = strawberry.enum_value("PRICE", description="Asset and range: `USD/25-50`.")
    TAG = strawberry.enum_value("TAG", description="Tags of posts, products and auctions.")
    CATEGORY = strawberry.enum_value("CATEGORY", description="Shelves of posts, goods and quests.")
    SELLER = strawberry.enum_value("SELLER", description="Who sells it, by id: `usr_…`.")
    STALL = strawberry.enum_value("STALL", description="Which stall sells it, by id: `stl_…`.")
    CULTURAL_TAG = strawberry.enum_value(
        "CULTURAL_TAG", description="The culture that something comes from: none is known yet."
    )
    LANGUAGE = strawberry.enum_value("LANGUAGE", description="What is spoken: ISO 639.")
    CONTENT_RATING = strawberry.enum_value("CONTENT_RATING", description="For whom a title is.")
    AUCTION_STATE = strawberry.enum_value(
        "AUCTION_STATE", description="What an auction is doing: `OPEN`, `SOLD` …"
    )


@strawberry.enum(description="What somebody who searches is after.")
class SearchIntent(Enum):
    SEARCH = strawberry.enum_value("SEARCH", description="Something that they describe.")
    BROWSE = strawberry.enum_value("BROWSE", description="All of a kind, no words are left.")
    RECOMMEND = strawberry.enum_value("RECOMMEND", description="Something that they may like.")


@strawberry.enum(description="What words of a query were taken for.")
class SearchEntityKind(Enum):
    YEAR = strawberry.enum_value("YEAR", description="A year, or years from … to ….")
    TYPE = strawberry.enum_value("TYPE", description="A kind of thing, or of title.")
    GENRE = strawberry.enum_value("GENRE", description="A genre, by slug.")
    PERSON = strawberry.enum_value("PERSON", description="Someone who is credited.")
    PLATFORM = strawberry.enum_value("PLATFORM", description="A platform, by slug.")
    TIER = strawberry.enum_value("TIER", description="Terms on which to watch.")
    REGION = strawberry.enum_value("REGION", description="A region, ISO 3166-1.")
    PRICE = strawberry.enum_value("PRICE", description="A price, or a range.")
    AUCTION_STATE = strawberry.enum_value("AUCTION_STATE", description="What auctions do.")
    RUNTIME = strawberry.enum_value("RUNTIME", description="How long something is.")
    TAG = strawberry.enum_value("TAG", description="A tag of posts or goods.")
    CATEGORY = strawberry.enum_value("CATEGORY", description="A shelf of posts or goods.")
    CULTURAL_TAG = strawberry.enum_value("CULTURAL_TAG", description="A culture.")
    SELLER = strawberry.enum_value("SELLER", description="Someone who sells.")
    STALL = strawberry.enum_value("STALL", description="A stall, by its name.")
    LANGUAGE = strawberry.enum_value("LANGUAGE", description="A language, ISO 639.")
    CONTENT_RATING = strawberry.enum_value("CONTENT_RATING", description="For whom it is.")
    ORDER = strawberry.enum_value("ORDER", description="What should come first.")
    INTENT = strawberry.enum_value("INTENT", description="What the asker is after.")


@strawberry.enum(description="Where in a document something was found.")
class SearchHighlightField(Enum):
    NAME = strawberry.enum_value("NAME", description="In what it is called.")
    SUMMARY = strawberry.enum_value("SUMMARY", description="In the line that sums it up.")
    BODY = strawberry.enum_value("BODY", description="In its text: a piece of it.")


@strawberry.type(description="A run of characters, as ends of it.")
class SearchTextRange:
    start: int = attribute("The first character, from 0 on, in Unicode code points.")
    end: int = attribute("The one behind the last.")


@strawberry.type(
    description="A piece of a document's own text in which words of the query stand. Plain text: "
    "what looks like markup in it is text as well, so never put it into a page as HTML."
)
class SearchHighlight:
    field: SearchHighlightField = attribute("Where it stands.")
    text: str = attribute("The text as it is; of a long one, 200 characters or so.")
    ranges: list[SearchTextRange] = attribute(
        "What to mark in it, in order.", list_size=bounded(RANGES_MAX)
    )


@strawberry.type(description="Something that was found, and why.")
class SearchHit:
    node: SearchResult = attribute("What was found.")
    score: Decimal = attribute(
        "How well it fits: comparable within one answer alone. By reciprocal rank fusion, so small."
    )
    highlights: list[SearchHighlight] = attribute(
        "Where the query's words stand in it; empty where none do.", list_size=bounded(FIELDS_MAX)
    )
    matched: list[SearchRetriever] = attribute(
        "Which ways of finding found it; none where nothing was typed.",
        list_size=bounded(len(RETRIEVERS)),
    )


@strawberry.type(description="A hit, and its place among all hits.")
class SearchEdge:
    cursor: Cursor = attribute("Pass it as `after` or `before` to go on from here.")
    node: SearchHit = attribute("The hit itself.")


@strawberry.type(description="How many matches have a value of a facet.")
class SearchFacetValue:
    value: str = attribute("As filters take it.")
    label: str = attribute("For people.")
    count: int = attribute("Of all matches, not of this page.")
    selected: bool = attribute("Whether the search is filtered by it.")


@strawberry.type(description="All matches, counted by one facet.")
class SearchFacet:
    name: SearchFacetName = attribute("What they are counted by.")
    values: list[SearchFacetValue] = attribute(
        "Its values, those with most matches first, and those selected. If the search is filtered "
        "by this facet, they are counted as if that filter alone were lifted.",
        list_size=bounded(FACET_VALUES_MAX + FILTER_VALUES_MAX),
    )
    values_count: int = attribute("How many values there are, also beyond those shown.")


@strawberry.type(description="Words of a query, and what they were taken for.")
class SearchEntity:
    kind: SearchEntityKind = attribute("What they name.")
    text: str = attribute("The words as they were typed.")
    value: str = attribute("What they were taken for, as filters have it.")
    certain: bool = attribute("True: hits must be so. False: such hits come first.")


@strawberry.type(description="What was understood of a query.")
class SearchInterpretation:
    intent: SearchIntent = attribute("What the asker is after.")
    entities: list[SearchEntity] = attribute(
        "What was recognised in it, in order.", list_size=bounded(ENTITIES_MAX)
    )
    remaining: str = attribute("The words that were looked up.")
    semantic: bool = attribute(
        "Whether meaning was searched as well. False where no model is installed: search goes by "
        "words and names then."
    )
    retrievers: list[SearchRetriever] = attribute(
        "Which ways of finding were used.", list_size=bounded(len(RETRIEVERS))
    )


@strawberry.type(description="A page of what was found (Relay), and what is known of all of it.")
class SearchConnection:
    edges: list[SearchEdge] = attribute(
        "The hits with their cursors.", list_size=bounded(PAGE_LIMIT), cost=1
    )
    nodes: list[SearchHit] = attribute("The hits alone.", list_size=bounded(PAGE_LIMIT), cost=1)
    page_info: PageInfo = attribute("Where this page stands. The first 1,000 hits have pages.")
    total_count: int = attribute("How many match, exactly, also beyond the first 1,000.")
    facets: list[SearchFacet] = attribute(
        "The facets asked for, counted over all matches.", list_size=bounded(len(FACETS))
    )
    took_ms: int = attribute("How long the search took at the server, in milliseconds.")
    interpretation: SearchInterpretation = attribute("What was understood of the query.")
    did_you_mean: str | None = attribute(
        "The query with its mistakes corrected, where that finds more; else null."
    )
