"""The bench's arithmetic: what it says of a measurement, and when two answers count as the same."""

import math

import pytest

from bench.figures import median, quantile, shown, times
from bench.measuring import comparable
from bench.sockets import Broken, Reading, masked


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, 1), (0.5, 50), (0.99, 99), (0.991, 100), (1.0, 100)]
)
def test_a_quantile_is_a_value_that_was_measured(share: float, expected: int) -> None:
    assert quantile(list(range(100, 0, -1)), share) == expected


def test_nothing_measured_is_not_a_number() -> None:
    assert math.isnan(quantile([], 0.5))
    assert math.isnan(median([]))
    assert math.isnan(times(1.0, 0.0))
    assert math.isnan(times(math.nan, 1.0))


def test_numbers_are_shown_with_three_digits() -> None:
    assert [shown(v) for v in (12_345.6, 123.4, 12.34, 1.234, 0.01234, 0.0, math.nan)] == [
        *("12,346", "123", "12.3", "1.23", "0.012", "0.00", "-")
    ]
    assert shown(times(10.0, 4.0), "x") == "2.50x"


def test_answers_differ_by_data_and_not_by_spelling() -> None:
    ours = {"cursor": "x", "id": "usr_" + "0a" * 16, "endsAt": "2026-01-31T12:00:00Z"}
    theirs = {
        "cursor": "y",
        "id": "0a0a0a0a-0a0a-0a0a-0a0a-0a0a0a0a0a0a",
        "endsAt": "2026-01-31T12:00:00+00:00",
    }
    assert comparable([ours]) == comparable([theirs])
    assert comparable(ours) != comparable(theirs | {"endsAt": "2026-01-31T12:00:01+00:00"})


def test_a_frame_that_is_not_an_event_breaks_the_run() -> None:
    with pytest.raises(Broken, match="not an event"):
        Reading("auction:1").sequence(b'{"id":"1","type":"error","payload":[]}')


def test_a_client_frame_is_masked_and_says_its_length() -> None:
    assert masked(b"hi") == b"\x81\x82\0\0\0\0hi"
    assert masked(b"a" * 200)[:4] == b"\x81\xfe\x00\xc8"
