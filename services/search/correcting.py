"""Did you mean: words of a query that the index hardly knows, spelt as names have them that
everyone may see. Asked only where little was found, and kept only where the correction finds more.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from uuid import UUID

from sqlalchemy import text

from core.database import ReadSession
from services.search.understanding.words import OPAQUE, Word, words_of

FOUND_LITTLE = 3
"""With so many hits or more nothing is suggested."""
WORDS_MAX = 8
"""Longer queries are not corrected."""
LETTERS_MIN = 4
"""Shorter words are not corrected: everything is near to them."""
NEAR = 0.3
KNOWN = 3
"""A word that so many documents have is no mistake."""

_SLOT = "(SELECT slot FROM search_slot WHERE state = 'ACTIVE')"
_KNOWN = text(
    f"""
    SELECT w.word, coalesce(max(t.documents), 0) AS documents
    FROM unnest(CAST(:words AS text[])) AS w(word)
    LEFT JOIN LATERAL (
        SELECT t.documents FROM search_term AS t WHERE t.slot = {_SLOT} AND t.term = ANY (
            tsvector_to_array(to_tsvector('mela_search_names', search_words(w.word))))
    ) AS t ON true
    GROUP BY w.word
    """
)
# Words of names with the same two first letters: the most like it, then the most used.
_NEAREST = text(
    f"""
    SELECT f.word, f.names, similarity(f.word, :word) AS near FROM (
        SELECT split_part(n.key, ' ', 1) AS word, count(*) AS names
        FROM search_start AS n
        WHERE n.slot = {_SLOT} AND "left"(n.key, 2) = "left"(:word, 2)
          AND (n.owner_id IS NULL OR CAST(:viewer AS uuid) IS NULL OR NOT EXISTS (
            SELECT FROM block AS b
            WHERE b.blocker_id = n.owner_id AND b.blocked_id = CAST(:viewer AS uuid)
               OR b.blocker_id = CAST(:viewer AS uuid) AND b.blocked_id = n.owner_id))
        GROUP BY 1
    ) AS f
    WHERE f.word <> :word AND similarity(f.word, :word) >= {NEAR}
      AND abs(length(f.word) - length(:word)) <= 2
    ORDER BY near DESC, f.names DESC, f.word LIMIT 20
    """
)

Count = Callable[[str], Awaitable[int]]
"""`await count(query)`: how many documents a query finds for the viewer."""


async def did_you_mean(
    session: ReadSession, query: str, *, found: int, count: Count, viewer_id: UUID | None = None
) -> str | None:
    """The query with its misspelt words corrected, if it found fewer than `FOUND_LITTLE` and the
    correction finds more; else None. What stands in quotes is meant as it is."""
    words = words_of(query)
    if found >= FOUND_LITTLE or not 0 < len(words) <= WORDS_MAX:
        return None
    doubtful = [each for each in words if _may_be_wrong(each)]
    if not doubtful:
        return None
    rows = await session.execute(_KNOWN, {"words": [each.key for each in doubtful]})
    known = {row.word: row.documents for row in rows}
    corrected: dict[int, str] = {}
    for each in doubtful:
        if known[each.key] < KNOWN and (
            better := await _nearest(session, each.key, known[each.key], viewer_id)
        ):
            corrected[each.start] = better
    if not corrected:
        return None
    suggestion = _rewritten(query, words, corrected)
    return suggestion if await count(suggestion) > found else None


def _may_be_wrong(word: Word) -> bool:
    return word.key != OPAQUE and len(word.key) >= LETTERS_MIN and word.key.isalpha()


async def _nearest(
    session: ReadSession, word: str, documents: int, viewer_id: UUID | None
) -> str | None:
    rows = (await session.execute(_NEAREST, {"word": word, "viewer": viewer_id})).all()
    reach = 1 if len(word) < 6 else 2
    near = [
        (distance(word, row.word, reach), -row.names, row.word)
        for row in rows
        if row.names > 4 * documents
    ]
    best = min(near, default=None)
    return best[2] if best and best[0] <= reach else None


def distance(one: str, other: str, most: int) -> int:
    """Letters to add, drop, change or swap with the next, to make one word of another; `most` + 1
    where it is more than `most`."""
    if abs(len(one) - len(other)) > most:
        return most + 1
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, start=1):
        last, row, earlier = row, [i], before
        for j, their in enumerate(other, start=1):
            cost = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (letter != their))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == their:
                cost = min(cost, earlier[j - 2] + 1)
            row.append(cost)
        before = last
        if min(row) > most:
            return most + 1
    return min(row[-1], most + 1)


def _rewritten(query: str, words: tuple[Word, ...], corrected: dict[int, str]) -> str:
    parts: list[str] = []
    at = 0
    for word in words:
        if word.start in corrected:
            written = corrected[word.start]
            parts += [query[at : word.start], written.title() if word.capital else written]
            at = word.end
    return "".join([*parts, query[at:]])
