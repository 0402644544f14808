"""Relay's arguments and opaque cursors: what is refused, and that nothing else can happen."""

import base64
from datetime import UTC, datetime, timedelta
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import BadUserInput
from core.pagination import (
    MAX_CURSOR_LENGTH,
    OrderKey,
    PageRequest,
    decode_cursor,
    encode_cursor,
    page_request,
)

NEWEST = OrderKey("newest", (datetime, UUID))
PRICE = OrderKey("price", (int, UUID))
NAMES = OrderKey("names", (str, UUID))
SOME_ID = UUID(int=7)

moments = st.datetimes(timezones=st.just(UTC))
int64s = st.integers(-(2**63), 2**63 - 1)
short_texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40)


def cursor_of(value: object) -> str:
    packed = value if isinstance(value, bytes) else orjson.dumps(value)
    return base64.urlsafe_b64encode(packed).rstrip(b"=").decode()


def ask(order: OrderKey = NEWEST, **given_arguments: object) -> PageRequest:
    arguments = {"first": None, "after": None, "last": None, "before": None, **given_arguments}
    return page_request(order, default=20, maximum=100, **arguments)


@given(moments, st.uuids())
def test_moments_survive_to_the_microsecond(moment: datetime, key: UUID) -> None:
    assert decode_cursor(NEWEST, encode_cursor(NEWEST, (moment, key))) == (moment, key)


@given(int64s, st.uuids())
def test_numbers_survive_to_the_last_unit(number: int, key: UUID) -> None:
    assert decode_cursor(PRICE, encode_cursor(PRICE, (number, key))) == (number, key)


@given(short_texts, st.uuids())
def test_texts_survive(text: str, key: UUID) -> None:
    assert decode_cursor(NAMES, encode_cursor(NAMES, (text, key))) == (text, key)


@given(moments, st.uuids())
def test_cursors_can_stand_in_an_address(moment: datetime, key: UUID) -> None:
    cursor = encode_cursor(NEWEST, (moment, key))
    assert cursor.replace("-", "").replace("_", "").isalnum()
    assert cursor.isascii()
    assert len(cursor) <= MAX_CURSOR_LENGTH


def test_another_offset_is_the_same_moment() -> None:
    moment = datetime.fromisoformat("2026-01-31T13:00:00+01:00")
    [decoded, _] = decode_cursor(NEWEST, encode_cursor(NEWEST, (moment, SOME_ID)))
    assert decoded == datetime(2026, 1, 31, 12, tzinfo=UTC)


def test_cursor_of_another_ordering_is_refused_even_with_the_same_types() -> None:
    oldest = OrderKey("oldest", NEWEST.types)
    cursor = encode_cursor(oldest, (datetime(2026, 1, 1, tzinfo=UTC), SOME_ID))
    with pytest.raises(BadUserInput, match="does not belong"):
        decode_cursor(NEWEST, cursor)


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "====",
        "not a cursor",
        "\ud800",
        "é" * 10,
        "a" * (MAX_CURSOR_LENGTH + 1),
        cursor_of(b"\xff\xfe"),
        cursor_of(b"["),
        cursor_of(b"[" * 300),
        cursor_of(None),
        cursor_of(5),
        cursor_of("newest"),
        cursor_of([]),
        cursor_of({"newest": 1, "b": 2, "c": 3}),
        cursor_of(["newest"]),
        cursor_of(["newest", 1]),
        cursor_of(["newest", 1, SOME_ID.hex, 1]),
        cursor_of(["newest", True, SOME_ID.hex]),
        cursor_of(["newest", 1.5, SOME_ID.hex]),
        cursor_of(["newest", "1", SOME_ID.hex]),
        cursor_of(["newest", None, SOME_ID.hex]),
        cursor_of(["newest", 2**63, SOME_ID.hex]),
        cursor_of(["newest", 2**63 - 1, SOME_ID.hex]),  # int64, and no year of ours
        cursor_of(["newest", -(2**63), SOME_ID.hex]),
        cursor_of(["newest", 1, "zz"]),
        cursor_of(["newest", 1, 7]),
        cursor_of(["newest", 1, None]),
        cursor_of(["newest", [1], SOME_ID.hex]),
        cursor_of([["newest"], 1, SOME_ID.hex]),
    ],
)
def test_what_is_no_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(BadUserInput):
        decode_cursor(NEWEST, cursor)


def test_nul_in_a_text_is_refused() -> None:
    with pytest.raises(BadUserInput):
        decode_cursor(NAMES, cursor_of(["names", "a\0b", SOME_ID.hex]))


@given(st.text(max_size=600) | st.binary(max_size=300).map(cursor_of))
def test_no_text_does_anything_but_decode_or_be_refused(cursor: str) -> None:
    for order in (NEWEST, PRICE, NAMES):
        try:
            values = decode_cursor(order, cursor)
        except BadUserInput:
            continue
        assert tuple(type(value) for value in values) == order.types


json_values = st.recursive(
    st.none() | st.booleans() | int64s | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=5,
)


@given(st.lists(json_values, max_size=4))
def test_well_formed_json_in_a_cursor_is_typed_or_refused(values: list[object]) -> None:
    for order in (NEWEST, PRICE, NAMES):
        try:
            decoded = decode_cursor(order, cursor_of([order.name, *values]))
        except BadUserInput:
            continue
        assert tuple(type(value) for value in decoded) == order.types


def test_without_arguments_it_is_the_first_default_page() -> None:
    assert ask() == PageRequest(limit=20, forward=True)


def test_first_goes_forward_and_last_backward() -> None:
    assert ask(first=3) == PageRequest(limit=3, forward=True)
    assert ask(last=3) == PageRequest(limit=3, forward=False)


def test_positions_are_decoded() -> None:
    position = (datetime(2026, 1, 1, tzinfo=UTC), SOME_ID)
    earlier = (position[0] - timedelta(microseconds=1), SOME_ID)
    request = ask(
        first=1, after=encode_cursor(NEWEST, position), before=encode_cursor(NEWEST, earlier)
    )
    assert (request.after, request.before) == (position, earlier)


@pytest.mark.parametrize("limit", [0, 1, 100])
def test_limits_themselves_are_allowed(limit: int) -> None:
    assert ask(first=limit).limit == limit
    assert ask(last=limit).limit == limit


@pytest.mark.parametrize("limit", [-1, 101, -(2**31), 2**31 - 1])
@pytest.mark.parametrize("name", ["first", "last"])
def test_too_many_or_less_than_none_is_refused_by_name(name: str, limit: int) -> None:
    with pytest.raises(BadUserInput, match=f"^{name} must be from 0 to 100$") as raised:
        ask(**{name: limit})
    assert raised.value.details == {"maximum": 100}


def test_first_with_last_is_refused() -> None:
    with pytest.raises(BadUserInput, match="not both"):
        ask(first=1, last=1)


@pytest.mark.parametrize("name", ["after", "before"])
def test_bad_cursors_are_refused_on_either_side(name: str) -> None:
    with pytest.raises(BadUserInput):
        ask(**{name: "garbage"})
