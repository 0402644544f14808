"""The audit of what quests gave: every number again from what is kept. Reads in streams.

That entries are what they were when they were made is the ledger's audit (services/wallets/verify).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

from sqlalchemy import text

from core.database import Database, Transaction
from core.ids import encode_id
from services.quests.levels import level_of
from services.quests.multipliers import BadBreakdown, read_breakdown
from services.wallets.verify import Check

PAGE = 2_000

_ONE_SNAPSHOT = text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
_NO_TIMEOUT = text("SET LOCAL statement_timeout = 0")
_ENTRIES = text(
    """
    SELECT e.*, a.status, a.base_xp, a.reward_minor, a.player_id AS assigned_to,
           a.quest_id AS assigned_quest, t.code, t.kind, t.amount_minor, t.asset AS paid_asset,
           t.reference, c.owner_id AS paid_to
    FROM impact_entry AS e
    LEFT JOIN assignment AS a ON a.id = e.assignment_id
    LEFT JOIN transfer AS t ON t.id = e.transfer_id
    LEFT JOIN ledger_account AS c ON c.id = t.credit_account_id
    ORDER BY e.transaction_id, e.row_id
    """
)
_WITHOUT_ENTRY = text(
    """
    SELECT a.id, e.id IS NOT NULL AS recorded FROM assignment AS a
    LEFT JOIN impact_entry AS e ON e.assignment_id = a.id
    WHERE a.status = 'REWARDED' ORDER BY a.id
    """
)
_PLAYERS = text(
    """
    SELECT p.user_id AS id, p.xp, p.level, p.completed, coalesce(e.xp, 0) AS right_xp,
           coalesce(e.deeds, 0) AS right_completed
    FROM player AS p LEFT JOIN (
        SELECT player_id, sum(xp_awarded) AS xp, count(*) AS deeds FROM impact_entry GROUP BY 1
    ) AS e ON e.player_id = p.user_id
    ORDER BY p.user_id
    """
)
_UNEARNED = text(
    """
    SELECT t.id, e.id IS NOT NULL AS earned FROM transfer AS t
    LEFT JOIN impact_entry AS e ON e.transfer_id = t.id
    WHERE t.code = 'REWARD' AND t.reference LIKE 'asg\\_%' ORDER BY t.row_id
    """
)


async def verify_impact(db: Database) -> list[Check]:
    """Check all that quests gave as it is at one moment; each check goes up to the first row that
    is wrong. Changes nothing."""

    async def work(tx: Transaction) -> list[Check]:
        await tx.execute(_ONE_SNAPSHOT)
        await tx.execute(_NO_TIMEOUT)
        return await check_impact(tx)

    return await db.transaction(work)


async def check_impact(tx: Transaction) -> list[Check]:
    """The checks of `verify_impact`, in one session."""
    checks: tuple[tuple[str, Any, Callable[[Any], str | None]], ...] = (
        ("XP, tokens and impact follow from each breakdown", _ENTRIES, _entry_fault),
        ("what is rewarded has its entry", _WITHOUT_ENTRY, _unrecorded_fault),
        ("what was paid has its entry", _UNEARNED, _unearned_fault),
        ("players' XP and levels are the fold of their entries", _PLAYERS, _player_fault),
    )
    return [await _run(tx, name, statement, fault) for name, statement, fault in checks]


async def _run(
    tx: Transaction, name: str, statement: Any, fault_of: Callable[[Any], str | None]
) -> Check:
    count = 0
    async for row in _rows(tx, statement):
        count += 1
        fault = fault_of(row)
        if fault is not None:
            return Check(name, count, fault)
    return Check(name, count)


async def _rows(tx: Transaction, statement: Any) -> AsyncIterator[Any]:
    result = await tx.stream(statement, execution_options={"yield_per": PAGE})
    try:
        async for row in result:
            yield row
    finally:
        await result.close()


def _entry_fault(row: Any) -> str | None:
    name = f"impact_entry {row.id}"
    try:
        worth = read_breakdown(row.breakdown)
    except BadBreakdown as error:
        return f"{name}: its breakdown is none ({error})"
    for what, kept, right in (
        ("xp_awarded", row.xp_awarded, worth.xp),
        ("token_minor", row.token_minor, worth.token_minor),
        ("impact_hundredths", row.impact_hundredths, worth.impact_hundredths),
    ):
        if kept != right:
            return f"{name}: {what} is {kept}, its breakdown says {right}"
    promised = (row.base_xp, row.reward_minor, row.assigned_to, row.assigned_quest, row.status)
    given = (worth.base_xp, worth.reward_minor, row.player_id, row.quest_id, "REWARDED")
    if promised != given:
        return f"{name}: it is not what its assignment promised"
    return None if row.transfer_id is None else _payment_fault(row, name)


def _payment_fault(row: Any, name: str) -> str | None:
    paid = (row.kind, row.code, row.amount_minor, row.paid_asset, row.paid_to, row.reference)
    right = ("SINGLE", "REWARD", row.token_minor, row.asset, row.player_id)
    if paid != (*right, encode_id("asg", row.assignment_id)):
        return f"{name}: transfer {row.transfer_id} does not pay it"
    return None


def _unrecorded_fault(row: Any) -> str | None:
    return None if row.recorded else f"assignment {row.id}: it is REWARDED and has no impact_entry"


def _unearned_fault(row: Any) -> str | None:
    return None if row.earned else f"transfer {row.id}: a reward without an impact_entry"


def _player_fault(row: Any) -> str | None:
    right_xp = int(row.right_xp)
    right = (right_xp, level_of(right_xp), row.right_completed)
    if (row.xp, row.level, row.completed) != right:
        return f"player {row.id}: {row.xp} XP, level {row.level} is not the fold: {right}"
    return None
