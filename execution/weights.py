"""What fields, types, arguments and input fields declare to cost, by federation's `@cost` and
`@listSize`: read from Strawberry's definitions, or from SDL. No operation is looked at here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLField,
    GraphQLInputField,
    get_named_type,
    is_composite_type,
    is_input_object_type,
    value_from_ast_untyped,
)
from graphql.pyutils import Undefined
from strawberry.federation.schema_directives import Cost, ListSize

from execution.sharing import DEFINITION

SIZED_BY = "sized_by"
"""The metadata of a field whose list is no longer than one of its arguments: @listSize cannot say
that, for its slicing arguments are numbers."""


@dataclass(frozen=True, slots=True)
class Sizing:
    """What `@listSize` says of a field. `sized_by` names an argument that is a list itself."""

    assumed: int | None = None
    slicing: tuple[str, ...] = ()
    sized: tuple[str, ...] = ()
    require_one: bool = True
    sized_by: str | None = None


def field_weight(definition: GraphQLField) -> int:
    """The field's own weight, else its type's, else 1 for objects, interfaces and unions, and 0 for
    scalars and enums."""
    own = _weight(definition)
    named = get_named_type(definition.type)
    if own is None:
        own = _weight(named)
    return (1 if is_composite_type(named) else 0) if own is None else own


def sizing_of(definition: GraphQLField) -> Sizing | None:
    """What the field says of how long its list gets."""
    found = (definition.extensions or {}).get(DEFINITION)
    by = found.metadata.get(SIZED_BY) if found is not None else None
    for one in found.directives if found is not None else ():
        if isinstance(one, ListSize):
            return Sizing(
                one.assumed_size or None,
                tuple(one.slicing_arguments or ()),
                tuple(one.sized_fields or ()),
                one.require_one_slicing_argument is not False,
                by,
            )
    given = _in_sdl(definition, "listSize")
    if given is None:
        return None if by is None else Sizing(sized_by=by)
    return Sizing(
        given.get("assumedSize"),
        tuple(given.get("slicingArguments") or ()),
        tuple(given.get("sizedFields") or ()),
        given.get("requireOneSlicingArgument") is not False,
    )


@dataclass(frozen=True, slots=True)
class Weighed:
    """An argument or input field: its weight, its type's if it has none of its own, None where
    neither says one."""

    weight: int | None
    type: Any

    @property
    def may_cost(self) -> bool:
        """Whether some value of it costs anything."""
        return is_input_object_type(self.type) or bool(self.weight)

    def cost(self, value: Any) -> int:
        """What a value given to it costs: the weights of all that it holds. An input object is 1
        where nothing is declared, other values are 0."""
        if value is None or value is Undefined:
            return 0
        if isinstance(value, list):
            return (self.weight or 0) + sum(map(self.cost, value))
        if isinstance(value, dict) and is_input_object_type(self.type):
            fields = _fields_of(self.type)
            inner = (fields[name].cost(each) for name, each in value.items() if name in fields)
            return (1 if self.weight is None else self.weight) + sum(inner)
        return self.weight or 0


def weighed(definition: GraphQLArgument | GraphQLInputField) -> Weighed:
    """What an argument or input field declares."""
    named = get_named_type(definition.type)
    own = _weight(definition)
    return Weighed(_weight(named) if own is None else own, named)


@lru_cache(maxsize=2_000)
def _fields_of(type_: Any) -> dict[str, Weighed]:
    return {name: weighed(field) for name, field in type_.fields.items()}


def _weight(definition: Any) -> int | None:
    found = (definition.extensions or {}).get(DEFINITION)
    for one in getattr(found, "directives", None) or ():
        if isinstance(one, Cost):
            return int(one.weight)
    given = _in_sdl(definition, "cost")
    return None if given is None else int(float(given["weight"]))


def _in_sdl(definition: Any, name: str) -> Mapping[str, Any] | None:
    node = getattr(definition, "ast_node", None)
    directives: Sequence[Any] = getattr(node, "directives", None) or ()
    for one in directives:
        if one.name.value == name:
            return {a.name.value: value_from_ast_untyped(a.value) for a in one.arguments or ()}
    return None
