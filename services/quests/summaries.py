"""What quests did for a region: sums of impact entries, and their months. Reads alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from sqlalchemy import text

from core.database import Database

PERIODS: Final[Mapping[str, timedelta | None]] = {
    "DAY": timedelta(days=1),
    "WEEK": timedelta(days=7),
    "MONTH": timedelta(days=30),
    "YEAR": timedelta(days=365),
    "ALL_TIME": None,
}
"""How far back from now a summary goes."""
CATEGORIES_MAX = 50
"""Categories of a summary, those with the most impact."""
MONTHS_MAX = 120
"""Months that a forecast follows from, the newest."""

_SUMMARY = text(
    """
    WITH entry AS (
        SELECT * FROM impact_entry
        WHERE (CAST(:region AS text) IS NULL OR region = :region)
          AND created_at > coalesce(CAST(:since AS timestamptz), '-infinity')
          AND created_at <= :now
    ), categories AS (
        SELECT category, count(*) AS completed, sum(impact_hundredths) AS impact
        FROM entry GROUP BY category ORDER BY impact DESC, category LIMIT :categories
    ), tokens AS (
        SELECT asset, sum(token_minor) AS amount FROM entry WHERE token_minor > 0 GROUP BY asset
    )
    SELECT count(*) AS completed, count(DISTINCT player_id) AS players,
           count(DISTINCT quest_id) AS quests, coalesce(sum(xp_awarded), 0) AS xp,
           coalesce(sum(impact_hundredths), 0) AS impact,
           (SELECT json_agg(json_build_array(category, completed, impact)
                            ORDER BY impact DESC, category) FROM categories) AS categories,
           (SELECT json_agg(json_build_array(asset, amount) ORDER BY asset)
            FROM tokens) AS tokens
    FROM entry
    """
)
_MONTHS = text(
    """
    SELECT date_trunc('month', created_at AT TIME ZONE 'UTC')::date AS month,
           sum(impact_hundredths) AS impact
    FROM impact_entry
    WHERE (CAST(:region AS text) IS NULL OR region = :region)
    GROUP BY month ORDER BY month DESC LIMIT :months
    """
)


@dataclass(frozen=True, slots=True)
class CategorySum:
    """What was done in one category."""

    category: str
    completed: int
    impact_hundredths: int


@dataclass(frozen=True, slots=True)
class Summary:
    """What was done in a region (None: everywhere) from `since` (None: ever) until `until`.
    `tokens` are minor units by asset."""

    region: str | None
    since: datetime | None
    until: datetime
    completed: int
    players: int
    quests: int
    xp: int
    impact_hundredths: int
    categories: tuple[CategorySum, ...]
    tokens: tuple[tuple[str, int], ...]


async def impact_summary(
    db: Database, *, region: str | None, period: str, now: datetime
) -> Summary:
    """The sums of a region over one of `PERIODS` before now; one statement."""
    back = PERIODS[period]
    since = None if back is None else now - back
    asked = {"region": region, "since": since, "now": now, "categories": CATEGORIES_MAX}
    async with db.read() as session:
        row = (await session.execute(_SUMMARY, asked)).one()
    return Summary(
        region,
        since,
        now,
        row.completed,
        row.players,
        row.quests,
        int(row.xp),
        int(row.impact),
        tuple(CategorySum(*one) for one in row.categories or ()),
        tuple((asset, amount) for asset, amount in row.tokens or ()),
    )


async def monthly_impact(
    db: Database, *, region: str | None, now: datetime
) -> tuple[date, list[int]]:
    """The impact of each full month, in hundredths, and the month that comes after them: the one
    of `now`. The month of the first entry is left out, as it is hardly a full one; a month without
    entries is 0. One statement."""
    present = now.date().replace(day=1)
    async with db.read() as session:
        rows = await session.execute(_MONTHS, {"region": region, "months": MONTHS_MAX})
        found = {row.month: int(row.impact) for row in rows}
    sums: list[int] = []
    month = min(found, default=present)
    while (month := next_month(month)) < present:
        sums.append(found.get(month, 0))
    return present, sums[-MONTHS_MAX:]


def next_month(month: date) -> date:
    """The first of the month after."""
    return (month.replace(day=28) + timedelta(days=4)).replace(day=1)
