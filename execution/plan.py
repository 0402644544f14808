"""Plans: an operation as a tree of selections whose fields are known before any row is.

A plan depends on the schema, the operation and which of its parts @skip and @include leave in. It
holds nothing of a request, so that every execution of the same operation may share it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from operator import attrgetter
from typing import Any

from graphql import (
    GRAPHQL_MAX_INT,
    GRAPHQL_MIN_INT,
    DirectiveNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLBoolean,
    GraphQLField,
    GraphQLID,
    GraphQLInt,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    GraphQLString,
    OperationDefinitionNode,
    VariableNode,
    Visitor,
    is_abstract_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
    visit,
)
from graphql.execution.collect_fields import FieldDetailsList

from execution.guards import Guard
from execution.sharing import DEFINITION, Asking, asking_of

MAX_OPERATIONS = 1_000
MAX_PLANS = 16
"""Of one operation: each set of values that @skip and @include were given has its own."""
PLAIN: dict[Any, type] = {
    GraphQLString: str,
    GraphQLID: str,
    GraphQLBoolean: bool,
    GraphQLInt: int,
}
FOREIGN_DIRECTIVES = ("defer", "stream", "experimental_disableErrorPropagation")


class Kind(Enum):
    """How a field gets its values."""

    TYPENAME = auto()
    ATTRIBUTE = auto()
    """Read from the row as it is."""
    KEYED = auto()
    """Declared to follow a key: one call answers all rows of the level."""
    RESOLVER = auto()
    """Called for each row."""


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


def _nothing(row: Any) -> None:
    """Of fields that are not read from the row."""


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
    coordinate: str = ""
    attribute: str = ""
    read: Callable[[Any], Any] = _nothing
    still: bool | None = None
    """Whether it and all below it are read from rows; None until somebody looked."""
    guards: tuple[Guard, ...] = ()
    keyed: Any = None
    has_arguments: bool = False
    selections: dict[GraphQLObjectType, SelectionPlan] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class SelectionPlan:
    """The fields of one object type at one place, in the order of the response."""

    type: GraphQLObjectType
    fields: list[FieldPlan]
    keys: tuple[str, ...]
    runs: int = 0


Collected = Mapping[str, FieldDetailsList]


def plan_selection(
    schema: GraphQLSchema, type: GraphQLObjectType, collected: Collected
) -> SelectionPlan:
    """The plan of fields that were collected for an object type."""
    fields = list(_fields(schema, type, collected))
    return SelectionPlan(type, fields, tuple(plan.key for plan in fields))


def shape_of(type: GraphQLOutputType) -> Shape:
    """An output type as the executor completes it."""
    nullable = not is_non_null_type(type)
    if is_non_null_type(type):
        type = type.of_type
    if is_list_type(type):
        return Shape(Form.LIST, nullable, type, shape_of(type.of_type))
    if is_leaf_type(type):
        return Shape(Form.LEAF, nullable, type, is_plain=_plain_check(type, nullable=nullable))
    return Shape(Form.ABSTRACT if is_abstract_type(type) else Form.OBJECT, nullable, type)


def _fields(
    schema: GraphQLSchema, type: GraphQLObjectType, collected: Collected
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
            coordinate=f"{type}.{name}",
            shape=shape_of(definition.type),
            has_arguments=bool(definition.args or details[0].node.arguments),
        )
        _classify(plan, name)
        yield plan
        order += 1


def _classify(plan: FieldPlan, name: str) -> None:
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


@dataclass(frozen=True, slots=True)
class Traits:
    """What an operation with its fragments uses: whether the executor covers it (introspection of
    the schema, incremental delivery and variables of fragments are graphql-core's), and the
    variables that @skip and @include read."""

    covered: bool
    switches: tuple[str, ...]


def _plain_check(type_: Any, *, nullable: bool) -> Callable[[list[Any]], bool] | None:
    """See `Shape.is_plain`: the standard scalars give back what is of their own type already."""
    own = PLAIN.get(type_)
    if own is None:
        return None
    allowed = {own, type(None)} if nullable else {own}
    if own is int:
        return lambda column: _all_of(column, allowed) and _in_int32(column)
    return lambda column: _all_of(column, allowed)


def _all_of(column: list[Any], allowed: set[type]) -> bool:
    return set(map(type, column)) <= allowed


def _in_int32(column: list[Any]) -> bool:
    numbers = [value for value in column if value is not None]
    return not numbers or (min(numbers) >= GRAPHQL_MIN_INT and max(numbers) <= GRAPHQL_MAX_INT)


@dataclass(slots=True)
class _Known:
    """What is known of one operation; kept with it, so that no other has its id meanwhile."""

    operation: OperationDefinitionNode
    traits: Traits
    plans: OrderedDict[tuple[bool, ...], SelectionPlan] = field(default_factory=OrderedDict)
    asking: Asking | None = None


@dataclass(slots=True)
class PlanStore:
    """Plans of one schema's operations, by what of each is left in; the most recently used kept."""

    _known: OrderedDict[int, _Known] = field(default_factory=OrderedDict)

    def traits(
        self, operation: OperationDefinitionNode, fragments: Sequence[FragmentDefinitionNode]
    ) -> Traits:
        """What the operation uses, looked up or found out."""
        return self._of(operation, fragments).traits

    def asking(
        self,
        schema: GraphQLSchema,
        operation: OperationDefinitionNode,
        fragments: Sequence[FragmentDefinitionNode],
    ) -> Asking:
        """What the answers to a subscription depend on, looked up or found out."""
        known = self._of(operation, fragments)
        if known.asking is None:
            known.asking = asking_of(schema, operation, fragments)
        return known.asking

    def root(
        self,
        operation: OperationDefinitionNode,
        fragments: Sequence[FragmentDefinitionNode],
        variables: Mapping[str, Any],
        make: Callable[[], SelectionPlan],
    ) -> SelectionPlan:
        """The plan of an operation's root, made by `make` where it is not known."""
        known = self._of(operation, fragments)
        switches = tuple(bool(variables.get(name)) for name in known.traits.switches)
        plan = known.plans.get(switches)
        if plan is None:
            plan = known.plans[switches] = make()
            if len(known.plans) > MAX_PLANS:
                known.plans.popitem(last=False)
        return plan

    def _of(
        self, operation: OperationDefinitionNode, fragments: Sequence[FragmentDefinitionNode]
    ) -> _Known:
        known = self._known.get(id(operation))
        if known is not None:
            self._known.move_to_end(id(operation))
            return known
        known = _Known(operation, traits_of((operation, *fragments)))
        self._known[id(operation)] = known
        if len(self._known) > MAX_OPERATIONS:
            self._known.popitem(last=False)
        return known


class _Look(Visitor):
    """Collects what `Traits` tells."""

    def __init__(self) -> None:
        super().__init__()
        self.covered = True
        self.switches: set[str] = set()

    def enter_field(self, node: FieldNode, *_: Any) -> None:
        if node.name.value in ("__schema", "__type"):
            self.covered = False

    def enter_fragment_definition(self, node: FragmentDefinitionNode, *_: Any) -> None:
        if node.variable_definitions:
            self.covered = False

    def enter_directive(self, node: DirectiveNode, *_: Any) -> None:
        if node.name.value in FOREIGN_DIRECTIVES:
            self.covered = False
        if node.name.value in ("skip", "include"):
            for argument in node.arguments or ():
                if isinstance(argument.value, VariableNode):
                    self.switches.add(argument.value.name.value)


def traits_of(definitions: Sequence[Any]) -> Traits:
    """What these definitions use."""
    look = _Look()
    for definition in definitions:
        visit(definition, look)
    return Traits(look.covered, tuple(sorted(look.switches)))
