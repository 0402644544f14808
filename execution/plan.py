"""Plans: an operation as a tree of selections whose fields are known before any row is.

A plan depends on the schema, the operation and which of its parts @skip and @include leave in. It
holds nothing of a request, so that every execution of the same operation may share it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from inspect import Parameter
from math import isfinite
from operator import attrgetter
from typing import Any

from graphql import (
    GRAPHQL_MAX_INT,
    GRAPHQL_MIN_INT,
    FieldNode,
    GraphQLBoolean,
    GraphQLField,
    GraphQLFloat,
    GraphQLID,
    GraphQLInt,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    GraphQLString,
    is_abstract_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
    is_union_type,
)
from graphql.execution.collect_fields import FieldDetailsList

from core.reads import Whole, whole_of
from execution.direct import Direct, direct_of, has_variables
from execution.guards import Guard
from execution.sharing import DEFINITION

PLAIN: dict[Any, type] = {
    GraphQLString: str,
    GraphQLID: str,
    GraphQLBoolean: bool,
    GraphQLInt: int,
    GraphQLFloat: float,
}


class Kind(Enum):
    """How a field gets its values."""

    TYPENAME = auto()
    ATTRIBUTE = auto()
    """Read from the row as it is."""
    COMPUTED = auto()
    """What a function makes of the row alone."""
    KEYED = auto()
    """Declared to follow a key: one call answers all rows of the level."""
    RESOLVER = auto()
    """Called for each row."""


READ_FROM_ROWS = (Kind.ATTRIBUTE, Kind.COMPUTED)


class Form(Enum):
    """What a value is completed as."""

    LEAF = auto()
    LIST = auto()
    OBJECT = auto()
    ABSTRACT = auto()


@dataclass(frozen=True, slots=True)
class Shape:
    """An output type taken apart once: `inner` is a list's item."""

    form: Form
    nullable: bool
    type: Any
    inner: Shape | None = None
    is_plain: Callable[[list[Any]], bool] | None = None
    """Whether a whole column of leaves may stand in the response as it is; None: not known."""
    as_they_are: frozenset[type] = frozenset()
    """Classes of values each of which may stand in the response as it is."""


def _nothing(row: Any) -> None:
    """Of fields that are not read from the row."""


@dataclass(slots=True)
class Tree:
    """How large a plan has become: what is below a field is planned when it is first met."""

    fields: int = 0


@dataclass(slots=True, eq=False)
class FieldPlan:
    """One response key of a selection. `order` is its place there."""

    key: str
    order: int
    details: FieldDetailsList
    nodes: list[FieldNode]
    parent: GraphQLObjectType
    definition: GraphQLField
    kind: Kind
    shape: Shape
    tree: Tree
    coordinate: str = ""
    attribute: str = ""
    read: Callable[[Any], Any] = _nothing
    whole: Whole | None = None
    """What reads many rows at once, where there is something sooner than `read` for each."""
    still: bool | None = None
    """Whether it and all below it are read from rows; None until somebody looked."""
    shared: bool | None = None
    """Whether it leads by a key to objects that are read from rows, each of which is made once for
    all who refer to it; None until somebody looked."""
    guards: tuple[Guard, ...] = ()
    keyed: Any = None
    direct: Direct | None = None
    """How to call the resolver without Strawberry's preparations, where that is the same."""
    has_arguments: bool = False
    is_literal: bool = False
    """Whether no argument holds a variable."""
    coerced: Mapping[str, Any] | None = None
    """Its arguments, where all executions of the plan have the same and nobody can change them."""
    given: dict[str, Any] | None = None
    """The same as the resolver gets them, called directly; to be copied."""
    selections: dict[GraphQLObjectType, SelectionPlan] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class SelectionPlan:
    """The fields of one object type at one place, in the order of the response."""

    type: GraphQLObjectType
    fields: list[FieldPlan]
    keys: tuple[str, ...]
    runs: int = 0
    projections: dict[Any, Any] = field(default_factory=dict)
    """By the class of rows: see `execution/projecting.py`."""


Collected = Mapping[str, FieldDetailsList]


def plan_selection(
    schema: GraphQLSchema, type: GraphQLObjectType, collected: Collected, tree: Tree
) -> SelectionPlan:
    """The plan of fields that were collected for an object type, as a part of `tree`."""
    fields = list(_fields(schema, type, collected, tree))
    tree.fields += len(fields)
    return SelectionPlan(type, fields, tuple(plan.key for plan in fields))


def shape_of(type: GraphQLOutputType) -> Shape:
    """An output type as the executor completes it."""
    nullable = not is_non_null_type(type)
    if is_non_null_type(type):
        type = type.of_type
    if is_list_type(type):
        return Shape(Form.LIST, nullable, type, shape_of(type.of_type))
    if is_leaf_type(type):
        check, kinds = _plain_check(type, nullable=nullable), _as_they_are(type, nullable=nullable)
        return Shape(Form.LEAF, nullable, type, is_plain=check, as_they_are=kinds)
    return Shape(Form.ABSTRACT if is_abstract_type(type) else Form.OBJECT, nullable, type)


def _fields(
    schema: GraphQLSchema, type: GraphQLObjectType, collected: Collected, tree: Tree
) -> Iterator[FieldPlan]:
    order = 0
    for key, details in collected.items():
        name = details[0].node.name.value
        definition = schema.get_field(type, name)
        if definition is None:  # a document that was not validated: graphql-core leaves it out
            continue
        plan = FieldPlan(
            key=key,
            order=order,
            details=details,
            nodes=[detail.node for detail in details],
            parent=type,
            definition=definition,
            kind=Kind.RESOLVER,
            tree=tree,
            coordinate=f"{type}.{name}",
            shape=shape_of(definition.type),
            has_arguments=bool(definition.args or details[0].node.arguments),
            is_literal=not any(has_variables(a.value) for a in details[0].node.arguments or ()),
        )
        _classify(schema, plan, name)
        yield plan
        order += 1


def _classify(schema: GraphQLSchema, plan: FieldPlan, name: str) -> None:
    """Say how the field gets its values; a resolver where nothing better is known."""
    if name == "__typename":
        plan.kind = Kind.TYPENAME
        return
    found = (plan.definition.extensions or {}).get(DEFINITION)
    if found is None:
        return
    if getattr(plan.definition.resolve, "_is_default", False):
        plan.kind, plan.attribute = Kind.ATTRIBUTE, found.python_name
        plan.read = attrgetter(found.python_name)
        return
    keyed = found.metadata.get("keyed")
    if keyed is not None and all(isinstance(e, Guard) for e in found.extensions):
        plan.kind, plan.keyed = Kind.KEYED, keyed
        plan.guards = tuple(found.extensions)
    elif _sees_row_alone(found, plan.shape):
        plan.kind, plan.read = Kind.COMPUTED, found.base_resolver.wrapped_func
        plan.whole = whole_of(plan.read)
    else:
        plan.direct = direct_of(schema, plan.definition, found)


def _sees_row_alone(found: Any, shape: Shape) -> bool:
    """Whether a field's resolver is a plain function of its row, so that it may be called without
    Strawberry's preparations. Unions are left out: there errors may be converted."""
    resolver = found.base_resolver
    if resolver is None or found.extensions or found.is_subscription or found.is_async:
        return False
    row = resolver.parent_parameter or resolver.root_parameter
    if row is None or [*resolver.signature.parameters] != [row.name]:
        return False
    return row.kind is Parameter.POSITIONAL_OR_KEYWORD and not _has_union(shape)


def _has_union(shape: Shape) -> bool:
    return is_union_type(shape.type) or (shape.inner is not None and _has_union(shape.inner))


def _plain_check(type_: Any, *, nullable: bool) -> Callable[[list[Any]], bool] | None:
    """See `Shape.is_plain`: the standard scalars give back what is of their own type already."""
    own = PLAIN.get(type_)
    if own is None:
        return None
    allowed = {own, type(None)} if nullable else {own}
    if own is int:
        return lambda column: _all_of(column, allowed) and _in_int32(column)
    if own is float:
        return lambda column: (
            _all_of(column, allowed)
            and all(isfinite(value) for value in column if value is not None)
        )
    return lambda column: _all_of(column, allowed)


def _as_they_are(type_: Any, *, nullable: bool) -> frozenset[type]:
    """See `Shape.as_they_are`. A number may still be too large, or none."""
    own = PLAIN.get(type_)
    if own is None and getattr(type_, "coerce_output_value", None) is str:
        own = str
    if own not in (str, bool):
        return frozenset()
    return frozenset({own, type(None)} if nullable else {own})


def _all_of(column: list[Any], allowed: set[type]) -> bool:
    return set(map(type, column)) <= allowed


def _in_int32(column: list[Any]) -> bool:
    numbers = [value for value in column if value is not None]
    return not numbers or (min(numbers) >= GRAPHQL_MIN_INT and max(numbers) <= GRAPHQL_MAX_INT)
