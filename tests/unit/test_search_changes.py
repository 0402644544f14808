"""Whom a change of the index concerns: whoever may find what it was or became, and nobody whose
words and filters say otherwise."""

from uuid import UUID

import pytest

from services.search.changes import Awaited, Change, awaited, concerned, concerns, near, trigrams
from services.search.contract import SearchFilters, SearchQuery

TEAPOT = Change(
    7,
    "PRODUCT",
    terms=frozenset({"blue", "teapot"}),
    names=(trigrams("blue teapot"),),
    facets=frozenset({"CATEGORY\x1fpottery", "TAG\x1ftea", "TAG\x1fblue"}),
)


def wanting(words="", **given):
    key = " ".join(words.split())
    return Awaited(terms=frozenset(key.split()), name=trigrams(key), **given)


def test_what_concerns_some_viewers_concerns_no_others():
    ada, bob = UUID(int=1), UUID(int=2)
    block = Change(None, viewers=frozenset({ada, bob}))
    assert concerns(block, wanting("unicorn", viewer=ada))
    assert not concerns(block, wanting("unicorn", viewer=UUID(int=3)))
    assert not concerns(block, wanting())


def test_anything_concerns_everybody():
    assert concerns(Change(None), wanting("unicorn"))
    assert concerned([Change(None)], wanting("unicorn", kinds=frozenset({"USER"})))
    assert not concerned([], wanting())


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("", True),
        ("teapot", True),
        ("red teapot", True),
        ("teapto", True),  # a mistake away from its name
        ("unicorn", False),
        ("tea", False),  # no word of it, and too far from its name
        ("kettle", False),
    ],
)
def test_words_and_names_decide(words, expected):
    assert concerns(TEAPOT, wanting(words)) is expected


def test_names_count_only_where_mistakes_are_looked_for():
    assert not concerns(TEAPOT, wanting("teapto", fuzzy=False))
    assert concerns(TEAPOT, wanting("teapot", fuzzy=False))


def test_what_is_shown_is_concerned_by_its_own_change():
    assert concerns(TEAPOT, wanting("unicorn", shown=frozenset({7})))
    assert not concerns(TEAPOT, wanting("unicorn", shown=frozenset({8})))


def test_filters_decide_and_one_may_fail_where_facets_are_counted():
    tags = {"TAG": frozenset({"tea", "coffee"})}
    both = {"TAG": frozenset({"coffee"}), "CATEGORY": frozenset({"glass"})}
    assert concerns(TEAPOT, wanting("teapot", facets=tags))
    assert not concerns(TEAPOT, wanting("teapot", facets={"TAG": frozenset({"coffee"})}))
    assert concerns(TEAPOT, wanting("teapot", facets={"TAG": frozenset({"coffee"})}, lifted=True))
    assert not concerns(TEAPOT, wanting("teapot", facets=both, lifted=True))
    assert not concerns(TEAPOT, wanting("teapot", facets={"GENRE": frozenset({"horror"})}))
    # What the index tells of no document says nothing.
    assert concerns(TEAPOT, wanting("teapot", facets={"WEATHER": frozenset({"FINE"})}))
    assert concerns(TEAPOT, wanting(kinds=frozenset({"PRODUCT", "USER"})))
    assert not concerns(TEAPOT, wanting(kinds=frozenset({"TITLE"})))
    assert concerns(TEAPOT, wanting(kinds=frozenset({"TITLE"}), lifted=True))


def test_what_is_awaited_is_what_was_asked_and_what_was_understood():
    query = SearchQuery(
        "scary films", filters=SearchFilters(kinds=("TITLE",), genres=("drama",)), facets=("GENRE",)
    )
    wanted = awaited(
        query, SearchFilters(genres=("horror",)), frozenset({"film"}), trigrams("films"), [3, 4]
    )
    assert wanted == Awaited(
        terms=frozenset({"film"}),
        name=trigrams("films"),
        kinds=frozenset({"TITLE"}),
        facets={"GENRE": frozenset({"drama", "horror"})},
        lifted=True,
        shown=frozenset({3, 4}),
    )
    assert awaited(SearchQuery("x", mode="LEXICAL"), SearchFilters(), frozenset(), frozenset(), ())
    assert not awaited(
        SearchQuery("x", mode="LEXICAL"), SearchFilters(), frozenset(), frozenset(), ()
    ).fuzzy


def test_trigrams_are_as_postgresql_has_them():
    assert trigrams("ab c") == {"  a", " ab", "ab ", "  c", " c "}
    assert near(trigrams("shawshank redemption"), trigrams("the shawshenk redemtion"))
    assert not near(trigrams("teapot"), trigrams("unicorn"))
    assert not near(frozenset(), frozenset())
