"""Bid increments by price, in minor units: each asset's default, and a seller's own. No I/O."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from functools import cache
from itertools import pairwise

from core.errors import InvalidInput
from core.money import ASSETS, INT64_MAX

MAX_STEPS = 32

# eBay's table, in whole currency units: below the first number, the second is the increment.
_DEFAULT_STEPS = (
    ("1", "0.05"),
    ("5", "0.25"),
    ("25", "0.50"),
    ("100", "1"),
    ("250", "2.50"),
    ("500", "5"),
    ("1000", "10"),
    ("2500", "25"),
    ("5000", "50"),
)
_DEFAULT_ABOVE = "100"


@dataclass(frozen=True, slots=True)
class IncrementSchedule:
    """`increments[i]` applies to prices in `[limits[i-1], limits[i])`; the last has no upper limit.

    Minor units. Limits rise strictly, increments are positive and never fall: were they to fall,
    price + increment could fall as a bid rises, and with it the price of the lot.
    Raises `InvalidInput("increments")` for anything else, and beyond `MAX_STEPS` limits.
    """

    limits: tuple[int, ...]
    increments: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.limits) > MAX_STEPS:
            raise _invalid(f"{MAX_STEPS} steps at most")
        if len(self.increments) != len(self.limits) + 1:
            raise _invalid("each step needs a limit, and one increment applies above the last")
        if any(not 0 < amount <= INT64_MAX for amount in (*self.limits, *self.increments)):
            raise _invalid("limits and increments must be positive and fit 64 bits")
        if any(low >= high for low, high in pairwise(self.limits)):
            raise _invalid("limits must rise")
        if any(low > high for low, high in pairwise(self.increments)):
            raise _invalid("increments must not fall as the price rises")

    def at(self, price_minor: int) -> int:
        """The increment at a price; a price equal to a limit belongs to the step above it."""
        return self.increments[bisect_right(self.limits, price_minor)]


@cache
def default_increments(asset_code: str) -> IncrementSchedule:
    """The asset's default schedule: eBay's, rounded up to whole minor units."""
    scale = ASSETS[asset_code].scale
    increments = [amount for _, amount in _DEFAULT_STEPS] + [_DEFAULT_ABOVE]
    return IncrementSchedule(
        limits=tuple(_minor_up(limit, scale) for limit, _ in _DEFAULT_STEPS),
        increments=tuple(_minor_up(amount, scale) for amount in increments),
    )


def increments_to_json(schedule: IncrementSchedule) -> list[dict[str, int | None]]:
    """The form kept in a row: `[{"below": 100, "increment": 5}, …, {"below": null, …}]`."""
    limits: tuple[int | None, ...] = (*schedule.limits, None)
    return [
        {"below": below, "increment": increment}
        for below, increment in zip(limits, schedule.increments, strict=True)
    ]


def increments_from_json(steps: Sequence[Mapping[str, object]]) -> IncrementSchedule:
    """Reads what `increments_to_json` writes. Raises `InvalidInput("increments")` otherwise."""
    limits = [_integer(step.get("below")) for step in steps[:-1]]
    increments = [_integer(step.get("increment")) for step in steps]
    if not steps or steps[-1].get("below") is not None:
        raise _invalid("the last step has no limit")
    return IncrementSchedule(tuple(limits), tuple(increments))


def least_bid_minor(
    asset_code: str,
    increments: Sequence[Mapping[str, object]] | None,
    *,
    price_minor: int,
    bid_count: int,
) -> int:
    """The least maximum of a newcomer, from a lot's row: its price, and the increment there once
    somebody has bid. What `rules.minimum_bid_minor` says of the same lot."""
    if not bid_count:
        return price_minor
    schedule = (
        default_increments(asset_code) if increments is None else increments_from_json(increments)
    )
    return min(price_minor + schedule.at(price_minor), INT64_MAX)


def _integer(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise _invalid("limits and increments are whole minor units")
    return value


def _minor_up(amount: str, scale: int) -> int:
    return int(Decimal(amount).scaleb(scale).to_integral_value(ROUND_CEILING))


def _invalid(reason: str) -> InvalidInput:
    return InvalidInput("increments", reason)
