"""Names in memory, to find those that a misspelt one may mean. Pure; keeping.py reads them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import process
from rapidfuzz.distance import OSA

from services.search.columns import Ints

MISTAKES_MAX = 2
"""Letters left out, put in, replaced or changed with the next one."""
ONE_MISTAKE = 5
"""Of so many letters or fewer, with one mistake at most."""
LETTERS = (3, 80)
"""Of a name that is looked for with mistakes in it."""
NEAR_MAX = 50
_ARTICLE = re.compile(r"^(?:the|an|a) (?=.)")
_BITS = 64
_NONE = -1
_ARTICLE_SHARE = 0.25
_MANY = 100.0


@dataclass(slots=True)
class NameIndex:
    """Names as they are compared, without an article at their front. `letters` has a bit for each
    letter that stands in a name: a mistake changes two of them at most, so most names need not be
    compared. `documents` is -1 where a name is no more."""

    keys: list[str] = field(default_factory=list)
    documents: Ints = field(default_factory=lambda: np.zeros(0, np.int32))
    lengths: Ints = field(default_factory=lambda: np.zeros(0, np.int32))
    letters: NDArray[np.uint64] = field(default_factory=lambda: np.zeros(0, np.uint64))
    articles: Ints = field(default_factory=lambda: np.zeros(0, np.int32))

    def put(self, documents: Ints, keys: Sequence[str]) -> None:
        """Add names; those that a document had before are to be taken out first."""
        if not keys:
            return
        plain = [bare(key) for key in keys]
        fronts = np.fromiter(map(_front, keys, plain), np.int32, len(keys))
        self.articles = np.concatenate([self.articles, fronts])
        self.keys += plain
        self.documents = np.concatenate([self.documents, documents])
        lengths = np.fromiter(map(len, plain), np.int32, len(plain))
        self.lengths = np.concatenate([self.lengths, lengths])
        self.letters = np.concatenate([self.letters, letters_of(plain)])

    def take_out(self, documents: Ints) -> None:
        """Forget the names of documents."""
        self.documents[np.isin(self.documents, documents)] = _NONE
        if len(self.documents) > 1_000 and (self.documents == _NONE).mean() > 0.5:
            self._pack()

    def near(self, key: str) -> list[tuple[int, float]]:
        """Documents whose name is the key with a mistake or two, and how many they are: of all such
        only those with fewest. Another article is a quarter of a mistake."""
        typed = bare(key)
        if not LETTERS[0] <= len(typed) <= LETTERS[1]:
            return []
        most = 1 if len(typed) <= ONE_MISTAKE else MISTAKES_MAX
        wanted = letters_of([typed])[0]
        differ = np.bitwise_count(self.letters ^ wanted)
        like = (np.abs(self.lengths - len(typed)) <= most) & (differ <= 2 * most)
        places = np.flatnonzero(like & (self.documents != _NONE))
        found = process.extract(
            typed,
            [self.keys[place] for place in places],
            scorer=OSA.distance,
            score_cutoff=most,
            limit=None,
        )
        least = min((mistakes for _, mistakes, _ in found), default=0)
        front = _front(key, typed)
        fewest: dict[int, float] = {}
        for _, mistakes, at in found:
            if mistakes == least:
                document = int(self.documents[places[at]])
                other = _ARTICLE_SHARE * bool(self.articles[places[at]] != front)
                fewest[document] = min(mistakes + other, fewest.get(document, _MANY))
        return sorted(fewest.items(), key=lambda each: (each[1], -each[0]))

    def _pack(self) -> None:
        kept = np.flatnonzero(self.documents != _NONE)
        self.keys = [self.keys[place] for place in kept]
        self.documents, self.lengths = self.documents[kept], self.lengths[kept]
        self.letters, self.articles = self.letters[kept], self.articles[kept]


def _front(key: str, plain: str) -> int:
    """Tells articles apart: by their length."""
    return len(key) - len(plain)


def bare(key: str) -> str:
    """A name without its article."""
    return _ARTICLE.sub("", key)


def letters_of(keys: Sequence[str]) -> NDArray[np.uint64]:
    """For each name, which letters stand in it: their bytes, each as one of 64 bits."""
    packed = [key.encode() + b" " for key in keys]
    joined = np.frombuffer(b"".join(packed), np.uint8)
    bits = np.left_shift(np.uint64(1), joined.astype(np.uint64) & np.uint64(_BITS - 1))
    sizes = np.fromiter(map(len, packed), np.int64, len(packed))
    begins: NDArray[np.int64] = np.cumsum(sizes) - sizes
    found: NDArray[np.uint64] = np.bitwise_or.reduceat(bits, begins)
    return found
