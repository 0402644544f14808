"""From findings to one number and a verdict. Pure, and exact: hundredths in, a whole number out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Literal

from services.quests.contract import Check

Verdict = Literal["VERIFIED", "WITNESSES", "MODERATOR"]

VERIFIED_FROM: Final = 85
MODERATOR_BELOW: Final = 40


@dataclass(frozen=True, slots=True)
class Authenticity:
    """The weighted mean of all checks, 0-100, and what is to happen with the evidence."""

    score: int
    verdict: Verdict
    flags: tuple[str, ...]
    unchecked: tuple[str, ...]


def judge(checks: Sequence[Check], *, auto_verify: bool = True) -> Authenticity:
    """85 and more, nothing flagged and nothing unchecked: verified at once, where the quest allows.
    Under 40: to a moderator. Between: to witnesses. Without any check there is nothing to go by.

    A check counts as its score where it is sure, and drifts to a half as its confidence goes.
    """
    score = score_of(checks)
    flags = tuple(check.name for check in checks if check.flag == "FLAGGED")
    unchecked = tuple(check.name for check in checks if check.flag == "NOT_CHECKED")
    verdict: Verdict = "WITNESSES"
    if score < MODERATOR_BELOW:
        verdict = "MODERATOR"
    elif score >= VERIFIED_FROM and checks and auto_verify and not flags and not unchecked:
        verdict = "VERIFIED"
    return Authenticity(score, verdict, flags, unchecked)


def score_of(checks: Sequence[Check]) -> int:
    """The weighted mean, 0-100, half to even; 50 without checks."""
    if not checks:
        return 50
    half, total = Fraction(50), Fraction(0)
    for check in checks:
        score = half if check.score is None else Fraction(check.score)
        total += check.weight * (half + (score - half) * check.confidence / 100)
    return round(total / sum(check.weight for check in checks))
