"""Several rankings made one by their ranks alone (reciprocal rank fusion), and the place of a page
in it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from core.pagination import OrderKey, decode_cursor, encode_cursor
from services.search.contract import DEPTH_MAX, RETRIEVERS, Retriever

PLACES = 10**12
"""A score in a cursor is a whole number of these."""
ORDER = OrderKey("search", (int, int))


class Fused(NamedTuple):
    """A document's place among all: `retrievers` are those that ranked it."""

    document: int
    score: float
    retrievers: tuple[Retriever, ...]

    @property
    def position(self) -> tuple[int, int]:
        """Where it stands, for a cursor: falling scores, and of equal ones falling numbers."""
        return round(self.score * PLACES), self.document


def fuse(
    rankings: Mapping[Retriever, Sequence[int]],
    *,
    weights: Mapping[str, float],
    k: int,
    limit: int = DEPTH_MAX,
) -> list[Fused]:
    """Each document's sum of weight / (k + rank) over the rankings that have it, the best first. A
    ranking is documents, the best first; one of weight 0 finds, and says nothing of a place."""
    lists = [(name, rankings[name]) for name in RETRIEVERS if rankings.get(name)]
    if len(lists) == 1:  # in its order already
        [(name, ranked)] = lists
        weight, alone = weights[name], (name,)
        return [
            Fused(document, weight / rank, alone)
            for rank, document in enumerate(ranked[:limit], start=k + 1)
        ]
    scores: dict[int, float] = {}
    found: dict[int, tuple[Retriever, ...]] = {}
    for name, ranked in lists:
        weight, alone = weights[name], (name,)
        for rank, document in enumerate(ranked, start=k + 1):
            if document in scores:
                scores[document] += weight / rank
                found[document] += alone
            else:
                scores[document], found[document] = weight / rank, alone
    places = sorted(((round(score * PLACES), n) for n, score in scores.items()), reverse=True)
    return [Fused(n, scores[n], found[n]) for _, n in places[:limit]]


def cursor_of(hit: Fused) -> str:
    """The opaque place of a hit in its list."""
    return encode_cursor(ORDER, hit.position)


def page_of(
    hits: Sequence[Fused],
    *,
    first: int,
    after: str | None,
    last: int | None,
    before: str | None,
) -> tuple[int, int]:
    """Where a page begins and ends in the list, by Relay's arguments; `first` does not count where
    `last` is given. Raises `BadUserInput` for a cursor that is not of a search."""
    begin = 0 if after is None else _place(hits, after, beyond=True)
    end = len(hits) if before is None else _place(hits, before, beyond=False)
    if last is not None:
        return max(begin, end - last), max(begin, end)
    return begin, max(begin, min(end, begin + first))


def _place(hits: Sequence[Fused], cursor: str, *, beyond: bool) -> int:
    """The index of a cursor's document, wherever that stands now, or of the next one; of one that
    is no more in the list, where it stood."""
    score, document = decode_cursor(ORDER, cursor)
    for index, hit in enumerate(hits):
        if hit.document == document:
            return index + beyond
    stood = (score, document)
    return next((i for i, hit in enumerate(hits) if hit.position < stood), len(hits))
