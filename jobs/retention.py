"""Deleting what has been kept long enough, in small batches that hold up nobody."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from typing import Any

from sqlalchemy import text

from core.database import Database, Transaction
from services.search.popular import forget_queries

BATCH = 1_000
MAX_BATCHES = 1_000
"""Batches a table in one run: the next run goes on."""

IDEMPOTENCY_KEYS = timedelta(days=7)
EVENTS = timedelta(days=90)
JOB_LOG = timedelta(days=7)
PAYMENT_MESSAGES = timedelta(days=90)
"""A message is refused by its own time stamp long before: within five minutes."""

NOTIFICATIONS = timedelta(days=180)
AVAILABILITY_CHECKS = timedelta(days=1)
"""They matter for an hour."""
TITLE_SIGNALS = timedelta(days=30)
"""They matter for a week."""
SEARCHES = timedelta(days=180)
INDEX_CHANGES = timedelta(hours=2)
"""They matter for seconds; servers that lag further read everything anew."""

KEPT_TOPICS = ("auction:%", "wallet:%", "impact:%", "audit:%")
"""Events of these are kept for ever (realtime.md, Facts)."""

TOPICS_PAGE = 100
EVENTS_PER_TOPIC = 100

# By ctid, so that the rows found are the rows deleted; locked, so that they stay the same rows.
_DELETE = """
    DELETE FROM {table} WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM {table} WHERE {column} < now() - CAST(:age AS interval)
        ORDER BY {column} LIMIT :batch FOR UPDATE SKIP LOCKED))
"""
_RULES: Mapping[str, tuple[str, timedelta]] = {
    "idempotency_key": ("created_at", IDEMPOTENCY_KEYS),
    "refresh_token": ("expires_at", timedelta(0)),
    "wallet_challenge": ("expires_at", timedelta(0)),
    "payment_message": ("received_at", PAYMENT_MESSAGES),
    "notification": ("created_at", NOTIFICATIONS),
    "platform_message": ("expires_at", timedelta(0)),
    "availability_check": ("claimed_until", AVAILABILITY_CHECKS),
    "title_signal": ("day", TITLE_SIGNALS),
    "search_history": ("at", SEARCHES),
    "search_change": ("at", INDEX_CHANGES),
    "search_column_change": ("at", INDEX_CHANGES),
    "pgqueuer_log": ("created", JOB_LOG),
}

_TOPICS = text(
    """
    SELECT topic FROM event_topic
    WHERE topic > :after AND topic NOT LIKE ALL (:kept) ORDER BY topic LIMIT :page
    """
)
# From each topic's oldest on, by its key: an index by time would lead through all that is kept for
# ever, and a deletion in order of time could leave holes that look like lost events.
_DELETE_EVENTS = text(
    """
    DELETE FROM event USING unnest(CAST(:topics AS text[])) AS page(name)
    CROSS JOIN LATERAL (
        SELECT sequence FROM (
            SELECT sequence, occurred_at,
                   bool_and(occurred_at < now() - CAST(:age AS interval))
                       OVER (ORDER BY sequence) AS old
            FROM (SELECT sequence, occurred_at FROM event WHERE topic = page.name
                  ORDER BY sequence LIMIT :depth) AS oldest
        ) AS judged WHERE old
    ) AS expired
    WHERE event.topic = page.name AND event.sequence = expired.sequence
    """
)

Stopping = Callable[[], bool]


async def delete_expired(db: Database, *, stopping: Stopping = bool) -> dict[str, int]:
    """Rows deleted by table: idempotency keys (7 days), expired refresh tokens and challenges,
    payment providers' messages (90 days), events (90 days; those of auctions, wallets, impact and
    audit stay), the log of jobs (7 days), notifications (180 days), platforms'
    messages too old to be taken, checks of availability (1 day), signals of titles (30 days),
    searches (180 days), changes of the index (2 hours), queries that nobody searched (90 days).

    Each batch is a transaction. Safe to run twice at once; stops between batches when `stopping()`.
    """
    deleted = {
        table: await _delete_all(db, table, column, age, stopping)
        for table, (column, age) in _RULES.items()
    }
    deleted["event"] = await _delete_events(db, stopping)
    deleted["search_popular"] = await _forget_queries(db, stopping)
    return deleted


async def _forget_queries(db: Database, stopping: Stopping) -> int:
    total = 0
    for _ in range(MAX_BATCHES):
        gone = 0 if stopping() else await db.transaction(partial(forget_queries, limit=BATCH))
        total += gone
        if gone < BATCH:
            break
    return total


async def _delete_all(
    db: Database, table: str, column: str, age: timedelta, stopping: Stopping
) -> int:
    statement = text(_DELETE.format(table=table, column=column))
    total = 0
    for _ in range(MAX_BATCHES):
        if stopping():
            break
        gone = await db.transaction(partial(_execute, statement, {"age": age, "batch": BATCH}))
        total += gone
        if gone < BATCH:
            break
    return total


async def _delete_events(db: Database, stopping: Stopping) -> int:
    total, after = 0, ""
    while topics := await _topics(db, after):
        for _ in range(MAX_BATCHES):
            if stopping():
                return total
            asked = {"topics": topics, "age": EVENTS, "depth": EVENTS_PER_TOPIC}
            gone = await db.transaction(partial(_execute, _DELETE_EVENTS, asked))
            total += gone
            if gone == 0:
                break
        after = topics[-1]
    return total


async def _topics(db: Database, after: str) -> list[str]:
    async with db.read() as session:
        asked = {"after": after, "kept": list(KEPT_TOPICS), "page": TOPICS_PAGE}
        return list((await session.execute(_TOPICS, asked)).scalars())


async def _execute(statement: Any, parameters: dict[str, object], tx: Transaction) -> int:
    result: Any = await tx.execute(statement, parameters)
    return int(result.rowcount)
