"""Errors of fields while an operation runs by levels: where they are, in which order the
specification's depth-first execution would have met them, and which of them it would not have met.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from graphql import GraphQLError
from graphql.pyutils import Path

Where = tuple[Any, str | int, int, str | None]
"""A place in the response: the place above it (None at the root), its key, its place in the
selection or x"""

At = Callable[[int], Any]
"""Where the i-th value of a column is (a `Where`; None at the root). Asked only for what failed and
for what a resolver is told: to write down a place for each value cost as much as reading it."""

Order = tuple[int, ...]


def at_root(i: int) -> None:
    """The place of the operation's root."""


def below(above: At, key: str, order: int, type_name: str) -> At:
    """Places of a field in the objects at `above`."""
    return lambda i: (above(i), key, order, type_name)


def among(places: At, chosen: Sequence[int]) -> At:
    """Places of some of the values only."""
    return lambda i: places(chosen[i])


def in_lists(places: At, starts: Sequence[int], owners: Sequence[int]) -> At:
    """Places of the items of lists that stand in a row: the list of `owners[n]` has its first item
    at `starts[n]`."""

    def at(i: int) -> Where:
        n = bisect_right(starts, i) - 1  # of several that start here the last: the others are empty
        index = i - starts[n]
        return (places(owners[n]), index, index, None)

    return at


def order_of(where: Where | None) -> Order:
    """The place in document order: what comes first there compares less."""
    return tuple(step[2] for step in _steps(where))


def path_of(where: Where | None) -> list[str | int]:
    """The response path of an error."""
    return [step[1] for step in _steps(where)]


def core_path(where: Where) -> Path:
    """The same as graphql-core's linked path, for resolvers that look at it."""
    above = where[0]
    return Path(None if above is None else core_path(above), where[1], where[3])


def _steps(where: Where | None) -> Iterator[Where]:
    steps = []
    while where is not None:
        steps.append(where)
        where = where[0]
    return reversed(steps)


@dataclass(frozen=True, slots=True)
class Failed:
    """In place of a value: the error that it failed with, and where that happened. It climbs until
    a place that may be null."""

    error: GraphQLError
    order: Order


@dataclass(slots=True)
class Failures:
    """What failed in one execution, and which places became null for it."""

    met: list[tuple[Failed, Order]] = field(default_factory=list)

    def stop(self, failed: Failed, where: Where | None) -> None:
        """The failure climbed to `where`, which may be null and now is."""
        self.met.append((failed, order_of(where)))

    def told(self) -> list[GraphQLError]:
        """The errors of the response, in document order.

        Depth-first execution leaves a place as soon as something in it must make it null, and so
        never meets what comes later there: that is left out here too.
        """
        first: dict[Order, Order] = {}
        for failed, place in self.met:
            first[place] = min(failed.order, first.get(place, failed.order))
        met = sorted(self.met, key=lambda pair: pair[0].order)
        return [failed.error for failed, _ in met if not _hidden(failed.order, first)]


def _hidden(order: Order, first: dict[Order, Order]) -> bool:
    """Whether a place around `order` was made null by what comes before it."""
    for length in range(len(order) + 1):
        cause = first.get(order[:length])
        if cause is not None and cause < order:
            return True
    return False
