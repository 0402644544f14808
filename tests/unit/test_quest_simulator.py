"""How well the checks tell cheats from honest people, by made-up submissions of both."""

import pytest
from rich.console import Console
from rich.table import Table

from services.quests.simulating import CHEATS, simulate

SEED = 20_261_121


@pytest.fixture(scope="module")
def report():
    return simulate(seed=SEED)


def table_of(report):
    table = Table(title=f"1,000 honest and 1,000 cheating submissions, seed {SEED}")
    for heading in ("kind", "sent", "rejected", "verified at once", "to witnesses", "flagged by"):
        table.add_column(heading, justify="left" if heading in ("kind", "flagged by") else "right")
    for kind in (report.honest, *report.cheats):
        table.add_row(
            kind.kind,
            str(kind.submissions),
            str(kind.rejected),
            str(kind.verdicts.get("VERIFIED", 0)),
            str(kind.verdicts.get("WITNESSES", 0)),
            ", ".join(f"{name} {times}" for name, times in kind.reasons[:3]),
        )
    table.caption = (
        f"recall {report.recall:.1%}, false rejections {report.false_rejections:.1%};"
        f" cheats verified at once: {report.cheats_verified}"
    )
    return table


def test_cheats_are_caught_and_honest_people_let_be(report, capsys):
    with capsys.disabled():
        Console(width=130).print("\n", table_of(report))
    assert report.honest.submissions == 1000
    assert sum(kind.submissions for kind in report.cheats) == 1000
    assert report.recall >= 0.95
    assert report.false_rejections <= 0.01


def test_honest_people_with_everything_in_order_need_no_witness(report):
    assert report.honest.verdicts["VERIFIED"] >= 250


def test_each_kind_of_cheat_is_flagged_for_its_own_reason(report):
    reasons = {kind.kind: kind.reasons[0][0] for kind in report.cheats}
    assert reasons == {
        "fix outside the zone": "LOCATION",
        "made-up fix, photo from elsewhere": "PHOTO_PLACE",
        "teleport since the last fix": "MOVEMENT",
        "track with a jump": "MOVEMENT",
        "car on a quest on foot": "MOVEMENT",
        "copied file": "DUPLICATE",
        "copied picture, encoded anew": "DUPLICATE",
        "fixes on a grid": "GRID",
        "clock set back on the way": "CLOCK",
        "clock wrong throughout": "CLOCK",
        "old photo": "WINDOW",
        "retouched photo": "EDITED",
        "several submissions in a second": "PACE",
        "captured long before": "UPLOAD",
    }
    assert reasons.keys() == CHEATS.keys()


@pytest.mark.parametrize("seed", [1])
def test_it_holds_for_other_seeds_within_what_chance_allows(seed):
    other = simulate(seed=seed, honest=400, cheating=400)
    assert other.recall >= 0.93
    assert other.false_rejections <= 0.02


def test_the_same_seed_gives_the_same_report():
    assert simulate(seed=5, honest=40, cheating=40) == simulate(seed=5, honest=40, cheating=40)
