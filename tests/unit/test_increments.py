"""Bid increments: defaults by asset, a seller's own within limits, the stored form."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidInput
from core.money import INT64_MAX
from services.auctions.increments import (
    MAX_STEPS,
    IncrementSchedule,
    default_increments,
    increments_from_json,
    increments_to_json,
)


@pytest.mark.parametrize(
    ("price_minor", "increment_minor"),
    [
        (1, 5),
        (99, 5),
        (1_00, 25),
        (4_99, 25),
        (5_00, 50),
        (24_99, 50),
        (25_00, 1_00),
        (99_99, 1_00),
        (100_00, 2_50),
        (249_99, 2_50),
        (250_00, 5_00),
        (499_99, 5_00),
        (500_00, 10_00),
        (999_99, 10_00),
        (1_000_00, 25_00),
        (2_499_99, 25_00),
        (2_500_00, 50_00),
        (4_999_99, 50_00),
        (5_000_00, 100_00),
        (INT64_MAX, 100_00),
    ],
)
def test_dollar_increments_change_exactly_at_the_thresholds(price_minor, increment_minor):
    assert default_increments("USD").at(price_minor) == increment_minor


@pytest.mark.parametrize(
    ("price_minor", "increment_minor"),
    [
        (1, 1),
        (4, 1),
        (5, 1),
        (24, 1),
        (25, 1),
        (99, 1),
        (100, 3),
        (250, 5),
        (999, 10),
        (5_000, 100),
    ],
)
def test_yen_increments_are_rounded_up_to_whole_yen(price_minor, increment_minor):
    assert default_increments("JPY").at(price_minor) == increment_minor


def test_spark_increments_use_the_six_places_of_the_token():
    assert default_increments("SPARK").at(999_999) == 50_000
    assert default_increments("SPARK").at(1_000_000) == 250_000


@given(price=st.integers(0, 10**13), asset=st.sampled_from([("USD", 2), ("JPY", 0), ("SPARK", 6)]))
def test_defaults_agree_with_the_table_in_whole_units(price, asset):
    code, scale = asset
    table = [(1, "0.05"), (5, "0.25"), (25, "0.5"), (100, "1"), (250, "2.5"), (500, "5")]
    table += [(1_000, "10"), (2_500, "25"), (5_000, "50"), (math.inf, "100")]
    whole = Fraction(price, 10**scale)
    increment = next(Fraction(step) for below, step in table if whole < below)
    assert default_increments(code).at(price) == max(1, math.ceil(increment * 10**scale))


@pytest.mark.parametrize(
    ("limits", "increments", "reason"),
    [
        ((100,), (5,), "each step needs a limit"),
        ((100, 100), (1, 2, 3), "limits must rise"),
        ((200, 100), (1, 2, 3), "limits must rise"),
        ((0,), (1, 2), "must be positive"),
        ((100,), (0, 2), "must be positive"),
        ((100,), (1, -2), "must be positive"),
        ((100,), (1, INT64_MAX + 1), "fit 64 bits"),
        ((100,), (5, 4), "must not fall"),
        (tuple(range(1, MAX_STEPS + 2)), (1,) * (MAX_STEPS + 2), f"{MAX_STEPS} steps at most"),
    ],
)
def test_a_schedule_that_breaks_a_limit_is_refused(limits, increments, reason):
    with pytest.raises(InvalidInput, match=reason) as refused:
        IncrementSchedule(limits, increments)
    assert refused.value.field == "increments"


def test_a_single_flat_increment_is_a_schedule():
    assert IncrementSchedule((), (7,)).at(10**9) == 7


def test_the_stored_form_names_each_step_and_reads_back():
    schedule = IncrementSchedule((100, 500), (5, 25, 50))
    stored = [
        {"below": 100, "increment": 5},
        {"below": 500, "increment": 25},
        {"below": None, "increment": 50},
    ]
    assert increments_to_json(schedule) == stored
    assert increments_from_json(stored) == schedule


@pytest.mark.parametrize(
    "steps",
    [
        [],
        [{"below": 100, "increment": 5}],
        [{"below": None, "increment": 5}, {"below": None, "increment": 6}],
        [{"increment": 5.0}],
        [{"increment": True}],
        [{"increment": "5"}],
        [{}],
    ],
)
def test_another_stored_form_is_refused(steps):
    with pytest.raises(InvalidInput):
        increments_from_json(steps)
