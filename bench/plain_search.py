"""What search is compared with: PostgreSQL's own full text, `to_tsvector @@` with `ts_rank`, behind
a plain Strawberry server. It matches words alone: no facets, no marks, no mistakes, no filters."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import strawberry
from starlette.applications import Starlette
from starlette.routing import Route
from strawberry.asgi import GraphQL

from core.database import plain_url

FIND = """
SELECT id, name, ts_rank(words, query) AS score, count(*) OVER () AS matches
FROM plain_document, websearch_to_tsquery('english', $1) AS query
WHERE words @@ query ORDER BY score DESC, id LIMIT $2
"""


@strawberry.type
class Hit:
    id: strawberry.ID
    name: str
    score: float


@strawberry.type
class Found:
    total_count: int
    hits: list[Hit]


@strawberry.type
class Query:
    @strawberry.field
    async def plain(self, info: strawberry.Info[Any, None], query: str, first: int = 20) -> Found:
        rows = await info.context["request"].app.state.pool.fetch(FIND, query, first)
        hits = [Hit(id=strawberry.ID(str(r["id"])), name=r["name"], score=r["score"]) for r in rows]
        return Found(total_count=rows[0]["matches"] if rows else 0, hits=hits)


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    """The pool, of the same size as Mela's."""
    url = plain_url(os.environ["MELA_DATABASE_URL"])
    async with asyncpg.create_pool(url, min_size=5, max_size=20) as pool:
        app.state.pool = pool
        yield


app = Starlette(
    lifespan=lifespan,
    routes=[Route("/graphql", GraphQL(strawberry.Schema(Query)), methods=["POST"])],
)
