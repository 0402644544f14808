"""Arithmetic on measurements: quantiles, medians, ratios, and how numbers are shown."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` (0 … 1) of `values` do not exceed; NaN of none."""
    if not values:
        return math.nan
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def median(values: Sequence[float]) -> float:
    """The middle of `values`; NaN of none."""
    return statistics.median(values) if values else math.nan


def times(base: float, value: float) -> float:
    """How many times `base` is of `value`; NaN where either is unknown or nothing."""
    return base / value if value and base and not math.isnan(base + value) else math.nan


def shown(value: float, unit: str = "") -> str:
    """Three significant digits, thousands set apart; a dash for what is unknown."""
    if math.isnan(value):
        return "-"
    if abs(value) >= 100:
        return f"{value:,.0f}{unit}"
    places = 2 - math.floor(math.log10(abs(value))) if value else 2
    return f"{value:.{max(0, min(places, 3))}f}{unit}"
