"""What people searched: kept for themselves alone, beside the search and never in its way; the
clicks on what was found; and deleting all of it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import text

from core.database import Database, Transaction
from core.errors import InvalidInput, NotFound
from core.ids import new_id
from core.jsontext import to_json
from core.tasks import stop_all
from services.content.priorities import count_searches
from services.search.contract import QUERY_MAX, Intent, Kind
from services.search.popular import count_query, uncount_query

WAITING_MAX = 1_000
"""Searches waiting to be written; more are forgotten."""
BATCH = 100
GATHER_S = 0.5
"""Searches are written so much later, several at once."""
STOP_S = 2.0
ENTRIES_MAX = 1_000
"""Newest searches of a person that are kept."""
SAME = timedelta(minutes=5)
"""The same query again within so long is the same search."""
CLICKED_WITHIN = timedelta(hours=24)
CLICKS_MAX = 50
"""Results opened from one search that are kept."""
POSITION_MAX = 1_000

log = structlog.get_logger(__name__)

_WRITE = text(
    """
    INSERT INTO search_history (id, user_id, session_id, query, intent, results)
    SELECT DISTINCT ON (s.user_id, s.query)
        s.id, s.user_id, s.session_id, s.query, s.intent, s.results
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS s(
        id uuid, user_id uuid, session_id uuid, query text, intent text, results int)
    JOIN user_account AS a ON a.id = s.user_id
    LEFT JOIN search_setting AS w ON w.user_id = s.user_id
    WHERE coalesce(w.keep_history, true) AND NOT EXISTS (
        SELECT FROM search_history AS h WHERE h.user_id = s.user_id AND h.query = s.query
            AND h.at > clock_timestamp() - CAST(:same AS interval))
    ORDER BY s.user_id, s.query, s.id
    """
)
_TRIM = text(
    f"""
    DELETE FROM search_history AS h USING unnest(CAST(:users AS uuid[])) AS u(id)
    WHERE h.user_id = u.id AND (h.at, h.id) < (
        SELECT n.at, n.id FROM search_history AS n WHERE n.user_id = u.id
        ORDER BY n.at DESC, n.id DESC OFFSET {ENTRIES_MAX - 1} LIMIT 1)
    """
)
_SILENT = text(
    """
    SELECT user_id FROM search_setting
    WHERE user_id = ANY (CAST(:users AS uuid[])) AND NOT keep_history
    """
)
_DELETE_ONE = text("DELETE FROM search_history WHERE id = :id AND user_id = :user RETURNING query")
_DELETE_ALL = text(
    """
    DELETE FROM search_history WHERE user_id = :user
        AND at < coalesce(CAST(:before AS timestamptz), 'infinity') RETURNING query
    """
)
_KEEP = text(
    """
    INSERT INTO search_setting (user_id, keep_history)
    SELECT id, :keep FROM user_account WHERE id = :user
    ON CONFLICT (user_id) DO UPDATE SET
        keep_history = :keep, updated_at = clock_timestamp()
    RETURNING user_id
    """
)
_IN_INDEX = text(
    """
    SELECT EXISTS (SELECT FROM search_document AS d
        WHERE d.slot = (SELECT slot FROM search_slot WHERE state = 'ACTIVE')
          AND d.kind = :kind AND d.entity_id = :entity)
    """
)
_CLICK = text(
    f"""
    UPDATE search_history AS h SET clicked = h.clicked || jsonb_build_array(jsonb_build_object(
        'kind', CAST(:kind AS text), 'id', CAST(:entity AS text), 'position', CAST(:place AS int)))
    WHERE h.id = (
        SELECT id FROM search_history WHERE user_id = :user AND query = :query
            AND at > clock_timestamp() - CAST(:within AS interval)
        ORDER BY at DESC, id DESC LIMIT 1)
      AND jsonb_array_length(h.clicked) < {CLICKS_MAX}
      AND NOT h.clicked @> jsonb_build_array(jsonb_build_object('id', CAST(:entity AS text)))
    RETURNING h.id
    """
)


@dataclass(frozen=True, slots=True)
class Searched:
    """A search that was made. Nobody's leaves a count alone."""

    query: str
    intent: Intent
    results: int
    user_id: UUID | None = None
    session_id: UUID | None = None


class SearchRecorder:
    """One a process: writes searches down behind the answers, several at once."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._waiting: asyncio.Queue[Searched] = asyncio.Queue(WAITING_MAX)
        self._task: asyncio.Task[None] | None = None
        self._busy = False

    def record(self, searched: Searched) -> None:
        """Write it down soon. Never waits and never fails: past the limit it is forgotten."""
        if not searched.query or len(searched.query) > QUERY_MAX:
            return
        try:
            self._waiting.put_nowait(searched)
        except asyncio.QueueFull:
            return
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._write_all(), name="search-history")

    async def settled(self) -> None:
        """Return when what was recorded so far is written, or was given up."""
        while self._task is not None and not self._task.done():
            await asyncio.wait({self._task})

    async def close(self) -> None:
        """Write what waits, for two seconds at most."""
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=STOP_S)
            await stop_all([self._task])

    async def _write_all(self) -> None:
        while not self._waiting.empty():
            await asyncio.sleep(GATHER_S)
            some: list[Searched] = []
            while not self._waiting.empty() and len(some) < BATCH:
                some.append(self._waiting.get_nowait())
            try:
                await self._db.transaction(partial(write_searches, searches=some))
            except Exception as error:
                # Nobody asked for it: what cannot be written is given up.
                log.warning("searches_not_kept", count=len(some), reason=repr(error)[:200])


async def write_searches(tx: Transaction, *, searches: Sequence[Searched]) -> None:
    """Keep searches for those who made them and want them kept, and count the queries."""
    people = sorted({each.user_id for each in searches if each.user_id is not None})
    silent: set[UUID] = set()
    if people:
        rows = [_row(each) for each in searches if each.user_id is not None]
        await tx.execute(_WRITE, {"rows": to_json(rows), "same": SAME})
        await tx.execute(_TRIM, {"users": people})
        silent = set((await tx.execute(_SILENT, {"users": people})).scalars())
    # In the order of the queries, so that two processes do not wait for each other.
    for each in sorted(searches, key=lambda one: one.query):
        searcher = None if each.user_id in silent else each.user_id
        await count_query(tx, each.query, searcher=searcher)


def _row(each: Searched) -> Mapping[str, Any]:
    return {
        "id": new_id(),
        "user_id": each.user_id,
        "session_id": each.session_id,
        "query": each.query,
        "intent": each.intent,
        "results": each.results,
    }


async def delete_search(tx: Transaction, *, user_id: UUID, search_id: UUID) -> None:
    """Forget one search of a person's. Raises `NotFound`."""
    query = await tx.scalar(_DELETE_ONE, {"id": search_id, "user": user_id})
    if query is None:
        raise NotFound("search")
    await uncount_query(tx, query, searcher=user_id)


async def clear_searches(tx: Transaction, *, user_id: UUID, before: datetime | None = None) -> int:
    """Forget a person's searches, all or those before a moment; how many there were."""
    asked = {"user": user_id, "before": before}
    queries = list((await tx.execute(_DELETE_ALL, asked)).scalars())
    for query in sorted(set(queries)):
        await uncount_query(tx, query, searcher=user_id)
    return len(queries)


async def keep_searches(tx: Transaction, *, user_id: UUID, keep: bool) -> int:
    """Whether to keep a person's searches from now on; where not, those kept are forgotten. How
    many were. Raises `NotFound` for an account that is not there."""
    if await tx.scalar(_KEEP, {"user": user_id, "keep": keep}) is None:
        raise NotFound("user")
    return 0 if keep else await clear_searches(tx, user_id=user_id)


async def record_click(
    tx: Transaction, *, user_id: UUID, query: str, kind: Kind, entity_id: UUID, position: int
) -> bool:
    """A result was opened from a search of the last 24 hours. False where that search was not kept
    or the result was opened from it before: then nothing counts.

    Raises `InvalidInput`, and `NotFound` for what search cannot find.
    """
    if not 1 <= position <= POSITION_MAX:
        raise InvalidInput("position", f"from 1 to {POSITION_MAX}")
    if not 1 <= len(query) <= QUERY_MAX or "\0" in query:
        raise InvalidInput("query", f"1 to {QUERY_MAX} characters")
    if not await tx.scalar(_IN_INDEX, {"kind": kind, "entity": entity_id}):
        raise NotFound("result")
    asked = {
        "user": user_id,
        "query": query,
        "kind": kind,
        "entity": entity_id.hex,
        "place": position,
        "within": CLICKED_WITHIN,
    }
    if await tx.scalar(_CLICK, asked) is None:
        return False
    if kind == "TITLE":
        await count_searches(tx, [entity_id])
    return True
