"""What it means that a directive came, went or changed: who may, what it costs, how often."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from graphql import GraphQLSchema

from schema.comparing import Change, Severity
from schema.comparing_elements import Directives, elements_of, is_composite

Arguments = Mapping[str, Any]
Judged = tuple[Severity, str, str]
"""How bad, the change's kind, and what to tell after the coordinate."""

BREAKING, DANGEROUS, SAFE = Severity

SUBGRAPHS = frozenset({"key", "shareable", "external", "requires", "provides", "override"})
"""What says how subgraphs fit together: `schema/comparing_subgraphs.py` judges it."""


def directive_changes(before: GraphQLSchema, after: GraphQLSchema) -> list[Change]:
    """What changed at all that both have. Nothing where one of them came without directives."""
    old, new = elements_of(before), elements_of(after)
    found = []
    for where in old.keys() & new.keys():
        if old[where] == new[where]:
            continue
        weights = (_weight(before, where, old[where]), _weight(after, where, new[where]))
        for severity, kind, told in _judged(old[where], new[where], weights):
            needs = frozenset({where}) if severity is BREAKING else frozenset()
            found.append(Change(severity, kind, where, f"{where} {told}.", needs))
    return found


def _judged(old: Directives, new: Directives, weights: tuple[float, float]) -> Iterator[Judged]:
    if weights[0] != weights[1]:
        yield _cost(*weights)
    for name in sorted((old.keys() | new.keys()) - SUBGRAPHS - {"cost"}):
        former, present = old.get(name, ()), new.get(name, ())
        if former != present and not (name == "listSize" and _says_less(former, present)):
            judge = _JUDGES.get(name, _other)
            yield judge(name, former, present)


def _weight(schema: GraphQLSchema, where: str, directives: Directives) -> float:
    """As federation counts it: what is not written is 1 of what has fields of its own, else 0."""
    for arguments in directives.get("cost", ()):
        return float(arguments["weight"])
    return 1.0 if is_composite(schema, where) else 0.0


def _cost(old: float, new: float) -> Judged:
    told = f"costs {new:g}, and cost {old:g}"
    if new > old:
        return DANGEROUS, "COST_RAISED", f"{told}: who is near a limit may come to be over it"
    return SAFE, "COST_LOWERED", told


def _authenticated(_: str, old: tuple[Arguments, ...], new: tuple[Arguments, ...]) -> Judged:
    if new:
        return BREAKING, "AUTHENTICATION_REQUIRED", "is for those who are signed in alone"
    return DANGEROUS, "AUTHENTICATION_DROPPED", "is open to those who are not signed in"


def _scopes(name: str, old: tuple[Arguments, ...], new: tuple[Arguments, ...]) -> Judged:
    """Any of the sets is enough. It is tightened where one that was enough no longer is."""
    argument = "scopes" if name == "requiresScopes" else "policies"
    former, present = (_alternatives(written, argument) for written in (old, new))
    shown = " or ".join(" and ".join(sorted(each)) for each in present)
    if all(any(enough <= had for enough in present) for had in former):
        return DANGEROUS, "SCOPES_LOOSENED", f"takes {shown or 'no scope'} now, which is less"
    return BREAKING, "SCOPES_TIGHTENED", f"takes {shown} now"


def _alternatives(written: tuple[Arguments, ...], argument: str) -> list[frozenset[str]]:
    found = [frozenset(each) for arguments in written for each in arguments.get(argument) or ()]
    return found or [frozenset()]


def _list_size(_: str, old: tuple[Arguments, ...], new: tuple[Arguments, ...]) -> Judged:
    former, present = (written[0] if written else {} for written in (old, new))
    if not present:
        return SAFE, "LIST_SIZE_DROPPED", "has no @listSize any more"
    must, had_to = _needs_slicing(present), bool(former) and _needs_slicing(former)
    if must and not had_to:
        return BREAKING, "SLICING_REQUIRED", "is refused without one of its slicing arguments"
    size, before = present.get("assumedSize") or 0, former.get("assumedSize") or 0
    if size > before:
        return DANGEROUS, "LIST_SIZE_RAISED", f"counts as {size} items, and was {before}"
    if {**present, "assumedSize": 0} == {**former, "assumedSize": 0}:
        return SAFE, "LIST_SIZE_LOWERED", f"counts as {size} items, and was {before}"
    return DANGEROUS, "LIST_SIZE_CHANGED", "is counted in another way (@listSize)"


def _says_less(old: tuple[Arguments, ...], new: tuple[Arguments, ...]) -> bool:
    """Whether one only leaves out the assumed size, as what is served to Cosmo's composer does
    where arguments tell the size anyway."""
    if not (old and new) or ("assumedSize" in old[0]) == ("assumedSize" in new[0]):
        return False
    sliced = bool(new[0].get("slicingArguments"))
    return sliced and {**old[0], "assumedSize": 0} == {**new[0], "assumedSize": 0}


def _needs_slicing(arguments: Arguments) -> bool:
    sliced = bool(arguments.get("slicingArguments"))
    return sliced and arguments.get("requireOneSlicingArgument", True) is not False


def _inaccessible(_: str, old: tuple[Arguments, ...], new: tuple[Arguments, ...]) -> Judged:
    if new:
        return BREAKING, "MADE_INACCESSIBLE", "is hidden from clients of a gateway"
    return SAFE, "MADE_ACCESSIBLE", "is shown to clients of a gateway"


def _deprecated(_: str, old: tuple[Arguments, ...], new: tuple[Arguments, ...]) -> Judged:
    if not new:
        return SAFE, "DEPRECATION_DROPPED", "is not deprecated any more"
    reason = new[0].get("reason", "")
    return SAFE, "DEPRECATED", f"is deprecated: {str(reason).rstrip('.')}"


def _rate(_: str, old: tuple[Arguments, ...], new: tuple[Arguments, ...]) -> Judged:
    if not new:
        return SAFE, "RATE_LIMIT_DROPPED", "has no @rateLimit any more"
    if old and _limit(old[0]) <= _limit(new[0]):
        return SAFE, "RATE_LIMIT_LOOSENED", "may be asked more often (@rateLimit)"
    return DANGEROUS, "RATE_LIMIT_TIGHTENED", "may be asked less often (@rateLimit)"


def _limit(arguments: Arguments) -> float:
    try:
        return float(arguments["limit"]) / float(arguments["duration"])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return 0.0


def _other(name: str, old: tuple[Arguments, ...], new: tuple[Arguments, ...]) -> Judged:
    done = "changed" if old and new else "was added" if new else "was removed"
    return SAFE, "DIRECTIVE_CHANGED", f"has another @{name}: it {done}"


_JUDGES: Mapping[str, Callable[[str, tuple[Arguments, ...], tuple[Arguments, ...]], Judged]] = {
    "authenticated": _authenticated,
    "requiresScopes": _scopes,
    "policy": _scopes,
    "listSize": _list_size,
    "inaccessible": _inaccessible,
    "deprecated": _deprecated,
    "rateLimit": _rate,
}
