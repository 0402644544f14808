"""Filters that were understood, put together or taken back to boosts. Pure."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from services.search.contract import (
    FACET_FIELDS,
    Boost,
    FacetName,
    Interpretation,
    SearchFilters,
)

_FIELDS = tuple(each.name for each in fields(SearchFilters))
_NONE = SearchFilters()
_FLOORS = frozenset(name for name in _FIELDS if "_from" in name or name.endswith("_after"))
# Kinds of titles are left to TYPE.
_FACETS: tuple[tuple[str, FacetName], ...] = (
    *((field, facet) for facet, field in FACET_FIELDS.items() if facet != "TITLE_KIND"),
    ("genres_all", "GENRE"),
)
_ALL_OF = frozenset({"people", "without", "genres_all"})
"""Filters of which a hit must meet every part."""
_DECADES_MAX = 15


def joined(one: SearchFilters, other: SearchFilters) -> SearchFilters | None:
    """What two parts of one query ask for: any of both's values, the part that two ranges share.
    None where they contradict each other: empty ranges, prices in two assets."""
    changed: dict[str, Any] = {}
    for name in _FIELDS:
        value, more = getattr(one, name), getattr(other, name)
        if isinstance(more, tuple):
            changed[name] = (*value, *(each for each in more if each not in value))
        elif not _ranged(name, value, more, changed):
            return None
    return _unless_empty(replace(one, **changed))


def narrowed(asked: SearchFilters, understood: SearchFilters) -> SearchFilters | None:
    """What was asked for by filters, and of that what the words ask for: they never widen it. None
    where nothing can be both."""
    changed: dict[str, Any] = {}
    for name in _FIELDS:
        value, more = getattr(asked, name), getattr(understood, name)
        if isinstance(more, tuple):
            if not value or not more or name in _ALL_OF:
                changed[name] = (*value, *(each for each in more if each not in value))
                continue
            changed[name] = tuple(each for each in value if each in more)
            if not changed[name]:
                return None
        elif not _ranged(name, value, more, changed):
            return None
    return _unless_empty(replace(asked, **changed))


def _ranged(name: str, value: Any, more: Any, changed: dict[str, Any]) -> bool:
    """The part that two ends of ranges share; False for two assets."""
    if name == "price_asset" and None not in (value, more) and value != more:
        return False
    if more is not None:
        narrower = max if name in _FLOORS else min
        changed[name] = more if value is None else narrower(value, more)
    return True


def _unless_empty(filters: SearchFilters) -> SearchFilters | None:
    return None if _empty(filters) else filters


def _empty(filters: SearchFilters) -> bool:
    ranges = (
        (filters.year_from, filters.year_to),
        (filters.price_from_minor, filters.price_to_minor),
        (filters.runtime_from_minutes, filters.runtime_to_minutes),
    )
    return any(low is not None and high is not None and low > high for low, high in ranges)


def whole(filters: SearchFilters) -> SearchFilters:
    """Kinds of titles say nothing where other things are looked for as well."""
    others = set(filters.kinds) - {"TITLE"}
    return replace(filters, title_kinds=()) if others and filters.title_kinds else filters


def boosts_of(filters: SearchFilters) -> tuple[Boost, ...]:
    """The same wishes as boosts, as far as facets have them."""
    found = [
        Boost(facet, tuple(map(str, values)))
        for name, facet in _FACETS
        if (values := getattr(filters, name))
    ]
    low, high = filters.year_from, filters.year_to
    if low is not None and high is not None and high - low <= 10 * _DECADES_MAX:
        if high - low < 10:
            found.append(Boost("YEAR", tuple(str(year) for year in range(low, high + 1))))
        else:
            decades = range(low - low % 10, high + 1, 10)
            found.append(Boost("DECADE", tuple(map(str, decades))))
    return tuple(found)


def loosened(text: str, understood: Interpretation) -> Interpretation:
    """For where what was certain leaves nothing: all words are looked up, and what was understood
    only reorders."""
    return replace(
        understood,
        intent="SEARCH" if understood.intent == "BROWSE" else understood.intent,
        remaining=text.strip(),
        entities=tuple(replace(each, certain=False) for each in understood.entities),
        filters=_NONE,
        boosts=(*understood.boosts, *boosts_of(understood.filters)),
    )
