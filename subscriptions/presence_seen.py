"""When people were last here, in PostgreSQL, and who may know: presence's share of SQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

from sqlalchemy import text

from core.database import Database, Transaction

CHUNK = 1_000
"""Rows of one statement."""

# In order of the key, so that two processes that write the same people do not deadlock. Who is in a
# token and not in the table any more has nothing to be written.
_WRITE = text(
    """
    INSERT INTO last_seen AS l (user_id, seen_at)
    SELECT a.id, max(s.seen_at)
    FROM unnest(CAST(:users AS uuid[]), CAST(:moments AS timestamptz[])) AS s(user_id, seen_at)
    JOIN user_account AS a ON a.id = s.user_id
    GROUP BY a.id ORDER BY a.id
    ON CONFLICT (user_id) DO UPDATE SET seen_at = excluded.seen_at
        WHERE l.seen_at < excluded.seen_at
    """
)


def moment_of(seen_ms: int) -> datetime:
    """Milliseconds since 1970 as a moment."""
    return datetime.fromtimestamp(seen_ms / 1000, UTC)


async def write_seen(db: Database, rows: Sequence[tuple[UUID, datetime]]) -> None:
    """Keep when people were last here; a later moment that is there stays."""
    ordered = sorted(rows)
    for i in range(0, len(ordered), CHUNK):
        await db.transaction(partial(_write, rows=ordered[i : i + CHUNK]))


async def _write(tx: Transaction, rows: Sequence[tuple[UUID, datetime]]) -> None:
    users, moments = [user for user, _ in rows], [moment for _, moment in rows]
    await tx.execute(_WRITE, {"users": users, "moments": moments})
