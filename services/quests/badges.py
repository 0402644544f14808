"""Which badges somebody has earned: rules as data, and what they are judged by. Pure.

A rule is a JSON object; `check_rule` says which there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

Key = TypeVar("Key")

MOST: Final = 1_000_000
FIRSTS: Final = frozenset({"OWN", "QUEST", "REGION"})


class BadRule(ValueError):
    """No rule of a badge; the message says why."""


@dataclass(frozen=True, slots=True)
class Tally:
    """What a player has done, the deed in question with it.

    `categories` and `regions` count deeds by slug and by region code. `first_of_quest` and
    `first_of_region`: nobody was rewarded for this quest, or for any in its region, before.
    """

    deeds: int
    streak_days: int
    categories: Mapping[str, int] = field(default_factory=dict)
    regions: Mapping[str, int] = field(default_factory=dict)
    first_of_quest: bool = False
    first_of_region: bool = False


def check_rule(rule: Mapping[str, Any]) -> None:
    """Raises `BadRule` for anything but these, with numbers from 1 to a million:

    `{kind: COUNT, atLeast}`, `{kind: STREAK, days}`,
    `{kind: CATEGORY, atLeast, category?}` (without one: of any single category),
    `{kind: REGION, atLeast, region?}` (likewise), `{kind: REGION, regions}` (so many different),
    `{kind: FIRST, of: OWN | QUEST | REGION}`.
    """
    forms = {
        "COUNT": ({"atLeast"},),
        "STREAK": ({"days"},),
        "CATEGORY": ({"atLeast"}, {"atLeast", "category"}),
        "REGION": ({"atLeast"}, {"atLeast", "region"}, {"regions"}),
        "FIRST": ({"of"},),
    }
    kind = rule.get("kind")
    if kind not in forms:
        raise BadRule(f"no kind of rule: {kind!r}")
    given = {name: value for name, value in rule.items() if name != "kind"}
    if set(given) not in forms[kind]:
        raise BadRule(f"a rule of kind {kind} has not these: {', '.join(sorted(given))}")
    for name, value in given.items():
        _check_value(name, value)


def earned(rule: Mapping[str, Any], tally: Tally) -> bool:
    """Whether the rule is met. Raises `BadRule`."""
    check_rule(rule)
    match rule["kind"]:
        case "COUNT":
            return tally.deeds >= int(rule["atLeast"])
        case "STREAK":
            return tally.streak_days >= int(rule["days"])
        case "CATEGORY":
            return _counted(tally.categories, rule.get("category")) >= int(rule["atLeast"])
        case "REGION" if "regions" in rule:
            return sum(count > 0 for count in tally.regions.values()) >= int(rule["regions"])
        case "REGION":
            return _counted(tally.regions, rule.get("region")) >= int(rule["atLeast"])
    firsts: Mapping[str, bool] = {"QUEST": tally.first_of_quest, "REGION": tally.first_of_region}
    return tally.deeds == 1 if rule["of"] == "OWN" else firsts[str(rule["of"])]


def newly_earned(
    badges: Iterable[tuple[Key, Mapping[str, Any]]], tally: Tally, held: Iterable[Key]
) -> list[Key]:
    """The badges (key, rule) that are earned and not held yet, in the order given."""
    have = set(held)
    return [key for key, rule in badges if key not in have and earned(rule, tally)]


def _counted(counts: Mapping[str, int], name: str | None) -> int:
    return max(counts.values(), default=0) if name is None else counts.get(name, 0)


def _check_value(name: str, value: object) -> None:
    if name == "of":
        good = value in FIRSTS
    elif name in ("category", "region"):
        good = isinstance(value, str) and 1 <= len(value) <= 100
    else:
        good = type(value) is int and 1 <= value <= MOST
    if not good:
        raise BadRule(f"{name} cannot be {value!r}")
