"""What is known of an operation once it has been looked at: what it uses, and its plans. It is
forgotten with the operation's document: the store of documents is what bounds it."""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    DirectiveNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLSchema,
    OperationDefinitionNode,
    VariableNode,
    Visitor,
    visit,
)

from execution.caching import CachePolicy, policy_of
from execution.cost import OperationCost
from execution.needed import Needed, needed_of
from execution.plan import SelectionPlan, Tree
from execution.sharing import Asking, asking_of
from execution.variables import Plain, plain_variables

MAX_PLANS = 16
"""Of one operation: each set of values that @skip and @include were given has its own."""
FOREIGN_DIRECTIVES = ("defer", "stream", "experimental_disableErrorPropagation")


@dataclass(frozen=True, slots=True)
class Traits:
    """What an operation with its fragments uses: whether the executor covers it (introspection of
    the schema, incremental delivery and variables of fragments are graphql-core's), and the
    variables that @skip and @include read."""

    covered: bool
    switches: tuple[str, ...]


@dataclass(slots=True, eq=False)
class Known:
    """What is known of one operation; it must not keep the operation itself alive."""

    traits: Traits
    plans: OrderedDict[tuple[bool, ...], tuple[SelectionPlan, Tree]] = field(
        default_factory=OrderedDict
    )
    costs: OrderedDict[tuple[bool, ...], OperationCost] = field(default_factory=OrderedDict)
    asking: Asking | None = None
    needed: Needed | None = None
    variables: tuple[tuple[Plain, ...] | None] | None = None
    """Those it takes, if all are plain, once somebody gave some."""
    caching: tuple[CachePolicy | None] | None = None
    """Its cache policy, once somebody asked for it."""

    def plan(self, variables: Mapping[str, Any]) -> SelectionPlan | None:
        """The plan of the root for these values of @skip and @include, if there is one yet."""
        found = self.plans.get(self._switches(variables))
        return None if found is None else found[0]

    def keep(
        self, variables: Mapping[str, Any], make: Callable[[Tree], SelectionPlan]
    ) -> SelectionPlan:
        """A new plan, kept with the most recent."""
        tree = Tree()
        plan = make(tree)
        self.plans[self._switches(variables)] = plan, tree
        if len(self.plans) > MAX_PLANS:
            self.plans.popitem(last=False)
        return plan

    def cost(
        self, variables: Mapping[str, Any], make: Callable[[], OperationCost]
    ) -> OperationCost:
        """What it costs under these values of @skip and @include, kept with the most recent."""
        switches = self._switches(variables)
        found = self.costs.get(switches)
        if found is None:
            found = self.costs[switches] = make()
            if len(self.costs) > MAX_PLANS:
                self.costs.popitem(last=False)
        return found

    @property
    def fields(self) -> int:
        """How many fields all its plans have; what is priced of a field takes a third of one."""
        # Asked for twice a request: loops, for generators take as long again to be made.
        priced = fields = 0
        for cost in self.costs.values():
            priced += cost.priced
        for _, tree in self.plans.values():
            fields += tree.fields
        return fields + priced // 3

    def _switches(self, variables: Mapping[str, Any]) -> tuple[bool, ...]:
        if not self.traits.switches:
            return ()
        return tuple(bool(variables.get(name)) for name in self.traits.switches)


@dataclass(slots=True, eq=False)
class PlanStore:
    """What is known of one schema's operations, by the identity of their nodes: graphql-core
    compares nodes by all that they contain."""

    _known: dict[int, tuple[Known, weakref.ref[OperationDefinitionNode]]] = field(
        default_factory=dict
    )

    def of(
        self, operation: OperationDefinitionNode, fragments: Sequence[FragmentDefinitionNode]
    ) -> Known:
        """What is known of the operation, looked up or found out."""
        found = self._known.get(id(operation))
        if found is None:
            key = id(operation)
            known = Known(traits_of((operation, *fragments)))
            gone = weakref.ref(operation, lambda _: self._known.pop(key, None))
            self._known[key] = known, gone
            return known
        return found[0]

    def fields(self, operation: OperationDefinitionNode) -> int:
        """How many fields the plans of an operation have by now."""
        found = self._known.get(id(operation))
        return 0 if found is None else found[0].fields

    def asking(
        self,
        schema: GraphQLSchema,
        operation: OperationDefinitionNode,
        fragments: Sequence[FragmentDefinitionNode],
    ) -> Asking:
        """What the answers to a subscription depend on, looked up or found out."""
        known = self.of(operation, fragments)
        if known.asking is None:
            known.asking = asking_of(schema, operation, fragments)
        return known.asking

    def needed(
        self,
        schema: GraphQLSchema,
        operation: OperationDefinitionNode,
        fragments: Sequence[FragmentDefinitionNode],
    ) -> Needed:
        """What the operation reads of rows, looked up or found out."""
        known = self.of(operation, fragments)
        if known.needed is None:
            known.needed = needed_of(schema, operation, fragments)
        return known.needed

    def variables(
        self,
        schema: GraphQLSchema,
        operation: OperationDefinitionNode,
        fragments: Sequence[FragmentDefinitionNode],
    ) -> tuple[Plain, ...] | None:
        """The variables that the operation takes, looked up or found out; None where some are not
        plain."""
        known = self.of(operation, fragments)
        if known.variables is None:
            known.variables = (plain_variables(schema, operation),)
        return known.variables[0]

    def caching(
        self,
        schema: GraphQLSchema,
        operation: OperationDefinitionNode,
        fragments: Sequence[FragmentDefinitionNode],
    ) -> CachePolicy | None:
        """How long the operation's answers may be kept, looked up or found out."""
        known = self.of(operation, fragments)
        if known.caching is None:
            known.caching = (policy_of(schema, operation, fragments),)
        return known.caching[0]


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
