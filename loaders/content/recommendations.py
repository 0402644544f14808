"""Batched reads of what goes with titles, as the background job last computed it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, REAL, Uuid, bindparam, column, func, select, true

from core.database import Database
from loaders.base import Computed
from loaders.content.titles import TitleRow, table_of, titles, within_limit
from models.content.recommending import TitleNeighbours

SIMILAR_MAX = 50

neighbours = table_of(TitleNeighbours)

similar_by_title_id = Computed(
    "similar_by_title_id",
    lambda db, viewer_id, keys: _similar(db, viewer_id, keys),
    viewer=True,
)
"""The loader's key is `(title, limit)`; the best first, without what is hidden from the viewer."""


async def _similar(
    db: Database, viewer_id: UUID | None, keys: Sequence[tuple[UUID, int]]
) -> list[list[Any]]:
    other = (
        func.unnest(neighbours.c.neighbours, neighbours.c.scores)
        .table_valued(column("other", Uuid), column("score", REAL), with_ordinality="place")
        .render_derived()
        .lateral()
    )
    statement = (
        select(neighbours.c.title_id, *TitleRow.__columns__)
        .select_from(neighbours.join(other, true()).join(titles, titles.c.id == other.c.other))
        .where(
            neighbours.c.title_id == func.any(bindparam("keys", type_=ARRAY(Uuid))),
            within_limit(viewer_id, titles.c.maturity),
        )
        .order_by(neighbours.c.title_id, other.c.place)
    )
    found: dict[UUID, list[Any]] = defaultdict(list)
    async with db.read() as session:
        for title_id, *columns in await session.execute(
            statement, {"keys": list(dict.fromkeys(key for key, _ in keys))}
        ):
            found[title_id].append(TitleRow._make(columns))
    return [found[key][:limit] for key, limit in keys]
