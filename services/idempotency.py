"""Answers kept by key, so that a mutation retried with the same key acts once (wallets.md, rule 4).

Callers hold whatever lock makes one act of the operation at a time, then `recall`, act, `keep`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text

from core.database import Transaction
from core.errors import IdempotencyConflict
from core.jsontext import to_json
from core.text import clean_text

MAX_KEY_LENGTH = 200

_RECALL = text(
    """
    SELECT k.user_id, k.key, k.request_hash, k.answer
    FROM idempotency_key AS k
    JOIN unnest(CAST(:user_ids AS uuid[]), CAST(:keys AS text[])) AS wanted(user_id, key)
      ON k.user_id = wanted.user_id AND k.key = wanted.key
    WHERE k.operation = :operation
    """
)
_KEEP = text(
    """
    INSERT INTO idempotency_key (user_id, operation, key, request_hash, answer)
    SELECT user_id, :operation, key, request_hash, answer
    FROM jsonb_to_recordset(CAST(:rows AS jsonb))
         AS r(user_id uuid, key text, hash text, answer jsonb)
    CROSS JOIN LATERAL decode(r.hash, 'hex') AS request_hash
    ON CONFLICT DO NOTHING
    """
)
_KEEP_NEW = text(f"{_KEEP.text} RETURNING user_id, key")
_KEPT_SINCE = text(
    """
    SELECT user_id, count(*) FROM idempotency_key
    WHERE user_id = ANY (CAST(:users AS uuid[])) AND operation = :operation
      AND created_at > clock_timestamp() - CAST(:age AS interval)
    GROUP BY user_id
    """
)


@dataclass(frozen=True, slots=True)
class IdempotentRequest:
    """One caller's key for one operation, with the hash of the arguments it stands for."""

    user_id: UUID
    key: str
    request_hash: bytes


def idempotent_request(
    user_id: UUID, key: str, arguments: Mapping[str, object]
) -> IdempotentRequest:
    """A request from its arguments (JSON values). Raises `InvalidInput("idempotencyKey")` for a
    key that is empty or longer than 200 characters."""
    clean_text(key, field="idempotencyKey", maximum=MAX_KEY_LENGTH)
    packed = to_json(arguments, sort_keys=True)
    return IdempotentRequest(user_id, key, hashlib.sha256(packed.encode()).digest())


async def recall(
    tx: Transaction, operation: str, requests: Sequence[IdempotentRequest]
) -> dict[IdempotentRequest, dict[str, Any] | IdempotencyConflict]:
    """What was answered before: the kept answer, or a conflict where the arguments differ.
    A request that is not in the result is new."""
    if not requests:
        return {}
    result = await tx.execute(
        _RECALL,
        {
            "operation": operation,
            "user_ids": [request.user_id for request in requests],
            "keys": [request.key for request in requests],
        },
    )
    kept = {(row.user_id, row.key): row for row in result}
    found: dict[IdempotentRequest, dict[str, Any] | IdempotencyConflict] = {}
    for request in requests:
        row = kept.get((request.user_id, request.key))
        if row is not None:
            same = bytes(row.request_hash) == request.request_hash
            found[request] = row.answer if same else IdempotencyConflict()
    return found


async def keep(
    tx: Transaction, operation: str, answers: Mapping[IdempotentRequest, Mapping[str, object]]
) -> None:
    """Keep answers for later retries. Raises `IdempotencyConflict` where another transaction took
    one of the keys meanwhile: the whole unit rolls back, and nothing was done twice."""
    if not answers:
        return
    rows = [
        {"user_id": r.user_id, "key": r.key, "hash": r.request_hash.hex(), "answer": answer}
        for r, answer in answers.items()
    ]
    result = await tx.execute(_KEEP, {"operation": operation, "rows": to_json(rows)})
    if result.rowcount != len(rows):  # type: ignore[attr-defined]
        raise IdempotencyConflict


async def claim(
    tx: Transaction,
    operation: str,
    request: IdempotentRequest,
    answer: Mapping[str, object],
) -> dict[str, Any] | None:
    """Take the key with the answer that this transaction will give; None if it is now ours, else
    what was answered before. Who comes with the same key meanwhile waits for our commit, so no
    other lock is needed. Raises `IdempotencyConflict` where the arguments differ.
    """
    row = {"user_id": request.user_id, "key": request.key, "hash": request.request_hash.hex()}
    rows = to_json([row | {"answer": answer}])
    for _ in range(2):  # twice: what stood in the way may be deleted as too old in between
        result = await tx.execute(_KEEP, {"operation": operation, "rows": rows})
        if result.rowcount == 1:  # type: ignore[attr-defined]
            return None
        kept = (await recall(tx, operation, [request])).get(request)
        if isinstance(kept, IdempotencyConflict):
            raise kept
        if kept is not None:
            return kept
    raise IdempotencyConflict


async def claim_new(
    tx: Transaction, operation: str, requests: Sequence[IdempotentRequest]
) -> list[IdempotentRequest]:
    """Take those of the keys that nobody has, each with an empty answer, in one statement; which.
    Who comes with the same key meanwhile waits for our commit: give them in an order of all."""
    if not requests:
        return []
    rows = [
        {"user_id": r.user_id, "key": r.key, "hash": r.request_hash.hex(), "answer": {}}
        for r in requests
    ]
    taken = await tx.execute(_KEEP_NEW, {"operation": operation, "rows": to_json(rows)})
    ours = {(row.user_id, row.key) for row in taken}
    return [request for request in requests if (request.user_id, request.key) in ours]


async def kept_since(
    tx: Transaction, operation: str, *, user_ids: Sequence[UUID], age: timedelta
) -> dict[UUID, int]:
    """How many keys of an operation each of these has taken within `age`; who has none is not
    there. Keys are kept for a week."""
    asked = {"users": list(user_ids), "operation": operation, "age": age}
    rows = await tx.execute(_KEPT_SINCE, asked)
    return {row[0]: row[1] for row in rows}
