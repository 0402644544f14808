"""How good recommendations are: each viewer's newest liked title is hidden, everything else is
ranked, and it is seen how far up the hidden one comes. Popularity is ranked likewise. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from services.content.recommending import Acts, Progress, fading, neighbours, rating_weights
from services.content.tastes import ACTS_MAX, LIKED

AT = 10
"""Places of a list that count."""
_PEOPLE = 256

Ranks = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Ratings:
    """Ratings as columns of one length, one row a viewer and title, viewers and titles numbered
    from 0; `best` is the best rating there is."""

    users: NDArray[np.int32]
    items: NDArray[np.int32]
    values: NDArray[np.float32]
    times: NDArray[np.float64]
    user_count: int
    item_count: int
    best: float


@dataclass(frozen=True, slots=True)
class Measured:
    """What a way to rank achieved over all viewers."""

    hit_rate: float
    ndcg: float


@dataclass(frozen=True, slots=True)
class Trial:
    """Both ways to rank, over the same viewers and titles."""

    viewers: int
    popularity: Measured
    ours: Measured

    @property
    def times_popularity(self) -> float:
        """Our hit rate as a multiple of popularity's."""
        if self.popularity.hit_rate == 0:
            return float("inf") if self.ours.hit_rate > 0 else 1.0
        return self.ours.hit_rate / self.popularity.hit_rate


def hit_rate(ranks: Ranks, at: int = AT) -> float:
    """The part of hidden titles among the first `at`; ranks count from 1."""
    return float(np.mean(ranks <= at)) if len(ranks) else 0.0


def ndcg(ranks: Ranks, at: int = AT) -> float:
    """The mean gain of hidden titles, discounted by place: 1 at the first, 1/log2(1 + rank) after,
    0 past `at`."""
    if not len(ranks):
        return 0.0
    return float(np.mean(np.where(ranks <= at, 1 / np.log2(1.0 + ranks), 0)))


def ranks_of(
    scores: NDArray[Any], targets: NDArray[Any], left_out: NDArray[Any], second: NDArray[Any]
) -> Ranks:
    """The place, from 1, of each row's target by its scores, without what is `left_out`. Equals
    stand by `second`, then by their number: no tie is ever in our favour by chance."""
    rows = np.arange(len(targets))
    own = scores[rows, targets][:, None]
    ahead = scores > own
    equal = scores == own
    own_second = second[targets][:, None]
    ahead |= equal & (second[None, :] > own_second)
    equal &= second[None, :] == own_second
    ahead |= equal & (np.arange(scores.shape[1])[None, :] < targets[:, None])
    ahead &= ~left_out
    return np.asarray(1 + np.count_nonzero(ahead, axis=1), np.int64)


def try_out(ratings: Ratings, *, progress: Progress = lambda done, total: None) -> Trial:
    """Hide, rank, measure. What a viewer rated otherwise is not ranked for them. Viewers of whom
    nothing else is known are in it too, and get what is popular."""
    order = np.lexsort((ratings.times, ratings.users))
    users, items = ratings.users[order], ratings.items[order]
    weights = rating_weights(ratings.values[order] / np.float32(ratings.best))
    liked = np.flatnonzero(weights == LIKED)
    # The last liked row of each viewer, in the order of time.
    hidden = liked[np.r_[users[liked][1:] != users[liked][:-1], True]] if len(liked) else liked
    left = np.ones(len(users), bool)
    left[hidden] = False
    shape = (ratings.user_count, ratings.item_count)
    seen = sparse.csr_array((np.ones(left.sum(), bool), (users[left], items[left])), shape=shape)
    left &= weights > 0
    acts, profiles = _profiles(users[left], items[left], weights[left], shape)
    total = shape[1] + len(hidden)
    found = neighbours(acts, progress=lambda done, _: progress(done, total))
    popular = np.bincount(acts.items[acts.weights == LIKED], minlength=shape[1])
    ranks = _ranked(
        (profiles, found.matrix(), seen),
        popular,
        users[hidden],
        items[hidden],
        progress=lambda done: progress(shape[1] + done, total),
    )
    return Trial(
        len(hidden), *(Measured(hit_rate(of_one), ndcg(of_one)) for of_one in (ranks[1], ranks[0]))
    )


def _profiles(
    users: NDArray[Any], items: NDArray[Any], weights: NDArray[Any], shape: tuple[int, int]
) -> tuple[Acts, Any]:
    """The newest acts of each, and what they count for what comes next. Rows come by viewer and
    time."""
    ends = np.cumsum(np.bincount(users, minlength=shape[0]))
    back = ends[users] - 1 - np.arange(len(users))
    new = back < ACTS_MAX
    acts = Acts(users[new], items[new], weights[new], *shape)
    cells = (acts.weights * fading(back[new]), (acts.users, acts.items))
    return acts, sparse.csr_array(cells, shape=shape)


def _ranked(
    known: tuple[Any, Any, Any],
    popular: NDArray[Any],
    users: NDArray[Any],
    targets: NDArray[Any],
    *,
    progress: Callable[[int], None],
) -> tuple[Ranks, Ranks]:
    """Ranks by the model and by popularity. Some viewers at a time: all of their scores at once
    would be viewers times titles."""
    profiles, together, seen = known
    ours, theirs = np.zeros((2, len(users)), np.int64)
    for start in range(0, len(users), _PEOPLE):
        part = slice(start, start + _PEOPLE)
        some = users[part]
        left_out = seen[some].toarray()
        scores = (profiles[some] @ together).toarray()
        ours[part] = ranks_of(scores, targets[part], left_out, popular)
        alike = np.broadcast_to(popular, left_out.shape)
        theirs[part] = ranks_of(alike, targets[part], left_out, popular)
        progress(start + len(some))
    return ours, theirs
