"""From findings to one number and a verdict. Pure, and exact: hundredths in, a whole number out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Literal

from services.quests.facts import Check

Verdict = Literal["VERIFIED", "WITNESSES", "MODERATOR"]

VERIFIED_FROM: Final = 85
MODERATOR_BELOW: Final = 40

WEIGHTS: Final = {
    "location": 5,
    "movement": 4,
    "duplicate": 4,
    "window": 3,
    "photo_place": 3,
    "accuracy": 2,
    "clock": 2,
    "grid": 2,
    "edited": 2,
    "upload": 1,
    "quality": 1,
    "pace": 1,
}
"""How much each check counts; one that is not here counts 1."""


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
    flags = tuple(check.name for check in checks if check.flag)
    unchecked = tuple(check.name for check in checks if not check.checked)
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
    weighted, weights = Fraction(0), 0
    for check in checks:
        weight = WEIGHTS.get(check.name, 1)
        score, confidence = _exact(check.score), _exact(check.confidence)
        weighted += weight * (Fraction(1, 2) + (score - Fraction(1, 2)) * confidence)
        weights += weight
    return round(100 * weighted / weights)


def _exact(number: float) -> Fraction:
    """Hundredths: what is written down is what is counted."""
    return Fraction(round(min(max(number, 0.0), 1.0) * 100), 100)
