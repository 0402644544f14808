"""How an operation will run, told: its plan as a tree, with what each field costs and how its
values are got. Nothing is run and nothing is printed here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from graphql import print_ast
from graphql.type import GraphQLObjectType, is_abstract_type

from execution.cost import UNSIZED, arguments_cost, list_size, value_of
from execution.levels import LevelExecutor
from execution.plan import FieldPlan, Form, Kind, SelectionPlan, Shape
from execution.run import Run
from execution.weights import field_weight, sizing_of

MAX_NODES = 500
"""Fields of a plan that is told; the rest is left out."""


@dataclass(frozen=True, slots=True)
class Loading:
    """How a field that follows a key is loaded: by which loader, which columns of its rows (None:
    all), by which statement (None: not known beforehand). `paged` where it loads lists; `beside`
    where its rows come with those that lead to them, if these are few."""

    loader: str
    paged: bool = False
    columns: tuple[str, ...] | None = None
    statement: str | None = None
    beside: bool = False


Describe = Callable[[Any, Mapping[str, Any], Any], Loading]
"""Of a declared loading (`FieldPlan.keyed`), the field's arguments and the type it gives."""


@dataclass(frozen=True, slots=True)
class PlanNode:
    """A field of a plan. `kind`: attribute, computed, keyed, paged, resolver, typename, or type for
    what is selected of one type of an interface or a union. `cost` is its own (see `cost.py`), for
    all the rows that it may be asked of; `rows` are those. `arguments` are as they were written."""

    key: str
    coordinate: str
    type: str
    kind: str
    cost: int
    rows: int
    arguments: str = ""
    loading: Loading | None = None
    children: tuple[PlanNode, ...] = ()

    def walk(self) -> Iterator[PlanNode]:
        """It, and all below it."""
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass(frozen=True, slots=True)
class Plan:
    """A told plan. `executor` is who runs it: levels, or graphql-core where plans do not cover it
    (then there are no nodes). `cost` is what is requested of a viewer's budget: that of its nodes,
    of a union's types the dearest, and 10 for a mutation. `statements` are what was sent, where it
    was run."""

    operation: str
    kind: str
    executor: str
    nodes: tuple[PlanNode, ...]
    cost: int
    statements: tuple[str, ...] = ()


def plan_of(executor: LevelExecutor, describe: Describe) -> Plan:
    """The plan of an operation that could begin."""
    operation = executor.operation
    name = operation.name.value if operation.name else "anonymous"
    root = executor.root_plan()
    cost = executor.cost().requested(executor.variable_values.coerced)
    if root is None:
        return Plan(name, operation.operation.value, "graphql-core", (), cost)
    teller = _Teller(Run(executor), describe)
    nodes = tuple(teller.selection(root, 1, {}))
    return Plan(name, operation.operation.value, "levels", nodes, cost)


@dataclass(slots=True)
class _Teller:
    run: Run
    describe: Describe
    told: int = 0

    def selection(
        self, plan: SelectionPlan, rows: int, sized: Mapping[str, int]
    ) -> Iterator[PlanNode]:
        for each in plan.fields:
            if self.told >= MAX_NODES:
                return
            self.told += 1
            yield self._node(each, rows, sized)

    def _node(self, plan: FieldPlan, rows: int, sized: Mapping[str, int]) -> PlanNode:
        try:
            arguments = self.run.arguments(plan)
        except Exception:  # told when it is run
            arguments = {}
        sizing, variables = sizing_of(plan.definition), self.run.core.variable_values.coerced
        own = list_size(plan.definition, plan.details, sizing)
        many = UNSIZED if own is None else value_of(own, variables)
        inner = {} if sizing is None or own is None else dict.fromkeys(sizing.sized, many)
        many = sized.get(plan.nodes[0].name.value, many) if _is_list(plan.shape) else 1
        weights = many * field_weight(plan.definition) if plan.kind is not Kind.TYPENAME else 0
        given = value_of(arguments_cost(plan.definition, plan.details), variables)
        loading = None
        if plan.kind is Kind.KEYED:
            loading = self.describe(plan.keyed, arguments, plan.definition.type)
        kind = "paged" if loading is not None and loading.paged else plan.kind.name.lower()
        return PlanNode(
            key=plan.key,
            coordinate=plan.coordinate,
            type=str(plan.definition.type),
            kind=kind,
            cost=(weights + given) * rows,
            rows=rows,
            arguments=", ".join(map(print_ast, plan.nodes[0].arguments or ())),
            loading=loading,
            children=tuple(self._below(plan, _innermost(plan.shape), rows * many, inner)),
        )

    def _below(
        self, plan: FieldPlan, shape: Shape, rows: int, sized: Mapping[str, int]
    ) -> Iterator[PlanNode]:
        if shape.form is Form.OBJECT:
            yield from self.selection(self.run.below(plan, shape.type), rows, sized)
        elif is_abstract_type(shape.type):
            for member in self.run.core.schema.get_possible_types(shape.type):
                yield from self._member(plan, member, rows, sized)

    def _member(
        self, plan: FieldPlan, type_: GraphQLObjectType, rows: int, sized: Mapping[str, int]
    ) -> Iterator[PlanNode]:
        found = self.run.below(plan, type_)
        if any(each.kind is not Kind.TYPENAME for each in found.fields):
            children = tuple(self.selection(found, rows, sized))
            yield PlanNode("", type_.name, type_.name, "type", 0, rows, children=children)


def _innermost(shape: Shape) -> Shape:
    return shape if shape.inner is None else _innermost(shape.inner)


def _is_list(shape: Shape) -> bool:
    return shape.form is Form.LIST


def as_json(plan: Plan) -> dict[str, Any]:
    """For machines, and `extensions.plan` of an answer; the drawing included."""
    return {
        "operation": plan.operation,
        "kind": plan.kind,
        "executor": plan.executor,
        "cost": plan.cost,
        "nodes": [_node_json(node) for node in plan.nodes],
        "statements": list(plan.statements),
        "mermaid": as_mermaid(plan),
    }


def _node_json(node: PlanNode) -> dict[str, Any]:
    told: dict[str, Any] = {
        "key": node.key,
        "field": node.coordinate,
        "type": node.type,
        "kind": node.kind,
        "cost": node.cost,
        "rows": node.rows,
    }
    if node.arguments:
        told["arguments"] = node.arguments
    if node.loading is not None:
        columns = node.loading.columns
        told["loader"] = node.loading.loader
        told["columns"] = None if columns is None else list(columns)
        told["statement"] = node.loading.statement
        told["beside"] = node.loading.beside
    if node.children:
        told["children"] = [_node_json(child) for child in node.children]
    return told


def as_mermaid(plan: Plan) -> str:
    """A Mermaid flowchart: a box for each field that gives objects, with the scalars that are read
    there; loads are drawn round, and what follows a key is joined by a thick line."""
    lines = ["flowchart LR", f'  n0[["{plan.kind} {plan.operation}<br/>cost {plan.cost}"]]']
    numbers = iter(range(1, MAX_NODES * 2))
    for node in plan.nodes:
        _draw(node, "n0", numbers, lines)
    return "\n".join(lines)


def _draw(node: PlanNode, above: str, numbers: Iterator[int], lines: list[str]) -> None:
    leaves = [child.key for child in node.children if not child.children and not child.loading]
    deeper = [child for child in node.children if child.children or child.loading]
    own = f"n{next(numbers)}"
    words = [f"{node.key or 'on'}: {node.type}", node.kind]
    if node.loading is not None:
        words[1] += f" by {node.loading.loader}"
    if leaves:
        words.append(" ".join(leaves))
    text = "<br/>".join(word.replace('"', "#quot;") for word in words)
    box = f'("{text}")' if node.loading is not None else f'["{text}"]'
    arrow = "==>" if node.loading is not None else "-->"
    lines.append(f"  {above} {arrow} {own}{box}")
    for child in deeper:
        _draw(child, own, numbers, lines)
