"""A hostile case through both executors: at once, late, and an event at a time."""

from __future__ import annotations

from typing import Any

from graphql import (
    DocumentNode,
    ExecutionResult,
    NoUnusedVariablesRule,
    parse,
    specified_rules,
    validate,
)
from graphql.execution import execute, subscribe

from tests.conformance.cases import HOSTILE, Case
from tests.conformance.comparing import encoded, same, told
from tests.conformance.hostile import EVENTS, SCHEMA, Hostile, Operations

# A grown operation need not use all the variables that it declares.
RULES = [rule for rule in specified_rules if rule is not NoUnusedVariablesRule]
KINDS = ("query",) * 6 + ("mutation",) * 2 + ("subscription",) * 2


class Crowd:
    """The context of subscribers who share what is answered of an event."""

    viewer_key = None

    def __init__(self, common: dict[int, dict[Any, Any]]) -> None:
        self.common = common
        self.shared: dict[Any, Any] | None = None

    def begin(self, event: int) -> None:
        """From here on, what is asked is asked of this event."""
        self.shared = self.common.setdefault(event, {})

    def for_everyone(self) -> Crowd:
        """Nobody in particular: nothing hangs on who asks here."""
        return self


def grow_hostile(seed: int) -> Case:
    """The case of a seed: the same seed, the same case."""
    kind = KINDS[seed % len(KINDS)]
    text, variables = Operations(SCHEMA, seed).grow(kind)
    return Case(HOSTILE, seed, kind, text, variables)


def hostile_faults(case: Case) -> list[str]:
    """Why a case is no valid operation, if so."""
    return [error.message for error in validate(SCHEMA, parse(case.text), RULES)]


async def hostile_difference(case: Case, levels: Any) -> str | None:
    """What the executors tell differently of a valid case, or None."""
    document = parse(case.text)
    if case.kind == "subscription":
        return await _events_differ(case, document, levels)
    expected = await _answer(case, document, None)
    for late in (False, True):
        found = await _answer(case, document, levels, late=late)
        if not same(found, expected):
            return _said(found, expected, "late" if late else "at once")
    return None


async def _answer(
    case: Case, document: DocumentNode, executor: Any, *, late: bool = False
) -> ExecutionResult:
    hostile = Hostile(case.seed, late=late)
    result = execute(
        SCHEMA,
        document,
        root_value={},
        variable_values=case.variables,
        field_resolver=hostile.resolve,
        type_resolver=hostile.type_of,
        executor_class=executor,
    )
    return await result if hasattr(result, "__await__") else result


async def _events_differ(case: Case, document: DocumentNode, levels: Any) -> str | None:
    expected = await _events(case, document, None, None)
    assert len(expected) == EVENTS, (case, expected)
    common: dict[int, dict[Any, Any]] = {}
    for how, context in (("alone", None), ("first", Crowd(common)), ("shared", Crowd(common))):
        found = await _events(case, document, levels, context)
        for one, other in zip(found, expected, strict=True):
            if not same(one, other):
                return _said(one, other, how)
    return None


async def _events(
    case: Case, document: DocumentNode, executor: Any, context: Crowd | None
) -> list[ExecutionResult]:
    hostile = Hostile(case.seed)
    stream: Any = subscribe(
        SCHEMA,
        document,
        root_value={},
        context_value=context,
        variable_values=case.variables,
        field_resolver=hostile.resolve,
        type_resolver=hostile.type_of,
        subscribe_field_resolver=hostile.events,
        executor_class=executor,
    )
    if hasattr(stream, "__await__"):
        stream = await stream
    return [stream] if isinstance(stream, ExecutionResult) else [one async for one in stream]


def _said(found: Any, expected: Any, how: str) -> str:
    return (
        f"{how}: levels answer {encoded(found.data)!r} {told(found)}\n"
        f"graphql-core answers {encoded(expected.data)!r} {told(expected)}"
    )
