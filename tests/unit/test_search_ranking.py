"""How rankings become one, what of a query a hit must have, where words are marked, which names a
misspelt one may mean, and how a ranking is measured."""

import random
from math import log2

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import BadUserInput
from services.search.contract import Highlight
from services.search.evaluating import (
    BadCollection,
    Collection,
    Text,
    measure,
    read_collection,
)
from services.search.fusing import cursor_of, fuse, page_of
from services.search.highlights import PIECE, highlight, stem
from services.search.known_items import misspell, typo_cases
from services.search.matching import (
    Matches,
    Posting,
    Term,
    best,
    candidates,
    looked_up,
    matching,
    plan_reading,
    weighed,
)
from services.search.name_index import NameIndex

EVEN = {"LEXICAL": 1.0, "FUZZY": 1.0, "SEMANTIC": 1.0}


def ranked(*documents):
    return list(documents)


def test_fusion_adds_reciprocal_ranks_and_says_who_found_what():
    lists = {"LEXICAL": ranked(1, 2), "SEMANTIC": ranked(2, 3)}
    first, second, third = fuse(lists, weights=EVEN, k=60)
    assert (first.document, first.retrievers) == (2, ("LEXICAL", "SEMANTIC"))
    assert first.score == pytest.approx(1 / 62 + 1 / 61)
    assert [second.document, third.document] == [1, 3]


def test_a_ranking_that_weighs_more_comes_first():
    lists = {"LEXICAL": ranked(1), "FUZZY": ranked(2)}
    assert [hit.document for hit in fuse(lists, weights=EVEN | {"FUZZY": 1.5}, k=60)] == [2, 1]


numbers = st.lists(st.integers(1, 60), unique=True)


@given(numbers, numbers, st.integers(1, 7))
def test_pages_put_together_are_the_list_forward_and_backward(one, other, size):
    hits = fuse({"LEXICAL": ranked(*one), "FUZZY": ranked(*other)}, weights=EVEN, k=60)
    forward, after = [], None
    while True:
        begin, end = page_of(hits, first=size, after=after, last=None, before=None)
        if begin == end:
            break
        forward += hits[begin:end]
        after = cursor_of(hits[end - 1])
    backward, before = [], None
    while True:
        begin, end = page_of(hits, first=size, after=None, last=size, before=before)
        if begin == end:
            break
        backward = hits[begin:end] + backward
        before = cursor_of(hits[begin])
    assert forward == hits
    assert backward == hits
    assert {hit.document for hit in hits} == {*one, *other}


def test_a_page_goes_on_where_a_hit_stood_that_is_gone():
    hits = fuse({"LEXICAL": ranked(5, 4, 3, 2)}, weights=EVEN, k=60)
    gone = cursor_of(hits[1])
    left = [hits[0], *hits[2:]]
    assert page_of(left, first=2, after=gone, last=None, before=None) == (1, 3)


def test_a_cursor_of_another_list_is_refused():
    with pytest.raises(BadUserInput, match="does not belong"):
        page_of([], first=2, after="bm9uZQ", last=None, before=None)


def term(name, documents, weight=1.0):
    return Term(name, documents, weight)


def posting(*documents):
    return Posting(np.asarray(documents, np.int32), np.ones(len(documents), np.float32))


def found_by(terms, postings):
    documents, scores, shares = candidates(terms, postings, 100)
    kept, complete = matching(terms, shares, ())
    return documents[kept].tolist(), scores[kept].tolist(), complete


def test_of_few_words_a_hit_has_all_where_anything_has():
    war, peace = term("war", 3), term("peac", 2, 2.0)
    lists = [(war, posting(1, 2, 3)), (peace, posting(3, 4))]
    assert found_by([war, peace], lists) == ([3], [3.0], True)


def test_of_few_words_that_nothing_has_together_the_rarer_half_is_enough():
    war, peace = term("war", 2), term("peac", 2, 2.0)
    assert found_by([war, peace], [(war, posting(1)), (peace, posting(4))]) == ([4], [2.0], False)


def test_of_many_words_a_share_by_their_rarity_is_enough():
    terms = [term(f"t{n}", 1, weight) for n, weight in enumerate((10.0, 1.0, 5.0, 4.0))]
    lists = [(terms[0], posting(1)), (terms[1], posting(2)), (terms[2], posting(3))]
    assert found_by(terms, lists)[0] == [1, 3]  # of 20: 10, 5, and 1 of document 2


def test_words_that_are_everywhere_find_nothing_beside_a_rare_one():
    film, hanks, the = term("film", 90_000), term("hank", 300), term("war", 5_000)
    reading = plan_reading([film, hanks, the, term("unknown", 0)])
    assert ([t.term for t in reading.whole], [t.term for t in reading.common]) == (
        ["hank", "war"],
        ["film"],
    )
    assert plan_reading([film, term("american", 77_000)]).common == ()
    assert plan_reading([term("unknown", 0)]) == plan_reading([])


def test_common_words_order_only_the_best_of_a_long_query():
    documents = np.arange(3_000, dtype=np.int32)
    matches = Matches(documents, documents.astype(np.float32), True)
    few, many = [term("a", 1)] * 3, [term("a", 1)] * 4
    assert len(looked_up(few, matches)) == 3_000
    assert looked_up(many, matches).tolist() == list(range(2_000, 3_000))


def test_popularity_adds_a_tenth_and_the_exact_name_doubles():
    scores = weighed(
        np.asarray([1.0, 1.0, 1.0], np.float32),
        np.asarray([0.0, 5.0, 0.0], np.float32),
        5.0,
        np.asarray([False, False, True]),
    )
    assert scores.tolist() == pytest.approx([1.0, 1.1, 2.0])


@given(st.lists(st.integers(0, 5), max_size=40), st.integers(1, 10))
def test_the_best_are_those_of_the_whole_order(scores, limit):
    documents = np.arange(len(scores), dtype=np.int32)
    whole = sorted(zip(documents.tolist(), scores, strict=True), key=lambda each: each[::-1])
    whole.reverse()
    assert best(documents, np.asarray(scores, np.float32), limit) == [
        (document, float(score)) for document, score in whole[:limit]
    ]


def test_highlights_are_ranges_of_plain_text():
    text = "<b>Redemption</b> of the redeemed: a story"
    found = highlight(frozenset({stem("redemption")}), (("NAME", text), ("BODY", "nothing")))
    assert found == (Highlight("NAME", text, ((3, 13),)),)


def test_words_are_marked_as_the_index_stems_them_whatever_their_accents():
    text = "Amélie's stories, her STORY"
    terms = frozenset({stem("amelie"), stem("story")})
    [found] = highlight(terms, (("SUMMARY", text),))
    assert [text[start:end] for start, end in found.ranges] == ["Amélie", "stories", "STORY"]


def test_of_a_long_text_the_piece_with_most_of_the_words_is_shown():
    text = "war " + "filler " * 100 + "war and then peace in the valley " + "filler " * 100
    [found] = highlight(frozenset({"war", "peac"}), (("BODY", text),))
    assert len(found.text) <= PIECE + 20
    assert {found.text[start:end] for start, end in found.ranges} == {"war", "peace"}


@given(st.text(max_size=400), st.text(min_size=1, max_size=20))
def test_ranges_always_lie_in_their_text_in_order(text, word):
    for found in highlight(frozenset({stem(word)}), (("BODY", text + " " + word + " " + text),)):
        last = 0
        for start, end in found.ranges:
            assert last <= start < end <= len(found.text)
            last = end


def names_of(*names):
    index = NameIndex()
    index.put(np.arange(1, len(names) + 1, dtype=np.int32), names)
    return index


def test_a_name_with_a_mistake_or_two_is_found_and_no_worse_one_beside_it():
    index = names_of("the shawshank redemption", "redemption", "heat", "the heat", "cold")
    assert index.near("shawshenk redemtion") == [(1, 2.25)]
    assert index.near("haet") == [(3, 1.0), (4, 1.25)]
    assert index.near("the haet") == [(4, 1.0), (3, 1.25)]
    assert index.near("wholly different") == []


def test_names_that_were_taken_out_are_not_found():
    index = names_of(*(f"name number {n}" for n in range(2_000)))
    index.take_out(np.arange(1, 1_900, dtype=np.int32))
    assert len(index.keys) == 101  # packed
    assert index.near("name numbr 1950") == [(1951, 1.0)]
    assert index.near("name numbr 5") == []


def test_typos_are_the_same_for_a_seed_and_differ_from_every_title():
    films = [{"title": name} for name in ("Heat", "Hat", "Casablanca", "Up", "The Godfather")]
    cases = typo_cases(films, count=10, seed=7)
    assert cases == typo_cases(films, count=10, seed=7)
    assert {case.wanted for case in cases} <= {"Heat", "Casablanca", "The Godfather"}
    assert all(case.query != case.wanted for case in cases)
    assert misspell("1917", random.Random(1)) == "1917"


def test_measures_of_a_ranking():
    documents = tuple(Text(id, "", "") for id in "abcd")
    collection = Collection(documents, {"q": "words"}, {"q": frozenset("ac")})
    found = measure({"q": ["a", "b", "c"]}, collection)
    assert found.ndcg_at_10 == pytest.approx((1 + 1 / log2(4)) / (1 + 1 / log2(3)))
    assert found.mean_average_precision == pytest.approx((1 + 2 / 3) / 2)
    assert (found.recall_at_100, found.queries) == (1.0, 1)
    assert measure({}, collection).ndcg_at_10 == 0


def test_a_collection_is_read_from_tsv_as_from_json_lines(tmp_path):
    for name in ("tsv", "jsonl"):
        (tmp_path / name).mkdir()
    (tmp_path / "tsv" / "docs.tsv").write_text("1\tA title\tIts text\n")
    (tmp_path / "tsv" / "queries.tsv").write_text('q1\twhat "it" is\n')
    (tmp_path / "tsv" / "qrels.tsv").write_text("query-id\tcorpus-id\tgrade\nq1\t1\t-1\n")
    (tmp_path / "jsonl" / "corpus.jsonl").write_text(
        '{"_id": 1, "title": "A title", "text": "Its text"}\n'
    )
    (tmp_path / "jsonl" / "queries.jsonl").write_text('{"_id": "q1", "text": "what \\"it\\" is"}\n')
    (tmp_path / "jsonl" / "qrels.jsonl").write_text('{"query-id": "q1", "corpus-id": 1}\n')
    one, other = read_collection(tmp_path / "tsv"), read_collection(tmp_path / "jsonl")
    assert one == other
    assert one == Collection(
        (Text("1", "A title", "Its text"),), {"q1": 'what "it" is'}, {"q1": frozenset({"1"})}
    )


def test_a_folder_that_is_no_collection_says_what_is_missing(tmp_path):
    with pytest.raises(BadCollection, match="corpus"):
        read_collection(tmp_path)
