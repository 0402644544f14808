"""The words of the index: how a document becomes terms, what a term weighs in it (BM25F), and which
slot is read. Fragments of SQL: what is written by them stands in indexing.py, what is read in
retrieving.py.

Every statement there names one slot (0 or 1, of `models.search.SLOTS`) and its partitions, so that
the planner sees one table.
"""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import text

from core.database import ReadSession, Transaction

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


class SlotInUse(NamedTuple):
    """Which slot is read, and how many documents it has."""

    slot: int
    documents: int


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


_SLOT_IN_USE = text("SELECT slot, documents FROM search_slot WHERE state = 'ACTIVE'")


async def slot_in_use(session: ReadSession | Transaction) -> SlotInUse:
    """The slot that is read now; it may be another one after the next reindex, and be empty a
    moment after that: read it again for each search."""
    return SlotInUse(*(await session.execute(_SLOT_IN_USE)).one())
