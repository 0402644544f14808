"""What moves people now: a score of each title from its distinct viewers, ratings and watchlist
adds, halved as they age. Kept as rows by a job, so that reading costs nothing."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import text

from core.database import Transaction, database_now
from core.jsontext import to_json

KEPT = 200
"""Titles of each kind that a trend keeps, in each timeframe and region."""
WEIGHTS = {"VIEW": 1.0, "RATING": 1.5, "WATCHLIST": 2.0}
OPENED = 0.1
"""What a title's popularity gains where it was opened from a search, in the last 30 days."""
_FRAMES = {
    "DAY": (timedelta(days=1), timedelta(hours=6)),
    "WEEK": (timedelta(days=7), timedelta(days=2)),
    "MONTH": (timedelta(days=30), timedelta(days=8)),
    "ALL": (timedelta(days=36_500), timedelta(days=365)),
}
"""How far back each timeframe looks, and after how long an act counts half."""

# Nobody waits for a trend: it may take longer than what a request may.
_PATIENCE = text("SET LOCAL statement_timeout = '60s'")
_ALONE = text("SELECT pg_advisory_xact_lock(hashtextextended('mela.trends', 0))")
# A person counts once a title and act, by the last time: who watches daily is one viewer.
_ACTS = text(
    """
    CREATE TEMP TABLE trend_act ON COMMIT DROP AS
    SELECT a.title_id, a.act, a.at, coalesce(p.region, f.region) AS region
    FROM (
        SELECT user_id, title_id, 'VIEW' AS act, max(watched_at) AS at
        FROM view_record GROUP BY user_id, title_id
        UNION ALL SELECT user_id, title_id, 'RATING', updated_at FROM rating
        UNION ALL SELECT user_id, title_id, 'WATCHLIST', added_at FROM watchlist_item
    ) AS a
    LEFT JOIN user_preference AS p ON p.user_id = a.user_id
    LEFT JOIN profile AS f ON f.user_id = a.user_id
    WHERE a.at <= CAST(:now AS timestamptz)
    """
)
_SCORES = text(
    """
    CREATE TEMP TABLE trend_score ON COMMIT DROP AS
    SELECT f.name AS timeframe, coalesce(a.region, '') AS region, a.title_id,
        greatest(1, round(1000 * sum(
            w.weight * power(0.5, extract(epoch FROM CAST(:now AS timestamptz) - a.at) / f.half_s)
        )))::bigint AS score,
        round(1000 * sum(w.weight))::bigint AS acts
    FROM trend_act AS a
    JOIN jsonb_to_recordset(CAST(:weights AS jsonb)) AS w(act text, weight float8) ON w.act = a.act
    JOIN jsonb_to_recordset(CAST(:frames AS jsonb)) AS f(name text, since_s float8, half_s float8)
        ON a.at > CAST(:now AS timestamptz) - make_interval(secs => f.since_s)
    GROUP BY f.name, a.title_id, GROUPING SETS ((), (a.region))
    HAVING GROUPING(a.region) = 1 OR a.region IS NOT NULL
    """
)
_CLEAR = text("DELETE FROM title_trend")
_KEEP = text(
    """
    INSERT INTO title_trend (timeframe, region, title_id, kind, score, computed_at)
    SELECT timeframe, region, title_id, kind, score, CAST(:now AS timestamptz)
    FROM (
        SELECT s.*, t.kind, row_number() OVER (
            PARTITION BY s.timeframe, s.region, t.kind ORDER BY s.score DESC, s.title_id DESC
        ) AS place
        FROM trend_score AS s JOIN title AS t ON t.id = s.title_id
    ) AS ranked
    WHERE place <= :kept
    """
)
# Popularity does not fade but for what searches add to it, so that a title which nobody touches is
# not written again and again.
_ORDERS = text(
    f"""
    UPDATE title AS t SET trend = n.trend, popularity = n.popularity
    FROM (
        SELECT id AS title_id,
            coalesce(max(score) FILTER (WHERE timeframe = 'WEEK'), 0) AS trend,
            coalesce(max(acts) FILTER (WHERE timeframe = 'ALL'), 0)
                + {1000 * OPENED:.0f} * coalesce(max(o.opened), 0) AS popularity
        FROM title LEFT JOIN trend_score AS s ON s.title_id = id AND s.region = ''
        LEFT JOIN (
            SELECT title_id, sum(searches) AS opened FROM title_signal GROUP BY title_id
        ) AS o ON o.title_id = id
        WHERE trend > 0 OR popularity > 0 OR s.title_id IS NOT NULL OR o.opened > 0
        GROUP BY id
    ) AS n
    WHERE t.id = n.title_id AND (t.trend <> n.trend OR t.popularity <> n.popularity)
    """
)


async def refresh_trends(tx: Transaction) -> int:
    """Compute all trends anew, and what titles are ordered by; how many places there are. Readers
    see the ones before until it commits."""
    await tx.execute(_PATIENCE)
    await tx.execute(_ALONE)
    now = await database_now(tx)
    await tx.execute(_ACTS, {"now": now})
    frames = [
        {"name": name, "since_s": since.total_seconds(), "half_s": half.total_seconds()}
        for name, (since, half) in _FRAMES.items()
    ]
    weights = [{"act": act, "weight": weight} for act, weight in WEIGHTS.items()]
    given = {"now": now, "frames": to_json(frames), "weights": to_json(weights)}
    await tx.execute(_SCORES, given)
    await tx.execute(_CLEAR)
    kept = await tx.execute(_KEEP, {"now": now, "kept": KEPT})
    await tx.execute(_ORDERS)
    return int(kept.rowcount)  # type: ignore[attr-defined]
