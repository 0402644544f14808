"""Matches of a query, and of the same in other words, made one."""

import numpy as np
import pytest

from services.search.matching import NO_MATCHES, Matches, merged


def matches(scores, *, complete=True):
    documents = np.asarray(sorted(scores), np.int32)
    return Matches(documents, np.asarray([scores[d] for d in sorted(scores)], np.float32), complete)


def shown(found):
    return dict(zip(found.documents.tolist(), found.scores.round(3).tolist(), strict=True))


def test_other_words_weigh_less_and_take_nothing_away():
    both = merged(matches({1: 3.0, 5: 1.0}), matches({5: 10.0, 7: 2.0}), 0.4)
    assert shown(both) == {1: 3.0, 5: 4.0, 7: pytest.approx(0.8)}
    assert both.complete
    assert shown(merged(matches({1: 3.0}), matches({1: 2.0}), 0.4)) == {1: 3.0}


def test_what_has_a_part_of_the_other_words_adds_nothing():
    own = matches({1: 3.0})
    assert merged(own, matches({2: 9.0}, complete=False), 0.4) is own
    assert merged(own, NO_MATCHES, 0.4) is own


def test_where_nothing_has_all_of_the_querys_words_what_has_all_of_the_others_is_the_answer():
    other = matches({2: 1.0})
    assert merged(matches({1: 9.0, 2: 8.0}, complete=False), other, 0.4) is other
    assert merged(NO_MATCHES, other, 0.4) is other
