"""One viewer's order of what everybody finds: what they can watch, like and follow moves up by some
places, and nothing comes or goes."""

from uuid import UUID

import numpy as np

from services.search.columns import NEVER, UNKNOWN, Columns, Rows, halves
from services.search.facet_values import FacetValues
from services.search.fusing import Fused
from services.search.personal import REORDERED, Profile, personalised

HORROR, COMEDY, NETFLIX_US, NETFLIX_FR, FREE_US = 1, 2, 3, 4, 5
VALUES = FacetValues()
VALUES.add(
    [
        (HORROR, "GENRE", "horror", "Horror"),
        (COMEDY, "GENRE", "comedy", "Comedy"),
        (NETFLIX_US, "OFFER", "US/netflix/SUBSCRIPTION", ""),
        (NETFLIX_FR, "OFFER", "FR/netflix/SUBSCRIPTION", ""),
        (FREE_US, "OFFER", "US/tubi/FREE", ""),
    ]
)
ADA, BOB, NOBODY = UUID(int=2**70 + 1), UUID(int=2**70 + 2), UUID(int=0)


def columns_of(*documents):
    """Documents 0, 1, 2 … as (owner, facets)."""
    count = len(documents)
    high, low = halves([owner or NOBODY for owner, _ in documents])
    unknown, never = np.full(count, UNKNOWN, np.int32), np.full(count, NEVER, np.int64)
    columns = Columns()
    columns.put(
        Rows(
            documents=np.arange(count, dtype=np.int32),
            kinds=np.zeros(count, np.int32),
            year=unknown,
            runtime=unknown,
            maturity=unknown,
            asset=np.zeros(count, np.int32),
            popularity=np.ones(count, np.float32),
            price=never,
            starts=never,
            ends=never,
            published=never,
            owner_high=high,
            owner_low=low,
            sizes=np.asarray([len(facets) for _, facets in documents], np.int32),
            values=np.asarray([v for _, facets in documents for v in facets], np.int32),
        )
    )
    return columns


def order(profile, *documents):
    hits = [Fused(n, 1 / (60 + n), ("LEXICAL",)) for n in range(len(documents))]
    found = personalised(hits, columns_of(*documents), VALUES, profile)
    assert sorted(hit.document for hit in found) == list(range(len(documents)))
    assert all(hit == hits[hit.document] for hit in found)  # scores are what they were
    return [hit.document for hit in found]


def test_who_says_nothing_gets_everybodys_order():
    documents = [(None, [COMEDY]), (ADA, [HORROR, NETFLIX_US]), (BOB, [])]
    assert order(Profile(), *documents) == [0, 1, 2]
    assert personalised([], columns_of((None, [])), VALUES, Profile()) == []


def test_what_can_be_watched_moves_up_by_region_and_membership():
    plain = (None, [])
    documents = [plain, plain, (None, [NETFLIX_FR]), (None, [NETFLIX_US]), plain]
    assert order(Profile(region="US"), *documents) == [0, 1, 3, 2, 4]
    assert order(Profile(region="FR"), *documents) == [0, 1, 2, 3, 4]  # the third stays just behind
    assert order(Profile(region="DE"), *documents) == [0, 1, 2, 3, 4]
    # One who pays for another platform cannot use this one, but what is free they can.
    other = Profile(region="US", memberships=frozenset({"mubi"}))
    assert order(other, *documents) == [0, 1, 2, 3, 4]
    free = [plain, plain, (None, [NETFLIX_US]), (None, [FREE_US])]
    assert order(other, *free) == [0, 1, 3, 2]
    assert order(Profile(region="US", platforms=frozenset({"tubi"})), *free) == [0, 1, 3, 2]
    member = Profile(region="US", memberships=frozenset({"netflix"}))
    assert order(member, *documents) == [0, 1, 3, 2, 4]
    # With both to be had, the order is everybody's.
    assert order(Profile(region="US"), *free) == [0, 1, 2, 3]


def test_genres_lift_by_how_much_they_are_liked():
    documents = [(None, [])] * 5 + [(None, [HORROR]), (None, [COMEDY])]
    # Worth 1 / (place + 2): 1/7, 1/8 and 1/9 at the fifth to seventh place.
    assert order(Profile(genres={"horror": 1.0}), *documents) == [0, 1, 2, 3, 5, 4, 6]
    assert order(Profile(genres={"horror": 0.2}), *documents) == [0, 1, 2, 3, 4, 5, 6]
    both = Profile(genres={"horror": 0.1, "comedy": 1.0})
    assert order(both, *documents) == [0, 1, 2, 3, 4, 6, 5]


def test_people_who_are_followed_move_up():
    documents = [(None, [])] * 9 + [(BOB, []), (ADA, [])]
    assert order(Profile(follows=(ADA,)), *documents) == [0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 9]


def test_all_together_lift_the_second_over_the_first_and_no_other():
    plain, best = (None, []), (ADA, [HORROR, FREE_US])
    everything = Profile(genres={"horror": 1.0}, region="US", follows=(ADA,))
    assert order(everything, plain, best) == [1, 0]
    assert order(everything, plain, plain, best) == [0, 2, 1]
    assert order(everything, *[plain] * 9, best) == [0, 1, 2, 3, 4, 9, 5, 6, 7, 8]


def test_what_lies_behind_the_first_hundred_stays():
    documents = [(None, [])] * REORDERED + [(ADA, [HORROR, FREE_US])]
    everything = Profile(genres={"horror": 1.0}, region="US", follows=(ADA,))
    assert order(everything, *documents) == list(range(REORDERED + 1))
