"""Asking for background work in the transaction that calls for it. What is run, and how, stands in
jobs/; nothing here knows the jobs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import orjson
from sqlalchemy import text

from core.database import Transaction

# pgqueuer's own statement takes a delay from the transaction's start; ours takes the moment itself.
# Its second half keeps pgqueuer's log whole. The predicate must be the dedupe index's own.
_ENQUEUE = text(
    """
    WITH job AS (
        INSERT INTO pgqueuer (priority, entrypoint, payload, execute_after, dedupe_key, status)
        VALUES (0, :job, :payload, coalesce(CAST(:run_at AS timestamptz), now()), :dedupe_key,
                'queued')
        ON CONFLICT (dedupe_key)
            WHERE status IN ('queued', 'picked') AND dedupe_key IS NOT NULL
            DO NOTHING
        RETURNING id, entrypoint, priority
    ), logged AS (
        INSERT INTO pgqueuer_log (job_id, status, entrypoint, priority)
        SELECT id, 'queued', entrypoint, priority FROM job
    )
    SELECT count(*) FROM job
    """
)

_ENQUEUE_ALL = text(
    """
    WITH job AS (
        INSERT INTO pgqueuer (priority, entrypoint, payload, execute_after, status)
        SELECT 0, :job, payload, now(), 'queued'
        FROM unnest(CAST(:payloads AS bytea[])) WITH ORDINALITY AS p(payload, n) ORDER BY n
        RETURNING id, entrypoint, priority
    )
    INSERT INTO pgqueuer_log (job_id, status, entrypoint, priority)
    SELECT id, 'queued', entrypoint, priority FROM job
    """
)


async def enqueue_all(tx: Transaction, job: str, payloads: Sequence[Mapping[str, object]]) -> None:
    """Ask for `job` at once with each of the payloads, in one statement; see `enqueue`."""
    packed = [orjson.dumps(payload) for payload in payloads]
    await tx.execute(_ENQUEUE_ALL, {"job": job, "payloads": packed})


async def enqueue(
    tx: Transaction,
    job: str,
    payload: Mapping[str, object],
    *,
    run_at: datetime | None = None,
    dedupe_key: str | None = None,
) -> bool:
    """Ask for `job` at `run_at` (the database's clock; None: now), if this transaction commits.

    A job may run more than once and late: it must look at the rows and decide by them. While one
    with `dedupe_key` waits or runs, another is not added. Whether it was added.
    """
    added = await tx.execute(
        _ENQUEUE,
        {
            "job": job,
            "payload": orjson.dumps(payload),
            "run_at": run_at,
            "dedupe_key": dedupe_key,
        },
    )
    return bool(added.scalar_one())
