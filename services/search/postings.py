"""The words of the index: how documents and queries become terms, what a term weighs in a document
(BM25F), and the SQL that scores documents by the terms of a query. Fragments are put together by
whoever retrieves; what is written stands in indexing.py.

Every statement names one slot (0 or 1, of `models.search.SLOTS`) and its partitions, so that the
planner sees one table.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import text

from core.database import ReadSession, Transaction
from models.search import SLOTS

SATURATION = 2.0
"""BM25's k1: how soon a term that is repeated adds no more."""
LENGTH_SHARE = 0.75
"""BM25's b: how much a long document's terms count less."""
NAME_WEIGHT = 3.0
ALIAS_WEIGHT = 2.0
DETAIL_WEIGHT = 1.5
BODY_WEIGHT = 1.0

WHOLE_LANGUAGE = "mela_search_names"
"""Every word is a term: names are indexed so, and queries of short words alone ("The Who")."""
LANGUAGE = "mela_search"
"""Without the words that are everywhere: all but names, and queries."""


class QueryTerm(NamedTuple):
    """A term of a query as one slot knows it: how many documents have it, and what its rarity
    weighs, times how often the query says it."""

    term: str
    documents: int
    weight: float


class SlotInUse(NamedTuple):
    """Which slot is read, and how many documents it has."""

    slot: int
    documents: int


def checked_slot(slot: int) -> int:
    """The slot, to be written into SQL; ValueError for what is none."""
    if slot not in SLOTS:
        raise ValueError(f"no slot: {slot!r}")
    return slot


def document_terms(name: str, names: str, details: str, body: str) -> str:
    """SQL of a document's terms as a tsvector with weights A to D, of four expressions of text."""
    fields = (
        (WHOLE_LANGUAGE, name, "A"),
        (WHOLE_LANGUAGE, names, "B"),
        (LANGUAGE, details, "C"),
        (LANGUAGE, body, "D"),
    )
    return " || ".join(
        f"setweight(to_tsvector('{language}', search_words({words})), '{weight}')"
        for language, words, weight in fields
    )


def weighed_terms(terms: str) -> str:
    """SQL of a set of (term, weight): what each lexeme of a tsvector comes to over its fields."""
    return f"""
        SELECT l.lexeme AS term, {NAME_WEIGHT - BODY_WEIGHT} * cardinality(
                array_positions(l.weights, 'A'))
            + {ALIAS_WEIGHT - BODY_WEIGHT} * cardinality(array_positions(l.weights, 'B'))
            + {DETAIL_WEIGHT - BODY_WEIGHT} * cardinality(array_positions(l.weights, 'C'))
            + {BODY_WEIGHT} * cardinality(l.weights) AS weight
        FROM unnest({terms}) AS l
    """


def impact_of(weight: str, length: str, mean_length: str) -> str:
    """SQL of a posting's impact: BM25F but for the term's rarity."""
    of_length = f"({1 - LENGTH_SHARE} + {LENGTH_SHARE} * {length} / {mean_length})"
    return f"CAST({weight} * {SATURATION + 1} / ({weight} + {SATURATION} * {of_length}) AS real)"


def lexical_scores(slot: int) -> str:
    """SQL of a set of (document, score, terms): every document that has any of the terms, what it
    scores, and how many of them it has. Takes `:terms` (text[]) and `:weights` (real[]), those of
    `query_terms`.

    An index-only scan a term and one hash: about half a microsecond a posting.
    """
    slot = checked_slot(slot)
    return f"""
        SELECT p.document, CAST(sum(p.impact * q.weight) AS real) AS score, count(*) AS terms
        FROM unnest(CAST(:terms AS text[]), CAST(:weights AS real[])) AS q(term, weight)
        JOIN search_posting_{slot} AS p ON p.slot = {slot} AND p.term = q.term
        GROUP BY p.document
    """


_SLOT_IN_USE = text("SELECT slot, documents FROM search_slot WHERE state = 'ACTIVE'")
# Of two or three words that are everywhere nothing would be left: then they are what is asked for.
_QUERY_TERMS = {
    slot: text(
        f"""
        WITH said AS MATERIALIZED (
            SELECT to_tsvector('{LANGUAGE}', search_words(:words)) AS rare,
                to_tsvector('{WHOLE_LANGUAGE}', search_words(:words)) AS every
        ), asked AS (
            SELECT l.lexeme, cardinality(l.positions) AS times
            FROM said, unnest(CASE WHEN length(rare) > 0 THEN rare ELSE every END) AS l
        ), size AS (SELECT greatest(documents, 1) AS documents FROM search_slot WHERE slot = {slot})
        SELECT t.term, t.documents, CAST(asked.times * ln(1 + greatest(
            size.documents - t.documents + 0.5, 0.5) / (t.documents + 0.5)) AS real)
        FROM asked CROSS JOIN size
        JOIN search_term_{slot} AS t ON t.slot = {slot} AND t.term = asked.lexeme COLLATE "C"
        ORDER BY t.documents, t.term
        """
    )
    for slot in SLOTS
}


async def slot_in_use(session: ReadSession | Transaction) -> SlotInUse:
    """The slot that is read now; it may be another one after the next reindex, and be empty a
    moment after that: read it again for each search."""
    return SlotInUse(*(await session.execute(_SLOT_IN_USE)).one())


async def query_terms(
    session: ReadSession | Transaction, *, slot: int, words: str
) -> Sequence[QueryTerm]:
    """The terms of a query that stand in any document, the rarest first. One statement."""
    found = await session.execute(_QUERY_TERMS[checked_slot(slot)], {"words": words})
    return [QueryTerm(*row) for row in found]
