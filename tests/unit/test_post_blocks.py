"""The schema of a post's blocks, and what follows from them."""

import json
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidInput
from services.content.posts_blocks import (
    BLOCK_TEXT_MAX,
    BLOCKS_MAX,
    POST_MENTIONS_MAX,
    block_texts,
    checked_blocks,
    mentioned_in,
    opening_of,
    reading_time_s,
)

ADA = UUID(int=1)
TEXT = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=200)
URL = st.just("https://example.com/a?b=c")


def user(number):
    return f"usr_{number:032x}"


def optional(**fields):
    return st.fixed_dictionaries({}, optional=fields)


def block(kind, optionals=None, **fields):
    required = st.fixed_dictionaries({"type": st.just(kind), **fields})
    if optionals is None:
        return required
    return st.tuples(required, optionals).map(lambda both: {**both[0], **both[1]})


BLOCKS = st.lists(
    st.one_of(
        block("paragraph", text=TEXT),
        block("heading", text=TEXT, level=st.integers(1, 6)),
        block("quote", optional(cite=TEXT), text=TEXT),
        block("code", optional(language=st.sampled_from(["c++", "python", "f#"])), text=TEXT),
        block("list", ordered=st.booleans(), items=st.lists(TEXT, max_size=5)),
        block("image", optional(alt=TEXT, caption=TEXT), url=URL),
        block("video", optional(caption=TEXT), url=URL),
        block("link", optional(text=TEXT), url=URL),
        block("mention", optional(text=TEXT), userId=st.integers(0, 9).map(user)),
    ),
    max_size=12,
)


@given(BLOCKS)
def test_what_the_schema_takes_comes_out_unchanged(blocks):
    sent = json.dumps(blocks)
    assert checked_blocks(blocks) == json.loads(sent)
    assert json.dumps(blocks) == sent
    assert reading_time_s("", blocks) >= 0
    assert len(opening_of(blocks)) <= 300
    assert all(isinstance(text, str) for text in block_texts(blocks))


@pytest.mark.parametrize(
    ("given", "place"),
    [
        (None, "must be a list"),
        ({}, "must be a list"),
        ("<p>", "must be a list"),
        ([None], "block 1:"),
        ([{}], "block 1:"),
        ([{"type": "paragraph"}], "block 1, text:"),
        ([{"type": "paragraph", "text": 1}], "block 1, text:"),
        ([{"type": "paragraph", "text": None}], "block 1, text:"),
        ([{"type": "x" * 10_000}], "block 1: of no known type"),
        ([{"type": "paragraph", "text": "", "style": "x"}], "block 1, style:"),
        ([{"type": "heading", "text": "", "level": 0}], "block 1, level:"),
        ([{"type": "heading", "text": "", "level": "1"}], "block 1, level:"),
        ([{"type": "heading", "text": "", "level": 1.5}], "block 1, level:"),
        ([{"type": "list", "ordered": 1, "items": []}], "block 1, ordered:"),
        ([{"type": "list", "ordered": True, "items": [1]}], "block 1, items.0:"),
        ([{"type": "list", "ordered": True, "items": ["x"] * 201}], "block 1, items:"),
        ([{"type": "code", "text": "", "language": "<b>"}], "block 1, language:"),
        ([{"type": "mention", "userId": "pst_" + "0" * 32}], "block 1, userId:"),
        ([{"type": "link", "url": "javascript:alert(1)"}], "not an absolute"),
        ([{"type": "video", "url": "//example.com"}], "not an absolute"),
        ([{"type": "image", "url": "data:image/png;base64,AA"}], "not an absolute"),
        ([{"type": "paragraph", "text": "a\0"}], "NUL"),
        ([{"type": "paragraph", "text": "\ud800"}], "surrogate"),
        ([{"type": "paragraph", "text": "x"}, {"type": "quote"}], "block 2, text:"),
    ],
)
def test_what_is_no_block_is_refused_by_its_place(given, place):
    with pytest.raises(InvalidInput) as refused:
        checked_blocks(given)
    assert refused.value.field == "blocks"
    assert place in refused.value.reason
    assert len(refused.value.reason) < 300


def test_limits_are_taken_and_one_more_is_not():
    full = [{"type": "paragraph", "text": "x" * BLOCK_TEXT_MAX}] + [
        {"type": "paragraph", "text": ""}
    ] * (BLOCKS_MAX - 1)
    assert checked_blocks(full) == full
    items = {"type": "list", "ordered": False, "items": ["x" * (BLOCK_TEXT_MAX // 2)] * 2}
    assert checked_blocks([items]) == [items]
    people = [{"type": "mention", "userId": user(n)} for n in range(POST_MENTIONS_MAX)]
    assert len(mentioned_in(checked_blocks(people * 2))) == POST_MENTIONS_MAX
    for bad in (
        [*full, full[-1]],
        [{"type": "paragraph", "text": "x" * (BLOCK_TEXT_MAX + 1)}],
        [{**items, "items": [*items["items"], "x"]}],
        [*people, {"type": "mention", "userId": user(99)}],
    ):
        with pytest.raises(InvalidInput):
            checked_blocks(bad)


def test_who_is_mentioned_comes_once_in_order():
    blocks = [{"type": "mention", "userId": user(n)} for n in (2, 1, 2)]
    assert mentioned_in(blocks) == [UUID(int=2), ADA]


def test_reading_takes_a_minute_for_230_words_and_counts_unspaced_scripts():
    assert reading_time_s("", []) == 0
    assert reading_time_s("word", []) == 1
    assert reading_time_s("", [{"type": "paragraph", "text": "a " * 230}]) == 60
    assert reading_time_s("", [{"type": "paragraph", "text": "織" * 575}]) == 60
    assert reading_time_s("", [{"type": "list", "ordered": True, "items": ["a"] * 23}]) == 6


def test_the_opening_is_of_the_first_words():
    blocks = [
        {"type": "heading", "level": 1, "text": "Title"},
        {"type": "paragraph", "text": " \n"},
        {"type": "quote", "text": "<b>" + "x" * 400},
    ]
    assert opening_of(blocks) == "<b>" + "x" * 297
    assert opening_of(blocks[:2]) == ""
