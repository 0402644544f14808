"""What recommending looks at, read in two statements: what a player did, and the quests that they
could take on now. How they are ranked stands in recommending.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from core.database import Database, ReadSession
from models.quests.quests import AREA_BOX
from services.quests.contract import Place
from services.quests.geometry import between_m
from services.quests.recommending import (
    HISTORY,
    Candidate,
    Outcome,
    Past,
    Recommended,
    recommend,
    suggested_difficulty,
)

NEAREST, NEWEST = 100, 100
"""Candidates that are looked at: those nearest (thrice, for the antimeridian), and the newest."""
TAKEN_MAX = 5_000
"""Assignments of a player that are looked at, the newest."""

_PAST = text(
    """
    WITH taken AS (
        SELECT a.quest_id, a.status, q.category, q.difficulty,
               row_number() OVER (ORDER BY a.accepted_at DESC, a.id DESC) AS n
        FROM assignment AS a JOIN quest AS q ON q.id = a.quest_id
        WHERE a.player_id = :player AND a.status IN
              ('VERIFIED', 'REWARDED', 'REJECTED', 'ABANDONED', 'EXPIRED')
        ORDER BY a.accepted_at DESC, a.id DESC LIMIT :taken
    )
    SELECT clock_timestamp() AS now,
           (SELECT json_object_agg(category, n) FROM (
               SELECT category, count(*) AS n FROM taken
               WHERE status IN ('VERIFIED', 'REWARDED') GROUP BY category) AS c) AS categories,
           (SELECT json_agg(json_build_array(difficulty, status) ORDER BY n) FROM taken
            WHERE n <= :history) AS outcomes
    """
)
_OPEN = """
    q.status = 'OPEN' AND q.opens_at <= now() AND q.closes_at > now()
    AND (q.capacity IS NULL OR q.taken < q.capacity)
    AND q.level_min <= coalesce((SELECT level FROM player WHERE user_id = :player), 1)
    AND NOT EXISTS (
        SELECT FROM assignment AS a WHERE a.quest_id = q.id AND a.player_id = :player
          AND a.status NOT IN ('ABANDONED', 'EXPIRED', 'REJECTED'))
    AND NOT EXISTS (
        SELECT FROM quest_prerequisite AS p WHERE p.quest_id = q.id
          AND NOT EXISTS (
              SELECT FROM assignment AS d WHERE d.quest_id = p.required_quest_id
                AND d.player_id = :player AND d.status IN ('VERIFIED', 'REWARDED'))
          AND NOT EXISTS (
              SELECT FROM achievement AS h
              WHERE h.badge_slug = p.badge_slug AND h.player_id = :player))
"""
_COLUMNS = "q.id, q.category, q.difficulty, q.created_at, q.closes_at, q.latitude, q.longitude"
_NEWEST = f"""
    (SELECT {_COLUMNS} FROM quest AS q WHERE {_OPEN}
     ORDER BY q.created_at DESC, q.id DESC LIMIT :newest)
"""
_NEAREST = f"""
    SELECT n.* FROM (VALUES (-360), (0), (360)) AS o(roll)
    CROSS JOIN LATERAL (
        SELECT {_COLUMNS} FROM quest AS q WHERE {_OPEN}
        ORDER BY {AREA_BOX} <-> point(CAST(:longitude AS float8) + o.roll, :latitude)
        LIMIT :nearest) AS n
"""
_CANDIDATES = text(_NEWEST)
_CANDIDATES_NEAR = text(f"{_NEWEST} UNION {_NEAREST}")
_OUTCOMES = text(
    """
    SELECT quest_id, count(*) FILTER (WHERE status IN ('VERIFIED', 'REWARDED')) AS done,
           count(*) FILTER (WHERE status IN ('REJECTED', 'ABANDONED', 'EXPIRED')) AS failed
    FROM assignment WHERE quest_id = ANY(CAST(:quests AS uuid[])) GROUP BY quest_id
    """
)


async def recommended_quests(
    db: Database, *, player_id: UUID, near: Place | None
) -> list[Recommended]:
    """The ten quests that suit a player best of those they could take on now, by two statements.
    Without a place, distance does not count."""
    asked: dict[str, Any] = {"player": player_id, "newest": NEWEST}
    if near is not None:
        asked |= {"latitude": near.latitude, "longitude": near.longitude, "nearest": NEAREST}
    async with db.read() as session:
        now, past = await _past(session, player_id)
        rows = (await session.execute(_CANDIDATES_NEAR if near else _CANDIDATES, asked)).all()
    candidates = [
        Candidate(
            row.id,
            row.category,
            row.difficulty,
            row.created_at,
            row.closes_at,
            None if near is None else between_m(near, Place(row.latitude, row.longitude)),
        )
        for row in rows
    ]
    return recommend(candidates, past, now)


async def past_of(db: Database, player_id: UUID) -> Past:
    """What a player did, in one statement."""
    async with db.read() as session:
        return (await _past(session, player_id))[1]


async def suggested_difficulties(db: Database, quest_ids: Sequence[UUID]) -> list[int | None]:
    """For each quest the difficulty that its outcomes speak for, in order; one statement."""
    async with db.read() as session:
        rows = await session.execute(_OUTCOMES, {"quests": list(quest_ids)})
        found = {row.quest_id: suggested_difficulty(row.done, row.failed) for row in rows}
    return [found.get(quest_id) for quest_id in quest_ids]


async def _past(session: ReadSession, player_id: UUID) -> tuple[datetime, Past]:
    asked = {"player": player_id, "taken": TAKEN_MAX, "history": HISTORY}
    row = (await session.execute(_PAST, asked)).one()
    done: Mapping[str, int] = row.categories or {}
    outcomes: list[tuple[int, Outcome]] = [
        (difficulty, "DONE" if status in ("VERIFIED", "REWARDED") else "FAILED")
        for difficulty, status in row.outcomes or ()
    ]
    return row.now, Past(done, outcomes)
