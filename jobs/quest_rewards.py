"""Tries again what could not be paid when it was verified: a budget was empty, the supply cap was
reached. What a reward is stands in services/quests/rewards.py."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import text

from core.database import Database
from services.quests.rewards import Rewarded, reward

log = structlog.get_logger(__name__)

PAGE = 100
MOST = 1_000
"""Tried in one sweep, from the oldest on: where a budget stays empty for more, the rest waits."""

_WAITING = text(
    """
    SELECT id, submitted_at FROM assignment
    WHERE status = 'VERIFIED' AND (submitted_at, id) > (:at, :id)
    ORDER BY submitted_at, id LIMIT :limit
    """
)
_BEGINNING = (datetime(1, 1, 2, tzinfo=UTC), UUID(int=0))


async def pay_delayed(
    db: Database, *, page: int = PAGE, most: int = MOST, stopping: Callable[[], bool] = bool
) -> int:
    """Try to reward what is VERIFIED, each in a transaction of its own; how many were. Safe beside
    other sweeps. One that fails is logged and left to the next sweep."""
    paid, tried, place = 0, 0, _BEGINNING
    while tried < most and (rows := await _waiting(db, place, page)):
        for row in rows:
            if stopping():
                return paid
            paid += await _pay(db, row.id)
        tried += len(rows)
        place = (rows[-1].submitted_at, rows[-1].id)
    return paid


async def _waiting(db: Database, place: tuple[datetime, UUID], limit: int) -> list[Any]:
    async with db.read() as session:
        asked = {"at": place[0], "id": place[1], "limit": limit}
        return list((await session.execute(_WAITING, asked)).all())


async def _pay(db: Database, assignment_id: UUID) -> bool:
    try:
        found = await db.transaction(partial(reward, assignment_id=assignment_id))
    except Exception:
        # One that cannot be rewarded must not keep all later ones from it.
        log.exception("reward_failed", assignment=assignment_id.hex)
        return False
    return isinstance(found, Rewarded) and not found.again
