"""What follows from the rows of rewards when they are shown: breakdowns, and streaks as of now."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

from core.clock import utc_now
from loaders.rows import Money
from services.quests.multipliers import FACTORS
from services.quests.streaks import Streak, standing_days


class MultiplierView(NamedTuple):
    """One of the six, exactly, as a fraction and as a number (which has an end)."""

    name: str
    fraction: str
    value: Decimal


class BreakdownView(NamedTuple):
    """All that an entry's XP, tokens and impact follow from."""

    base_xp: int
    reward: Money
    multipliers: list[MultiplierView]
    streak_days: int
    team_members: int


def breakdown_view(kept: Mapping[str, Any], asset: str) -> BreakdownView:
    """An entry's breakdown as it was kept."""
    return BreakdownView(
        kept["baseXp"],
        Money(int(kept["rewardMinor"]), asset),
        [_multiplier(name, kept["factors"][name]) for name in FACTORS],
        kept.get("streakDays", 0),
        kept.get("teamMembers", 0),
    )


def streak_now(days: int, last: date | None, zone: str) -> int:
    """Days in a row as they stand now, by the calendar of the player's zone."""
    return standing_days(Streak(days, last, zone), now=utc_now(), zone=zone)


def _multiplier(name: str, fraction: str) -> MultiplierView:
    exact = Fraction(fraction)
    return MultiplierView(name, fraction, Decimal(exact.numerator) / exact.denominator)
