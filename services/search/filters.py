"""Filters of a search: what values they may have, and which documents pass each of them. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np

from core.money import ASSETS
from models.content.availability import TIERS
from models.content.titles import CONTENT_RATINGS, TITLE_KINDS
from services.search.columns import KIND_CODES, UNKNOWN, Columns, Flags, Ints, Longs, asset_code
from services.search.contract import (
    FACET_FIELDS,
    FILTER_VALUES_MAX,
    KINDS,
    FacetName,
    InvalidFilter,
    SearchFilters,
)
from services.search.facet_values import FacetValues

YEARS = (1, 9999)
RUNTIME_MAX_MINUTES = 100_000
VALUE_MAX = 200
"""Characters of a filter's value."""
_INT64_MAX = 2**63 - 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_REGION = re.compile(r"[A-Z]{2}")
AUCTION_STATES = ("SCHEDULED", "OPEN", "SOLD", "UNSOLD", "CANCELLED")

_OFFER: tuple[FacetName, ...] = ("REGION", "PLATFORM", "TIER")
_CLOSED: dict[str, Sequence[str]] = {
    "kinds": KINDS,
    "title_kinds": TITLE_KINDS,
    "tiers": TIERS,
    "content_ratings": CONTENT_RATINGS,
    "auction_states": AUCTION_STATES,
}


@dataclass(slots=True)
class Candidates:
    """Documents to be filtered and counted, with their facets' numbers (read at first use)."""

    columns: Columns
    values: FacetValues
    documents: Ints
    _gathered: tuple[Ints, Ints] | None = None

    @property
    def gathered(self) -> tuple[Ints, Ints]:
        """The facets' numbers of all of them, and which has each."""
        if self._gathered is None:
            self._gathered = self.columns.values_of(self.documents)
        return self._gathered

    def having(self, wanted: Flags) -> Flags:
        """Which have any of the facet values that are wanted."""
        numbers, places = self.gathered
        found = np.zeros(len(self.documents), np.bool_)
        found[places[wanted[numbers]]] = True
        return found


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition. `facets` are those that are counted as if it were not there."""

    facets: frozenset[str]
    passes: Callable[[Candidates], Flags]


def check_filters(filters: SearchFilters) -> SearchFilters:
    """The filters, if each can be. Raises `InvalidFilter`."""
    for field in fields(filters):
        value = getattr(filters, field.name)
        if isinstance(value, tuple):
            _check_values(field.name, value)
    _check_range(filters, "year_from", "year_to", *YEARS)
    _check_range(filters, "runtime_from_minutes", "runtime_to_minutes", 0, RUNTIME_MAX_MINUTES)
    _check_range(filters, "price_from_minor", "price_to_minor", 0, _INT64_MAX)
    priced = filters.price_from_minor is not None or filters.price_to_minor is not None
    if priced and filters.price_asset is None:
        raise InvalidFilter("priceAsset", "must be given with a price")
    if filters.price_asset is not None and filters.price_asset not in ASSETS:
        raise InvalidFilter("priceAsset", f"one of {', '.join(ASSETS)}")
    return filters


def conditions_of(
    filters: SearchFilters, values: FacetValues, credited: Sequence[Ints] = ()
) -> list[Condition]:
    """The conditions of checked filters; `credited` are the documents of each group of people."""
    found = [
        _any_of(facet, _as_texts(getattr(filters, field)), values)
        for facet, field in FACET_FIELDS.items()
        if facet not in _OFFER and getattr(filters, field)
    ]
    if filters.platforms or filters.tiers or filters.regions:
        found.append(_offered(filters, values))
    found += _ranges(filters)
    for without in filters.without:
        found.append(_none_of(values.flags(without.facet, without.values)))
    found += [_any_of("GENRE", (genre,), values) for genre in filters.genres_all]
    found += [_among(documents) for documents in credited]
    return found


def selected_values(filters: SearchFilters) -> dict[str, frozenset[str]]:
    """By facet: the values that a search is filtered by."""
    found: dict[str, frozenset[str]] = {
        facet: frozenset(_as_texts(getattr(filters, field)))
        for facet, field in FACET_FIELDS.items()
        if getattr(filters, field)
    }
    first, last = filters.year_from, filters.year_to
    if first is not None and last is not None:
        if first == last:
            found["YEAR"] = frozenset({str(first)})
        if first % 10 == 0 and last == first + 9:
            found["DECADE"] = frozenset({str(first)})
    return found


def _any_of(facet: FacetName, wanted: Sequence[str], values: FacetValues) -> Condition:
    if facet == "TYPE":
        codes = np.asarray([KIND_CODES[kind] for kind in wanted], np.int32)
        return Condition(frozenset({facet}), lambda c: np.isin(c.columns.kind[c.documents], codes))
    flags = values.flags(facet, wanted)
    return Condition(frozenset({facet}), lambda c: c.having(flags))


def _offered(filters: SearchFilters, values: FacetValues) -> Condition:
    facets = frozenset(facet for facet in _OFFER if getattr(filters, FACET_FIELDS[facet]))
    if facets == {"REGION"}:  # goods have a region as well, and are no offer
        return _any_of("REGION", filters.regions, values)
    numbers = values.offers_like(filters.regions, filters.platforms, filters.tiers)
    flags = values.flags_of(numbers)
    return Condition(facets, lambda c: c.having(flags))


def _none_of(flags: Flags) -> Condition:
    return Condition(frozenset(), lambda c: ~c.having(flags))


def _among(documents: Ints) -> Condition:
    return Condition(frozenset(), lambda c: np.isin(c.documents, documents))


def _ranges(filters: SearchFilters) -> list[Condition]:
    moment = {
        "starts": (filters.starts_after, filters.starts_before),
        "ends": (filters.ends_after, filters.ends_before),
        "published": (filters.published_after, None),
    }
    found = [
        _between(frozenset(), name, _micros(low), _micros(high))
        for name, (low, high) in moment.items()
        if low is not None or high is not None
    ]
    if filters.year_from is not None or filters.year_to is not None:
        facets = frozenset({"YEAR", "DECADE"})
        found.append(_between(facets, "year", filters.year_from, filters.year_to))
    low, high = filters.runtime_from_minutes, filters.runtime_to_minutes
    if low is not None or high is not None:
        found.append(_between(frozenset(), "runtime", low, high))
    if filters.price_asset is not None:
        found.append(_priced(filters.price_asset, filters))
    return found


def _between(facets: frozenset[str], name: str, low: int | None, high: int | None) -> Condition:
    def passes(candidates: Candidates) -> Flags:
        columns = candidates.columns
        column: Ints | Longs = (columns.narrow if name in columns.narrow else columns.wide)[name]
        found = column[candidates.documents]
        flags = found > UNKNOWN if column.dtype == np.int32 else found > -_INT64_MAX
        if low is not None:
            flags &= found >= low
        if high is not None:
            flags &= found <= high
        return flags

    return Condition(facets, passes)


def _priced(asset: str, filters: SearchFilters) -> Condition:
    amount = _between(
        frozenset({"PRICE"}), "price", filters.price_from_minor, filters.price_to_minor
    )
    code = asset_code(asset)

    def passes(candidates: Candidates) -> Flags:
        of_asset: Flags = candidates.columns.asset[candidates.documents] == code
        return of_asset & amount.passes(candidates)

    return Condition(frozenset({"PRICE"}), passes)


def _micros(moment: datetime | None) -> int | None:
    return None if moment is None else (moment - _EPOCH) // timedelta(microseconds=1)


def _as_texts(values: Sequence[Any]) -> list[str]:
    return [str(value) for value in values]


def _check_values(name: str, values: Sequence[Any]) -> None:
    shown = schema_name(name)
    if len(values) > FILTER_VALUES_MAX:
        raise InvalidFilter(shown, f"{FILTER_VALUES_MAX} values at most")
    allowed = _CLOSED.get(name)
    for value in values:
        if isinstance(value, UUID) or not isinstance(value, str):
            continue
        if not 0 < len(value) <= VALUE_MAX or "\0" in value:
            raise InvalidFilter(shown, f"each of 1 to {VALUE_MAX} characters")
        if allowed is not None and value not in allowed:
            raise InvalidFilter(shown, f"one of {', '.join(allowed)}")
        if name == "regions" and not _REGION.fullmatch(value):
            raise InvalidFilter(shown, "two capital letters, as in FR")


def _check_range(filters: SearchFilters, low: str, high: str, least: int, most: int) -> None:
    first, last = getattr(filters, low), getattr(filters, high)
    for name, value in ((low, first), (high, last)):
        if value is not None and not least <= value <= most:
            raise InvalidFilter(schema_name(name), f"must be from {least} to {most}")
    if first is not None and last is not None and first > last:
        raise InvalidFilter(schema_name(low), f"must not be above {schema_name(high)}")


_SCHEMA_NAMES = {
    "kinds": "types",
    "price_from_minor": "price.from",
    "price_to_minor": "price.to",
    "sellers": "sellers",
}


def schema_name(name: str) -> str:
    """A filter's name as the schema spells it."""
    if name in _SCHEMA_NAMES:
        return _SCHEMA_NAMES[name]
    first, *rest = name.split("_")
    return first + "".join(part.title() for part in rest)
