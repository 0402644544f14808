"""What a good deed is worth: six multipliers, each kept, and their product, exactly. Pure.

Nothing here is a float: a product is a `Fraction` until it is rounded, half to even, once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

VERSION: Final = 1
"""Of the breakdown: another way of reckoning needs another number."""

LEAST: Final = Fraction(1, 2)
MOST: Final = Fraction(2)
"""No multiplier is less or more, whatever the maps say."""

FACTORS: Final = ("difficulty", "authenticity", "streak", "zoneNeed", "team", "timeliness")
PERSONAL: Final = frozenset({"streak", "team"})
"""What tokens are not multiplied by: they reward the deed, not the doer."""


@dataclass(frozen=True, slots=True)
class Maps:
    """From facts to multipliers, in hundredths. What begins keeps those it began with."""

    difficulty_1: int = 50
    difficulty_2: int = 75
    difficulty_3: int = 100
    difficulty_4: int = 150
    difficulty_5: int = 200
    authenticity_least: int = 50
    authenticity_most: int = 150
    streak_step: int = 2
    streak_most: int = 150
    zone_need_least: int = 50
    zone_need_most: int = 200
    team_step: int = 5
    team_most: int = 125
    timeliness_early: int = 125
    timeliness_late: int = 80


PREFIX: Final = "quest_"
PARAMETER_KEYS: Final = tuple(PREFIX + field.name for field in fields(Maps))
"""The platform's parameters that the maps are; an assignment keeps them as they were."""


@dataclass(frozen=True, slots=True)
class Deed:
    """The facts that a reward depends on.

    `authenticity` from 0 to 100; `streak_days` with the day of the deed counted; the zone's need is
    100 without one; `team_members` is 0 for who did it alone; the window is the quest's.
    """

    difficulty: int
    authenticity: Decimal | int
    streak_days: int
    need_hundredths: int = 100
    team_members: int = 0
    at: datetime | None = None
    opens_at: datetime | None = None
    closes_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Breakdown:
    """All that XP, tokens and impact follow from."""

    base_xp: int
    reward_minor: int
    factors: Mapping[str, Fraction]

    @property
    def xp(self) -> int:
        """Base XP times all six, rounded half to even, once."""
        return round(self.base_xp * _product(self.factors, FACTORS))

    @property
    def token_minor(self) -> int:
        """The quest's reward times the multipliers that are not personal, in minor units."""
        return round(self.reward_minor * _product(self.factors, sorted(set(FACTORS) - PERSONAL)))

    @property
    def impact(self) -> Fraction:
        """Base XP times zone need times authenticity, exactly."""
        return self.base_xp * _product(self.factors, ("zoneNeed", "authenticity"))

    @property
    def impact_hundredths(self) -> int:
        """The impact in hundredths, half to even."""
        return round(self.impact * 100)

    def as_json(self) -> dict[str, Any]:
        """As it is kept: multipliers as exact fractions, `"3/4"`."""
        return {
            "v": VERSION,
            "baseXp": self.base_xp,
            "rewardMinor": str(self.reward_minor),
            "factors": {name: str(self.factors[name]) for name in FACTORS},
        }


class BadBreakdown(ValueError):
    """What was kept is no breakdown; the message says why."""


def break_down(deed: Deed, *, base_xp: int, reward_minor: int, maps: Maps) -> Breakdown:
    """What a deed is worth. Raises `ValueError` for a difficulty that is not 1 to 5, an
    authenticity that is not 0 to 100, and negative numbers."""
    if min(base_xp, reward_minor, deed.streak_days, deed.team_members) < 0:
        raise ValueError("a number is negative")
    factors = {
        "difficulty": difficulty_factor(deed.difficulty, maps),
        "authenticity": authenticity_factor(deed.authenticity, maps),
        "streak": streak_factor(deed.streak_days, maps),
        "zoneNeed": zone_need_factor(deed.need_hundredths, maps),
        "team": team_factor(deed.team_members, maps),
        "timeliness": timeliness_factor(deed, maps),
    }
    return Breakdown(base_xp, reward_minor, factors)


def read_breakdown(kept: Mapping[str, Any]) -> Breakdown:
    """A breakdown as it was kept. Raises `BadBreakdown` for anything that `as_json` did not write,
    a multiplier out of bounds among it."""
    try:
        factors = {name: Fraction(kept["factors"][name]) for name in FACTORS}
        found = Breakdown(int(kept["baseXp"]), int(kept["rewardMinor"]), factors)
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise BadBreakdown(f"{type(error).__name__}: {error}") from None
    if any(not LEAST <= factor <= MOST for factor in factors.values()):
        raise BadBreakdown("a multiplier is not from 1/2 to 2")
    if {**kept, **found.as_json()} != kept:
        raise BadBreakdown("it is written in another way")
    return found


def difficulty_factor(difficulty: int, maps: Maps) -> Fraction:
    """1 to 5 by a table."""
    if not 1 <= difficulty <= 5:
        raise ValueError(f"a difficulty of {difficulty}")
    return _bounded(_hundredths(getattr(maps, f"difficulty_{difficulty}")))


def authenticity_factor(authenticity: Decimal | int, maps: Maps) -> Fraction:
    """A straight line from 0 to 100."""
    part = Fraction(authenticity) / 100
    if not 0 <= part <= 1:
        raise ValueError(f"an authenticity of {authenticity}")
    least, most = _hundredths(maps.authenticity_least), _hundredths(maps.authenticity_most)
    return _bounded(least + (most - least) * part)


def streak_factor(days: int, maps: Maps) -> Fraction:
    """So much for each day, up to a limit."""
    return _bounded(min(1 + days * _hundredths(maps.streak_step), _hundredths(maps.streak_most)))


def zone_need_factor(need_hundredths: int, maps: Maps) -> Fraction:
    """The zone's own factor, within limits."""
    least, most = _hundredths(maps.zone_need_least), _hundredths(maps.zone_need_most)
    return _bounded(min(max(_hundredths(need_hundredths), least), most))


def team_factor(members: int, maps: Maps) -> Fraction:
    """So much for each member, up to a limit; 1 for who was alone."""
    return _bounded(min(1 + members * _hundredths(maps.team_step), _hundredths(maps.team_most)))


def timeliness_factor(deed: Deed, maps: Maps) -> Fraction:
    """More in the first third of the window, less in the last tenth and after it; 1 where the
    window or the time of the deed is not known."""
    if deed.at is None or deed.opens_at is None or deed.closes_at is None:
        return Fraction(1)
    window = _microseconds(deed.closes_at - deed.opens_at)
    passed = _microseconds(deed.at - deed.opens_at)
    if window <= 0:
        return Fraction(1)
    if 3 * passed < window:
        return _bounded(_hundredths(maps.timeliness_early))
    if 10 * passed >= 9 * window:
        return _bounded(_hundredths(maps.timeliness_late))
    return Fraction(1)


def maps_of(kept: Mapping[str, int]) -> Maps:
    """Maps from parameters as they were kept with what began; what is missing is as above."""
    found = {key.removeprefix(PREFIX): kept[key] for key in PARAMETER_KEYS if key in kept}
    return replace(Maps(), **found)


def _product(factors: Mapping[str, Fraction], names: Iterable[str]) -> Fraction:
    found = Fraction(1)
    for name in names:
        found *= factors[name]
    return found


def _bounded(factor: Fraction) -> Fraction:
    return min(max(factor, LEAST), MOST)


def _hundredths(number: int) -> Fraction:
    return Fraction(number, 100)


def _microseconds(span: timedelta) -> int:
    return span // timedelta(microseconds=1)
