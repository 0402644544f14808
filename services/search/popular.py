"""What many people search. A query is shown to others only when enough people searched it, and
never if it may name somebody: who searched is kept as a digest until then, and no longer."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text

from core.database import ReadSession, Transaction
from services.search.understanding.words import fold

SEARCHERS_MIN = 5
"""People who must have searched a query before others are shown it."""
QUERY_LENGTH = (2, 80)
"""Characters of a query that is counted: a longer one is a text of somebody's own."""
POPULAR_MAX = 50
FORGOTTEN_DAYS = 90
"""A query that nobody searched for so long is forgotten."""

_SPACES = re.compile(r"\s+")
_ADDRESS = re.compile(r"@|://|www\.|\.(?:com|net|org|io|co)\b|\b[0-9a-f]{16,}\b")
_LETTER = re.compile(r"[^\W\d_]")
_MANY_DIGITS = re.compile(r"\d(?:[\s().-]*\d){6,}")

# Row locks of one query, for a moment: the count and, until it is shown, who searched.
_COUNT = text(
    """
    WITH counted AS (
        INSERT INTO search_popular AS p (query, searches, last_at)
        VALUES (:query, 1, clock_timestamp())
        ON CONFLICT (query) DO UPDATE SET
            searches = p.searches + 1, last_at = excluded.last_at
        RETURNING searchers
    )
    SELECT searchers FROM counted
    """
)
_NEW_SEARCHER = text(
    """
    WITH new AS (
        INSERT INTO search_searcher (query, searcher) VALUES (:query, :searcher)
        ON CONFLICT DO NOTHING RETURNING query
    )
    UPDATE search_popular AS p SET searchers = p.searchers + 1
    FROM new WHERE p.query = new.query RETURNING p.searchers
    """
)
_FORGET_SEARCHERS = text("DELETE FROM search_searcher WHERE query = :query")
_POPULAR = text(
    """
    SELECT query, searches FROM search_popular WHERE searchers >= :searchers
    ORDER BY searches DESC, query LIMIT :first
    """
)
_FORGET = text(
    """
    WITH old AS (
        DELETE FROM search_popular WHERE query IN (
            SELECT query FROM search_popular
            WHERE last_at < clock_timestamp() - make_interval(days => :days) LIMIT :limit)
        RETURNING query
    ), gone AS (
        DELETE FROM search_searcher AS s USING old WHERE s.query = old.query
    )
    SELECT count(*) FROM old
    """
)
_FORGET_SEARCHER = text(
    """
    WITH gone AS (
        DELETE FROM search_searcher WHERE query = :query AND searcher = :searcher RETURNING query
    )
    UPDATE search_popular AS p SET searchers = greatest(p.searchers - 1, 0)
    FROM gone WHERE p.query = gone.query
    """
)


@dataclass(frozen=True, slots=True)
class PopularQuery:
    """A query as it is compared, and how often it was searched."""

    query: str
    searches: int


def countable(query: str) -> str | None:
    """The query as it is counted: lower case, no accents, single spaces. None where it must not be
    shown to anybody: addresses, numbers of people's own, nothing but digits, long texts."""
    plain = _SPACES.sub(" ", fold(query)).strip()
    fits = QUERY_LENGTH[0] <= len(plain) <= QUERY_LENGTH[1] and "\0" not in plain
    if not fits or not plain.isprintable() or not _LETTER.search(plain):
        return None
    return None if _ADDRESS.search(plain) or _MANY_DIGITS.search(plain) else plain


async def count_query(tx: Transaction, query: str, *, searcher: UUID | None) -> None:
    """Count a search. Only people who are signed in make a query popular; others add to the count
    alone. What `countable` refuses leaves no trace."""
    plain = countable(query)
    if plain is None:
        return
    searchers = (await tx.execute(_COUNT, {"query": plain})).scalar_one()
    if searcher is None or searchers >= SEARCHERS_MIN:
        return
    digest = {"query": plain, "searcher": _digest(plain, searcher)}
    if (await tx.execute(_NEW_SEARCHER, digest)).scalar() == SEARCHERS_MIN:
        await tx.execute(_FORGET_SEARCHERS, {"query": plain})


async def uncount_query(tx: Transaction, query: str, *, searcher: UUID) -> None:
    """For a history that is deleted: who searched is forgotten, where it is still known."""
    plain = countable(query)
    if plain is not None:
        await tx.execute(_FORGET_SEARCHER, {"query": plain, "searcher": _digest(plain, searcher)})


def _digest(query: str, searcher: UUID) -> bytes:
    return hashlib.sha256(searcher.bytes + query.encode()).digest()[:16]


async def popular_searches(session: ReadSession, *, first: int) -> list[PopularQuery]:
    """The most searched queries, `POPULAR_MAX` at most, of at least `SEARCHERS_MIN` people each."""
    asked = {"searchers": SEARCHERS_MIN, "first": max(0, min(first, POPULAR_MAX))}
    return [PopularQuery(*row) for row in await session.execute(_POPULAR, asked)]


async def forget_queries(tx: Transaction, *, limit: int = 1_000) -> int:
    """Forget queries that nobody searched for `FORGOTTEN_DAYS`; how many there were."""
    asked = {"days": FORGOTTEN_DAYS, "limit": limit}
    return int((await tx.execute(_FORGET, asked)).scalar_one())
