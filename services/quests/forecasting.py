"""What impact the next months may bring: exponential smoothing of full months, with intervals.

statsmodels takes seconds to load and a forecast a good part of one: both happen in a thread, when
first asked for, one at a time in a process, and what was worked out is kept until the month ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from core.database import Database
from core.errors import RequestError
from services.quests.summaries import monthly_impact, next_month

MONTHS_AHEAD_MAX = 12
NEEDED = 12
"""Full months that a forecast needs: a year."""
SEASONAL_FROM = 24
"""Full months from which the time of the year counts: two of each."""
CONFIDENCE_PERCENT = 80
WAITING_MAX = 8


class TooManyForecasts(RequestError):
    """So many others wait for a forecast that one more may not."""

    code = "RATE_LIMITED"


@dataclass(frozen=True, slots=True)
class ForecastMonth:
    """A month's impact in hundredths: what is expected, and between what it is with
    `CONFIDENCE_PERCENT` probability."""

    month: date
    expected: int
    low: int
    high: int


def forecast(sums: Sequence[int], months: int = MONTHS_AHEAD_MAX) -> list[tuple[int, int, int]]:
    """Expected, low and high of the months after `sums`, which are a year at least. No number is
    below 0."""
    # Loaded here: it brings pandas along, and few processes are ever asked.
    import warnings

    import pandas as pd  # type: ignore[import-untyped,unused-ignore]
    from statsmodels.tsa.exponential_smoothing.ets import (  # type: ignore[import-untyped,unused-ignore]
        ETSModel,
    )

    if len(set(sums)) == 1:
        return [(sums[0],) * 3] * months  # nothing varies: no model has a variance
    seasonal = len(sums) >= SEASONAL_FROM
    model: Any = ETSModel(
        pd.Series([float(one) for one in sums]),
        error="add",
        trend="add",
        damped_trend=True,
        seasonal="add" if seasonal else None,
        seasonal_periods=12 if seasonal else None,
        # Estimated, a dozen more numbers are searched for: ten times slower, and no better here.
        initialization_method="heuristic",
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the search stopped early is seen in the intervals
        fitted = model.fit(disp=False)
        ahead = fitted.get_prediction(start=len(sums), end=len(sums) + months - 1)
        frame = ahead.summary_frame(alpha=1 - CONFIDENCE_PERCENT / 100)
    columns = (frame["mean"], frame["pi_lower"], frame["pi_upper"])
    return [
        (max(0, round(mean)), max(0, round(low)), max(0, round(high)))
        for mean, low, high in zip(*columns, strict=True)
    ]


class Forecaster:
    """What a process has worked out, by region: a few hundred at most, as regions are countries."""

    def __init__(self) -> None:
        self._known: dict[str | None, tuple[date, list[ForecastMonth] | None]] = {}
        self._turn = asyncio.Semaphore(1)
        self._waiting = 0

    async def months(
        self, db: Database, *, region: str | None, months: int, now: datetime
    ) -> list[ForecastMonth] | None:
        """The next `months` (1 to `MONTHS_AHEAD_MAX`) of a region, this one first; None without a
        year of full months. Raises `TooManyForecasts`."""
        found = self._found(region, now)
        if found is None:
            if self._waiting >= WAITING_MAX:
                raise TooManyForecasts("too many forecasts are being made now: try again later")
            self._waiting += 1
            try:
                async with self._turn:
                    found = self._found(region, now) or await self._work_out(db, region, now)
            finally:
                self._waiting -= 1
        return None if found[1] is None else found[1][:months]

    def _found(
        self, region: str | None, now: datetime
    ) -> tuple[date, list[ForecastMonth] | None] | None:
        found = self._known.get(region)
        return found if found is not None and found[0] == now.date().replace(day=1) else None

    async def _work_out(
        self, db: Database, region: str | None, now: datetime
    ) -> tuple[date, list[ForecastMonth] | None]:
        month, sums = await monthly_impact(db, region=region, now=now)
        if len(sums) < NEEDED:
            # Nor is there any more in this month; but who has entries of the past may come yet.
            return month, None
        made = []
        ahead = month
        for expected, low, high in await asyncio.to_thread(forecast, sums):
            made.append(ForecastMonth(ahead, expected, low, high))
            ahead = next_month(ahead)
        self._known[region] = (month, made)
        return self._known[region]
