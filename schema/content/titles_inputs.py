"""The inputs of the catalogue's fields, and what they become for the resolvers."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Any

import strawberry

from core.errors import BadUserInput
from core.ids import decode_id
from core.money import to_minor
from loaders.content.titles import TitleFilter
from loaders.content.viewing import PRIORITIES
from schema.common import MoneyInput
from schema.content.titles_types import AvailabilityTier, ContentRating, TitleKind
from schema.content.viewing_types import WatchlistPriority
from schema.scalars import URL, code_of
from services.content.platforms import PlatformDetails

GENRES_MAX = 20
TEXT_MAX = 100


def described(description: str, **options: Any) -> Any:
    """An input field with its description; `default` makes it optional."""
    return strawberry.field(description=description, **options)


@strawberry.enum(description="In which order titles come.")
class TitleOrder(Enum):
    NEWEST = strawberry.enum_value("NEWEST", description="What came out last, first.")
    POPULAR = strawberry.enum_value("POPULAR", description="What most people act on, first.")
    TRENDING = strawberry.enum_value("TRENDING", description="What moves people this week, first.")
    TITLE = strawberry.enum_value("TITLE", description="By name, whatever the case.")


@strawberry.input(description="Which titles: all conditions hold together; null means any.")
class TitleFilterInput:
    kind: list[TitleKind] | None = described("Of one of these kinds.", default=None)
    genres: list[str] | None = described("Of all these genres: slugs, 20 at most.", default=None)
    year_from: int | None = described("From this year on.", default=None)
    year_to: int | None = described("To this year, itself included.", default=None)
    language: str | None = described("In this language: ISO 639, as `fr`.", default=None)
    country: str | None = described("From this country: ISO 3166-1, as `FR`.", default=None)
    text: str | None = described("With this in the name: 1 to 100 characters.", default=None)
    platform: strawberry.ID | None = described("Available on this platform.", default=None)
    region: str | None = described("Available in this region, as `FR`.", default=None)
    tier: AvailabilityTier | None = described("Available on these terms.", default=None)


def title_filter(given: TitleFilterInput | None) -> TitleFilter:
    """The loader's filter. Raises `BadUserInput` for a bad id and for text that cannot be."""
    if given is None:
        return TitleFilter()
    genres = given.genres or ()
    if len(genres) > GENRES_MAX:
        raise BadUserInput(f"{GENRES_MAX} genres at most")
    if given.text is not None and not 1 <= len(given.text) <= TEXT_MAX:
        raise BadUserInput(f"text of 1 to {TEXT_MAX} characters")
    texts = (given.language, given.country, given.text, given.region, *genres)
    if any(text is not None and "\0" in text for text in texts):
        raise BadUserInput("text must not contain a NUL character")
    return TitleFilter(
        kinds=None if given.kind is None else [code_of(kind) for kind in given.kind],
        genres=genres or None,
        year_from=_year(given.year_from),
        year_to=_year(given.year_to),
        language=given.language,
        country=given.country,
        text=given.text,
        platform_id=None if given.platform is None else decode_id(given.platform, "plt"),
        region=given.region,
        tier=None if given.tier is None else code_of(given.tier),
    )


def _year(year: int | None) -> int | None:
    """A year that the column can be compared with."""
    return None if year is None else max(-1, min(year, 9_999))


@strawberry.input(description="A title to act on.")
class TitleInput:
    title_id: strawberry.ID = described("Which title; begins with `ttl_`.")


@strawberry.input(description="Your rating of a title.")
class RateTitleInput:
    title_id: strawberry.ID = described("Which title.")
    value: Decimal = described("From 0 to 10 in steps of 0.1: `7.5`.")


@strawberry.input(description="Your review of a title; you have one a title.")
class ReviewTitleInput:
    title_id: strawberry.ID = described("Which title.")
    body: str = described("1 to 10,000 characters; may have several lines.")
    headline: str | None = described("A line above it, 1 to 300 characters.", default=None)
    spoilers: bool = described("Whether it tells what happens.", default=False)


@strawberry.input(description="A review of yours.")
class DeleteReviewInput:
    review_id: strawberry.ID = described("Which review; begins with `rvw_`.")


@strawberry.input(description="A title for your watchlist.")
class AddToWatchlistInput:
    title_id: strawberry.ID = described("Which title.")
    priority: WatchlistPriority = described(
        "How much you want to watch it; changes it where it is on the list already.",
        default=WatchlistPriority.NORMAL,
    )


def priority_of(given: WatchlistPriority) -> int:
    """1 low, 2 normal, 3 high."""
    return PRIORITIES.index(code_of(given)) + 1


@strawberry.input(description="A viewing for your history.")
class RecordViewInput:
    title_id: strawberry.ID = described("What you watch.")
    platform_id: strawberry.ID | None = described("Where you watch it.", default=None)
    watched_at: datetime | None = described(
        "When you began; now if not given. The same title and moment again is the same viewing, "
        "further on.",
        default=None,
    )
    duration_seconds: int = described("How long you watched, a week at most.", default=0)
    progress: int = described("How far you came, in percent.", default=0)
    completed: bool | None = described(
        "Whether you saw it to the end; from 95 percent on if not given.", default=None
    )


@strawberry.input(description="A viewing to forget.")
class RemoveViewInput:
    view_id: strawberry.ID = described("Which viewing; begins with `vwr_`.")


@strawberry.input(description="What to forget of your history.")
class ClearHistoryInput:
    confirm: bool = described("True: all of it, for good.")


@strawberry.input(description="Changes of your preferences: what is not given stays.")
class UpdatePreferencesInput:
    genres: strawberry.Maybe[list[str]] = described("Slugs of genres, 50 at most.")
    languages: strawberry.Maybe[list[str]] = described("ISO 639 codes, 50 at most.")
    content_rating_limit: strawberry.Maybe[ContentRating | None] = described(
        "Hides titles above it; null hides nothing."
    )
    platforms: strawberry.Maybe[list[strawberry.ID]] = described("Platforms, 50 at most.")
    memberships: strawberry.Maybe[list[strawberry.ID]] = described(
        "Platforms you are a paying member of, 50 at most."
    )
    region: strawberry.Maybe[str | None] = described("ISO 3166-1; null for your profile's.")


_PREFERENCES = {
    "genres": "genres",
    "languages": "languages",
    "content_rating_limit": "contentRatingLimit",
    "platforms": "platforms",
    "memberships": "memberships",
    "region": "region",
}


def preference_changes(given: UpdatePreferencesInput) -> dict[str, object | None]:
    """The fields that were given, by their names in the schema, for `update_preferences`."""
    changes: dict[str, object | None] = {}
    for name, field in _PREFERENCES.items():
        some = getattr(given, name)
        if some is not None:
            value = some.value
            changes[field] = code_of(value) if isinstance(value, Enum) else value
    return changes


@strawberry.input(description="A platform, known by its slug.")
class UpsertPlatformInput:
    slug: str = described("2 to 60 of a-z, 0-9 and hyphens; says which platform.")
    name: str = described("What it is called, 1 to 100 characters.")
    home_url: URL | None = described("Its home page.", default=None)
    logo_url: URL | None = described("A picture of its sign.", default=None)
    active: bool = described("Whether it is asked for what it has.", default=True)


def platform_details(given: UpsertPlatformInput) -> PlatformDetails:
    """What the service takes."""
    return PlatformDetails(
        slug=given.slug,
        name=given.name,
        home_url=given.home_url,
        logo_url=given.logo_url,
        active=given.active,
    )


@strawberry.input(description="An offer as you know it: title, platform, region and tier name it.")
class UpsertAvailabilityInput:
    title_id: strawberry.ID = described("Which title.")
    platform_id: strawberry.ID = described("On which platform.")
    region: str = described("In which region: ISO 3166-1, as `FR`.")
    tier: AvailabilityTier = described("On which terms.")
    available: bool = described("False where it cannot be watched any more.", default=True)
    price: MoneyInput | None = described("What it costs.", default=None)
    link: URL | None = described("Where to watch it.", default=None)
    available_from: datetime | None = described("Since when.", default=None)
    available_until: datetime | None = described("Until when.", default=None)


def offer_report(given: UpsertAvailabilityInput) -> dict[str, Any]:
    """What the resolver takes. Raises `InvalidInput` for a price that cannot be."""
    price = given.price
    asset = None if price is None else code_of(price.asset)
    return {
        "region": given.region,
        "tier": code_of(given.tier),
        "available": given.available,
        "price_minor": None
        if price is None or asset is None
        else to_minor(price.amount, asset, field="price.amount"),
        "asset": asset,
        "link": given.link,
        "available_from": given.available_from,
        "available_until": given.available_until,
    }
