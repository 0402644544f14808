"""Variables of an operation: what may be given for them is looked up once for all its executions.
Values that are plainly right stand as they are; all others are left to graphql-core, errors too."""

from __future__ import annotations

from collections.abc import Mapping
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
    is_non_null_type,
)
from graphql.execution.get_variable_signature import (
    GraphQLVariableSignature,
    get_variable_signature,
)
from graphql.execution.values import VariableValues, VariableValueSource
from graphql.pyutils import Undefined

_CLASSES: dict[Any, type] = {
    GraphQLString: str,
    GraphQLID: str,
    GraphQLBoolean: bool,
    GraphQLInt: int,
}


class Plain(NamedTuple):
    """A variable of a scalar that takes values of one class as they are."""

    name: str
    kind: type
    nullable: bool
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
        nullable = not is_non_null_type(signature.type)
        kind = _CLASSES.get(signature.type if nullable else signature.type.of_type)  # type: ignore[union-attr]
        if kind is None:
            return None
        found.append(Plain(signature.name, kind, nullable, signature))
    return tuple(found)


def plain_values(variables: tuple[Plain, ...], given: Mapping[str, Any]) -> VariableValues | None:
    """What graphql-core's `get_variable_values` makes of these values; None where that is not
    plain."""
    sources: dict[str, VariableValueSource] = {}
    coerced: dict[str, Any] = {}
    for name, kind, nullable, signature in variables:
        value = given.get(name, Undefined)
        sources[name] = VariableValueSource(signature, value)
        if type(value) is kind and (kind is not int or _is_int32(value)):
            coerced[name] = value
        elif not nullable or (value is not None and value is not Undefined):
            return None
        elif value is None:
            coerced[name] = None
    return VariableValues(sources, coerced)


def _is_int32(value: Any) -> bool:
    return bool(GRAPHQL_MIN_INT <= value <= GRAPHQL_MAX_INT)
