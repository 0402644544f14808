"""One search from its question to its page: what was understood of it, what that finds, and one
page of it with highlights."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from core.clock import utc_now
from core.database import Database
from core.errors import BadUserInput
from services.search.contract import (
    QUERY_MAX,
    RETRIEVED_MAX,
    Hit,
    Interpretation,
    SearchFilters,
    SearchPage,
    SearchQuery,
    SemanticRetriever,
)
from services.search.correcting import did_you_mean
from services.search.filters import check_filters
from services.search.finding import FEW, RANKING, Asking, Found, Ranking, Reorder, find
from services.search.fusing import Fused, cursor_of, page_of
from services.search.highlights import highlight
from services.search.keeping import keeper_of
from services.search.retrieving import read_texts
from services.search.synonyms import synonyms
from services.search.understanding.joining import loosened, narrowed
from services.search.understanding.understand import understand

ALL_FIELDS = SearchFilters()


async def search(
    db: Database,
    query: SearchQuery,
    *,
    ranking: Ranking = RANKING,
    semantic: SemanticRetriever | None = None,
    reorder: Reorder | None = None,
    now: datetime | None = None,
) -> SearchPage:
    """The page that answers a question. `semantic`: where vectors are installed. `now`: the time
    by which "today" is understood, now if not given.

    Raises `InvalidFilter`; `BadUserInput` for a query of more than 500 characters or a cursor that
    is not of a search.
    """
    began = time.perf_counter()
    check_question(query)
    understood = await _understood(db, query, now or utc_now())
    words = understood.remaining
    nearest = None
    if semantic is not None and words and query.mode in ("ALL", "SEMANTIC"):
        nearest = await semantic(words, RETRIEVED_MAX["SEMANTIC"])
    known = await synonyms(db) if query.understand and query.mode == "ALL" else {}
    async with db.read() as session:
        asking = Asking(session, keeper_of(db), query, ranking, nearest, reorder, known)
        understood, found = await _find_understood(asking, understood)
        start, end = _place(query, found.fused)
        hits = await _page(asking, found, found.fused[start:end])
        better = await _correction(asking, found)
    return SearchPage(
        hits=hits,
        has_next_page=end < len(found.fused),
        has_previous_page=start > 0,
        total=found.total,
        facets=found.facets,
        took_ms=round((time.perf_counter() - began) * 1000),
        interpretation=understood,
        retrievers=found.retrievers,
        did_you_mean=better,
    )


def check_question(query: SearchQuery) -> None:
    """Raises `BadUserInput` or `InvalidFilter` for a question that cannot be asked."""
    if len(query.text) > QUERY_MAX:
        raise BadUserInput(f"query: {QUERY_MAX} characters at most", {"maximum": QUERY_MAX})
    if "\0" in query.text:
        raise BadUserInput("query: no NUL characters")
    check_filters(query.filters)
    _place(query, ())


async def _understood(db: Database, query: SearchQuery, now: datetime) -> Interpretation:
    text = query.text.strip()
    if not text:
        return Interpretation("BROWSE", "")
    if not query.understand or query.mode != "ALL":
        return Interpretation("SEARCH", text)
    return await understand(db, text, now)


async def _find_understood(
    asking: Asking, understood: Interpretation
) -> tuple[Interpretation, Found]:
    """What was understood as certain is a filter only as long as it leaves something."""
    text, filters = asking.query.text, narrowed(asking.query.filters, understood.filters)
    if filters is not None:
        found = await find(asking, understood, filters)
        if found.total or understood.filters == ALL_FIELDS:
            return understood, found
    understood = loosened(text, understood)
    return understood, await find(asking, understood, asking.query.filters)


def _place(query: SearchQuery, fused: Sequence[Fused]) -> tuple[int, int]:
    return page_of(
        fused, first=query.first, after=query.after, last=query.last, before=query.before
    )


async def _page(asking: Asking, found: Found, shown: Sequence[Fused]) -> tuple[Hit, ...]:
    """One page's hits with their highlights. What was taken out meanwhile is left out."""
    query = asking.query
    if not shown:
        return ()
    texts = await read_texts(
        asking.session,
        [hit.document for hit in shown],
        slot=found.opening.slot,
        with_body=query.highlights,
    )
    terms = frozenset(term.term for term in found.opening.terms) if query.highlights else None
    hits = []
    for hit in shown:
        if (text := texts.get(hit.document)) is None:
            continue
        marked = (
            highlight(terms, (("NAME", text.name), ("SUMMARY", text.summary), ("BODY", text.body)))
            if terms
            else ()
        )
        hits.append(
            Hit(
                document=hit.document,
                kind=text.kind,
                entity_id=text.entity_id,
                score=hit.score,
                matched=hit.retrievers,
                highlights=marked,
                cursor=cursor_of(hit),
            )
        )
    return tuple(hits)


async def _correction(asking: Asking, found: Found) -> str | None:
    """Another spelling of the query, where this one finds little."""
    query = asking.query
    if query.mode != "ALL" or not query.text.strip() or query.after is not None:
        return None

    async def count(text: str) -> int:
        again = replace(asking, query=replace(query, text=text, facets=()), nearest=None)
        plain = Interpretation("SEARCH", text)
        return (await find(again, plain, query.filters)).total

    by_words = sum(1 for hit in found.fused[: FEW + 1] if "LEXICAL" in hit.retrievers)
    if by_words and found.total >= FEW:
        return None
    return await did_you_mean(
        asking.session, query.text, found=by_words, count=count, viewer_id=query.viewer_id
    )
