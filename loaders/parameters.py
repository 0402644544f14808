"""Reads of the platform's parameters as they are stored, and of their last changes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text

from core.database import Database
from loaders.base import Computed

CHANGES_MAX = 50


class SetParameterRow(NamedTuple):
    """A parameter that was set at some time."""

    key: str
    value: int
    changed_at: datetime


class ParameterChangeRow(NamedTuple):
    """One change of a parameter."""

    key: str
    old_value: int
    new_value: int
    reason: str
    actor_id: UUID
    changed_at: datetime


async def set_parameters(db: Database) -> dict[str, SetParameterRow]:
    """All parameters that were ever set, by key; one statement."""
    statement = text("SELECT key, value, changed_at FROM platform_parameter")
    async with db.read() as session:
        return {row.key: SetParameterRow._make(row) for row in await session.execute(statement)}


changes_by_parameter_key = Computed(
    "changes_by_parameter_key", lambda db, viewer, keys: _changes(db, keys)
)


async def _changes(db: Database, keys: Sequence[str]) -> list[list[ParameterChangeRow]]:
    statement = text(
        "SELECT c.* FROM unnest(CAST(:keys AS text[])) AS wanted(key) CROSS JOIN LATERAL ("
        " SELECT key, old_value, new_value, reason, actor_id, changed_at"
        " FROM platform_parameter_change AS p WHERE p.key = wanted.key"
        " ORDER BY changed_at DESC, id DESC LIMIT :limit) AS c"
    )
    found: dict[str, list[ParameterChangeRow]] = defaultdict(list)
    async with db.read() as session:
        rows = await session.execute(statement, {"keys": list(keys), "limit": CHANGES_MAX})
        for row in rows:
            found[row.key].append(ParameterChangeRow._make(row))
    return [found[key] for key in keys]
