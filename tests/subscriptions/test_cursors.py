"""Cursors are opaque, bound to their topic, and garbage is refused politely."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import BadUserInput
from subscriptions.cursors import decode_cursor, encode_cursor


@given(topic=st.text(max_size=60), sequence=st.integers(0, 2**63 - 1))
def test_a_cursor_comes_back_as_it_went(topic, sequence):
    assert decode_cursor(encode_cursor(topic, sequence), topic) == sequence


def test_a_cursor_of_another_topic_is_refused():
    with pytest.raises(BadUserInput, match="another subscription"):
        decode_cursor(encode_cursor("auction:1", 4), "auction:2")


@pytest.mark.parametrize(
    "text",
    ["-1@t", "+1@t", "1", "@t", "1.0@t", " 1@t", "1_0@t", "٣@t", f"{2**63}@t", "9" * 20 + "@t"],
)
def test_what_stands_for_no_sequence_is_refused(text):
    with pytest.raises(BadUserInput, match="not a cursor"):
        decode_cursor(base64.urlsafe_b64encode(text.encode()).decode(), "t")


@given(garbage=st.text(max_size=600))
def test_garbage_is_refused(garbage):
    with pytest.raises(BadUserInput):
        decode_cursor(garbage, "auction:1")
