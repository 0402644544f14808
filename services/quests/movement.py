"""How fixes follow one another: speeds, and grids that they were snapped to. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from services.quests.contract import Check
from services.quests.facts import (
    INTERCONTINENTAL_M,
    MAX_ACCURACY_M,
    MAX_ON_FOOT_KMH,
    MAX_SPEED_KMH,
    ON_FOOT_FOR_S,
    Fix,
    flagged,
    metres_between,
    not_checked,
    passed,
)

NAME = "MOVEMENT"
GRID_NAME = "GRID"
COARSE_DECIMALS = 4
"""Coordinates of so few decimals are rounded to 11 metres and more: no receiver says so little."""
MIN_GRID_DEGREES = 0.00003
"""About three metres: receivers themselves round finer than that."""
MIN_DISTINCT = 5
GRID_TOLERANCE = 0.02
_TIMELESS_M = 30.0


@dataclass(frozen=True, slots=True)
class Step:
    """Between two fixes: the least distance that their accuracies leave, and the time it took."""

    distance_m: float
    least_m: float
    took_s: float

    @property
    def kmh(self) -> float:
        """The least speed; nothing is faster than what takes no time."""
        if self.took_s <= 0:
            return float("inf") if self.least_m > 0 else 0.0
        return self.least_m / self.took_s * 3.6


def check_movement(fixes: Sequence[Fix], *, last_fix: Fix | None, on_foot: bool) -> Check:
    """At most 100 km/h from the player's last fix and from each fix to the next (never between
    continents in an hour), and on foot no faster than people run. Clocks that stand still or go
    back are `check_clock`'s: such steps are left out here."""
    steps = _steps(fixes, last_fix)
    if not steps:
        return not_checked(NAME, "there is no earlier fix with a time to compare with")
    fastest = max(steps, key=lambda step: step.kmh)
    if fastest.distance_m >= INTERCONTINENTAL_M and fastest.took_s <= 3600:
        return flagged(NAME, f"{_km(fastest)} within an hour: nobody travels between continents so")
    if fastest.kmh > MAX_SPEED_KMH:
        return flagged(
            NAME,
            f"a step of {_km(fastest)} in {fastest.took_s:.0f} s is {fastest.kmh:.0f} km/h"
            f" at the least, more than {MAX_SPEED_KMH:.0f}",
        )
    if on_foot and (speed := sustained_kmh(fixes)) > MAX_ON_FOOT_KMH:
        return flagged(
            NAME,
            f"{speed:.0f} km/h for {ON_FOOT_FOR_S:.0f} seconds and more is no walk:"
            f" the quest is done on foot, at {MAX_ON_FOOT_KMH:.0f} km/h at most",
        )
    return passed(NAME, f"no step is faster than {fastest.kmh:.0f} km/h")


def sustained_kmh(fixes: Sequence[Fix]) -> float:
    """The greatest mean speed over stretches of 30 seconds or a little more; 0 where there is no
    such stretch. One bad fix makes a step, and no stretch."""
    timed = [(fix, fix.at) for fix in fixes if fix.at is not None]
    walked, total = [0.0], 0.0
    for (one, _), (other, _) in pairwise(timed):
        total += metres_between(one, other)
        walked.append(total)
    fastest, start = 0.0, 0
    for end in range(len(timed)):
        while start < end and _seconds(timed[start + 1][1], timed[end][1]) >= ON_FOOT_FOR_S:
            start += 1
        took_s = _seconds(timed[start][1], timed[end][1])
        if took_s >= ON_FOOT_FOR_S:
            # Straight across: wandering of the fixes about the way is no speed.
            straight = metres_between(timed[start][0], timed[end][0])
            fastest = max(fastest, min(straight, walked[end] - walked[start]) / took_s * 3.6)
    return fastest


def check_grid(fixes: Sequence[Fix]) -> Check:
    """Whether the fixes are too round to be a receiver's: rounded to 11 metres, or all on the lines
    of a grid."""
    if not fixes:
        return not_checked(GRID_NAME, "there is no fix")
    if all(_is_round(fix.latitude) and _is_round(fix.longitude) for fix in fixes):
        return flagged(
            GRID_NAME, f"the position is rounded to {COARSE_DECIMALS} decimals: no receiver's"
        )
    latitude = grid_of([fix.latitude for fix in fixes])
    longitude = grid_of([fix.longitude for fix in fixes])
    if latitude is not None and longitude is not None:
        return flagged(
            GRID_NAME,
            f"all fixes lie on a grid of {latitude:.5f} by {longitude:.5f} degrees",
        )
    sure = 1.0 if len(fixes) >= MIN_DISTINCT else 0.5
    return passed(GRID_NAME, "the fixes lie on no grid", confidence=sure)


def grid_of(values: Sequence[float]) -> float | None:
    """The step of which all values' differences are multiples, in degrees; None without one of at
    least three metres, or with fewer than five values that differ."""
    distinct = sorted(set(values))
    if len(distinct) < MIN_DISTINCT:
        return None
    gaps = [after - before for before, after in pairwise(distinct)]
    # Rounding after the snapping can leave twins that are one line of the grid.
    gaps = [gap for gap in gaps if gap > MIN_GRID_DEGREES / 10]
    if len(gaps) < MIN_DISTINCT - 1:
        return None
    for part in (1, 2, 3):
        step = min(gaps) / part
        if step >= MIN_GRID_DEGREES and all(_is_multiple(gap, step) for gap in gaps):
            return step
    return None


def _steps(fixes: Sequence[Fix], last_fix: Fix | None) -> list[Step]:
    row = ([last_fix] if last_fix is not None else []) + list(fixes)
    timed = [(fix, fix.at) for fix in row if fix.at is not None]
    steps = []
    for (one, began), (other, ended) in pairwise(timed):
        took_s = _seconds(began, ended)
        distance_m = metres_between(one, other)
        least_m = max(0.0, distance_m - _doubt_m(one) - _doubt_m(other))
        if took_s > 0 or (took_s == 0 and least_m > _TIMELESS_M):
            steps.append(Step(distance_m, least_m, took_s))
    return steps


def _doubt_m(fix: Fix) -> float:
    """What a fix may be off by. A device that claims more does not thereby get to move faster."""
    said = MAX_ACCURACY_M if fix.accuracy_m is None else fix.accuracy_m
    return min(max(said, 0.0), 2 * MAX_ACCURACY_M)


def _is_round(degrees: float) -> bool:
    return abs(degrees - round(degrees, COARSE_DECIMALS)) < 1e-9


def _is_multiple(value: float, step: float) -> bool:
    times = value / step
    return abs(times - round(times)) <= GRID_TOLERANCE * max(1.0, min(times, 5.0))


def _seconds(began: datetime, ended: datetime) -> float:
    return (ended - began).total_seconds()


def _km(step: Step) -> str:
    far = step.distance_m
    return f"{far / 1000:,.0f} km" if far >= 10_000 else f"{far:,.0f} m"
