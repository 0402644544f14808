"""The model and its trials: metrics against examples by hand and against slow definitions, people
made up from latent tastes, and what likeness of titles is."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.content.features import FeatureMaker, TitleText
from services.content.recommending import (
    Acts,
    Neighbours,
    fading,
    neighbours,
    rating_weights,
)
from services.content.recommending_trials import Ratings, hit_rate, ndcg, ranks_of, try_out


def ranks(*values):
    return np.array(values, np.int64)


def test_metrics_by_hand():
    assert hit_rate(ranks(1, 10, 11, 500)) == 0.5
    # 1/log2(2) = 1, 1/log2(4) = 0.5, 1/log2(11), 0.
    expected = (1 + 0.5 + 1 / math.log2(11)) / 4
    assert ndcg(ranks(1, 3, 10, 11)) == pytest.approx(expected)
    assert ndcg(ranks(1, 2, 3), at=2) == pytest.approx((1 + 1 / math.log2(3)) / 3)
    assert (hit_rate(ranks()), ndcg(ranks())) == (0, 0)
    assert (hit_rate(ranks(1, 1)), ndcg(ranks(1, 1))) == (1, 1)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=30), st.integers(1, 20))
def test_metrics_are_their_definitions(places, at):
    given_ranks = ranks(*places)
    hits = [place for place in places if place <= at]
    assert hit_rate(given_ranks, at) == pytest.approx(len(hits) / len(places))
    gains = sum(1 / math.log2(place + 1) for place in hits)
    assert ndcg(given_ranks, at) == pytest.approx(gains / len(places))
    assert 0 <= ndcg(given_ranks, at) <= hit_rate(given_ranks, at) <= 1


@given(st.data())
def test_ranks_are_places_in_the_sorted_list(data):
    titles, people = data.draw(st.integers(1, 8)), data.draw(st.integers(1, 5))
    few = st.integers(0, 2)
    scores = np.array([[data.draw(few) for _ in range(titles)] for _ in range(people)], float)
    second = np.array([data.draw(few) for _ in range(titles)])
    left_out = np.array([[data.draw(st.booleans()) for _ in range(titles)] for _ in range(people)])
    targets = np.array([data.draw(st.integers(0, titles - 1)) for _ in range(people)])
    left_out[np.arange(people), targets] = False
    expected = []
    for person, target in enumerate(targets):
        order = sorted(
            (title for title in range(titles) if not left_out[person, title]),
            key=lambda title: (-scores[person, title], -second[title], title),
        )
        expected.append(order.index(target) + 1)
    assert ranks_of(scores, targets, left_out, second).tolist() == expected


def test_weights_of_ratings_and_of_age():
    parts = np.array([0, 0.49, 0.5, 0.69, 0.7, 1], np.float32)
    assert rating_weights(parts).tolist() == pytest.approx([0, 0, 0.4, 0.4, 1, 1])
    assert fading(np.array([0, 5, 15])).tolist() == pytest.approx([1, 0.5, 0.25])


def ratings_of(rows, *, best=5.0):
    """Ratings of `(user, title, rating, time)`."""
    users, items, values, times = (list(column) for column in zip(*rows, strict=True))
    return Ratings(
        np.array(users, np.int32),
        np.array(items, np.int32),
        np.array(values, np.float32),
        np.array(times, np.float64),
        max(users) + 1,
        max(items) + 1,
        best,
    )


def test_the_newest_liked_title_is_hidden_and_popularity_ranked_by_hand():
    # Hidden are 3 of viewer 0 (what they liked last, though they rated later), 2 of 1, 1 of 2; the
    # third viewer liked nothing.
    rows = [
        (0, 0, 5, 1), (0, 1, 5, 2), (0, 3, 5, 3), (0, 2, 1, 9),
        (1, 0, 5, 2), (1, 2, 4, 3), (1, 1, 5, 1),
        (2, 0, 5, 1), (2, 2, 5, 2), (2, 1, 4, 3),
        (3, 2, 1, 1),
    ]  # fmt: skip
    trial = try_out(ratings_of(rows))
    # 0 has seen all but 3; 1 all but 2 and 3; 2 all but 1 and 3: each hidden one comes first.
    assert trial.viewers == 3
    assert trial.popularity.hit_rate == trial.popularity.ndcg == 1
    rows = [(0, title, 5, title) for title in range(11)] + [(1, 11, 5, 1), (2, 10, 5, 1)]
    trial = try_out(ratings_of(rows))
    # 0's hidden 10 has only 11 beside it, both unknown: by number it is first. 1's and 2's have ten
    # popular ones before them.
    assert trial.viewers == 3
    assert trial.popularity.hit_rate == pytest.approx(1 / 3)


def people_of_taste(*, people=600, titles=400, tastes=8, each=40, seed=5):
    """Ratings of people with latent tastes over titles of skewed popularity, in random order."""
    random = np.random.default_rng(seed)
    likes = random.normal(size=(people, tastes))
    kinds = random.normal(size=(titles, tastes))
    popular = random.normal(size=titles)
    rows = []
    for person in range(people):
        drawn = likes[person] @ kinds.T + popular + random.gumbel(size=titles)
        chosen = random.permutation(np.argsort(-drawn)[:each])
        for time, title in enumerate(chosen):
            felt = 3.6 + 0.5 * likes[person] @ kinds[title] + 0.5 * random.normal()
            rows.append((person, int(title), float(np.clip(round(felt), 1, 5)), time))
    return ratings_of(rows)


def test_latent_tastes_are_found_at_least_twice_as_often_as_by_popularity():
    told = []
    trial = try_out(people_of_taste(), progress=lambda done, total: told.append((done, total)))
    assert trial.viewers == 600
    assert trial.popularity.hit_rate > 0.02
    assert trial.times_popularity >= 2
    assert trial.ours.ndcg >= 2 * trial.popularity.ndcg
    assert told == sorted(told)
    assert told[-1] == (1000, 1000)


def test_titles_past_the_head_get_much_the_same_neighbours():
    ratings = people_of_taste(people=200)
    acts = Acts(
        ratings.users,
        ratings.items,
        rating_weights(ratings.values / 5),
        ratings.user_count,
        ratings.item_count,
    )
    whole, part, none = (neighbours(acts, head_max=most) for most in (400, 100, 0))
    assert whole.items.shape == (400, 50)
    overlap = [
        np.mean([len(set(a) & set(b)) for a, b in zip(whole.items, other.items, strict=True)])
        for other in (part, none)
    ]
    # By chance there would be 50 * 50 / 399, about six.
    assert min(overlap) > 25


def test_the_same_data_give_the_same_neighbours():
    ratings = people_of_taste(people=100)
    acts = Acts(ratings.users, ratings.items, np.ones(len(ratings.users), np.float32), 100, 400)
    one, two = neighbours(acts), neighbours(acts)
    assert np.array_equal(one.items, two.items)
    assert np.array_equal(one.scores, two.scores)
    rows = np.arange(400)[:, None]
    assert not (one.items == rows).any()
    assert (np.diff(one.scores, axis=1) <= 0).all()
    assert ((one.items >= 0) == (one.scores > 0)).all()


@pytest.mark.parametrize("titles", [0, 1, 2])
def test_hardly_anything_is_no_error(titles):
    acts = Acts(*(np.zeros(0, kind) for kind in (np.int32, np.int32, np.float32)), 0, titles)
    maker = FeatureMaker()
    maker.take([TitleText("", [], [])] * titles)
    found = neighbours(acts, maker.made())
    assert found.items.shape == (titles, max(0, titles - 1))
    assert (found.items == -1).all()
    assert found.matrix().shape == (titles, titles)


def test_neighbours_as_a_matrix():
    found = Neighbours(
        np.array([[1, 2], [0, -1], [-1, -1]], np.int32),
        np.array([[0.5, 0.25], [0.75, 0], [0, 0]], np.float32),
    )
    assert found.matrix().toarray().tolist() == [[0, 0.5, 0.25], [0.75, 0, 0], [0, 0, 0]]


def likeness(*titles):
    maker = FeatureMaker()
    maker.take(TitleText(*title) for title in titles)
    return maker.made().likeness(np.arange(len(titles)))


def test_titles_are_alike_by_genres_people_and_words():
    found = likeness(
        ("A potter builds a kiln.", [b"ada"], [b"drama"]),
        ("The kiln of another potter.", [b"bo"], [b"crime"]),
        ("Ships at sea.", [b"ada"], [b"crime"]),
        ("Mountains.", [b"cy"], [b"drama"]),
        ("", [], []),
        ("A potter builds a kiln.", [b"ada"], [b"drama"]),
    )
    assert np.allclose(found, found.T)
    assert found[0, 5] == pytest.approx(1)
    assert found[0, 3] == pytest.approx(0.4)
    assert found[0, 2] == pytest.approx(0.3)
    assert 0 < found[0, 1] < 0.3
    assert found[1, 2] == pytest.approx(0.4)
    assert found[2, 3] == 0
    assert (found[4] == 0).all()


def test_likeness_alone_makes_neighbours():
    maker = FeatureMaker()
    maker.take(TitleText("", [], [b"war" if n < 3 else b"love"]) for n in range(6))
    acts = Acts(*(np.zeros(0, kind) for kind in (np.int32, np.int32, np.float32)), 0, 6)
    found = neighbours(acts, maker.made())
    assert found.items[0].tolist() == [1, 2, -1, -1, -1]
    assert found.items[5].tolist() == [3, 4, -1, -1, -1]
