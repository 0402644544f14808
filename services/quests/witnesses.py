"""Who is asked about evidence, and who may not be: nobody judges their own, a friend's or their
team's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import insert, text

from core.database import Transaction
from core.ids import encode_id, new_id
from models.quests.evidence import ReviewRequest
from services.quests.contract import terms_of
from services.quests.errors import ConflictOfInterest
from services.users.notifications import notify

POOL = 200
"""Of so many of the region, and of everywhere, by reputation, those are asked who were not for
longest: the best are not asked about everything."""

_requests = ReviewRequest.__table__  # type: ignore[attr-defined]

# Friends follow each other. Who is or was blocked judges no more fairly.
_RELATION = text(
    """
    SELECT CASE
        WHEN CAST(:player AS uuid) = CAST(:viewer AS uuid) THEN 'OWN'
        WHEN EXISTS (SELECT FROM team_member
                     WHERE team_id = CAST(:team AS uuid) AND user_id = :viewer)
          OR EXISTS (SELECT FROM assignment
                     WHERE team_id = CAST(:team AS uuid) AND player_id = :viewer) THEN 'TEAM'
        WHEN EXISTS (SELECT FROM follow AS f JOIN follow AS b
                       ON b.follower_id = f.followee_id AND b.followee_id = f.follower_id
                     WHERE f.follower_id = :viewer AND f.followee_id = :player) THEN 'FRIEND'
    END
    """
)
_CHOOSE = text(
    """
    WITH pool AS (
        (SELECT user_id, reputation, asked_at, 1 AS near FROM witness
         WHERE region = CAST(:region AS text) AND available
         ORDER BY reputation DESC, user_id LIMIT :pool)
        UNION ALL
        (SELECT user_id, reputation, asked_at, 0 FROM witness
         WHERE available ORDER BY reputation DESC, user_id LIMIT :pool)
    ), fit AS (
        SELECT p.user_id, max(p.near) AS near, max(p.reputation) AS reputation,
               max(p.asked_at) AS asked_at
        FROM pool AS p
        JOIN user_account AS a ON a.id = p.user_id AND a.status = 'ACTIVE'
        WHERE p.user_id <> :player
          AND NOT EXISTS (SELECT FROM team_member AS m
                          WHERE m.team_id = CAST(:team AS uuid) AND m.user_id = p.user_id)
          AND NOT EXISTS (SELECT FROM assignment AS t
                          WHERE t.team_id = CAST(:team AS uuid) AND t.player_id = p.user_id)
          AND NOT EXISTS (SELECT FROM follow AS f JOIN follow AS b
                            ON b.follower_id = f.followee_id AND b.followee_id = f.follower_id
                          WHERE f.follower_id = :player AND f.followee_id = p.user_id)
          AND NOT EXISTS (SELECT FROM block AS k
                          WHERE k.blocker_id = :player AND k.blocked_id = p.user_id
                             OR k.blocker_id = p.user_id AND k.blocked_id = :player)
          AND NOT EXISTS (SELECT FROM review_request AS r
                          WHERE r.assignment_id = :assignment AND r.witness_id = p.user_id)
        GROUP BY p.user_id
    )
    SELECT user_id FROM fit
    ORDER BY near DESC, reputation / 100 DESC, asked_at NULLS FIRST, user_id LIMIT :count
    """
)
# In the order of their ids: two that ask the same witnesses wait for each other.
_ASKED = text(
    """
    UPDATE witness AS w SET asked_at = clock_timestamp()
    FROM (SELECT user_id FROM witness WHERE user_id = ANY (CAST(:ids AS uuid[]))
          ORDER BY user_id FOR NO KEY UPDATE) AS chosen
    WHERE w.user_id = chosen.user_id
    """
)


async def ask_witnesses(tx: Transaction, assignment: Any, *, count: int) -> Sequence[UUID]:
    """Ask up to `count` more witnesses about a locked assignment; whom. They are others of the
    region first, by reputation; where there are too few, fewer are asked, and the sweep asks again.
    """
    asked = {
        "player": assignment.player_id,
        "team": assignment.team_id,
        "assignment": assignment.id,
        "region": terms_of(assignment.terms).region,
        "pool": POOL,
        "count": count,
    }
    chosen = [row.user_id for row in await tx.execute(_CHOOSE, asked)]
    if chosen:
        rows = [
            {"id": new_id(), "assignment_id": assignment.id, "witness_id": witness_id}
            for witness_id in chosen
        ]
        await tx.execute(insert(_requests), rows)
        await tx.execute(_ASKED, {"ids": chosen})
        # Once for each case, and nothing of whose it is: no actor.
        await notify(
            tx,
            kind="REVIEW_REQUESTED",
            user_ids=chosen,
            dedupe_key=f"review:{assignment.id.hex}",
            reference=encode_id("qst", assignment.quest_id),
        )
    return chosen


async def require_impartial(tx: Transaction, assignment: Any, viewer_id: UUID) -> None:
    """Raises `ConflictOfInterest`: the viewer's own, their friend's or their team's. Asked anew at
    each vote: people become friends after they were chosen."""
    asked = {
        "player": assignment.player_id,
        "viewer": viewer_id,
        "team": assignment.team_id,
    }
    relation = (await tx.execute(_RELATION, asked)).scalar_one()
    if relation is not None:
        raise ConflictOfInterest(relation)
