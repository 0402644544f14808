"""The values of facets by their number, in memory, and their names where those are the language's
and not the catalogue's. No SQL: keeping.py reads them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from babel import Locale

from models.search import FACETS
from services.search.columns import Flags, Ints

FACET_CODES = {facet: code for code, facet in enumerate(FACETS)}
_NONE = -1


class Value(NamedTuple):
    """A value of a facet, and what people call it."""

    facet: str
    value: str
    label: str


@dataclass(slots=True)
class FacetValues:
    """Every value that is known: `facet[number]` is the code of its facet, -1 where unknown."""

    by_number: dict[int, Value] = field(default_factory=dict)
    numbers: dict[tuple[str, str], int] = field(default_factory=dict)
    facet: Ints = field(default_factory=lambda: np.full(64, _NONE, np.int32))
    offers: dict[int, tuple[str, str, str]] = field(default_factory=dict)

    def add(self, rows: Iterable[Any]) -> None:
        """Values as (number, facet, value, label)."""
        for number, facet, value, label in rows:
            self._make_room(number + 1)
            self.by_number[number] = Value(facet, value, spoken_name(facet, value) or label)
            self.numbers[facet, value] = number
            self.facet[number] = FACET_CODES[facet]
            if facet == "OFFER":
                region, platform, tier = value.split("/", 2)
                self.offers[number] = (region, platform, tier)

    def unknown(self, numbers: Ints) -> list[int]:
        """Those of `numbers` that are not known yet."""
        if not len(numbers):
            return []
        self._make_room(int(numbers.max()) + 1)
        strange = numbers[self.facet[numbers] == _NONE]
        return [int(number) for number in np.unique(strange) if number > 0]

    def flags(self, facet: str, values: Sequence[str]) -> Flags:
        """By number: whether it is one of these values of the facet."""
        found = (self.numbers.get((facet, value)) for value in values)
        return self.flags_of(number for number in found if number is not None)

    def flags_of(self, numbers: Iterable[int]) -> Flags:
        """By number: whether it is one of these."""
        flags = np.zeros(len(self.facet), np.bool_)
        flags[list(numbers)] = True
        return flags

    def offers_like(
        self, regions: Sequence[str], platforms: Sequence[str], tiers: Sequence[str]
    ) -> list[int]:
        """The offers in one of the regions, on one of the platforms, at one of the tiers; an empty
        list of any means all."""
        return [
            number
            for number, (region, platform, tier) in self.offers.items()
            if (not regions or region in regions)
            and (not platforms or platform in platforms)
            and (not tiers or tier in tiers)
        ]

    def _make_room(self, size: int) -> None:
        have = len(self.facet)
        if size > have:
            more = np.full(size + size // 2 - have, _NONE, np.int32)
            self.facet = np.concatenate([self.facet, more])


def spoken_name(facet: str, value: str) -> str | None:
    """What a region or a language is called in English: `France` for `FR`, `French` for `fr`; None
    for a code that is not known, and for values of other facets, which have names of their own."""
    match facet:
        case "REGION":
            found = _english().territories.get(value)
        case "LANGUAGE":
            found = _english().languages.get(value.replace("-", "_"))
        case _:
            found = None
    return None if found is None else str(found)


@cache
def _english() -> Locale:
    return Locale("en")
