"""Notifications by themselves: what the event log says to whom, people told by jobs, lots that end
soon. The rules stand in services/; how messages leave the house, in delivering.py.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from uuid import UUID

import orjson

from core.database import Database, Transaction
from core.settings import Settings
from jobs.following import Follower, run_follower
from services.auctions.telling import auction_notices, leader_of, tell_ending_soon
from services.following import FollowedEvent
from services.users.notifications import TOLD_MAX, Notice, notify_asked, tell

NOTIFICATIONS = "notifications"
LOTS_MAX = 10_000
"""Lots that one sweep tells of: the next one goes on."""


@asynccontextmanager
async def run_notifier(settings: Settings, db: Database) -> AsyncIterator[Follower]:
    """Tell people what the log says, while the context lasts."""
    every_s = settings.log_follow_s
    async with run_follower(db, NOTIFICATIONS, take_notices, every_s=every_s) as follower:
        yield follower


async def take_notices(tx: Transaction, events: Sequence[FollowedEvent]) -> int:
    """Tell what these events mean, up to eight people in one transaction; how many were taken.

    Who has been outbid and leads again by now is not told, and of several times on one lot only
    the last.
    """
    found = await auction_notices(tx, events)
    notices: dict[object, Notice] = {}
    told: set[UUID] = set()
    taken = 0
    for event in events:
        here = found.get(event.id, [])
        people = _told_at_once(here)
        if taken and len(told | people) > TOLD_MAX:
            break
        told |= people
        taken += 1
        if (leads := leader_of(event)) is not None:
            notices.pop(("OUTBID", *leads), None)
        for notice in here:
            notices[_conflated(notice)] = notice
    for notice in notices.values():
        await tell(tx, notice)
    return taken


def _told_at_once(notices: Iterable[Notice]) -> set[UUID]:
    """More than eight are told by a job, which costs this transaction nothing."""
    return {u for n in notices if len(n.user_ids) <= TOLD_MAX for u in n.user_ids}


def _conflated(notice: Notice) -> object:
    if notice.kind == "OUTBID":
        return ("OUTBID", notice.reference, *notice.user_ids)
    return (notice.kind, notice.dedupe_key)


async def notify_people(db: Database, payload: bytes | None) -> None:
    """Tell the people of a job's payload, eight in a transaction; each once, however often it
    runs."""
    asked = orjson.loads(payload or b"{}")
    start: int | None = 0
    while start is not None:
        start = await db.transaction(partial(notify_asked, asked=asked, start=start))


async def sweep_ending_soon(
    db: Database, *, window_s: int, stopping: Callable[[], bool] = bool
) -> int:
    """Tell watchers of lots that end within the window, once each; of how many lots. Safe beside
    other sweeps."""
    window, after, lots = timedelta(seconds=window_s), UUID(int=0), 0
    while lots < LOTS_MAX and not stopping():
        lot = await db.transaction(partial(tell_ending_soon, window=window, after=after))
        if lot is None:
            break
        lots, after = lots + 1, lot
    return lots
