"""Two states of the schema compared: what breaks clients, what may surprise them, what is safe.

Pure: texts in, changes out. Whom of known clients a change hits is asked of `schema/recorded.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum

from graphql import GraphQLNamedType, GraphQLSchema
from graphql.utilities.find_schema_changes import (
    BreakingChangeType,
    DangerousChangeType,
    SafeChangeType,
    SchemaChange,
    find_schema_changes,
)

from schema.comparing_elements import (
    deprecation_of,
    references_of,
    type_named,
)


class Severity(StrEnum):
    """How bad a change is; in this order they are shown."""

    BREAKING = "breaking"
    DANGEROUS = "dangerous"
    SAFE = "safe"


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. `needs` are the uses of an operation that it hits (`recorded.uses_of`); empty
    where no operation tells, as of what only gateways see."""

    severity: Severity
    kind: str
    where: str
    message: str
    needs: frozenset[str] = field(default=frozenset())
    operations: tuple[str, ...] = ()


_COORDINATE = re.compile(r"@?\b[A-Za-z_]\w*\.\w+(?:\(\w+:\))?|@\w+(?:\(\w+:\))?")
_DATE = re.compile(r"\b\d{4}-\d{2}-\d{2}\b")
_DEPRECATED_FIRST = {
    BreakingChangeType.FIELD_REMOVED,
    BreakingChangeType.ARG_REMOVED,
    BreakingChangeType.VALUE_REMOVED_FROM_ENUM,
}
_SEVERITIES: tuple[tuple[type, Severity], ...] = (
    (BreakingChangeType, Severity.BREAKING),
    (DangerousChangeType, Severity.DANGEROUS),
    (SafeChangeType, Severity.SAFE),
)


def client_changes(before: GraphQLSchema, after: GraphQLSchema, *, today: date) -> list[Change]:
    """What GraphQL itself says of two schemas, with what was deprecated in time forgiven: removed
    after the date that its deprecation named, it is dangerous and no longer breaking."""
    changes = list(_told(find_schema_changes(before, after)))
    judged = [_deprecated_first(change, before, today) for change in changes]
    return list(_gone_with_its_fields(judged, before))


def _told(found: Iterable[SchemaChange]) -> Iterator[Change]:
    for change in found:
        message = change.description
        if message.startswith("Standard scalar "):
            continue
        if change.type is SafeChangeType.DESCRIPTION_CHANGED:
            message = message.partition(" has changed to")[0] + " has changed."
        severity = next(s for kinds, s in _SEVERITIES if isinstance(change.type, kinds))
        where, needs = _where(change, message)
        yield Change(severity, change.type.name, where, message, needs)


def _where(change: SchemaChange, message: str) -> tuple[str, frozenset[str]]:
    """The coordinate that a message is about, and the uses that the change hits."""
    words = message.rstrip(".").split()
    if change.type is BreakingChangeType.TYPE_REMOVED_FROM_UNION:
        return words[-1], frozenset({f"{words[-1]} on {words[0]}"})
    if change.type is BreakingChangeType.IMPLEMENTED_INTERFACE_REMOVED:
        return words[0], frozenset({f"{words[-1]} on {words[0]}"})
    if change.type is SafeChangeType.DESCRIPTION_CHANGED:
        return re.sub(r"^Description of (?:\S+ )*?(\S+) has changed$", r"\1", " ".join(words)), (
            frozenset()
        )
    found = _COORDINATE.search(message)
    where = found[0] if found else words[0]
    hit = where
    if change.type is BreakingChangeType.REQUIRED_ARG_ADDED:
        hit = where.partition("(")[0]
    elif change.type is BreakingChangeType.REQUIRED_INPUT_FIELD_ADDED:
        hit = where.partition(".")[0]
    return where, frozenset({hit})


def _deprecated_first(change: Change, before: GraphQLSchema, today: date) -> Change:
    if change.kind not in {kind.name for kind in _DEPRECATED_FIRST}:
        return change
    reason = deprecation_of(before, change.where)
    if reason is None:
        return replace(change, message=f"{change.message} It was not deprecated before.")
    until = _date_in(reason)
    if until is None:
        return replace(change, message=f"{change.message} Its deprecation named no date.")
    if until >= today:
        return replace(change, message=f"{change.message} Its deprecation keeps it until {until}.")
    told = f"{change.message} It was deprecated until {until}."
    return replace(change, severity=Severity.DANGEROUS, message=told)


def _date_in(reason: str) -> date | None:
    found = _DATE.search(reason)
    try:
        return date.fromisoformat(found[0]) if found else None
    except ValueError:
        return None


def _gone_with_its_fields(changes: list[Change], before: GraphQLSchema) -> Iterator[Change]:
    """A type that only what went in time led to is gone in time as well."""
    forgiven = {
        change.where
        for change in changes
        if change.severity is Severity.DANGEROUS and change.kind.endswith(_REMOVED)
    }
    removed = {c.where for c in changes if c.kind == BreakingChangeType.TYPE_REMOVED.name}
    led_to = _reachable(before, without=forgiven) if forgiven and removed else removed
    for change in changes:
        if change.kind == BreakingChangeType.TYPE_REMOVED.name and change.where not in led_to:
            told = f"{change.message} Only what was deprecated in time led to it."
            yield replace(change, severity=Severity.DANGEROUS, message=told)
        else:
            yield change


_REMOVED = ("FIELD_REMOVED", "ARG_REMOVED")


def _reachable(schema: GraphQLSchema, *, without: set[str]) -> set[str]:
    """Names of the types that roots lead to, not by the coordinates `without`."""
    roots = (schema.query_type, schema.mutation_type, schema.subscription_type)
    waiting: list[GraphQLNamedType] = [root for root in roots if root is not None]
    seen = {root.name for root in waiting}
    while waiting:
        for name in references_of(schema, waiting.pop(), without=without):
            if name not in seen and (kind := type_named(schema, name)) is not None:
                seen.add(name)
                waiting.append(kind)
    return seen


def counted(changes: Iterable[Change]) -> Mapping[Severity, int]:
    """How many there are of each severity."""
    counts = dict.fromkeys(Severity, 0)
    for change in changes:
        counts[change.severity] += 1
    return counts


def worst_first(changes: Iterable[Change]) -> list[Change]:
    """In the order in which people read them."""
    order = list(Severity)
    return sorted(changes, key=lambda c: (order.index(c.severity), c.where, c.kind))
