"""Public ids: a prefix and 32 hex digits, and nothing else."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import BadUserInput
from core.ids import decode_id, encode_id, new_id, split_id

SOME_ID = UUID("01930c5e-0000-7000-8000-00000000002a")
SOME_TEXT = "auc_01930c5e000070008000000000000" + "02a"

prefixes = st.text("abcdefghijklmnopqrstuvwxyz", min_size=3, max_size=3)


@given(prefixes, st.uuids())
def test_ids_survive(prefix: str, key: UUID) -> None:
    public = encode_id(prefix, key)
    assert split_id(public) == (prefix, key)
    assert decode_id(public, prefix) == key


def test_the_form_is_fixed() -> None:
    assert encode_id("auc", SOME_ID) == SOME_TEXT


@pytest.mark.parametrize(
    "text",
    [
        "",
        "auc",
        "auc_",
        SOME_TEXT[:-1],
        SOME_TEXT + "0",
        SOME_TEXT + "\n",
        " " + SOME_TEXT,
        SOME_TEXT.upper(),
        SOME_TEXT.replace("auc_", "AUC_"),
        SOME_TEXT.replace("auc_", "auct_"),
        SOME_TEXT.replace("_", "-"),
        str(SOME_ID),
        f"auc_{SOME_ID}",
        SOME_TEXT.replace("0", "\u0660"),  # digits, and not ours
        SOME_TEXT.replace("c5e", "c5g"),
        "\0" * 36,
    ],
)
def test_any_other_form_is_refused(text: str) -> None:
    with pytest.raises(BadUserInput):
        split_id(text)


@given(st.text(max_size=80))
def test_no_text_does_anything_but_decode_or_be_refused(text: str) -> None:
    try:
        prefix, key = split_id(text)
    except BadUserInput:
        return
    assert encode_id(prefix, key) == text


def test_another_types_id_is_refused_by_name() -> None:
    with pytest.raises(BadUserInput, match="begins with usr_, not auc_"):
        decode_id(SOME_TEXT, "usr")


def test_new_ids_differ_and_rise_with_time() -> None:
    made = [new_id() for _ in range(10_000)]
    assert len(set(made)) == len(made)
    milliseconds = [key.int >> 80 for key in made]
    assert milliseconds == sorted(milliseconds)
    assert {key.version for key in made} == {7}
