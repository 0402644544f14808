"""Which quests suit a player, and why. Pure: the facts come from recommending_reads.py.

Five things are weighed, each 0 to 1: how near it is, whether the player does this category, whether
its difficulty is theirs, and whether it is new or of another kind than what they did. Then the best
is taken, again and again, each category counting for less the oftener it was taken.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Literal
from uuid import UUID

Reason = Literal[
    "NEARBY", "LIKED_CATEGORY", "FITTING_DIFFICULTY", "NEW_QUEST", "SOMETHING_NEW", "ENDING_SOON"
]
Outcome = Literal["DONE", "FAILED"]

RECOMMENDED = 10
WEIGHTS: Final[Mapping[str, float]] = {
    "distance": 0.35,
    "category": 0.2,
    "difficulty": 0.25,
    "novelty": 0.2,
}
HALF_DISTANCE_M = 5_000.0
"""At this distance, nearness is half."""
NEARBY_M = 5_000.0
REACH_M = 50_000.0
"""Beyond, nothing makes up for the distance: all counts for less, by how much further it is."""
NEW_FOR = timedelta(days=7)
ENDING_WITHIN = timedelta(days=3)
LIKED_SHARE = 0.3
AGAIN = 0.6
"""What a category counts for each time it was taken before: diversity."""
HISTORY = 20
"""Newest outcomes that a player's difficulty follows from."""
RELIABLE_FROM = 3
GOOD_SHARE, POOR_SHARE = 0.8, 0.5
SUGGEST_FROM = 10
"""Outcomes of a quest from which its difficulty can be told."""
FAILURE_STEPS = (0.1, 0.25, 0.45, 0.65)
"""Shares of failures above which a quest is of the next difficulty."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A quest that the player could take on now; `distance_m` None where nobody knows where they
    are."""

    quest_id: UUID
    category: str
    difficulty: int
    created_at: datetime
    closes_at: datetime
    distance_m: float | None = None


@dataclass(frozen=True, slots=True)
class Past:
    """What a player did: quests done by category, and outcomes with difficulties, newest first."""

    categories: Mapping[str, int] = field(default_factory=dict)
    outcomes: Sequence[tuple[int, Outcome]] = ()


@dataclass(frozen=True, slots=True)
class Recommended:
    """A quest, how well it suits (0 to 1), and why: what counted most first."""

    quest_id: UUID
    score: float
    reasons: tuple[Reason, ...]
    distance_m: float | None


def recommended_difficulty(outcomes: Sequence[tuple[int, Outcome]]) -> int:
    """The difficulty that suits a player next, 1 to 5: about what they managed lately, one more if
    nearly all went well, one less if most did not. 1 for who has done nothing."""
    recent = outcomes[:HISTORY]
    done = [difficulty for difficulty, outcome in recent if outcome == "DONE"]
    if not done:
        return 1
    usual = int(sum(done) / len(done) + 0.5)
    share = len(done) / len(recent)
    if len(recent) >= RELIABLE_FROM:
        usual += (share >= GOOD_SHARE) - (share < POOR_SHARE)
    return min(5, max(1, usual))


def suggested_difficulty(done: int, failed: int) -> int | None:
    """The difficulty that a quest's outcomes speak for, 1 to 5; None where there are too few.
    Failed are those rejected, given up and expired."""
    if done + failed < SUGGEST_FROM:
        return None
    share = (failed + 1) / (done + failed + 2)
    return 1 + sum(share > step for step in FAILURE_STEPS)


def recommend(
    candidates: Sequence[Candidate], past: Past, now: datetime, *, count: int = RECOMMENDED
) -> list[Recommended]:
    """The quests that suit best, the best first, `count` at most. Of equal ones the lower id is
    first, so that the same facts give the same list."""
    difficulty = recommended_difficulty(past.outcomes)
    left = {c.quest_id: (c, *_judged(c, past, difficulty, now)) for c in candidates}
    taken: Counter[str] = Counter()
    chosen: list[Recommended] = []
    while left and len(chosen) < count:
        best, score, reasons = min(
            left.values(),
            key=lambda one: (-one[1] * AGAIN ** taken[one[0].category], one[0].quest_id.int),
        )
        chosen.append(Recommended(best.quest_id, round(score, 4), reasons, best.distance_m))
        taken[best.category] += 1
        del left[best.quest_id]
    return chosen


def _judged(
    candidate: Candidate, past: Past, difficulty: int, now: datetime
) -> tuple[float, tuple[Reason, ...]]:
    parts = _parts(candidate, past, difficulty, now)
    # Who does not say where they are is judged by the rest.
    weights = {part: WEIGHTS[part] for part in parts}
    score = sum(weights[part] * parts[part] for part in parts) / sum(weights.values())
    if candidate.distance_m is not None:
        score *= min(1.0, REACH_M / max(candidate.distance_m, 1.0))
    first = candidate.category not in past.categories
    share = _share(candidate, past)
    found: list[tuple[float, Reason]] = []
    if candidate.distance_m is not None and candidate.distance_m <= NEARBY_M:
        found.append((weights["distance"] * parts["distance"], "NEARBY"))
    if share >= LIKED_SHARE:
        found.append((weights["category"] * parts["category"], "LIKED_CATEGORY"))
    if abs(candidate.difficulty - difficulty) <= 1:
        found.append((weights["difficulty"] * parts["difficulty"], "FITTING_DIFFICULTY"))
    if now - candidate.created_at <= NEW_FOR:
        found.append((weights["novelty"] * parts["novelty"], "NEW_QUEST"))
    if first and past.categories:
        found.append((weights["novelty"] * parts["novelty"], "SOMETHING_NEW"))
    if candidate.closes_at - now <= ENDING_WITHIN:
        found.append((0.0, "ENDING_SOON"))
    ordered = sorted(found, key=lambda pair: (-pair[0], pair[1]))
    return score, tuple(reason for _, reason in ordered)


def _parts(candidate: Candidate, past: Past, difficulty: int, now: datetime) -> dict[str, float]:
    share = _share(candidate, past)
    age = max(now - candidate.created_at, timedelta(0))
    parts = {
        "category": min(1.0, 2 * share),
        "difficulty": 1 - abs(candidate.difficulty - difficulty) / 4,
        "novelty": max(0.5 ** (age / NEW_FOR), 0.5 * (candidate.category not in past.categories)),
    }
    if candidate.distance_m is not None:
        parts["distance"] = HALF_DISTANCE_M / (HALF_DISTANCE_M + candidate.distance_m)
    return parts


def _share(candidate: Candidate, past: Past) -> float:
    total = sum(past.categories.values())
    return past.categories.get(candidate.category, 0) / total if total else 0.0
