"""How many matches have each value of a facet: over all of them, and for a facet that is filtered
by, as if that filter were not there. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from services.search.columns import Flags, Longs
from services.search.contract import (
    FACET_VALUES_MAX,
    Facet,
    FacetName,
    FacetValue,
    SearchFilters,
)
from services.search.facet_values import FACET_CODES, FacetValues
from services.search.filters import Candidates, Condition, selected_values

_OFFER_PARTS: Mapping[str, tuple[int, tuple[str, str]]] = {
    "REGION": (0, ("platforms", "tiers")),
    "PLATFORM": (1, ("regions", "tiers")),
    "TIER": (2, ("regions", "platforms")),
}
"""Facets of offers: which part of an offer they are, and the filters of its other parts."""


@dataclass(frozen=True, slots=True)
class Passing:
    """Which candidates pass each test; `fails` is how many they do not pass."""

    conditions: Sequence[Condition]
    passed: Sequence[Flags]
    fails: Longs

    @property
    def all(self) -> Flags:
        """Those that pass every test."""
        passed: Flags = self.fails == 0
        return passed

    def but_for(self, facet: FacetName) -> Flags:
        """Those that pass every test but the facet's own."""
        fails = self.fails.copy()
        for test, passed in zip(self.conditions, self.passed, strict=True):
            if facet in test.facets:
                fails -= ~passed
        but_for: Flags = fails == 0
        return but_for


def judge(candidates: Candidates, conditions: Sequence[Condition]) -> Passing:
    """Each test on each candidate."""
    passed = [test.passes(candidates) for test in conditions]
    fails = np.zeros(len(candidates.documents), np.int64)
    for flags in passed:
        fails += ~flags
    return Passing(conditions, passed, fails)


def count_facets(
    candidates: Candidates,
    passing: Passing,
    wanted: Sequence[FacetName],
    filters: SearchFilters,
    *,
    limit: int = FACET_VALUES_MAX,
) -> tuple[Facet, ...]:
    """The facets wanted, in that order; the first `limit` values of each, and those selected."""
    selected = selected_values(filters)
    filtered = {facet for test in passing.conditions for facet in test.facets}
    plain = _counted(candidates, passing.all) if wanted else np.zeros(0, np.int64)
    found = []
    for name in dict.fromkeys(wanted):
        if name in _OFFER_PARTS and any(getattr(filters, f) for f in _OFFER_PARTS[name][1]):
            counts = _counted_offers(candidates, passing.but_for(name), name, filters)
        elif name in filtered:
            counts = _counted(candidates, passing.but_for(name))
        else:
            counts = plain
        found.append(
            _facet(name, counts, candidates.values, selected.get(name, frozenset()), limit)
        )
    return tuple(found)


def _counted(candidates: Candidates, kept: Flags) -> Longs:
    """How many of those kept have each number."""
    numbers, places = candidates.gathered
    if not kept.all():
        numbers = numbers[kept[places]]
    counts: Longs = np.bincount(numbers, minlength=len(candidates.values.facet)).astype(np.int64)
    return counts


def _counted_offers(
    candidates: Candidates, kept: Flags, name: FacetName, filters: SearchFilters
) -> Longs:
    """By a part's number in its own facet: how many have an offer with it whose other parts are as
    the filters want them. Several such offers of one document count once."""
    values = candidates.values
    part, (first, second) = _OFFER_PARTS[name]
    others = {first: getattr(filters, first), second: getattr(filters, second)}
    allowed = values.offers_like(
        others.get("regions", ()), others.get("platforms", ()), others.get("tiers", ())
    )
    number_of = np.zeros(len(values.facet), np.int64)
    for offer in allowed:
        number_of[offer] = values.numbers.get((name, values.offers[offer][part]), 0)
    numbers, places = candidates.gathered
    theirs = number_of[numbers]
    counted = (theirs > 0) & kept[places]
    size = len(values.facet)
    pairs = np.unique(places[counted].astype(np.int64) * size + theirs[counted])
    counts: Longs = np.bincount(pairs % size, minlength=size).astype(np.int64)
    return counts


def _facet(
    name: FacetName, counts: Longs, values: FacetValues, selected: frozenset[str], limit: int
) -> Facet:
    numbers = np.flatnonzero(counts)
    numbers = numbers[values.facet[numbers] == FACET_CODES[name]]
    order = np.lexsort((numbers, -counts[numbers]))
    shown = numbers[order][:limit].tolist()
    known = (values.numbers.get((name, value)) for value in sorted(selected))
    shown += [number for number in known if number is not None and number not in shown]
    return Facet(
        name,
        tuple(
            FacetValue(value.value, value.label, int(counts[number]), value.value in selected)
            for number in shown
            for value in (values.by_number[number],)
        ),
        len(numbers),
    )
