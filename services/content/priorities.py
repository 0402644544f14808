"""How often titles are asked about: a priority from how much they are wanted and how new they are,
in exact millionths, and the bucket that follows from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text

from core.database import Transaction, database_now
from core.jsontext import to_json
from models.content.platforms import Bucket

SPAN = timedelta(days=7)
HIGH_PPM, MEDIUM_PPM = 700_000, 400_000
"""More than this is HIGH (every 15 minutes), more than that MEDIUM (hourly), all else LOW."""


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of the priority: its weight in hundredths, and the count at which it is full."""

    weight: int
    full: int

    def ppm(self, count: int) -> int:
        return self.weight * 10_000 * min(max(count, 0), self.full) // self.full


VIEWS, WATCHLISTS = _Part(30, 10_000), _Part(25, 5_000)
SEARCHES, INTEREST = _Part(20, 5_000), _Part(10, 1_000)
RECENCY_WEIGHT = 15
RECENCY_TENTHS = ((7, 10), (30, 8), (90, 5))
"""Tenths of recency below so many days since the release; else 2."""


class Wanted(NamedTuple):
    """What a title's priority follows from: counts of seven days, but all watchlists."""

    title_id: UUID
    views: int = 0
    watchlists: int = 0
    searches: int = 0
    interest: int = 0
    released_on: date | None = None


def priority_ppm(wanted: Wanted, today: date) -> int:
    """The priority in millionths, 0 to a million. What is not out yet is as new as can be."""
    tenths = 2
    if wanted.released_on is not None:
        age = (today - wanted.released_on).days
        tenths = next((tenths for days, tenths in RECENCY_TENTHS if age < days), 2)
    return (
        VIEWS.ppm(wanted.views)
        + WATCHLISTS.ppm(wanted.watchlists)
        + RECENCY_WEIGHT * 1_000 * tenths
        + SEARCHES.ppm(wanted.searches)
        + INTEREST.ppm(wanted.interest)
    )


def bucket_of(ppm: int) -> Bucket:
    """How often that is asked about."""
    return "HIGH" if ppm > HIGH_PPM else "MEDIUM" if ppm > MEDIUM_PPM else "LOW"


# Nobody waits for it: it may take longer than what a request may.
_PATIENCE = text("SET LOCAL statement_timeout = '60s'")
_ALONE = text("SELECT pg_advisory_xact_lock(hashtextextended('mela.priorities', 0))")
# Recency alone is never more than 0.15: a title that nobody does anything with is LOW.
_WANTED = text(
    """
    WITH act AS (
        SELECT title_id, count(*) AS views, 0 AS watchlists, 0 AS searches, 0 AS interest
        FROM view_record WHERE watched_at > CAST(:since AS timestamptz) AND watched_at <= :now
        GROUP BY title_id
        UNION ALL SELECT title_id, 0, count(*), 0, 0 FROM watchlist_item GROUP BY title_id
        UNION ALL SELECT title_id, 0, 0, 0, count(*) FROM rating
        WHERE updated_at > CAST(:since AS timestamptz) GROUP BY title_id
        UNION ALL SELECT title_id, 0, 0, sum(searches), sum(checks) FROM title_signal
        WHERE day > CAST(CAST(:since AS timestamptz) AT TIME ZONE 'UTC' AS date) GROUP BY title_id
    )
    SELECT t.id, sum(views)::int, sum(watchlists)::int, sum(searches)::int, sum(interest)::int,
        t.released_on
    FROM act JOIN title AS t ON t.id = act.title_id
    GROUP BY t.id
    """
)
_CLEAR = text("DELETE FROM title_priority")
_KEEP = text(
    """
    INSERT INTO title_priority (title_id, priority_ppm, bucket)
    SELECT title_id, ppm, bucket
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r(title_id uuid, ppm int, bucket text)
    """
)
_COUNT = """
    INSERT INTO title_signal AS s (title_id, day, {column})
    SELECT id, (now() AT TIME ZONE 'UTC')::date, 1 FROM title
    WHERE id = ANY (CAST(:ids AS uuid[])) ORDER BY id
    ON CONFLICT (title_id, day) DO UPDATE SET {column} = s.{column} + 1
"""
_COUNT_SEARCH = text(_COUNT.format(column="searches"))
_COUNT_CHECK = text(_COUNT.format(column="checks"))


async def refresh_priorities(tx: Transaction) -> int:
    """Compute all priorities anew; how many titles are not LOW."""
    await tx.execute(_PATIENCE)
    await tx.execute(_ALONE)
    now = await database_now(tx)
    rows = []
    for row in await tx.execute(_WANTED, {"now": now, "since": now - SPAN}):
        ppm = priority_ppm(Wanted._make(row), now.date())
        if (bucket := bucket_of(ppm)) != "LOW":
            rows.append({"title_id": row[0], "ppm": ppm, "bucket": bucket})
    await tx.execute(_CLEAR)
    if rows:
        await tx.execute(_KEEP, {"rows": to_json(rows)})
    return len(rows)


async def count_searches(tx: Transaction, title_ids: Sequence[UUID]) -> None:
    """Titles were opened from a search's results: one click each. Unknown ones are passed over."""
    await tx.execute(_COUNT_SEARCH, {"ids": list(title_ids)})


async def count_check(tx: Transaction, title_id: UUID) -> None:
    """Somebody asked to have a title's availability verified."""
    await tx.execute(_COUNT_CHECK, {"ids": [title_id]})
