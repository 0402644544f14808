"""A column serialised as a whole is what its values are one by one."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from execution.serialising import serialised
from loaders.rows import BEYOND
from schema.scalars import _datetime_text

DATE_TIME = SimpleNamespace(coerce_output_value=_datetime_text)
TEXT = SimpleNamespace(coerce_output_value=str)


def one_by_one(type_, column):
    return [None if value is None else type_.coerce_output_value(value) for value in column]


@given(st.lists(st.none() | st.datetimes(timezones=st.just(UTC)), max_size=5))
def test_moments_in_utc_are_written_alike(column):
    assert serialised(DATE_TIME, column) == one_by_one(DATE_TIME, column)


NOON = datetime(2031, 5, 1, 12, tzinfo=UTC)


def test_moments_keep_their_microseconds_and_their_years():
    column = [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC), NOON, None]
    assert serialised(DATE_TIME, column) == [
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59.999999Z",
        "2031-05-01T12:00:00Z",
        None,
    ]


class LaterDatetime(datetime):
    """Says something else of itself."""

    def isoformat(self, *_, **__):
        return "later"


@pytest.mark.parametrize(
    "odd",
    [
        NOON.astimezone(timezone(timedelta(hours=2))),
        NOON.astimezone(ZoneInfo("Europe/Paris")),
        NOON.replace(tzinfo=None),
        LaterDatetime(2031, 5, 1, tzinfo=UTC),
        3,
    ],
)
def test_other_moments_are_written_one_by_one(odd):
    assert serialised(DATE_TIME, [NOON, odd]) is None


@given(st.lists(st.none() | st.datetimes(timezones=st.just(UTC)), max_size=5))
def test_moments_that_the_database_has_written_are_passed_on(column):
    texts = one_by_one(DATE_TIME, column)
    assert serialised(DATE_TIME, texts) == texts
    assert one_by_one(DATE_TIME, texts) == texts


@pytest.mark.parametrize("text", [BEYOND, "infinity", "10000-01-01 00:00:00+00", "", "soon"])
def test_texts_of_no_moment_that_can_be_told_are_refused(text):
    assert serialised(DATE_TIME, ["2031-05-01T12:00:00Z", text]) is None
    with pytest.raises(ValueError, match="a moment beyond"):
        one_by_one(DATE_TIME, ["2031-05-01T12:00:00Z", text])


class Loud(str):
    """Is written in another way than it is kept."""

    def __str__(self):
        return self.upper()


@given(st.lists(st.text() | st.integers() | st.decimals() | st.builds(Loud, st.text())))
def test_texts_are_what_str_says(column):
    assert serialised(TEXT, column) == one_by_one(TEXT, column)


def test_nulls_stay_null_or_the_column_is_left():
    assert serialised(TEXT, ["a", None]) == ["a", None]
    assert serialised(TEXT, [Decimal("1.50"), None]) is None
    assert serialised(TEXT, []) == []


def test_a_scalar_that_says_nothing_of_columns_has_none():
    assert serialised(SimpleNamespace(coerce_output_value=repr), ["a"]) is None
