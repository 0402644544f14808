"""The sweep of quests: assignments whose time is over expire, quests past their end close."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from uuid import UUID

import structlog

from core.database import Database, Transaction
from jobs.quest_rewards import pay_delayed
from services.quests.assignments import due_assignments, expire_assignment, overdue_quests
from services.quests.quests import close_overdue
from services.quests.reviewing import ask_where_too_few

log = structlog.get_logger(__name__)

Due = Callable[..., Awaitable[list[UUID]]]
End = Callable[[Transaction, UUID], Awaitable[bool]]
SWEEP_PAGE = 100
SWEEP_QUESTS = "sweep_quests"


async def sweep_quests(
    db: Database, *, page: int = SWEEP_PAGE, stopping: Callable[[], bool] = bool
) -> tuple[int, int]:
    """Expire and close all that is due, each in a transaction of its own; how many assignments
    expired and how many quests closed. Then ask more witnesses where there were too few, and
    try again what could not be paid.

    Safe beside other sweeps. One that fails is logged and left to the next sweep.
    """
    expired = await _sweep(db, due_assignments, expire_assignment, page, stopping)
    closed = await _sweep(db, overdue_quests, close_overdue, page, stopping)
    await ask_where_too_few(db)
    await pay_delayed(db, page=page, stopping=stopping)
    return expired, closed


async def _sweep(db: Database, due: Due, end: End, page: int, stopping: Callable[[], bool]) -> int:
    done, failed = 0, list[UUID]()
    while not stopping():
        found = await db.transaction(partial(due, limit=page, but=tuple(failed)))
        if not found:
            break
        for key in found:
            if stopping():
                return done
            try:
                done += await db.transaction(partial(_end, end=end, key=key))
            except Exception:
                # One that cannot be ended must not keep all later ones from it.
                log.exception("quest_sweep_failed", id=key.hex)
                failed.append(key)
    return done


async def _end(tx: Transaction, *, end: End, key: UUID) -> bool:
    return await end(tx, key)
