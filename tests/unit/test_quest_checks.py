"""Each check of evidence by itself, and what is made of all of them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.quests.authenticity import judge, score_of
from services.quests.checks import hash_bits, run_checks
from services.quests.contract import Check
from services.quests.facts import (
    EvidenceFacts,
    EvidenceTerms,
    Fix,
    PhotoFacts,
    Quality,
    VideoFacts,
    flagged,
    metres_between,
    not_checked,
    passed,
)
from services.quests.movement import grid_of

NOW = datetime(2026, 5, 2, 12, 0, tzinfo=UTC)
ACCEPTED = NOW - timedelta(hours=5)
TERMS = EvidenceTerms(
    accepted_at=ACCEPTED, opens_at=NOW - timedelta(days=3), closes_at=NOW + timedelta(days=3)
)
OLD = datetime(2019, 1, 1, tzinfo=UTC)
PLACE = (46.0512345, 14.5063217)


def fix(minutes=-10.0, *, north=0.0, **changes):
    fields = {
        "latitude": PLACE[0] + north,
        "longitude": PLACE[1],
        "accuracy_m": 6.0,
        "at": NOW + timedelta(minutes=minutes),
        "outside_m": 0.0,
    }
    return Fix(**(fields | changes))


def photo(**changes):
    fields = {
        "sha256": b"\1" * 32,
        "phash": 0x1234_5678_9ABC_DEF0,
        "taken_at": NOW - timedelta(minutes=10),
        "position": fix(),
        "quality": Quality(0.4, 0.4, 1.0),
    }
    return PhotoFacts(**(fields | changes))


def honest(**changes):
    fields = {
        "submitted_at": NOW,
        "fixes": (fix(-12), fix(-10, north=0.0003)),
        "photos": (photo(),),
        "captured_at": (NOW - timedelta(minutes=10),),
        "device_now": NOW - timedelta(seconds=2),
        "last_fix": fix(-120, north=0.02),
    }
    return EvidenceFacts(**(fields | changes))


def found(facts, terms=TERMS):
    return {check.name: check for check in run_checks(facts, terms)}


def flags(facts, terms=TERMS):
    return {
        name: check.words for name, check in found(facts, terms).items() if check.flag == "FLAGGED"
    }


def test_an_honest_submission_is_verified_at_once_where_the_quest_allows_it():
    checks = run_checks(honest(), TERMS)
    assert [check.name for check in checks] == [
        "PACE",
        "UPLOAD",
        "LOCATION",
        "ACCURACY",
        "WINDOW",
        "CLOCK",
        "MOVEMENT",
        "GRID",
        "PHOTO_PLACE",
        "DUPLICATE",
        "EDITED",
        "QUALITY",
    ]
    judged = judge(checks)
    assert (judged.verdict, judged.flags, judged.unchecked) == ("VERIFIED", (), ())
    assert judged.score == 96
    assert judge(checks, auto_verify=False).verdict == "WITNESSES"


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("ACCURACY", honest(fixes=(fix(-12), fix(-10, accuracy_m=None)))),
        ("WINDOW", honest(fixes=(fix(-12), fix(-10, at=None)))),
        ("WINDOW", honest(photos=(photo(taken_at=None),))),
        ("MOVEMENT", honest(fixes=(fix(),), last_fix=None)),
        ("PHOTO_PLACE", honest(photos=(photo(position=None),))),
        ("CLOCK", honest(device_now=None)),
        ("UPLOAD", honest(captured_at=(None,))),
        ("LOCATION", honest(fixes=(fix(outside_m=None),))),
    ],
)
def test_what_is_missing_is_not_checked_and_goes_to_witnesses(name, facts):
    checks = found(facts)
    assert checks[name].flag == "NOT_CHECKED"
    assert checks[name].score is None
    judged = judge(list(checks.values()))
    assert judged.verdict == "WITNESSES"
    assert name in judged.unchecked
    assert judged.score < judge(run_checks(honest(), TERMS)).score


@pytest.mark.parametrize(
    ("name", "words", "facts"),
    [
        ("LOCATION", "51 m from the quest's zone", honest(fixes=(fix(outside_m=45.0),))),
        ("ACCURACY", "0 m and less", honest(fixes=(fix(accuracy_m=0.0),))),
        (
            "WINDOW",
            "before the quest was accepted",
            honest(fixes=(fix(-306), fix(-10))),
        ),
        ("WINDOW", "after its time", honest(fixes=(fix(-12), fix(6)))),
        ("WINDOW", "the camera's clock", honest(photos=(photo(taken_at=None, taken_local=OLD),))),
        ("CLOCK", "went back by 3,600 s", honest(fixes=(fix(-10), fix(-70), fix(-69)))),
        ("CLOCK", "wrong by 6 minutes", honest(device_now=NOW - timedelta(minutes=6))),
        (
            "CLOCK",
            "took no time",
            honest(fixes=tuple(fix(-10, north=n / 9000) for n in range(4))),
        ),
        ("MOVEMENT", "more than 100", honest(last_fix=fix(-20, north=0.2))),
        (
            "MOVEMENT",
            "between continents",
            honest(last_fix=fix(-40, latitude=40.7, longitude=-74.0)),
        ),
        (
            "PHOTO_PLACE",
            "a photo's own position is 556 m",
            honest(fixes=(fix(),), photos=(photo(position=fix(north=0.005)),)),
        ),
        ("DUPLICATE", "twice", honest(photos=(photo(), photo()))),
        ("DUPLICATE", "this very file", honest(photos=(photo(seen_exactly=True),))),
        ("DUPLICATE", "(4 of 64 bits differ)", honest(photos=(photo(seen_bits=4),))),
        ("EDITED", "GIMP", honest(photos=(photo(edited_by="GIMP"),))),
        ("QUALITY", "shows nothing", honest(photos=(photo(quality=Quality(0.01, 0.0, 1.0)),))),
        ("GRID", "rounded to 4", honest(fixes=(fix(latitude=46.0512, longitude=14.5063),))),
        (
            "PACE",
            "within the same second",
            honest(last_submitted_at=NOW - timedelta(milliseconds=900)),
        ),
        ("UPLOAD", "24 h", honest(captured_at=(NOW - timedelta(hours=24, minutes=6),))),
    ],
)
def test_a_contradiction_is_flagged_with_its_reason(name, words, facts):
    said = flags(facts)
    assert words in said[name]
    assert judge(run_checks(facts, TERMS)).verdict != "VERIFIED"


@pytest.mark.parametrize(
    "facts",
    [
        honest(fixes=(fix(-12, outside_m=43.0),)),  # and 6 m of accuracy: 49
        honest(fixes=(fix(-303), fix(-10))),  # a clock may be wrong by five minutes
        honest(fixes=(fix(-12), fix(4.9))),
        honest(last_fix=fix(-20, north=0.1)),  # 11 km in 10 minutes: 66 km/h
        honest(device_now=NOW + timedelta(minutes=5)),
        honest(photos=(photo(seen_bits=11),)),
        honest(last_submitted_at=NOW - timedelta(seconds=1)),
        honest(photos=(photo(taken_at=None, taken_local=NOW + timedelta(hours=9)),)),
    ],
)
def test_what_is_just_within_a_limit_is_not_flagged(facts):
    assert flags(facts) == {}


def test_accuracy_takes_nothing_away_within_the_zone():
    assert flags(honest(fixes=(fix(accuracy_m=90.0, outside_m=0.0),))) == {}


def test_a_coarse_fix_is_doubtful_and_no_fraud():
    coarse = found(honest(fixes=(fix(-12), fix(-10, accuracy_m=40.0))))["ACCURACY"]
    assert coarse.flag == "PASSED"
    assert coarse.score == 38


def test_on_foot_means_on_foot():
    # 12 m a second, 43 km/h, for two minutes.
    riding = tuple(fix(-10 + n / 12, north=n * 60 / 111_200) for n in range(24))
    assert flags(honest(fixes=riding, photos=())) == {}
    on_foot = replace(TERMS, on_foot=True)
    assert "43 km/h for 30 seconds" in flags(honest(fixes=riding, photos=()), on_foot)["MOVEMENT"]


def test_one_bad_fix_among_good_ones_is_no_ride():
    walk = [fix(-10 + n / 12, north=n * 6 / 111_200) for n in range(24)]
    walk[10] = replace(walk[10], latitude=walk[10].latitude + 60 / 111_200)
    assert flags(honest(fixes=tuple(walk), photos=()), replace(TERMS, on_foot=True)) == {}


def test_movement_over_the_antimeridian_is_a_short_way():
    west = fix(-20, latitude=-16.8, longitude=179.9991234)
    east = fix(-10, latitude=-16.8, longitude=-179.9991234)
    assert metres_between(west, east) == pytest.approx(187, abs=1)
    assert flags(honest(fixes=(east,), last_fix=west, photos=())) == {}


def test_two_pictures_alike_in_one_submission_are_one():
    twin = photo(sha256=b"\2" * 32, phash=0x1234_5678_9ABC_DEF1)
    assert "1 of 64" in flags(honest(photos=(photo(), twin)))["DUPLICATE"]


def test_videos_are_compared_with_what_was_handed_in_too():
    video = VideoFacts(b"\3" * 32, 12.0, NOW - timedelta(minutes=9), seen_exactly=True)
    assert flags(honest(photos=(), videos=(video,))).keys() == {"DUPLICATE"}


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_bits_of_hashes_are_the_same_signed_or_not(one, other):
    signed = one - 2**64 if one >> 63 else one
    assert hash_bits(one, other) == hash_bits(signed, other) == (one ^ other).bit_count()


@given(
    step=st.sampled_from([0.00005, 0.0001, 0.00025, 1 / 3600, 0.0011]),
    lines=st.lists(st.integers(0, 60), min_size=6, max_size=20, unique=True),
    origin=st.floats(-80, 80),
)
def test_values_on_a_grid_are_found_wherever_it_begins(step, lines, origin):
    # Neighbours, so that the step itself is among the gaps.
    first = [0, 1, *[line + 2 for line in lines]]
    values = [round(origin + line * step, 7) for line in first]
    assert grid_of(values) == pytest.approx(step, rel=0.01)


CHECKS = st.builds(
    Check,
    name=st.sampled_from(["LOCATION", "CLOCK", "GRID", "QUALITY"]),
    score=st.none() | st.integers(0, 100),
    confidence=st.integers(0, 100),
    flag=st.sampled_from(["PASSED", "FLAGGED", "NOT_CHECKED"]),
    words=st.just("words"),
    weight=st.integers(1, 1000),
)


@given(st.lists(CHECKS, max_size=12))
def test_the_mean_stays_within_bounds_and_only_clean_evidence_is_verified(checks):
    judged = judge(checks)
    assert 0 <= judged.score <= 100
    if judged.verdict == "VERIFIED":
        assert judged.score >= 85
        assert all(check.flag == "PASSED" for check in checks)
    assert (judged.verdict == "MODERATOR") == (judged.score < 40)


def test_verdicts_at_their_edges():
    def of(score):
        return judge([passed("LOCATION", "w", score=score)]).verdict

    assert (of(0.85), of(0.84), of(0.40), of(0.39)) == (
        "VERIFIED",
        "WITNESSES",
        "WITNESSES",
        "MODERATOR",
    )
    assert judge([]).verdict == "WITNESSES"
    # 5 x 1 + 4 x 0 + 3 x 0.5 of 12: 54.17
    mixed = [passed("LOCATION", "w"), flagged("MOVEMENT", "w"), not_checked("WINDOW", "w")]
    assert score_of(mixed) == 54
