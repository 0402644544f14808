"""Sums of impact, forecasts, and what sponsors see: exact values, each by one statement."""

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import event

from services.quests.budgets import fill_budget
from services.quests.forecasting import Forecaster, forecast
from services.quests.sponsoring import Budget, budgets, performances
from services.quests.summaries import CategorySum, impact_summary, monthly_impact
from tests.services.quests.impact_world import NOON, ImpactWorld


@pytest.fixture
def world(db):
    return ImpactWorld(db)


@pytest.fixture
def statements(db):
    sent = []
    event.listen(db.engine.sync_engine, "before_cursor_execute", lambda *a: sent.append(a[2]))
    return sent


async def test_a_summary_counts_a_region_and_a_period(world, db, statements):
    ada, bob = await world.players(2)
    rivers, parks = await world.quest(), await world.quest("parks")
    other = {"category": "parks", "region": "SI"}
    await world.gains(
        [
            (ada, rivers, 10, NOON, {}),
            (ada, rivers, 20, NOON - timedelta(days=6), {}),
            (bob, parks, 50, NOON - timedelta(days=1), {"category": "parks"}),
            (bob, parks, 5, NOON - timedelta(days=7), {}),
            (bob, parks, 7, NOON, other),
            (bob, parks, 9, NOON + timedelta(microseconds=1), {}),
        ]
    )
    statements.clear()
    found = await impact_summary(db, region="FR", period="WEEK", now=NOON)
    assert len(statements) == 1
    assert (found.completed, found.players, found.quests) == (3, 2, 2)
    assert (found.xp, found.impact_hundredths) == (80, 8_000)
    assert found.categories == (CategorySum("parks", 1, 5_000), CategorySum("rivers", 2, 3_000))
    assert found.tokens == ()
    everywhere = await impact_summary(db, region=None, period="ALL_TIME", now=NOON)
    assert (everywhere.completed, everywhere.since) == (5, None)
    nowhere = await impact_summary(db, region="XX", period="YEAR", now=NOON)
    assert (nowhere.completed, nowhere.xp, nowhere.categories) == (0, 0, ())


async def test_months_are_full_ones_after_the_first_and_empty_ones_are_zero(world, db):
    (ada,) = await world.players(1)
    quest = await world.quest()
    for at, xp in (
        (datetime(2026, 7, 31, 23, 59, tzinfo=UTC), 1),
        (datetime(2026, 8, 1, tzinfo=UTC), 2),
        (datetime(2026, 8, 31, 23, 59, 59, tzinfo=UTC), 3),
        (datetime(2026, 10, 5, tzinfo=UTC), 4),
        (NOON, 5),
    ):
        await world.gain(ada, quest, xp, at)
    assert await monthly_impact(db, region="FR", now=NOON) == (date(2026, 11, 1), [500, 0, 400])
    assert await monthly_impact(db, region="SI", now=NOON) == (date(2026, 11, 1), [])


async def test_a_forecast_needs_a_year_and_is_worked_out_once_a_month(world, db, statements):
    (ada,) = await world.players(1)
    quest = await world.quest()
    entries = []
    month = datetime(2025, 9, 15, tzinfo=UTC)
    while month < datetime(2026, 9, 1, tzinfo=UTC):
        entries.append((ada, quest, 100, month, {}))
        month = (month.replace(day=28) + timedelta(days=4)).replace(day=15)
    await world.gains(entries)
    forecaster = Forecaster()
    # September to August are twelve, of which the first does not count.
    september = datetime(2026, 9, 2, tzinfo=UTC)
    assert await forecaster.months(db, region="FR", months=3, now=september) is None
    october = datetime(2026, 10, 2, tzinfo=UTC)
    await world.gain(ada, quest, 100, datetime(2026, 9, 15, tzinfo=UTC))
    statements.clear()
    found = await forecaster.months(db, region="FR", months=3, now=october)
    assert [one.month for one in found] == [date(2026, m, 1) for m in (10, 11, 12)]
    assert {(one.expected, one.low, one.high) for one in found} == {(10_000, 10_000, 10_000)}
    assert await forecaster.months(db, region="FR", months=1, now=october) == found[:1]
    assert len(statements) == 1


def test_what_grows_is_expected_to_grow_and_uncertainty_grows_with_it():
    sums = [10_000 + 1_000 * n + (400 if n % 2 else -400) for n in range(18)]
    found = forecast(sums, 4)
    for n, (expected, low, high) in enumerate(found):
        assert low < expected < high
        assert abs(expected - (28_000 + 1_000 * n)) < 2_500
    widths = [high - low for _, low, high in found]
    assert widths == sorted(widths)


def test_with_two_years_the_time_of_the_year_counts_and_nothing_is_below_zero():
    sums = [30_000 if n % 12 == 5 else n * 37 % 5 * 100 for n in range(36)]
    found = forecast(sums, 12)
    assert max(range(12), key=lambda n: found[n][0]) == 5
    assert min(low for _, low, _ in found) == 0


async def test_what_a_sponsor_sees(world, db, statements, fund):
    sponsor, ada, bob, cyd = await world.players(4)
    await fund(db, sponsor, amount_minor=50_000)
    paid = {"sponsor_id": sponsor, "asset": "USD", "reward_minor": 500}
    quest, other = await world.quest(**paid), await world.quest()
    filled = await db.transaction(
        lambda tx: fill_budget(tx, sponsor_id=sponsor, asset="USD", amount_minor=20_000)
    )
    promise = {"reward_minor": 500, "asset": "USD"}
    await world.assignment(ada, quest, "REWARDED", authenticity=90, **promise)
    await world.assignment(bob, quest, "REWARDED", authenticity=80, **promise)
    await world.assignment(bob, quest, "REJECTED", authenticity=10, **promise)
    await world.assignment(bob, quest, "EXPIRED", **promise)
    await world.assignment(cyd, quest, "UNDER_REVIEW", **promise)
    await world.assignment(ada, quest, **promise)
    # Any transfer will do for one that paid.
    given = {"sponsor_id": sponsor, "token_minor": 450, "asset": "USD", "transfer_id": filled.id}
    await world.gain(ada, quest, 100, **given)
    statements.clear()
    good, plain = await performances(db, [quest, other])
    assert len(statements) == 1
    assert (good.accepted, good.running, good.completed) == (7, 2, 3)
    assert (good.rejected, good.given_up, good.authenticity) == (1, 1, 85)
    assert (good.promised_minor, good.paid_minor, good.players) == (1_000, 450, 1)
    assert good.impact_hundredths == 10_000
    assert (plain.accepted, plain.authenticity) == (0, None)
    assert await budgets(db, sponsor) == [Budget("USD", 20_000, 450, 1_000)]
    assert await budgets(db, ada) == []
    assert len(statements) == 3
