"""Titles, people, platforms and offers as clients see them."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any

import strawberry

from execution.caching import INHERITS
from loaders.content import availability as offers
from loaders.content import titles as loaders
from loaders.content import viewing as viewing
from loaders.content.availability import OFFERS_MAX, OfferRow, PlatformRow
from loaders.content.titles import CreditRow, GenreRow, PersonCreditRow, PersonRow, TitleRow
from loaders.content.viewing import RatingStatsRow
from models.content.viewing import HISTOGRAM_BUCKETS
from resolvers.content import titles as resolvers
from schema.common import Connection, Money, Node
from schema.content.recommendations_types import RecommendationTitleFields
from schema.fields import (
    Context,
    argument,
    attribute,
    bounded,
    connected,
    loaded,
    loaded_first,
    resolved,
)
from schema.rows import found_by, shows
from schema.scalars import URL, Cursor, code_of
from services.content.titles import title_topic
from subscriptions.cursors import encode_cursor

if TYPE_CHECKING:
    from schema.content.viewing_types import Review, WatchlistItem

CODES_MAX = 50


@strawberry.enum(description="What a title is.")
class TitleKind(Enum):
    MOVIE = strawberry.enum_value("MOVIE", description="A feature film.")
    SERIES = strawberry.enum_value("SERIES", description="Several episodes.")
    DOCUMENTARY = strawberry.enum_value("DOCUMENTARY", description="A film about what is so.")
    SHORT = strawberry.enum_value("SHORT", description="A short film.")


@strawberry.enum(description="For whom a title is, the mildest first.")
class ContentRating(Enum):
    G = strawberry.enum_value("G", description="For everyone (also TV-G).")
    PG = strawberry.enum_value("PG", description="Parents may want to be near (also TV-PG).")
    PG_13 = strawberry.enum_value("PG_13", description="Not for under 13 (also TV-14).")
    R = strawberry.enum_value("R", description="Under 17 with a parent (also TV-MA).")
    NC_17 = strawberry.enum_value("NC_17", description="Adults only.")


@strawberry.enum(description="What a person did in a title.")
class CreditRole(Enum):
    ACTOR = strawberry.enum_value("ACTOR", description="They are in the cast.")
    DIRECTOR = strawberry.enum_value("DIRECTOR", description="They directed it.")
    WRITER = strawberry.enum_value("WRITER", description="They wrote it.")
    PRODUCER = strawberry.enum_value("PRODUCER", description="They produced it.")
    COMPOSER = strawberry.enum_value("COMPOSER", description="The music is theirs.")
    CINEMATOGRAPHER = strawberry.enum_value("CINEMATOGRAPHER", description="The pictures are.")
    EDITOR = strawberry.enum_value("EDITOR", description="They cut it.")
    OTHER = strawberry.enum_value("OTHER", description="Something else for it.")


@strawberry.enum(description="On which terms a title can be watched.")
class AvailabilityTier(Enum):
    FREE = strawberry.enum_value("FREE", description="For nothing.")
    ADS = strawberry.enum_value("ADS", description="For nothing, with advertisements.")
    SUBSCRIPTION = strawberry.enum_value("SUBSCRIPTION", description="With a membership.")
    RENT = strawberry.enum_value("RENT", description="For a price, for some days.")
    BUY = strawberry.enum_value("BUY", description="For a price, to keep.")


@strawberry.enum(description="How something about availability came to be known.")
class AvailabilitySource(Enum):
    POLL = strawberry.enum_value("POLL", description="The platform was asked in its turn.")
    WEBHOOK = strawberry.enum_value("WEBHOOK", description="The platform told by itself.")
    ON_DEMAND = strawberry.enum_value("ON_DEMAND", description="A viewer asked for it.")
    MANUAL = strawberry.enum_value("MANUAL", description="An administrator wrote it.")


@strawberry.type(description="A kind of story.", directives=[INHERITS])
@shows(GenreRow)
class Genre:
    slug: str = attribute("Names it in filters: `science-fiction`.")
    name: str = attribute("Its name for people: `Science Fiction`.")


@strawberry.federation.type(
    keys=["id"], description="A service that shows titles.", directives=[INHERITS]
)
@shows(PlatformRow)
@found_by(offers.platform_by_id, "plt")
class Platform(Node):
    slug: str = attribute("Its short name: a-z, 0-9 and hyphens.")
    name: str = attribute("What it is called.")
    home_url: URL | None = attribute("Its home page.")
    logo_url: URL | None = attribute("A picture of its sign.")
    active: bool = attribute("Whether it is asked for what it has.")


@strawberry.type(
    description="A title on a platform, in a region, on a tier.", directives=[INHERITS]
)
@shows(OfferRow)
class Availability:
    region: str = attribute("Where: ISO 3166-1, as `FR`.")
    tier: AvailabilityTier = attribute("On which terms.")
    price: Money | None = attribute("What it costs; null where that is unknown or nothing.")
    link: URL | None = attribute("Where to watch it.")
    available: bool = attribute("Whether it can be watched, as far as is known.")
    available_from: datetime | None = attribute("Since when, or from when on, if known.")
    available_until: datetime | None = attribute("Until when, where an end is known.")
    last_verified_at: datetime = attribute("When this was last known to be so.")
    source: AvailabilitySource = attribute("How it was last known.")
    stale: bool = attribute("True where the platform cannot be asked just now.")
    platform: Platform = loaded(
        offers.platform_by_id, key="platform_id", description="Who shows it."
    )


@strawberry.type(description="The sums of a title's ratings.", directives=[INHERITS])
@shows(RatingStatsRow)
class RatingStats:
    ratings: int = attribute("How many people rated it.", name="count")
    mean: Decimal | None = attribute("The mean from 0 to 10 with two places; null without any.")
    histogram: list[int] = attribute(
        "How many ratings begin with 0, 1, 2 … 10, in this order.",
        list_size=bounded(HISTOGRAM_BUCKETS),
    )


@strawberry.type(description="A person's part in a title.", directives=[INHERITS])
@shows(CreditRow, PersonCreditRow)
class Credit:
    role: CreditRole = attribute("What they did.")
    character: str | None = attribute("Whom an actor plays, if known.")
    position: int = attribute("The billing, from 0 on.")
    person: Annotated[Person, strawberry.lazy("schema.content.titles_types")] = loaded(
        loaders.person_by_id, key="person_id", description="Who did it."
    )
    title: Annotated[Title, strawberry.lazy("schema.content.titles_types")] = loaded(
        loaders.title_by_id, key="title_id", description="In which title.", viewer=True
    )


@strawberry.federation.type(
    keys=["id"], description="Someone who made titles.", directives=[INHERITS]
)
@shows(PersonRow)
@found_by(loaders.person_by_id, "per")
class Person(Node):
    name: str = attribute("Their name.")
    biography: str = attribute("Who they are; may be empty.")
    born_on: date | None = attribute("Their day of birth, if known.")
    imdb_id: str | None = attribute("Their number at IMDb: `nm…`.", name="imdbNumber")
    wikidata_id: str | None = attribute("Their number at Wikidata: `Q…`.", name="wikidataNumber")
    credits: Connection[Credit] = connected(
        loaders.credits_by_person_id,
        key="id",
        description="What they did, the newest title first.",
        viewer=True,
    )


@strawberry.federation.type(
    keys=["id"], description="A film, series, documentary or short.", directives=[INHERITS]
)
@shows(TitleRow)
@found_by(loaders.title_by_id, "ttl")
class Title(RecommendationTitleFields, Node):
    kind: TitleKind = attribute("What it is.")
    name: str = attribute("What it is called.")
    original_name: str | None = attribute("Its name in its own language, if another.")
    description: str = attribute("What it is about; may be empty.")
    year: int | None = attribute("The year it came out, if known.")
    released_on: date | None = attribute("The day it came out, if known.")
    runtime_minutes: int | None = attribute("How long it is, if known.")
    content_rating: ContentRating | None = attribute("For whom it is; null where nobody said.")
    languages: list[str] = attribute(
        "What is spoken: ISO 639, as `fr`.", list_size=bounded(CODES_MAX)
    )
    countries: list[str] = attribute(
        "Where it is from: ISO 3166-1, as `FR`.", list_size=bounded(CODES_MAX)
    )
    imdb_id: str | None = attribute("Its number at IMDb: `tt…`.", name="imdbNumber")
    tmdb_id: str | None = attribute("Its number at TMDB.", name="tmdbNumber")
    wikidata_id: str | None = attribute("Its number at Wikidata: `Q…`.", name="wikidataNumber")
    created_at: datetime = attribute("When it came into this catalogue.")
    genres: list[Genre] = loaded_first(
        loaders.genres_by_title_id, key="id", default=20, description="Its genres, by slug."
    )
    cast: list[Credit] = loaded_first(
        loaders.cast_by_title_id, key="id", default=10, description="Who plays in it, by billing."
    )
    crew: list[Credit] = loaded_first(
        loaders.crew_by_title_id, key="id", default=10, description="Who else made it, by billing."
    )
    rating_stats: RatingStats = loaded(
        viewing.rating_stats_by_title_id, key="id", description="How people rated it."
    )
    viewer_rating: Decimal | None = loaded(
        viewing.viewer_rating_by_title_id,
        key="id",
        description="Your own rating from 0 to 10; null without one.",
        viewer=True,
    )
    viewer_review: Annotated[Review, strawberry.lazy("schema.content.viewing_types")] | None = (
        loaded(
            viewing.viewer_review_by_title_id,
            key="id",
            description="Your own review; null without one.",
            viewer=True,
        )
    )
    in_watchlist: bool = loaded(
        viewing.in_watchlist_by_title_id,
        key="id",
        description="Whether it is on your watchlist.",
        viewer=True,
    )
    watchlist_item: (
        Annotated[WatchlistItem, strawberry.lazy("schema.content.viewing_types")] | None
    ) = loaded(
        viewing.watchlist_item_by_title_id,
        key="id",
        description="Its place on your watchlist; null where it is not on it.",
        viewer=True,
    )
    reviews: Connection[Annotated[Review, strawberry.lazy("schema.content.viewing_types")]] = (
        connected(
            viewing.reviews_by_title_id,
            key="id",
            description="What people write of it, newest first.",
            viewer=True,
        )
    )

    @resolved(
        "Where it can be watched now, by region and platform.",
        list_size=bounded(OFFERS_MAX, by="first"),
    )
    async def availability(
        root: strawberry.Parent[Any],
        info: Context,
        region: Annotated[str | None, argument("ISO 3166-1, as `FR`; all if not given.")] = None,
        tier: Annotated[AvailabilityTier | None, argument("All tiers if not given.")] = None,
        platform: Annotated[strawberry.ID | None, argument("Begins with `plt_`.")] = None,
        first: Annotated[int, argument("How many, from 0 to 200.")] = 50,
    ) -> list[Availability]:
        return await resolvers.title_offers(
            info.context,
            root.id,
            region=region,
            tier=None if tier is None else code_of(tier),
            platform_id=platform,
            first=first,
        )

    @resolved(
        "The last change of availability that these fields reflect. Subscribe with it as `after`, "
        "and nothing is missed between this query and the subscription.",
        cost=0,
    )
    def event_cursor(root: strawberry.Parent[Any]) -> Cursor:
        return Cursor(encode_cursor(title_topic(root.id), root.event_sequence or 0))
