"""Sums of ratings: the fold equals the count of what is there, also under races."""

import asyncio
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidInput
from services.content.ratings import EMPTY, folded, rate_title, tenths_of, unrate_title

ratings = st.one_of(st.none(), st.integers(0, 100))


@given(st.lists(st.tuples(st.integers(0, 4), ratings), max_size=40))
def test_the_fold_of_changes_is_the_count_of_what_is_left(changes):
    sums, held = EMPTY, {}
    for person, value in changes:
        sums = folded(sums, before=held.get(person), after=value)
        held[person] = value
    left = [value for value in held.values() if value is not None]
    assert (sums.count, sums.sum_tenths) == (len(left), sum(left))
    assert list(sums.histogram) == [sum(v // 10 == n for v in left) for n in range(11)]


@pytest.mark.parametrize(("value", "tenths"), [("0", 0), ("7.3", 73), ("10", 100), ("1E+1", 100)])
def test_tenths(value, tenths):
    assert tenths_of(Decimal(value)) == tenths


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-0.1", "10.01", "7.35", "1E-40"])
def test_no_tenths(value):
    with pytest.raises(InvalidInput):
        tenths_of(Decimal(value))


async def test_sums_are_exact_when_many_rate_at_once(titles, make_user, do, sql):
    [title] = await titles()
    people = [await make_user() for _ in range(6)]

    async def waver(user_id, n):
        for value in (n, 100 - n, 50):
            await do(rate_title, viewer_id=user_id, title_id=title, value_tenths=value)
        if n % 2:
            await do(unrate_title, viewer_id=user_id, title_id=title)

    await asyncio.gather(*(waver(user_id, n) for n, user_id in enumerate(people)))
    [stats] = await sql("SELECT count, sum_tenths, histogram FROM rating_stats")
    [[count, total]] = await sql("SELECT count(*), sum(value_tenths) FROM rating")
    assert (stats[0], stats.sum_tenths) == (count, total) == (3, 150)
    assert stats.histogram == [0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0]
