"""Which documents a query's words find, and in which order: BM25 added up over the postings that
were read, in memory. Pure; what is read, and how far, is decided here and done in retrieving.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from services.search.columns import Flags, Floats, Ints

ALL_NEEDED = 3
"""Words of which a hit must have all, as long as anything has them all."""
SHARE_NEEDED = 0.15
"""Of longer queries: the share of its words that a hit must have, each by its rarity. Measured on
Cranfield: above it judged documents get lost, below it a third of everything matches."""
SHARE_OF_FEW = 0.5
"""What of two or three words a hit must have where nothing has them all."""
COMMON = 5_000
"""Documents from which on a word may be too common to find anything by itself."""
COMMON_TIMES = 8
"""It is, where the rarest word stands in so many times fewer."""
REORDERED_MAX = 1_000
"""Hits of a long query that its common words still order."""
NAMED_TIMES = 2.0
"""What a document's score is multiplied by whose name is the query."""
POPULARITY_SHARE = 0.1
"""What the most popular document's score gains by it."""
_CLOSE = 1e-3


@dataclass(frozen=True, slots=True)
class Term:
    """A word of a query: in how many documents it stands, and what its rarity weighs."""

    term: str
    documents: int
    weight: float


@dataclass(frozen=True, slots=True)
class Posting:
    """The documents that have a term, and its impact in each."""

    documents: Ints
    impacts: Floats


@dataclass(frozen=True, slots=True)
class Reading:
    """Which terms' documents are all read, and which are looked up in what those find."""

    whole: tuple[Term, ...]
    common: tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class Matches:
    """What the words find: documents by their number, rising, with their scores; `complete` where
    each has every word that a hit must have."""

    documents: Ints
    scores: Floats
    complete: bool


NO_MATCHES = Matches(np.zeros(0, np.int32), np.zeros(0, np.float32), False)


def plan_reading(terms: Sequence[Term]) -> Reading:
    """How far to read the terms that stand in any document."""
    known = sorted((term for term in terms if term.documents), key=lambda term: term.documents)
    if not known:
        return Reading((), ())
    limit = max(COMMON, COMMON_TIMES * known[0].documents)
    return Reading(
        tuple(term for term in known if term.documents <= limit),
        tuple(term for term in known if term.documents > limit),
    )


def looked_up(terms: Sequence[Term], found: Matches) -> Ints:
    """In which of what was found to look for the common words: all of a short query's, the best of
    a long one's."""
    if len(terms) <= ALL_NEEDED or len(found.documents) <= REORDERED_MAX:
        return found.documents
    best = np.argpartition(-found.scores, REORDERED_MAX)[:REORDERED_MAX]
    return np.sort(found.documents[best])


def candidates(
    terms: Sequence[Term], postings: Sequence[tuple[Term, Posting]], size: int
) -> tuple[Ints, Floats, Floats]:
    """Documents that have any of the terms read, their scores, and what they have of the query."""
    scores, shares = np.zeros(size, np.float32), np.zeros(size, np.float32)
    for term, posting in postings:
        inside = posting.documents < size
        at = posting.documents[inside]
        scores[at] += np.float32(term.weight) * posting.impacts[inside]
        shares[at] += np.float32(term.weight)
    documents = np.flatnonzero(shares).astype(np.int32)
    total = sum(term.weight for term in terms) or 1.0
    return documents, scores[documents], shares[documents] / np.float32(total)


def matching(terms: Sequence[Term], shares: Floats, common: Sequence[Term]) -> tuple[Flags, bool]:
    """Which candidates are matches, by what they have of the query: `common` words that were not
    read count for nothing in a long query, and are had by everybody in a short one."""
    unread = sum(term.weight for term in common) / (sum(t.weight for t in terms) or 1.0)
    if len(terms) > ALL_NEEDED:
        levels = [(SHARE_NEEDED * (1 - unread), True), (0.0, False)]
    else:
        levels = [(1.0 - unread, True), (SHARE_OF_FEW, False), (0.0, False)]
    for needed, complete in levels:
        found = shares >= needed - _CLOSE
        if found.any():
            return found, complete
    return np.zeros(len(shares), np.bool_), False


def weighed(scores: Floats, popularity: Floats, top_popularity: float, named: Flags) -> Floats:
    """Scores with what a document's popularity adds, and its name where it is the query itself."""
    if top_popularity > 0:
        share = popularity / np.float32(top_popularity)
        scores = scores * (1 + np.float32(POPULARITY_SHARE) * share)
    weighed: Floats = np.where(named, scores * np.float32(NAMED_TIMES), scores)
    return weighed


def merged(one: Matches, other: Matches, weight: float) -> Matches:
    """Matches of a query, and of the same in other words, which weigh less. Only what has all of
    the other words counts; where nothing has all of the query's own, it is the better answer."""
    if not other.complete or not len(other.documents):
        return one
    if not one.complete:
        return other
    documents = np.union1d(one.documents, other.documents).astype(np.int32)
    scores = np.zeros(len(documents), np.float32)
    scores[np.searchsorted(documents, other.documents)] = other.scores * np.float32(weight)
    at = np.searchsorted(documents, one.documents)
    scores[at] = np.maximum(scores[at], one.scores)
    return Matches(documents, scores, True)


def best(documents: Ints, scores: Floats, limit: int) -> list[tuple[int, float]]:
    """The `limit` best, of equal ones the later first."""
    if len(documents) > limit:
        # As many as tie with the last of them: which of those come first is decided below.
        least = np.partition(scores, len(scores) - limit)[len(scores) - limit]
        kept = scores >= least
        documents, scores = documents[kept], scores[kept]
    order = np.lexsort((-documents, -scores))[:limit]
    return list(zip(documents[order].tolist(), scores[order].tolist(), strict=True))
