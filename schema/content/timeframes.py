"""Spans of time up to now, for what is told of them: trends of titles and of posts alike."""

from __future__ import annotations

from datetime import timedelta
from enum import Enum

import strawberry


@strawberry.enum(description="A span of time that ends now.")
class Timeframe(Enum):
    DAY = strawberry.enum_value("DAY", description="The last 24 hours.")
    WEEK = strawberry.enum_value("WEEK", description="The last seven days.")
    MONTH = strawberry.enum_value("MONTH", description="The last thirty days.")
    ALL = strawberry.enum_value("ALL", description="From the beginning.")


AGES: dict[str, timedelta | None] = {
    "DAY": timedelta(days=1),
    "WEEK": timedelta(days=7),
    "MONTH": timedelta(days=30),
    "ALL": None,
}
"""How old what counts may be, by the timeframe's name; None is any age."""

TRENDING_KEPT_S = 300
"""Seconds that an answer to what is trending may be kept."""
