"""Feeds leaderboards from the impact log, live and anew; and the same boards by statements, for
when there are none in Redis.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import text

from core.clock import utc_now
from core.database import Database
from services.quests.board_store import UNREACHABLE, BoardStore, Place
from services.quests.boards import (
    FRIENDS_MAX,
    NEIGHBOURS,
    BoardOf,
    Gain,
    Leaderboard,
    Standing,
    additions,
    cut,
    name_of,
    ordered,
    window_at,
)

log = structlog.get_logger(__name__)

BATCH = 1_000
"""Entries of one step: Redis does nothing else meanwhile."""

# A transaction below the oldest that still runs has ended: what commits late is never skipped.
_NEXT = text(
    """
    SELECT CAST(transaction_id AS text) || ':' || row_id AS at, player_id, category, region,
           xp_awarded, created_at
    FROM impact_entry
    WHERE (transaction_id, row_id) > (CAST(CAST(:transaction AS text) AS xid8), :row)
      AND transaction_id < pg_snapshot_xmin(pg_current_snapshot())
    ORDER BY transaction_id, row_id LIMIT :limit
    """
)
_FRIENDS = text(
    """
    SELECT f.followee_id FROM follow AS f
    JOIN follow AS b ON b.follower_id = f.followee_id AND b.followee_id = f.follower_id
    WHERE f.follower_id = :user ORDER BY f.created_at DESC, f.followee_id LIMIT :limit
    """
)
_BOARD = """
    WITH sums AS (
        SELECT player_id, sum(xp_awarded) AS xp, max(created_at) AS reached_at FROM impact_entry
        WHERE xp_awarded > 0 {conditions} GROUP BY player_id
    ), ranked AS (
        SELECT *, row_number() OVER (ORDER BY xp DESC, reached_at, player_id) AS rank,
               count(*) OVER () AS total
        FROM sums
    ), own AS (SELECT rank FROM ranked WHERE player_id = CAST(:viewer AS uuid))
    SELECT player_id, rank, xp, reached_at, total FROM ranked
    WHERE rank <= :first OR rank BETWEEN (SELECT rank FROM own) - :near
                                     AND (SELECT rank FROM own) + :near
    ORDER BY rank
"""
_CONDITIONS = {
    "since": "created_at >= :since AND created_at < :until",
    "region": "region = :region",
    "category": "category = :category",
    "players": "player_id = ANY(CAST(:players AS uuid[]))",
}


async def feed(db: Database, store: BoardStore) -> int:
    """Add what the boards in Redis do not have yet, all of it; how many entries. Begins at the
    beginning where Redis has lost them. Any number of processes may do so at once.

    Raises `UNREACHABLE` and what the database raises.
    """
    place = await store.begin()
    taken = await _feed(db, store, place)
    if taken is not None and not await store.is_ready(place.generation):
        # Once fed wholly it is read; what another generation has left goes.
        await store.switch(place.generation)
    return taken or 0


async def rebuild(db: Database, store: BoardStore) -> int:
    """Make all boards anew beside those that are read, and read them from then on; how many
    entries. Raises as `feed`, and `RuntimeError` where another rebuilding came in between."""
    place = await store.begin_anew()
    taken = await _feed(db, store, place)
    if taken is None or not await store.switch(place.generation):
        raise RuntimeError("the leaderboards were rebuilt by somebody else meanwhile")
    return taken


async def _feed(db: Database, store: BoardStore, place: Place) -> int | None:
    taken = 0
    while True:
        transaction, row = place.at.split(":")
        asked = {"transaction": transaction, "row": int(row), "limit": BATCH}
        async with db.read() as session:
            rows = (await session.execute(_NEXT, asked)).all()
        if not rows:
            return taken
        gains = [Gain(r.player_id, r.category, r.region, r.xp_awarded, r.created_at) for r in rows]
        to = rows[-1].at
        moved = await store.apply(place, to, additions(gains, utc_now()))
        if moved is None:
            return None
        taken += len(rows) if moved.at == to else 0
        place = moved


async def leaderboard(
    db: Database,
    store: BoardStore,
    board: BoardOf,
    *,
    now: datetime,
    first: int,
    viewer_id: UUID | None,
) -> Leaderboard:
    """A board as of `now`, with the viewer's place: one step in Redis, and for friends one
    statement before it; where Redis is away or empty, one statement. `first` is at least 1."""
    window = window_at(board.window, now)
    name = name_of(board, window)
    friends = None
    if board.scope == "FRIENDS":
        friends = [] if viewer_id is None else await friends_of(db, viewer_id)
    try:
        if friends is None:
            found = await store.read(name, window, first=first, viewer_id=viewer_id)
        else:
            some = await store.some(name, friends)
            found = (
                None
                if some is None
                else cut(window, ordered(some), first=first, viewer_id=viewer_id)
            )
    except UNREACHABLE as error:
        log.warning("boards_without_redis", reason=str(error)[:200])
        found = None
    if found is not None:
        return found
    return await by_statement(db, board, now=now, first=first, viewer_id=viewer_id, players=friends)


async def friends_of(db: Database, user_id: UUID) -> list[UUID]:
    """Who follows and is followed by a user, `FRIENDS_MAX` at most, and the user."""
    async with db.read() as session:
        found = await session.execute(_FRIENDS, {"user": user_id, "limit": FRIENDS_MAX})
        return [user_id, *found.scalars()]


async def by_statement(
    db: Database,
    board: BoardOf,
    *,
    now: datetime,
    first: int,
    viewer_id: UUID | None,
    players: list[UUID] | None = None,
) -> Leaderboard:
    """The same board from the impact entries themselves; of `players` alone, if given."""
    window = window_at(board.window, now)
    asked: dict[str, Any] = {}
    if window.starts_at is not None:
        asked |= {"since": window.starts_at, "until": window.ends_at}
    if board.scope in ("REGION", "CATEGORY"):
        asked[board.scope.lower()] = board.key
    if players is not None:
        asked["players"] = players
    conditions = "".join(f" AND {_CONDITIONS[key]}" for key in asked if key in _CONDITIONS)
    statement = text(_BOARD.format(conditions=conditions))
    asked |= {"viewer": viewer_id, "first": first, "near": NEIGHBOURS}
    async with db.read() as session:
        rows = (await session.execute(statement, asked)).all()
    standings = [Standing(r.player_id, r.rank, int(r.xp), r.reached_at) for r in rows]
    own = next((one for one in standings if one.player_id == viewer_id), None)
    around = [
        one for one in standings if own is not None and abs(one.rank - own.rank) <= NEIGHBOURS
    ]
    top = tuple(one for one in standings if one.rank <= first)
    total = rows[0].total if rows else 0
    return Leaderboard(window, top, total, own, tuple(around))
