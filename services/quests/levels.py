"""Levels of players: ten times the thresholds of reputation. Pure."""

from __future__ import annotations

from bisect import bisect_right
from typing import Final

THRESHOLDS: Final = (0, 1_000, 5_000, 10_000, 50_000, 100_000, 500_000, 1_000_000)
"""The XP from which each level is reached, from level 1 on."""


def level_of(xp: int) -> int:
    """The number of thresholds that `xp` (0 or more) has reached: 1 to 8."""
    return bisect_right(THRESHOLDS, xp)


def next_threshold(xp: int) -> int | None:
    """The XP of the next level; None at the highest."""
    level = level_of(xp)
    return THRESHOLDS[level] if level < len(THRESHOLDS) else None
