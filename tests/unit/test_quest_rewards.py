"""What a deed is worth, days in a row, levels and badges: exact values, and what holds for all."""

import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.parameters import PARAMETERS
from services.quests.badges import BadRule, Tally, check_rule, earned, newly_earned
from services.quests.levels import level_of, next_threshold
from services.quests.multipliers import (
    FACTORS,
    PARAMETER_KEYS,
    BadBreakdown,
    Deed,
    Maps,
    break_down,
    maps_of,
    read_breakdown,
)
from services.quests.streaks import (
    Streak,
    advance,
    fold_deeds,
    local_day,
    next_day,
    standing_days,
)

OPENS = datetime(2026, 3, 1, tzinfo=UTC)
CLOSES = OPENS + timedelta(days=30)
MAPS = Maps()


def worth(base_xp=100, reward_minor=0, **facts):
    given = {"difficulty": 3, "authenticity": 50, "streak_days": 0, **facts}
    return break_down(Deed(**given), base_xp=base_xp, reward_minor=reward_minor, maps=MAPS)


@pytest.mark.parametrize(("difficulty", "xp"), [(1, 50), (2, 75), (3, 100), (4, 150), (5, 200)])
def test_difficulty_by_its_table(difficulty, xp):
    assert worth(difficulty=difficulty).xp == xp


@pytest.mark.parametrize(
    ("facts", "name", "factor"),
    [
        ({"authenticity": 0}, "authenticity", Fraction(1, 2)),
        ({"authenticity": 50}, "authenticity", Fraction(1)),
        ({"authenticity": Decimal("87.35")}, "authenticity", Fraction(2747, 2000)),
        ({"authenticity": 100}, "authenticity", Fraction(3, 2)),
        ({"streak_days": 0}, "streak", Fraction(1)),
        ({"streak_days": 1}, "streak", Fraction(51, 50)),
        ({"streak_days": 24}, "streak", Fraction(148, 100)),
        ({"streak_days": 25}, "streak", Fraction(3, 2)),
        ({"streak_days": 4_000}, "streak", Fraction(3, 2)),
        ({"need_hundredths": 50}, "zoneNeed", Fraction(1, 2)),
        ({"need_hundredths": 10}, "zoneNeed", Fraction(1, 2)),
        ({"need_hundredths": 137}, "zoneNeed", Fraction(137, 100)),
        ({"need_hundredths": 900}, "zoneNeed", Fraction(2)),
        ({"team_members": 0}, "team", Fraction(1)),
        ({"team_members": 3}, "team", Fraction(23, 20)),
        ({"team_members": 5}, "team", Fraction(5, 4)),
        ({"team_members": 50}, "team", Fraction(5, 4)),
    ],
)
def test_each_multiplier_by_its_map(facts, name, factor):
    found = worth(**facts)
    assert found.factors[name] == factor
    assert {other: found.factors[other] for other in FACTORS if other != name} == {
        other: Fraction(1) for other in FACTORS if other != name
    }


A_MICROSECOND = timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("at", "factor"),
    [
        (OPENS, Fraction(5, 4)),
        (OPENS + timedelta(days=10) - A_MICROSECOND, Fraction(5, 4)),
        (OPENS + timedelta(days=10), 1),
        (OPENS + timedelta(days=27) - A_MICROSECOND, 1),
        (OPENS + timedelta(days=27), Fraction(4, 5)),
        (CLOSES + timedelta(days=3), Fraction(4, 5)),
    ],
)
def test_timeliness_by_thirds_and_tenths_to_the_microsecond(at, factor):
    found = worth(at=at, opens_at=OPENS, closes_at=CLOSES)
    assert found.factors["timeliness"] == factor


def test_no_window_is_neither_early_nor_late():
    assert worth(at=OPENS, opens_at=OPENS).factors["timeliness"] == 1
    assert worth(at=OPENS, opens_at=OPENS, closes_at=OPENS).factors["timeliness"] == 1


def test_all_six_multiply_and_tokens_leave_out_streak_and_team():
    found = worth(
        base_xp=137,
        reward_minor=1_000_003,
        difficulty=4,
        authenticity=90,
        streak_days=7,
        need_hundredths=130,
        team_members=2,
        at=OPENS,
        opens_at=OPENS,
        closes_at=CLOSES,
    )
    factors = ["3/2", "7/5", "57/50", "13/10", "11/10", "5/4"]
    assert [str(found.factors[name]) for name in FACTORS] == factors
    exact = 137 * Fraction("3/2") * Fraction("7/5") * Fraction("57/50") * Fraction("13/10")
    assert found.xp == round(exact * Fraction("11/10") * Fraction("5/4")) == 586
    assert found.token_minor == round(1_000_003 * Fraction("273/80")) == 3_412_510
    assert found.impact_hundredths == 24_934


@pytest.mark.parametrize(("base", "xp"), [(1, 0), (3, 2), (5, 2), (7, 4)])
def test_xp_is_rounded_half_to_even_once(base, xp):
    # Of 0.5, 1.5, 2.5 and 3.5, the even neighbour.
    assert worth(base_xp=base, difficulty=1).xp == xp


def test_rounding_between_the_multipliers_would_differ():
    assert worth(base_xp=1, difficulty=1, authenticity=100, need_hundredths=200).xp == 2  # 1.5
    assert worth(base_xp=3, difficulty=1, need_hundredths=200).xp == 3  # and not round(1.5) twice


@pytest.mark.parametrize(
    "facts",
    [
        {"difficulty": 0},
        {"difficulty": 6},
        {"authenticity": -1},
        {"authenticity": 101},
        {"streak_days": -1},
        {"team_members": -1},
        {"base_xp": -1},
        {"reward_minor": -1},
    ],
)
def test_facts_that_cannot_be_are_refused(facts):
    with pytest.raises(ValueError, match=r"difficulty|authenticity|negative"):
        worth(**facts)


deeds = st.builds(
    Deed,
    difficulty=st.integers(1, 5),
    authenticity=st.decimals(0, 100, places=2),
    streak_days=st.integers(0, 10_000),
    need_hundredths=st.integers(1, 500),
    team_members=st.integers(0, 100),
    at=st.none() | st.datetimes(timezones=st.just(UTC)),
    opens_at=st.just(OPENS),
    closes_at=st.none() | st.just(CLOSES),
)
maps = st.builds(
    Maps,
    **dict.fromkeys((key.removeprefix("quest_") for key in PARAMETER_KEYS), st.integers(0, 1_000)),
)


@given(deeds, st.integers(0, 10**6), st.integers(0, 2**62), maps)
def test_anything_is_bounded_and_recomputed_from_what_is_kept(deed, base_xp, reward_minor, given):
    found = break_down(deed, base_xp=base_xp, reward_minor=reward_minor, maps=given)
    assert all(Fraction(1, 2) <= factor <= 2 for factor in found.factors.values())
    again = read_breakdown(found.as_json())
    assert (again.xp, again.token_minor, again.impact) == (
        found.xp,
        found.token_minor,
        found.impact,
    )
    assert abs(found.xp - base_xp * _product(found.factors.values())) <= Fraction(1, 2)


def test_the_maps_are_the_platforms_parameters():
    assert maps_of({key: PARAMETERS[key].default for key in PARAMETER_KEYS}) == MAPS
    assert maps_of({"quest_team_step": 7, "fee_basis_points": 250}) == Maps(team_step=7)


def _product(factors):
    found = Fraction(1)
    for factor in factors:
        found *= factor
    return found


def test_what_is_no_breakdown_is_refused():
    kept = worth().as_json()
    for spoilt in (
        {},
        {**kept, "v": 2},
        {**kept, "baseXp": None},
        {**kept, "factors": {**kept["factors"], "team": "1/0"}},
        {**kept, "factors": {**kept["factors"], "team": "3"}},
        {**kept, "factors": {**kept["factors"], "team": "2/2"}},
        {**kept, "factors": {**kept["factors"], "luck": "2"}},
    ):
        with pytest.raises(BadBreakdown):
            read_breakdown(spoilt)


# --- streaks


def at(zone, *moment):
    return datetime(*moment, tzinfo=ZoneInfo(zone)).astimezone(UTC)


def streak_of(*deeds):
    return fold_deeds(deeds).days


def test_days_in_a_row_count_and_a_day_counts_once():
    zone = "Europe/Ljubljana"
    days = [(at(zone, 2026, 3, 27 + n, 23, 59), zone) for n in range(3)]  # 29 March: summer time
    assert streak_of(*days, (at(zone, 2026, 3, 29, 0, 1), zone)) == 3
    assert streak_of(*days, (at(zone, 2026, 3, 30, 0, 1), zone)) == 4
    assert streak_of(*days, (at(zone, 2026, 3, 31, 0, 1), zone)) == 1
    longest = fold_deeds([*days, (at(zone, 2026, 4, 7, 12), zone)])
    assert (longest.days, longest.longest) == (1, 3)


def test_a_day_is_the_players_and_not_the_servers():
    late, early = datetime(2026, 5, 1, 23, 30, tzinfo=UTC), datetime(2026, 5, 2, 0, 30, tzinfo=UTC)
    assert streak_of((late, "UTC"), (early, "UTC")) == 2
    assert streak_of((late, "Asia/Kolkata"), (early, "Asia/Kolkata")) == 1


def test_a_day_that_a_calendar_leaves_out_breaks_nothing():
    samoa = "Pacific/Apia"
    assert next_day(date(2011, 12, 29), samoa) == date(2011, 12, 31)
    assert next_day(date(2011, 12, 29), "Europe/London") == date(2011, 12, 30)
    assert streak_of((at(samoa, 2011, 12, 29, 9), samoa), (at(samoa, 2011, 12, 31, 9), samoa)) == 2


def test_who_flies_over_the_date_line_loses_nothing():
    west, east = "Pacific/Honolulu", "Pacific/Kiritimati"
    monday = at(west, 2026, 6, 1, 23)
    assert local_day(monday + timedelta(hours=20), east) == date(2026, 6, 3)
    assert streak_of((monday, west), (monday + timedelta(hours=20), east)) == 2
    # And back: a day that was counted is not counted again, nor is the way back a break.
    wednesday = at(east, 2026, 6, 3, 10)
    back = (wednesday + timedelta(hours=5), west)
    assert local_day(*back) == date(2026, 6, 2)
    assert streak_of((wednesday, east), back, (at(west, 2026, 6, 3, 20), west)) == 1
    assert streak_of((wednesday, east), back, (at(west, 2026, 6, 4, 20), west)) == 2


def test_zones_cannot_be_changed_for_more_days_than_pass():
    rng, now = random.Random(7), OPENS
    deeds = []
    while now < OPENS + timedelta(days=20):
        deeds.append((now, rng.choice(ZONES)))
        now += timedelta(minutes=20)
    assert 20 <= fold_deeds(deeds).longest <= 22


def test_a_streak_stands_until_a_whole_day_has_passed():
    zone = "Asia/Kolkata"
    streak = fold_deeds([(at(zone, 2026, 5, 1, 12), zone), (at(zone, 2026, 5, 2, 12), zone)])
    assert standing_days(streak, now=at(zone, 2026, 5, 3, 23, 59), zone=zone) == 2
    assert standing_days(streak, now=at(zone, 2026, 5, 4, 0, 0), zone=zone) == 0
    assert standing_days(Streak(), now=OPENS, zone=zone) == 0


ZONES = sorted(available_timezones())
FROM, YEARS = date(2008, 1, 1), 20


def calendar(zone, first, days):
    """The zone's days, taken from its clock hour by hour, and a moment on each."""
    found = {}
    now = datetime.combine(first, datetime.min.time(), UTC)
    for _ in range(24 * days):
        found.setdefault(now.astimezone(zone).date(), now)
        now += timedelta(hours=1)
    return found


def test_in_every_zone_over_twenty_years_a_deed_a_day_is_a_streak_and_a_day_left_out_breaks_it():
    """Each zone at random moments of each day of its calendar, whole weeks spread over 20 years and
    always around its changes of offset (found by the clock alone)."""
    rng = random.Random(20)
    assert len(ZONES) > 400
    for name in ZONES:
        zone = ZoneInfo(name)
        for first in weeks_to_try(zone, rng):
            days = calendar(zone, first, 6)
            moments = [
                (found + timedelta(minutes=rng.randrange(59)), name) for found in days.values()
            ]
            moments = [(moment, name) for moment, _ in moments if local_day(moment, name) in days]
            if len({local_day(*each) for each in moments}) != len(days):
                continue  # a change of offset within that hour
            assert fold_deeds(moments).days == len(days), (name, first)
            gone = rng.randrange(1, len(moments) - 1)
            kept = moments[:gone] + moments[gone + 1 :]
            assert fold_deeds(kept).days == len(moments) - gone - 1, (name, first, gone)
            twice = sorted(moments + [(moment + A_MICROSECOND, name) for moment, _ in moments])
            assert fold_deeds(twice).days == len(days), (name, first)


def weeks_to_try(zone, rng):
    """The weeks around changes of offset, one of each year and two others, and one at random."""
    changes, before = {}, None
    for n in range(0, 365 * YEARS + 5, 5):
        day = FROM + timedelta(days=n)
        offset = datetime.combine(day, datetime.min.time(), zone).utcoffset()
        if before is not None and offset != before:
            changes.setdefault(day.year, day - timedelta(days=5))
        before = offset
    some = rng.sample(sorted(changes.values()), min(5, len(changes)))
    return [*some, FROM + timedelta(days=rng.randrange(365 * YEARS))]


# --- levels and badges


def test_levels_are_ten_times_the_thresholds_of_reputation():
    reached = [0, 999, 1_000, 4_999, 5_000, 10_000, 50_000, 100_000, 500_000, 999_999, 10**6, 10**9]
    assert [level_of(xp) for xp in reached] == [1, 1, 2, 2, 3, 4, 5, 6, 7, 7, 8, 8]
    assert (next_threshold(0), next_threshold(1_000), next_threshold(10**6)) == (1_000, 5_000, None)


BADGES = {
    "first-deed": {"kind": "FIRST", "of": "OWN"},
    "ten-deeds": {"kind": "COUNT", "atLeast": 10},
    "hundred-deeds": {"kind": "COUNT", "atLeast": 100},
    "week": {"kind": "STREAK", "days": 7},
    "specialist": {"kind": "CATEGORY", "atLeast": 25},
    "traveller": {"kind": "REGION", "regions": 3},
    "pathfinder": {"kind": "FIRST", "of": "QUEST"},
}


def test_badges_are_earned_by_their_rules_and_once():
    tally = Tally(
        deeds=25,
        streak_days=7,
        categories={"river": 24, "forest": 1},
        regions={"IN": 23, "SI": 1, "FR": 1},
        first_of_quest=True,
    )
    badges = list(BADGES.items())
    found = newly_earned(badges, tally, held=["ten-deeds"])
    assert found == ["week", "traveller", "pathfinder"]
    assert newly_earned(badges, tally, held=[*found, "ten-deeds"]) == []
    assert newly_earned(badges, Tally(deeds=1, streak_days=1), held=[]) == ["first-deed"]
    assert earned({"kind": "CATEGORY", "atLeast": 24, "category": "river"}, tally)
    assert not earned({"kind": "CATEGORY", "atLeast": 2, "category": "forest"}, tally)
    assert not earned({"kind": "REGION", "atLeast": 1, "region": "GB"}, tally)
    assert not earned({"kind": "FIRST", "of": "REGION"}, tally)


@pytest.mark.parametrize(
    "rule",
    [
        {},
        {"kind": "LUCK"},
        {"kind": "COUNT"},
        {"kind": "COUNT", "atLeast": 0},
        {"kind": "COUNT", "atLeast": True},
        {"kind": "STREAK", "days": "7"},
        {"kind": "CATEGORY", "category": "river"},
        {"kind": "REGION", "regions": 3, "atLeast": 3},
        {"kind": "FIRST", "of": "WORLD"},
    ],
)
def test_what_is_no_rule_is_refused(rule):
    with pytest.raises(BadRule):
        check_rule(rule)


def test_a_zone_that_is_not_known_is_utc():
    moment = datetime(2026, 5, 1, 23, 30, tzinfo=UTC)
    assert local_day(moment, "Mars/Olympus") == date(2026, 5, 1)
    assert advance(Streak(), at=moment, zone="../etc/passwd").days == 1
