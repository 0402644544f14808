"""The inputs of search, and what they become for the service."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import strawberry

from core.errors import BadUserInput, InvalidInput
from core.ids import decode_id
from core.money import ASSETS, to_minor
from schema.content.titles_types import AvailabilityTier, ContentRating, TitleKind
from schema.scalars import AssetCode, code_of
from schema.search.types import SearchFacetName, SearchResultType
from services.search.contract import FILTER_VALUES_MAX, InvalidFilter, SearchFilters


def described(description: str, **options: Any) -> Any:
    """An input field with its description; all are optional."""
    return strawberry.field(description=description, default=None, **options)


@strawberry.input(description="From one number to another, both included; null is no end.")
class SearchRangeInput:
    low: int | None = described("Not below this.", name="from")
    high: int | None = described("Not above this.", name="to")


@strawberry.input(description="From one price to another, both included; null is no end.")
class SearchPriceInput:
    asset: AssetCode = strawberry.field(description="What is paid with: only such prices fit.")
    low: Decimal | None = described("Not below this, in whole units.", name="from")
    high: Decimal | None = described("Not above this, in whole units.", name="to")


@strawberry.enum(description="What an auction that is looked for is doing.")
class SearchAuctionState(Enum):
    SCHEDULED = strawberry.enum_value("SCHEDULED", description="It has not begun.")
    OPEN = strawberry.enum_value("OPEN", description="It takes bids.")
    SOLD = strawberry.enum_value("SOLD", description="It ended with a buyer.")
    UNSOLD = strawberry.enum_value("UNSOLD", description="It ended without one.")
    CANCELLED = strawberry.enum_value(
        "CANCELLED", description="It was called off: such are not found."
    )


@strawberry.input(
    description="What hits must be: all conditions hold together; of several values of one, any; "
    "null or an empty list means all. 50 values at most in each."
)
class SearchFilterInput:
    title_kinds: list[TitleKind] | None = described("Kinds of titles.")
    genres: list[str] | None = described("Genres, by slug.")
    year: SearchRangeInput | None = described("The year a title came out.")
    platforms: list[str] | None = described(
        "Platforms, by slug. Platforms, tiers and regions must hold of one and the same offer."
    )
    tiers: list[AvailabilityTier] | None = described("Terms on which a title can be watched.")
    regions: list[str] | None = described("Regions: ISO 3166-1, as `FR`.")
    price: SearchPriceInput | None = described("What it costs.")
    tags: list[str] | None = described("Tags of posts and goods.")
    categories: list[str] | None = described("Shelves, as the facet has them.")
    sellers: list[strawberry.ID] | None = described("Who sells it: `usr_…`.")
    stalls: list[strawberry.ID] | None = described("Which stall sells it: `stl_…`.")
    people: list[strawberry.ID] | None = described("Someone of these is credited: `per_…`.")
    cultural_tags: list[str] | None = described(
        "Cultures that something comes from. Nothing is marked with one yet, so it finds nothing."
    )
    languages: list[str] | None = described("What is spoken: ISO 639, as `fr`.")
    content_ratings: list[ContentRating] | None = described("For whom a title is.")
    runtime_minutes: SearchRangeInput | None = described("How long a title is.")
    auction_states: list[SearchAuctionState] | None = described("What an auction is doing.")
    ends_before: datetime | None = described("An auction ends by then.")
    published_after: datetime | None = described("It came out after this moment.")


def filters_of(
    types: Sequence[SearchResultType] | None, given: SearchFilterInput | None
) -> SearchFilters:
    """The service's filters. Raises `InvalidFilter` for ids and amounts that cannot be."""
    kinds = tuple(code_of(kind) for kind in types or ())
    if given is None:
        return SearchFilters(kinds=kinds)  # type: ignore[arg-type]
    people = _ids("people", given.people, "per")
    return SearchFilters(
        kinds=kinds,  # type: ignore[arg-type]
        title_kinds=_codes(given.title_kinds),
        people=(people,) if people else (),
        genres=tuple(given.genres or ()),
        year_from=_low(given.year),
        year_to=_high(given.year),
        platforms=tuple(given.platforms or ()),
        tiers=_codes(given.tiers),
        regions=tuple(given.regions or ()),
        **_price(given.price),
        tags=tuple(tag.lower() for tag in given.tags or ()),
        categories=tuple(category.lower() for category in given.categories or ()),
        sellers=_ids("sellers", given.sellers, "usr"),
        stalls=_ids("stalls", given.stalls, "stl"),
        cultural_tags=tuple(given.cultural_tags or ()),
        languages=tuple(given.languages or ()),
        content_ratings=_codes(given.content_ratings),
        runtime_from_minutes=_low(given.runtime_minutes),
        runtime_to_minutes=_high(given.runtime_minutes),
        auction_states=_codes(given.auction_states),
        ends_before=given.ends_before,
        published_after=given.published_after,
    )


def facets_of(given: Sequence[SearchFacetName] | None) -> tuple[Any, ...]:
    """The facets asked for, each once."""
    return tuple(dict.fromkeys(code_of(name) for name in given or ()))


def _low(given: SearchRangeInput | None) -> int | None:
    return None if given is None else given.low


def _high(given: SearchRangeInput | None) -> int | None:
    return None if given is None else given.high


def _codes(given: Sequence[Enum] | None) -> tuple[str, ...]:
    return tuple(code_of(member) for member in given or ())


def _ids(name: str, given: Sequence[str] | None, prefix: str) -> tuple[UUID, ...]:
    if given is not None and len(given) > FILTER_VALUES_MAX:
        raise InvalidFilter(name, f"{FILTER_VALUES_MAX} values at most")
    found = []
    for id in given or ():
        try:
            found.append(decode_id(id, prefix))
        except BadUserInput:
            raise InvalidFilter(name, f"ids that begin with {prefix}_") from None
    return tuple(found)


def _price(given: SearchPriceInput | None) -> dict[str, Any]:
    if given is None:
        return {}
    asset = code_of(given.asset)
    if asset not in ASSETS:
        raise InvalidFilter("price.asset", f"one of {', '.join(ASSETS)}")
    return {
        "price_asset": asset,
        "price_from_minor": _minor(given.low, asset, "price.from"),
        "price_to_minor": _minor(given.high, asset, "price.to"),
    }


def _minor(amount: Decimal | None, asset: str, name: str) -> int | None:
    if amount is None:
        return None
    try:
        return to_minor(amount, asset, field=name)
    except InvalidInput as error:
        raise InvalidFilter(name, error.reason) from None
