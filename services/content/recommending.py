"""Which titles go together, by what people took to and by what titles are like: NumPy and SciPy
alone. The background job and `mela recommend evaluate` use the same functions; no SQL, no files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import lapack

from services.content.features import Features
from services.content.tastes import FADING, LIKED, LIKED_FROM, MIXED, MIXED_FROM, NEIGHBOURS

Ints = NDArray[np.int32]
Floats = NDArray[np.float32]
Progress = Callable[[int, int], None]

COLLABORATIVE, CONTENT = 0.6, 0.4
"""How much people's tastes and titles' likeness weigh, where there are both."""

RIDGE = 200.0
"""How much evidence a title needs: of 100 … 400 on real ratings this ranked best."""
HEAD_MAX = 5_000
"""Most liked titles whose weights are solved together. The matrix has the square of it (100 MB);
the others are weighed one by one."""
_ROWS = 128
_SAMPLE = 512
_GROUP = 32


@dataclass(frozen=True, slots=True)
class Acts:
    """Who took to what: three columns of one length, numbered from 0, one row a person and title
    at most."""

    users: Ints
    items: Ints
    weights: Floats
    user_count: int
    item_count: int

    def matrix(self) -> Any:
        """People by titles, sparse."""
        shape = (self.user_count, self.item_count)
        return sparse.csr_array((self.weights, (self.users, self.items)), shape=shape)


@dataclass(frozen=True, slots=True)
class Neighbours:
    """For each title those that go with it, the best first; -1 where there are no more."""

    items: Ints
    scores: Floats

    def matrix(self) -> Any:
        """Titles by titles, sparse."""
        count, width = self.items.shape
        there = self.items.ravel() >= 0
        rows = np.repeat(np.arange(count, dtype=np.int32), width)[there]
        cells = (self.scores.ravel()[there], (rows, self.items.ravel()[there]))
        return sparse.csr_array(cells, shape=(count, count))


def rating_weights(parts: Floats) -> Floats:
    """What ratings weigh as acts, each given as a part of the best one; 0 says nothing good."""
    return np.where(parts >= LIKED_FROM, LIKED, np.where(parts >= MIXED_FROM, MIXED, 0)).astype(
        np.float32
    )


def fading(back: NDArray[Any]) -> Floats:
    """How much acts count for what comes next; `back` is 0 for the newest of a person."""
    return (1 / (1 + back / FADING)).astype(np.float32)


def neighbours(
    acts: Acts,
    features: Features | None = None,
    *,
    count: int = NEIGHBOURS,
    head_max: int = HEAD_MAX,
    progress: Progress = lambda done, total: None,
) -> Neighbours:
    """The `count` best neighbours of every title. Tastes are a ridge regression of each title on
    all others (EASE, Steck 2019); likeness is that of `features`, if given.

    Needs about `head_max`² x 8 bytes at its peak, and some hundred megabytes. Same arguments, same
    answer.
    """
    total = acts.item_count
    count = max(0, min(count, total - 1))
    parts = [(COLLABORATIVE, _tastes(acts, head_max=head_max))]
    if features is not None:
        parts.append((CONTENT, features.likeness))
    liked = np.bincount(acts.items, weights=acts.weights, minlength=total)
    parts = [(share / _usual(part, liked), part) for share, part in parts]
    items = np.full((total, count), -1, np.int32)
    scores = np.zeros((total, count), np.float32)
    for start in range(0, total if count else 0, _ROWS):
        rows = np.arange(start, min(start + _ROWS, total))
        block = np.zeros((len(rows), total), np.float32)
        for factor, part in parts:
            block += np.float32(factor) * part(rows)
        block[np.arange(len(rows)), rows] = 0
        items[rows], scores[rows] = _best(block, count)
        progress(int(rows[-1]) + 1, total)
    return Neighbours(items, scores)


def _best(block: Floats, count: int) -> tuple[Ints, Floats]:
    """The best columns of each row; of equals the first. What is not above 0 is no neighbour."""
    items = np.full((len(block), count), -1, np.int32)
    scores = np.zeros((len(block), count), np.float32)
    # As many groups as places have a best at least as good as this: so has every place. It leaves
    # few to sort; to partition whole rows took three quarters of all the time.
    starts = np.arange(0, block.shape[1], max(1, min(_GROUP, block.shape[1] // count)))
    bests = np.maximum.reduceat(block, starts, axis=1)
    floor = np.partition(bests, len(starts) - count, axis=1)[:, len(starts) - count]
    for row, (cells, least) in enumerate(zip(block, floor, strict=True)):
        found = np.flatnonzero((cells >= least) & (cells > 0))
        # Rounded, so that two runs of the same agree whatever order a processor adds in.
        rounded = np.round(cells[found], 4)
        best = np.lexsort((found, -rounded))[:count]
        best = best[rounded[best] > 0]
        items[row, : len(best)] = found[best]
        scores[row, : len(best)] = rounded[best]
    return items, scores


def _usual(part: Callable[[NDArray[Any]], Floats], liked: NDArray[Any]) -> float:
    """The best score that a title usually has with another, for what is liked more the more:
    by it the two parts are of one scale."""
    known = np.flatnonzero(liked) if liked.any() else np.arange(len(liked))
    rows = known[:: max(1, len(known) // _SAMPLE)][:_SAMPLE]
    if len(rows) == 0:
        return 1.0
    best = np.zeros(len(rows))
    for start in range(0, len(rows), _ROWS):
        some = rows[start : start + _ROWS]
        block = part(some)
        block[np.arange(len(some)), some] = 0
        best[start : start + _ROWS] = block.max(axis=1)
    mean = float(np.average(best, weights=liked[rows] if liked.any() else None))
    return mean if mean > 0 else 1.0


def _tastes(acts: Acts, *, head_max: int) -> Callable[[NDArray[Any]], Floats]:
    """Rows of the weights by which one title speaks for others."""
    people = acts.matrix()
    titles = people.T.tocsr()
    alone = np.asarray(people.multiply(people).sum(axis=0)).ravel() + RIDGE
    often = np.argsort(-np.diff(titles.indptr), kind="stable")[:head_max]
    head = np.sort(often[np.diff(titles.indptr)[often] > 0])
    place = np.full(acts.item_count, -1)
    place[head] = np.arange(len(head))
    together = _regression(people[:, head], titles[head])

    def rows_of(rows: NDArray[Any]) -> Floats:
        block: Floats = (titles[rows] @ people).toarray()
        block /= alone[rows, None].astype(np.float32)
        inside = np.flatnonzero(place[rows] >= 0)
        block[np.ix_(inside, head)] = together[place[rows[inside]]]
        return block

    return rows_of


def _regression(people: Any, titles: Any) -> Floats:
    """The closed form: the inverse of the ridged products, by column over its diagonal. In place,
    as the matrix is the most that the model holds."""
    size = people.shape[1]
    products = np.zeros((size, size), np.float32, order="F")
    if size == 0:
        return products
    for start in range(0, size, _ROWS):
        some = titles[start : start + _ROWS] @ people
        products[:, start : start + _ROWS] = some.toarray().T
    products[np.diag_indices(size)] += RIDGE
    factor, _ = lapack.spotrf(products, lower=1, clean=0, overwrite_a=1)
    half, _ = lapack.spotri(factor, lower=1, overwrite_c=1)
    for row in range(size):
        half[row, row + 1 :] = half[row + 1 :, row]
    # It is its own transpose, and rows are read from this one.
    inverse = half.T
    inverse /= -np.diag(inverse).copy()
    np.fill_diagonal(inverse, 0)
    return np.asarray(inverse, np.float32)
