"""Text comes out exactly as it went in, or is refused with a reason that names the field."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidInput
from core.text import clean_text
from tests.data import naughty_strings


def refusal(value, **limits):
    with pytest.raises(InvalidInput) as refused:
        clean_text(value, field="title", **{"maximum": 10, **limits})
    assert refused.value.field == "title"
    return refused.value.reason


@pytest.mark.parametrize(
    "value",
    [
        "a",
        " a ",
        "\ta",
        "e\u0301",
        "\u00e9",
        "\U0001f469\u200d\U0001f52c",
        "\u202eabc",
        "0",
        "\x1b[31m",
    ],
)
def test_what_may_stand_comes_out_unchanged(value):
    assert clean_text(value, field="title", maximum=10) == value


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("", "must not be empty"),
        ("a\0b", "contains a NUL character"),
        ("a\ud800", "contains half of a surrogate pair"),
        ("a\udc00b", "contains half of a surrogate pair"),
        ("x" * 11, "10 characters at most"),
        (" \t ", "must not be blank"),
        ("\u200b\ufeff\u00a0", "must not be blank"),
        ("\u3164", "must not be blank"),
        ("a\nb", "must be a single line"),
        ("a\u2028b", "must be a single line"),
    ],
)
def test_what_may_not_stand_is_refused_with_the_reason(value, reason):
    assert refusal(value) == reason


def test_the_length_is_that_of_characters_not_of_bytes():
    assert clean_text("\U0001f600" * 10, field="title", maximum=10) == "\U0001f600" * 10
    assert refusal("\U0001f600" * 11) == "10 characters at most"
    assert refusal("ab", minimum=3) == "3 characters at least"


def test_an_optional_text_may_be_empty_or_blank():
    assert clean_text("", field="bio", minimum=0, maximum=10) == ""
    assert clean_text("  ", field="bio", minimum=0, maximum=10) == "  "


def test_lines_are_kept_where_they_are_allowed():
    text = "a\r\nb\u2028c"
    assert clean_text(text, field="bio", maximum=10, multiline=True) == text
    assert refusal(" \n ", multiline=True) == "must not be blank"


@given(st.text(alphabet=st.characters(exclude_categories=()), max_size=20))
def test_any_text_is_storable_and_unchanged_or_refused(value):
    try:
        kept = clean_text(value, field="title", maximum=20, multiline=True)
    except InvalidInput:
        return
    assert kept == value
    assert "\0" not in kept
    assert kept.encode().decode() == value


def test_every_naughty_string_comes_out_unchanged_or_is_refused():
    strings = naughty_strings()
    refused = 0
    for value in strings:
        try:
            assert clean_text(value, field="title", maximum=5_000, multiline=True) == value
        except InvalidInput:
            refused += 1
    assert len(strings) > 500
    assert refused < 10
