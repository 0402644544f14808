"""Which quests are recommended, why, and what difficulty follows from what was done."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.quests.recommending import (
    Candidate,
    Past,
    recommend,
    recommended_difficulty,
    suggested_difficulty,
)

NOW = datetime(2026, 11, 18, 12, tzinfo=UTC)
OLD = NOW - timedelta(days=365)
LATER = NOW + timedelta(days=90)


def quest(n, category="rivers", difficulty=1, created=OLD, closes=LATER, distance=None):
    return Candidate(UUID(int=n), category, difficulty, created, closes, distance)


def ids(found):
    return [one.quest_id.int for one in found]


def test_the_nearest_of_equal_quests_comes_first():
    found = recommend(
        [quest(1, distance=9_000), quest(2, distance=100), quest(3, distance=80_000)], Past(), NOW
    )
    assert ids(found) == [2, 1, 3]
    assert found[0].reasons == ("NEARBY", "FITTING_DIFFICULTY")
    assert (found[1].reasons, found[1].distance_m) == (("FITTING_DIFFICULTY",), 9_000)


def test_a_liked_category_comes_before_a_new_one():
    past = Past({"rivers": 9}, [(1, "DONE")])
    found = recommend([quest(1, "parks"), quest(2, "rivers")], past, NOW)
    assert ids(found) == [2, 1]
    assert found[0].reasons == ("FITTING_DIFFICULTY", "LIKED_CATEGORY")
    assert found[1].reasons == ("FITTING_DIFFICULTY", "SOMETHING_NEW")


def test_the_fitting_difficulty_comes_first_and_what_is_far_off_says_nothing_of_it():
    past = Past({"rivers": 4}, [(4, "DONE"), (4, "FAILED"), (4, "DONE")])
    found = recommend([quest(n, difficulty=n) for n in range(1, 6)], past, NOW)
    assert ids(found)[0] == 4
    fits = {one.quest_id.int for one in found if "FITTING_DIFFICULTY" in one.reasons}
    assert fits == {3, 4, 5}


def test_nothing_makes_up_for_another_continent():
    far = quest(1, "rivers", created=NOW, closes=NOW + timedelta(days=1), distance=9e6)
    near = quest(2, "parks", difficulty=3, distance=30_000)
    assert ids(recommend([far, near], Past({"rivers": 5}, [(1, "DONE")]), NOW)) == [2, 1]


def test_new_and_ending_quests_say_so():
    new = quest(1, created=NOW - timedelta(days=1))
    ending = quest(2, closes=NOW + timedelta(days=3))
    first, second = recommend([ending, new], Past(), NOW)
    assert first.reasons == ("FITTING_DIFFICULTY", "NEW_QUEST")
    assert second.reasons == ("FITTING_DIFFICULTY", "ENDING_SOON")


def test_one_category_does_not_fill_the_list():
    candidates = [quest(n, "rivers", distance=10) for n in range(20)]
    candidates += [quest(100 + n, f"other-{n}", distance=2_000) for n in range(5)]
    found = recommend(candidates, Past(), NOW)
    kinds = Counter("rivers" if one.quest_id.int < 100 else "other" for one in found)
    assert kinds == {"rivers": 5, "other": 5}


@given(
    st.lists(
        st.builds(
            quest,
            st.integers(0, 2**64),
            st.sampled_from(["rivers", "parks", "people"]),
            st.integers(1, 5),
            st.datetimes(timezones=st.just(UTC)),
            distance=st.none() | st.floats(0, 2e7),
        ),
        max_size=30,
        unique_by=lambda one: one.quest_id,
    ),
    st.dictionaries(st.sampled_from(["rivers", "parks"]), st.integers(1, 50)),
)
def test_ten_at_most_each_once_whatever_the_order(candidates, categories):
    past = Past(categories)
    found = recommend(candidates, past, NOW)
    assert len(found) == min(10, len(candidates))
    assert len(set(ids(found))) == len(found)
    assert all(0 <= one.score <= 1 for one in found)
    assert recommend(candidates[::-1], past, NOW) == found


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ([], 1),
        ([(5, "FAILED")] * 4, 1),
        ([(2, "DONE")], 2),
        ([(2, "DONE")] * 3, 3),
        ([(5, "DONE")] * 9, 5),
        ([(3, "DONE")] * 3 + [(4, "FAILED")] * 2, 3),
        ([(3, "DONE")] + [(3, "FAILED")] * 2, 2),
        ([(1, "DONE")] + [(3, "FAILED")] * 2, 1),
        # Only the newest twenty count.
        ([(1, "DONE")] * 20 + [(5, "DONE")] * 50, 2),
    ],
)
def test_a_players_difficulty_follows_what_they_managed(outcomes, expected):
    assert recommended_difficulty(outcomes) == expected


@pytest.mark.parametrize(
    ("done", "failed", "expected"),
    [(9, 0, None), (10, 0, 1), (20, 2, 2), (14, 6, 3), (10, 10, 4), (2, 18, 5)],
)
def test_a_quests_difficulty_follows_how_many_fail(done, failed, expected):
    assert suggested_difficulty(done, failed) == expected
