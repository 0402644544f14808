"""What sponsors see of the quests that they pay for: how these went, what they paid, what is left
of their budgets. Reads alone; the money itself stands in budgets.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text

from core.database import Database

_PERFORMANCE = text(
    """
    WITH asked AS (SELECT unnest(CAST(:quests AS uuid[])) AS quest_id),
    taken AS (
        SELECT quest_id, count(*) AS accepted,
               count(*) FILTER (WHERE status IN ('ACCEPTED', 'SUBMITTED', 'UNDER_REVIEW'))
                   AS running,
               count(*) FILTER (WHERE status IN ('VERIFIED', 'REWARDED')) AS completed,
               count(*) FILTER (WHERE status = 'REJECTED') AS rejected,
               count(*) FILTER (WHERE status IN ('ABANDONED', 'EXPIRED')) AS given_up,
               round(avg(authenticity) FILTER (WHERE status IN ('VERIFIED', 'REWARDED')))
                   AS authenticity,
               coalesce(sum(reward_minor) FILTER (
                   WHERE status IN ('ACCEPTED', 'SUBMITTED', 'UNDER_REVIEW', 'VERIFIED')), 0)
                   AS promised
        FROM assignment WHERE quest_id = ANY(CAST(:quests AS uuid[])) GROUP BY quest_id
    ), given AS (
        SELECT quest_id, count(DISTINCT player_id) AS players, sum(token_minor) AS paid,
               sum(impact_hundredths) AS impact
        FROM impact_entry WHERE quest_id = ANY(CAST(:quests AS uuid[])) GROUP BY quest_id
    )
    SELECT q.id, q.asset, coalesce(t.accepted, 0) AS accepted, coalesce(t.running, 0) AS running,
           coalesce(t.completed, 0) AS completed, coalesce(t.rejected, 0) AS rejected,
           coalesce(t.given_up, 0) AS given_up, t.authenticity,
           coalesce(t.promised, 0) AS promised, coalesce(g.players, 0) AS players,
           coalesce(g.paid, 0) AS paid, coalesce(g.impact, 0) AS impact
    FROM asked JOIN quest AS q ON q.id = asked.quest_id
    LEFT JOIN taken AS t ON t.quest_id = q.id LEFT JOIN given AS g ON g.quest_id = q.id
    """
)
_BUDGETS = text(
    """
    SELECT q.asset, q.promised, coalesce(p.paid, 0) AS paid,
           coalesce(a.credits_posted - a.debits_posted - a.debits_pending, 0) AS available
    FROM (
        SELECT q.asset, coalesce(sum(t.promised), 0) AS promised FROM quest AS q
        LEFT JOIN LATERAL (
            SELECT sum(reward_minor) AS promised FROM assignment
            WHERE quest_id = q.id
              AND status IN ('ACCEPTED', 'SUBMITTED', 'UNDER_REVIEW', 'VERIFIED')) AS t ON true
        WHERE q.sponsor_id = :sponsor GROUP BY q.asset
    ) AS q
    LEFT JOIN (
        SELECT asset, sum(token_minor) AS paid FROM impact_entry
        WHERE sponsor_id = :sponsor GROUP BY asset) AS p ON p.asset = q.asset
    LEFT JOIN ledger_account AS a
        ON a.holder_id = :sponsor AND a.kind = 'ESCROW' AND a.asset = q.asset
    ORDER BY q.asset
    """
)


@dataclass(frozen=True, slots=True)
class Performance:
    """How a quest went. Amounts are minor units of `asset`; `promised_minor` is the reward of what
    is not decided yet, before its multipliers."""

    quest_id: UUID
    asset: str
    accepted: int
    running: int
    completed: int
    rejected: int
    given_up: int
    players: int
    authenticity: int | None
    promised_minor: int
    paid_minor: int
    impact_hundredths: int


async def performances(db: Database, quest_ids: Sequence[UUID]) -> list[Performance | None]:
    """How each of these quests went, in order; one statement."""
    async with db.read() as session:
        rows = await session.execute(_PERFORMANCE, {"quests": list(quest_ids)})
        found = {
            row.id: Performance(
                quest_id=row.id,
                asset=row.asset,
                accepted=row.accepted,
                running=row.running,
                completed=row.completed,
                rejected=row.rejected,
                given_up=row.given_up,
                players=row.players,
                authenticity=None if row.authenticity is None else int(row.authenticity),
                promised_minor=int(row.promised),
                paid_minor=int(row.paid),
                impact_hundredths=int(row.impact),
            )
            for row in rows
        }
    return [found.get(quest_id) for quest_id in quest_ids]


@dataclass(frozen=True, slots=True)
class Budget:
    """A sponsor's budget of an asset, in minor units: what is left, what was paid from it, and the
    rewards, before multipliers, of what is not decided yet."""

    asset: str
    left_minor: int
    paid_minor: int
    promised_minor: int


async def budgets(db: Database, sponsor_id: UUID) -> list[Budget]:
    """The budgets of a sponsor, one for each asset that their quests pay in; one statement."""
    async with db.read() as session:
        rows = await session.execute(_BUDGETS, {"sponsor": sponsor_id})
        return [
            Budget(row.asset, int(row.available), int(row.paid), int(row.promised)) for row in rows
        ]
