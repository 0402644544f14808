"""Variables of an operation: what may be given for them is looked up once for all its executions.
Values that are plainly right stand as they are; all others are left to graphql-core, errors too."""

from __future__ import annotations

from collections.abc import Mapping
from types import NoneType
from typing import Any, NamedTuple

from graphql import (
    GRAPHQL_MAX_INT,
    GRAPHQL_MIN_INT,
    GraphQLBoolean,
    GraphQLID,
    GraphQLInt,
    GraphQLSchema,
    GraphQLString,
    OperationDefinitionNode,
    is_list_type,
    is_non_null_type,
)
from graphql.execution.get_variable_signature import (
    GraphQLVariableSignature,
    get_variable_signature,
)
from graphql.execution.values import VariableValues, VariableValueSource
from graphql.pyutils import Undefined

Kinds = frozenset[type]
"""Classes of values that stand as they are."""

_JSON: Kinds = frozenset({dict, list, str, int, float, bool})
_OF_ITEMS: dict[Any, Kinds] = {
    GraphQLString: frozenset({str}),
    GraphQLID: frozenset({str}),
    GraphQLBoolean: frozenset({bool}),
}
_OF_VALUES: dict[Any, Kinds] = {**_OF_ITEMS, GraphQLInt: frozenset({int})}


class Plain(NamedTuple):
    """A variable of a scalar, or of a list of scalars, that stands as it is where it is of these
    classes, and its `items` of theirs."""

    name: str
    kinds: Kinds
    items: Kinds | None
    signature: GraphQLVariableSignature


def plain_variables(
    schema: GraphQLSchema, operation: OperationDefinitionNode
) -> tuple[Plain, ...] | None:
    """The operation's variables, if all of them are such, and without defaults."""
    found = []
    for definition in operation.variable_definitions or ():
        signature = get_variable_signature(schema, definition)
        if not isinstance(signature, GraphQLVariableSignature) or signature.default is not None:
            return None
        type_, nullable = _taken_apart(signature.type)
        kinds, items = _OF_VALUES.get(type_), None
        if is_list_type(type_):
            kinds, items = frozenset({list}), _of_items(type_.of_type)
        if kinds is None or (items is None and list in kinds):
            return None
        kinds = kinds | {NoneType} if nullable else kinds
        found.append(Plain(signature.name, kinds, items, signature))
    return tuple(found)


def plain_values(variables: tuple[Plain, ...], given: Mapping[str, Any]) -> VariableValues | None:
    """What graphql-core's `get_variable_values` makes of these values; None where that is not
    plain."""
    sources: dict[str, VariableValueSource] = {}
    coerced: dict[str, Any] = {}
    for name, kinds, items, signature in variables:
        value = given.get(name, Undefined)
        sources[name] = VariableValueSource(signature, value)
        if value is Undefined and NoneType in kinds:
            continue
        kind = type(value)
        if kind not in kinds or (kind is int and not GRAPHQL_MIN_INT <= value <= GRAPHQL_MAX_INT):
            return None
        if kind is list and not (items and items.issuperset(map(type, value))):
            return None
        coerced[name] = value
    return VariableValues(sources, coerced)


def _taken_apart(type_: Any) -> tuple[Any, bool]:
    """A type without its mark of what may not be null, and whether it may."""
    return (type_.of_type, False) if is_non_null_type(type_) else (type_, True)


def _of_items(type_: Any) -> Kinds | None:
    inner, nullable = _taken_apart(type_)
    kinds = _JSON if _hands_on(inner) else _OF_ITEMS.get(inner)
    return kinds | {NoneType} if kinds is not None and nullable else kinds


def _hands_on(type_: Any) -> bool:
    """Whether it is federation's scalar of anything at all, whose values are not looked at."""
    probe: list[Any] = [object(), {}]
    if getattr(type_, "name", "") != "_Any":
        return False
    return all(type_.coerce_input_value(each) is each for each in probe)
