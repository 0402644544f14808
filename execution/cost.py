"""What an operation costs: requested beforehand, by federation's `@cost` and `@listSize` as
Apollo's demand control and IBM's specification count, and actual, by the same weights and the
answer's own lists. Compiled once for an operation; what depends on variables is evaluated for each
request.

A field costs its weight and its selection, for each item that its list may have, and once what its
arguments weigh. Of an interface or a union the dearest type counts. A mutation costs 10 besides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLField,
    GraphQLObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    VariableNode,
    get_named_type,
    get_nullable_type,
    is_abstract_type,
    is_list_type,
    is_non_null_type,
    is_object_type,
    value_from_ast_untyped,
)
from graphql.execution.collect_fields import (
    FieldDetailsList,
    FragmentDetails,
    GroupedFieldSet,
    collect_fields,
    collect_subfields,
)
from graphql.execution.values import VariableValues

from core.errors import BadUserInput
from execution.limits import MAX_TOLD, TooLarge
from execution.weights import Sizing, Weighed, field_weight, sizing_of, weighed

MUTATION_COST = 10
UNSIZED = 100
"""Items that a list is taken to have which says nothing of its length."""
MAX_PRICED = 10_000
"""Fields of one operation, those of each type of an interface counted."""
ENTITIES = "_entities"

Variables = Mapping[str, Any]
Amount = int | Callable[[Variables], int]
"""A number of points or items, or what computes it from the coerced variables."""


@dataclass(slots=True, eq=False)
class PricedField:
    """A response key. `size` is None where it is no list; `below` has a selection for each type
    that may stand there; `steady` says that it costs what was requested whatever the answer is."""

    key: str
    name: str
    weight: int
    arguments: Amount
    size: Amount | None
    below: tuple[PricedSelection, ...]
    requested: Amount
    steady: bool


@dataclass(slots=True, eq=False)
class PricedSelection:
    """The fields selected of one object type; `keys` as they stand in an answer."""

    type: str
    fields: tuple[PricedField, ...]
    keys: tuple[str, ...]
    typename_key: str | None
    requested: Amount
    steady: bool


@dataclass(frozen=True, slots=True, eq=False)
class OperationCost:
    """The cost of one operation under given values of @skip and @include. `priced` is how many
    fields it has, for who counts memory."""

    base: int
    root: PricedSelection
    priced: int

    def requested(self, variables: Variables) -> int:
        """What the operation may cost at most, in points; `MAX_TOLD` stands for more too: lists in
        lists make numbers of any length. Raises `BadUserInput` where a field wants one slicing
        argument and gets none or several."""
        return min(MAX_TOLD, max(0, self.base + value_of(self.root.requested, variables)))


def price(
    schema: GraphQLSchema,
    operation: OperationDefinitionNode,
    fragments: dict[str, FragmentDetails],
    values: VariableValues,
) -> OperationCost:
    """The cost of a valid operation, for these values of @skip and @include. Raises `TooLarge`."""
    root = schema.get_root_type(operation.operation)
    assert root is not None
    pricer = _Pricer(schema, operation, fragments, values)
    collected = collect_fields(schema, fragments, values, root, operation).grouped_field_set
    base = MUTATION_COST if operation.operation is OperationType.MUTATION else 0
    return OperationCost(base, pricer.selection(root, collected, {}), pricer.priced)


def value_of(amount: Amount, variables: Variables) -> int:
    """An amount, of a request."""
    return amount if isinstance(amount, int) else amount(variables)


def list_size(
    definition: GraphQLField, details: FieldDetailsList, sizing: Sizing | None
) -> Amount | None:
    """How many items the field's lists may have at most, by its own declaration: the greatest of
    its slicing arguments, else the size assumed. None where it says nothing."""
    if sizing is None:
        return None
    given = {each.name.value: each.value for each in details[0].node.arguments or ()}
    if sizing.sized_by is not None and sizing.sized_by in given:
        return _length(given[sizing.sized_by], sizing.assumed)
    amounts = [_slice(definition, given, name) for name in sizing.slicing]
    fixed = [one for one in amounts if isinstance(one, int)]
    rest = [one for one in amounts if callable(one)]

    def size(variables: Variables) -> int:
        found = [*fixed, *(n for one in rest if (n := one(variables)) is not None)]
        if sizing.require_one and sizing.slicing and len(found) != 1:
            names = ", ".join(sizing.slicing)
            raise BadUserInput(f"{details[0].node.name.value} needs exactly one of {names}")
        return max(0, *found) if found else (UNSIZED if sizing.assumed is None else sizing.assumed)

    return size if rest or (sizing.require_one and sizing.slicing) else size({})


def _slice(
    definition: GraphQLField, given: Mapping[str, Any], name: str
) -> int | Callable[[Variables], int | None] | None:
    """The number in a slicing argument; None without one."""
    default = _default(definition.args.get(name))
    if name not in given:
        return default
    if isinstance(given[name], VariableNode):
        variable = given[name].name.value

        def read(variables: Variables) -> int | None:
            found = variables.get(variable, default)
            return found if _is_count(found) else None

        return read
    found = value_from_ast_untyped(given[name])
    return found if _is_count(found) else None


def _default(argument: GraphQLArgument | None) -> int | None:
    """An argument's default, if it is a number."""
    if argument is None:
        return None
    found: Any = argument.default_value
    if argument.default is not None:
        literal = argument.default.literal
        found = argument.default.value if literal is None else value_from_ast_untyped(literal)
    return found if _is_count(found) else None


def _length(node: Any, assumed: int | None) -> Amount:
    """How long a list argument is; a value that is no list is a list of one."""

    def length(value: Any) -> int:
        count = len(value) if isinstance(value, list) else 1
        return count if assumed is None else min(count, assumed)

    if isinstance(node, VariableNode):
        variable = node.name.value
        return lambda variables: length(variables.get(variable) or [])
    return length(value_from_ast_untyped(node))


def arguments_cost(definition: GraphQLField, details: FieldDetailsList) -> Amount:
    """What the field's arguments weigh, each as it is given."""
    parts: list[Amount] = []
    for each in details[0].node.arguments or ():
        declared = definition.args.get(each.name.value)
        argument = None if declared is None else weighed(declared)
        if argument is None or not argument.may_cost:
            continue
        if _has_variables(each.value):
            parts.append(_later(each.value, argument))
        else:
            parts.append(argument.cost(value_from_ast_untyped(each.value)))
    return total(parts)


def _later(node: Any, argument: Weighed) -> Callable[[Variables], int]:
    if isinstance(node, VariableNode):
        name = node.name.value
        return lambda variables: argument.cost(variables.get(name))
    return lambda variables: argument.cost(value_from_ast_untyped(node, dict(variables)))


def _has_variables(node: Any) -> bool:
    if isinstance(node, VariableNode):
        return True
    inner = [*getattr(node, "values", ()), *(f.value for f in getattr(node, "fields", ()))]
    return any(map(_has_variables, inner))


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


@dataclass(slots=True)
class _Pricer:
    schema: GraphQLSchema
    operation: OperationDefinitionNode
    fragments: dict[str, FragmentDetails]
    values: VariableValues
    priced: int = 0

    def selection(
        self, type_: GraphQLObjectType, grouped: GroupedFieldSet, sized: Mapping[str, Amount]
    ) -> PricedSelection:
        """What is selected of an object; `sized` are the lists whose length a field above says."""
        self.priced += len(grouped)
        if self.priced > MAX_PRICED:
            said = f"fields, those of each type counted, are {self.priced}"
            raise TooLarge(said, "fields", self.priced, MAX_PRICED)
        fields, typename = [], None
        for key, details in grouped.items():
            name = details[0].node.name.value
            if name == "__typename":
                typename = key
            elif not name.startswith("__"):
                definition = self.schema.get_field(type_, name)
                if definition is not None:
                    fields.append(self._field(key, name, definition, details, sized.get(name)))
        requested = total([field.requested for field in fields])
        steady = all(field.steady for field in fields)
        return PricedSelection(
            type_.name, tuple(fields), tuple(grouped), typename, requested, steady
        )

    def _field(
        self,
        key: str,
        name: str,
        definition: GraphQLField,
        details: FieldDetailsList,
        given_size: Amount | None,
    ) -> PricedField:
        weight, sizing = field_weight(definition), sizing_of(definition)
        if name == ENTITIES and sizing is None:
            sizing = Sizing(sized_by="representations")
        own = list_size(definition, details, sizing)
        size: Amount | None = None
        if is_list_type(get_nullable_type(definition.type)):
            size = own if given_size is None else given_size
            size = UNSIZED if size is None else size
        inner = {} if sizing is None or own is None else dict.fromkeys(sizing.sized, own)
        below = self._below(get_named_type(definition.type), details, inner)
        arguments = arguments_cost(definition, details)
        each = total([weight, greatest([one.requested for one in below])])
        return PricedField(
            key=key,
            name=name,
            weight=weight,
            arguments=arguments,
            size=size,
            below=below,
            requested=total([each if size is None else times(size, each), arguments]),
            steady=_is_steady(definition, size, each, below),
        )

    def _below(
        self, type_: Any, details: FieldDetailsList, sized: Mapping[str, Amount]
    ) -> tuple[PricedSelection, ...]:
        if is_object_type(type_):
            return (self.selection(type_, self._collected(type_, details), sized),)
        if not is_abstract_type(type_):
            return ()
        found: dict[Any, PricedSelection] = {}
        for member in self.schema.get_possible_types(type_):
            one = self.selection(member, self._collected(member, details), sized)
            # Types of which the same is selected, as `id` alone, are one.
            alike = (one.keys, one.requested) if one.steady else member.name
            found.setdefault(alike, one)
        return tuple(found.values())

    def _collected(self, type_: GraphQLObjectType, details: FieldDetailsList) -> GroupedFieldSet:
        return collect_subfields(
            self.schema, self.fragments, self.values, self.operation, type_, details
        ).grouped_field_set


def _is_steady(
    definition: GraphQLField,
    size: Amount | None,
    each: Amount,
    below: Sequence[PricedSelection],
) -> bool:
    """Whether the cost is the same whatever is answered."""
    if size is not None:
        return each == 0
    if not below:
        return True
    if all(one.requested == 0 for one in below):
        return True
    return is_non_null_type(definition.type) and len(below) == 1 and below[0].steady


def total(amounts: Sequence[Amount]) -> Amount:
    """The sum of amounts."""
    fixed = sum(one for one in amounts if isinstance(one, int))
    rest = [one for one in amounts if callable(one)]
    if not rest:
        return fixed
    if len(rest) == 1:
        [only] = rest
        return (lambda variables: fixed + only(variables)) if fixed else only
    return lambda variables: fixed + sum([one(variables) for one in rest])


def times(size: Amount, each: Amount) -> Amount:
    """So many of them; sizes from variables may be anything and are never negative."""
    if isinstance(each, int) and each == 0:
        return 0
    if isinstance(size, int):
        if isinstance(each, int):
            return size * each
        return lambda variables: size * each(variables)
    if isinstance(each, int):
        return lambda variables: size(variables) * each
    return lambda variables: size(variables) * each(variables)


def greatest(amounts: Sequence[Amount]) -> Amount:
    """The largest of the amounts; 0 of none."""
    fixed = max((one for one in amounts if isinstance(one, int)), default=0)
    rest = [one for one in amounts if callable(one)]
    if not rest:
        return fixed
    return lambda variables: max(fixed, *[one(variables) for one in rest])
