"""What titles are like, for recommending.py: their genres, their people and the words they are
described with, each weighed by its rarity. No SQL, and no vocabulary: words are hashed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

GENRES, PEOPLE, WORDS = 0.4, 0.3, 0.3
"""How much each counts in the likeness of two titles; they add up to 1."""
WORDS_MAX = 40
"""The most telling words of a description that count."""
PEOPLE_MAX = 30
COMMON_PART, COMMON_MIN = 0.05, 50
"""A word in more than this part of all titles tells nothing, unless that is fewer than so many."""
_BUCKETS = 1 << 22
_TAKEN_MAX = 300
_WORD = re.compile(r"\w{3,30}")


@dataclass(frozen=True, slots=True)
class TitleText:
    """What is known of a title; people and genres by any bytes that name them."""

    description: str
    people: Sequence[bytes]
    genres: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class Features:
    """Titles as vectors whose products are their likeness, from 0 to 1."""

    genres: NDArray[np.float32]
    others: Any
    turned: Any

    def likeness(self, rows: NDArray[Any]) -> NDArray[np.float32]:
        """How like each of these titles is to every one."""
        block: NDArray[np.float32] = self.genres[rows] @ self.genres.T
        block += (self.others[rows] @ self.turned).toarray()
        return block


@dataclass(slots=True)
class _Terms:
    """One kind of terms while titles are taken: where each title's begin, which, how often."""

    ends: list[int] = field(default_factory=lambda: [0])
    terms: list[NDArray[np.int32]] = field(default_factory=list)
    counts: list[NDArray[np.float32]] = field(default_factory=list)

    def add(self, counted: Sequence[tuple[bytes, int]]) -> None:
        """One title's terms."""
        places = Counter[int]()
        for term, times in counted:
            places[crc32(term) % _BUCKETS] += times
        self.terms.append(np.fromiter(places.keys(), np.int32, len(places)))
        self.counts.append(np.fromiter(places.values(), np.float32, len(places)))
        self.ends.append(self.ends[-1] + len(places))

    def matrix(self) -> Any:
        """Titles by the terms that two titles have at least."""
        count = len(self.ends) - 1
        terms = np.concatenate(self.terms) if count else np.zeros(0, np.int32)
        values = np.concatenate(self.counts) if count else np.zeros(0, np.float32)
        rows = np.repeat(np.arange(count), np.diff(self.ends))
        shared = np.bincount(terms, minlength=_BUCKETS)[terms] > 1
        _, columns = np.unique(terms[shared], return_inverse=True)
        shape = (count, int(columns.max()) + 1 if len(columns) else 0)
        return sparse.csr_array((values[shared], (rows[shared], columns)), shape=shape)


@dataclass(slots=True)
class FeatureMaker:
    """Takes titles in any number of parts, in their order; then `made` gives the features. What is
    kept of a title is bounded, whatever its length."""

    genres: _Terms = field(default_factory=_Terms)
    people: _Terms = field(default_factory=_Terms)
    words: _Terms = field(default_factory=_Terms)

    def take(self, titles: Iterable[TitleText]) -> None:
        """Add the next titles."""
        for title in titles:
            self.genres.add([(genre, 1) for genre in title.genres[:_TAKEN_MAX]])
            self.people.add([(person, 1) for person in title.people[:PEOPLE_MAX]])
            found = Counter(_WORD.findall(title.description.casefold()))
            self.words.add([(word.encode(), n) for word, n in found.most_common(_TAKEN_MAX)])

    def made(self) -> Features:
        """The features of all titles that were taken."""
        genres = _weighed(self.genres.matrix())
        people = _weighed(self.people.matrix())
        words = _telling(_weighed(_without_common(self.words.matrix())))
        others = sparse.hstack([_unit(people, PEOPLE), _unit(words, WORDS)], format="csr")
        return Features(_unit(genres, GENRES).toarray(), others, others.T.tocsr())


def _without_common(terms: Any) -> Any:
    limit = max(COMMON_MIN, COMMON_PART * terms.shape[0])
    return terms[:, np.flatnonzero(np.bincount(terms.indices, minlength=terms.shape[1]) <= limit)]


def _weighed(terms: Any) -> Any:
    """TF-IDF: the logarithm of how often, times that of how rare."""
    found = terms.tocsr().copy()
    often = np.bincount(found.indices, minlength=found.shape[1])
    rarity = np.log1p(found.shape[0] / np.maximum(often, 1)).astype(np.float32)
    found.data = (1 + np.log(found.data)) * rarity[found.indices]
    return found


def _telling(words: Any) -> Any:
    """The words of each title that weigh most."""
    rows = np.repeat(np.arange(words.shape[0]), np.diff(words.indptr))
    order = np.lexsort((words.indices, -words.data, rows))
    kept = order[np.arange(len(order)) - words.indptr[rows[order]] < WORDS_MAX]
    cells = (words.data[kept], (rows[kept], words.indices[kept]))
    return sparse.csr_array(cells, shape=words.shape)


def _unit(terms: Any, share: float) -> Any:
    """Each title's vector at the length whose square is `share`; one without terms stays empty."""
    lengths = np.sqrt(np.asarray(terms.multiply(terms).sum(axis=1)).ravel())
    scale = np.sqrt(share) / np.maximum(lengths, 1e-12)
    found = terms.tocsr().copy()
    found.data = (found.data * np.repeat(scale, np.diff(found.indptr))).astype(np.float32)
    return found
