"""What a search reads: the words of a query and who asks, postings, names like it, a page's texts.
One statement each; what follows from them stands in matching.py and searching.py."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text

from core.database import ReadSession
from models.search import SLOTS
from services.search.columns import Ints
from services.search.contract import RETRIEVED_MAX, Kind, Ranked
from services.search.keeping import Mark, floats, ints
from services.search.matching import Posting, Term
from services.search.postings import LANGUAGE, WHOLE_LANGUAGE

TERMS_MAX = 60
"""Different words of a query that are looked up, its first."""
BLOCKS_MAX = 10_000
"""People that somebody blocks or is blocked by, who are left out."""
NAMED_MAX = 200
"""Documents whose name is the query."""
BODY_MAX = 6_000
"""Characters of a text in which highlights are looked for."""
CREDITED_MAX = 10_000
"""Titles of a group of people."""
KEY_MIN = 3
"""Letters of a name that is looked for with mistakes in it."""
SHORT_KEY = 8
"""Names up to here are compared letter by letter: of so few, a mistake leaves hardly three in a
row."""


@dataclass(frozen=True, slots=True)
class Opening:
    """A query's words as the index has them, what the viewer may not find, and how far the columns
    must have come. `unknown` is how many of the words no document has."""

    slot: int
    generation: int
    seen: tuple[int, int]
    key: str
    terms: tuple[Term, ...]
    unknown: int
    named: Ints
    blocked: tuple[UUID, ...]
    maturity_limit: int | None


@dataclass(frozen=True, slots=True)
class Texts:
    """A document of the page."""

    document: int
    kind: Kind
    entity_id: UUID
    name: str
    summary: str
    body: str


def _opening(slot: int) -> Any:
    # Of two or three words that are everywhere nothing would be left: then they are asked for.
    return text(
        f"""
        WITH said AS MATERIALIZED (
            SELECT search_key(:words) AS key,
                to_tsvector('{LANGUAGE}', search_words(:words)) AS rare,
                to_tsvector('{WHOLE_LANGUAGE}', search_words(:words)) AS every
        ), asked AS MATERIALIZED (
            SELECT l.lexeme COLLATE "C" AS term, cardinality(l.positions) AS times
            FROM said, unnest(CASE WHEN length(rare) > 0 THEN rare ELSE every END) AS l
            ORDER BY l.positions[1], l.lexeme LIMIT {TERMS_MAX}
        ), known AS (
            SELECT a.term, a.times, coalesce(t.documents, 0) AS documents
            FROM asked AS a
            LEFT JOIN search_term_{slot} AS t ON t.slot = {slot} AND t.term = a.term
        ), found AS (
            SELECT array_agg(term) AS terms, array_agg(times) AS times,
                array_agg(documents) AS counts
            FROM known
        )
        SELECT s.slot, s.generation, s.documents, said.key, found.*, c.changes, c.last,
            (SELECT array_send(array_agg(document)) FROM (
                SELECT document FROM search_name_{slot} AS n
                WHERE n.slot = {slot} AND n.key = said.key AND said.key <> '' LIMIT {NAMED_MAX}
            ) AS n) AS named,
            ARRAY(SELECT blocked_id FROM block WHERE blocker_id = CAST(:viewer AS uuid)
                UNION ALL
                SELECT blocker_id FROM block WHERE blocked_id = CAST(:viewer AS uuid)
                LIMIT {BLOCKS_MAX}) AS blocked,
            (SELECT maturity_limit FROM user_preference WHERE user_id = CAST(:viewer AS uuid))
                AS maturity_limit
        FROM search_slot AS s CROSS JOIN said CROSS JOIN found CROSS JOIN LATERAL (
            SELECT count(*) AS changes, coalesce(max(id), 0) AS last
            FROM search_column_change WHERE xact >= :since
        ) AS c
        WHERE s.state = 'ACTIVE'
        """
    )


_OPENING = {slot: _opening(slot) for slot in SLOTS}
_POSTINGS = {
    slot: text(
        f"""
        SELECT term, array_send(array_agg(document)), array_send(array_agg(impact))
        FROM search_posting_{slot} WHERE slot = {slot} AND term = ANY(CAST(:terms AS text[]))
        GROUP BY term
        """
    )
    for slot in SLOTS
}
_LOOKED_UP = {
    slot: text(
        f"""
        SELECT p.term, array_send(array_agg(p.document)), array_send(array_agg(p.impact))
        FROM unnest(CAST(:terms AS text[])) AS t(term)
        CROSS JOIN unnest(CAST(:documents AS integer[])) AS d(document)
        JOIN search_posting_{slot} AS p
            ON p.slot = {slot} AND p.term = t.term COLLATE "C" AND p.document = d.document
        GROUP BY p.term
        """
    )
    for slot in SLOTS
}
# The limit is set for this statement alone: on the way to the row from which the index is entered.
_NAMES = {
    slot: text(
        f"""
        SELECT n.document, max(similarity(n.key, said.key)) AS score, max(n.popularity) AS popular
        FROM (SELECT CAST(:key AS text) AS key,
                set_config('pg_trgm.similarity_threshold', CAST(:near AS text), true) AS near
            ) AS said
        JOIN search_name_{slot} AS n ON n.slot = {slot} AND n.key % said.key
        WHERE said.near IS NOT NULL
        GROUP BY n.document
        ORDER BY score DESC, popular DESC, n.document DESC LIMIT {RETRIEVED_MAX["FUZZY"]}
        """
    )
    for slot in SLOTS
}
_TEXTS = {
    slot: text(
        f"""
        SELECT id, kind, entity_id, name, summary,
            CASE WHEN :with_body THEN left(body, {BODY_MAX}) ELSE '' END
        FROM search_document_{slot}
        WHERE slot = {slot} AND id = ANY(CAST(:documents AS integer[]))
        """
    )
    for slot in SLOTS
}
_CREDITED = text(
    f"""
    SELECT array_send(array_agg(id)) FROM (
        SELECT DISTINCT e.id FROM credit AS c
        JOIN search_entity AS e ON e.kind = 'TITLE' AND e.entity_id = c.title_id
        WHERE c.person_id = ANY(CAST(:people AS uuid[])) LIMIT {CREDITED_MAX}
    ) AS credited
    """
)


async def open_search(
    session: ReadSession, *, words: str, viewer_id: UUID | None, mark: Mark
) -> Opening:
    """The words of a query, and who asks. `mark` says which slot and which changes the columns
    have; where they are behind, the answer tells by `generation` and `seen`."""
    asked = {"words": words, "viewer": viewer_id, "since": mark.since}
    row = (await session.execute(_OPENING[mark.slot], asked)).one()
    terms = [
        Term(term, documents, times * rarity(documents, row.documents))
        for term, times, documents in zip(
            row.terms or (), row.times or (), row.counts or (), strict=True
        )
    ]
    return Opening(
        slot=row.slot,
        generation=row.generation,
        seen=(row.changes, row.last),
        key=row.key,
        terms=tuple(terms),
        unknown=sum(1 for term in terms if not term.documents),
        named=ints(row.named),
        blocked=tuple(row.blocked),
        maturity_limit=row.maturity_limit,
    )


def rarity(documents: int, of: int) -> float:
    """BM25's inverse document frequency."""
    return math.log(1 + max(of - documents + 0.5, 0.5) / (documents + 0.5))


async def read_postings(
    session: ReadSession, terms: Sequence[Term], *, slot: int
) -> list[tuple[Term, Posting]]:
    """All documents of each term. About 0.2 µs for each on a quiet machine."""
    return await _postings(session, _POSTINGS[slot], terms, {})


async def look_up(
    session: ReadSession, terms: Sequence[Term], documents: Ints, *, slot: int
) -> list[tuple[Term, Posting]]:
    """Those of some documents that have each term: 1 µs for each pair."""
    return await _postings(session, _LOOKED_UP[slot], terms, {"documents": documents.tolist()})


async def _postings(
    session: ReadSession, statement: Any, terms: Sequence[Term], asked: dict[str, Any]
) -> list[tuple[Term, Posting]]:
    by_name = {term.term: term for term in terms}
    found = await session.execute(statement, {"terms": list(by_name), **asked})
    return [
        (by_name[term], Posting(ints(documents), floats(impacts)))
        for term, documents, impacts in found
    ]


async def similar_names(session: ReadSession, key: str, *, slot: int) -> list[Ranked]:
    """Documents with a name nearly like `key`, the most like it first."""
    if len(key) < KEY_MIN:
        return []
    found = await session.execute(_NAMES[slot], {"key": key, "near": str(nearness(key))})
    return [Ranked(document, score) for document, score, _ in found]


def nearness(key: str) -> float:
    """How many of two names' trigrams must be the same. In a short name a mistake leaves few of
    them; of a long one there are enough, and fewer would make the index read half of all names."""
    return 0.3 if len(key) <= SHORT_KEY else 0.4 if len(key) <= 2 * SHORT_KEY else 0.5


async def read_texts(
    session: ReadSession, documents: Sequence[int], *, slot: int, with_body: bool
) -> dict[int, Texts]:
    """The documents of a page, as far as they are still there."""
    asked = {"documents": list(documents), "with_body": with_body}
    return {row[0]: Texts(*row) for row in await session.execute(_TEXTS[slot], asked)}


async def credited_documents(session: ReadSession, people: Sequence[UUID]) -> Ints:
    """The titles in which any of these people is credited."""
    found = await session.execute(_CREDITED, {"people": list(people)})
    return ints(found.scalar_one())
