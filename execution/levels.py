"""The breadth-first executor: a level of the operation at a time over lists of rows, and not an
object at a time. graphql-core builds the execution and the response, and runs what plans do not
cover (`plan.Traits`); what a response means is its `Executor`'s to the letter."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from graphql import GraphQLError, OperationType, located_error
from graphql.execution.executor import invalid_return_type_error
from graphql.execution.values import get_argument_values
from graphql.pyutils import Undefined, is_iterable
from graphql.type import GraphQLObjectType
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from execution.columns import cut, is_absent, objects, scalar_column, settle
from execution.failures import Failed, Failures, Where, core_path, order_of, path_of
from execution.plan import (
    Collected,
    FieldPlan,
    Form,
    Kind,
    PlanStore,
    SelectionPlan,
    Shape,
    plan_selection,
)
from execution.sharing import SharedData, class_of

Values = list[Any]
Wheres = list[Any]


class LevelExecutor(StrawberryGraphQLCoreExecutionContext):
    """graphql-core's, whose selections run by levels; make one for each schema by `level_executor`,
    for all executions of a class share its `plans`."""

    plans = PlanStore()

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.failures = Failures()

    def execute_operation(self, serially: bool | None = None) -> Any:
        """As graphql-core's; an event of a subscription is executed once for all who ask the same
        of it (`execution/sharing.py`)."""
        shared = getattr(self.context_value, "shared", None)
        if shared is None or self.operation.operation is not OperationType.SUBSCRIPTION:
            return super().execute_operation(serially)
        fragments = tuple(self.fragment_definitions.values())
        asking = self.plans.asking(self.schema, self.operation, fragments)
        viewer = self.context_value.viewer_key
        key = class_of(asking, self.operation, self.variable_values.coerced, viewer)
        if key not in shared:
            if not asking.personal:
                self.context_value = self.context_value.for_everyone()
            # With the operation, whose id is in the key: so no other has it meanwhile.
            shared[key] = (self.operation, asyncio.ensure_future(self._answer(serially)))
        # Shielded: one subscriber that goes away must not take the answer from the others.
        return asyncio.shield(shared[key][1])

    async def _answer(self, serially: bool | None) -> Any:
        result: Any = super().execute_operation(serially)
        if self.is_awaitable(result):
            result = await result
        if result.data is not None and not result.errors:
            result.data = SharedData(result.data)
        return result

    def execute_root_grouped_field_set(
        self,
        root_type: GraphQLObjectType,
        root_value: Any,
        grouped_field_set: Collected,
        serially: bool,
        position_context: Any,
    ) -> Any:
        fragments = tuple(self.fragment_definitions.values())
        traits = self.plans.traits(self.operation, fragments)
        # Strawberry always hands a manager on, which without extensions of fields is empty.
        hooked = self.middleware_manager and self.middleware_manager.middlewares
        if hooked or self.abort_signal or not traits.covered:
            return super().execute_root_grouped_field_set(
                root_type, root_value, dict(grouped_field_set), serially, position_context
            )
        plan = self.plans.root(
            self.operation,
            fragments,
            self.variable_values.coerced,
            lambda: plan_selection(self.schema, root_type, grouped_field_set),
        )
        return self._root(plan, root_value, serially)

    async def _root(self, plan: SelectionPlan, root_value: Any, serially: bool) -> Any:
        self.failures = Failures()  # a subscription's executor is copied for each event
        if serially:
            data = await self._serially(plan, root_value)
        else:
            [data] = await self._selection(plan, [root_value], [None])
        if isinstance(data, Failed):
            self.failures.stop(data, None)
        self.collected_errors.errors.extend(self.failures.told())
        return None if isinstance(data, Failed) else data

    async def _serially(self, plan: SelectionPlan, root_value: Any) -> Any:
        """Fields of a mutation, each begun when the one before is complete."""
        data: dict[str, Any] = {}
        for field in plan.fields:
            [value] = await self._field(
                field, [root_value], [(None, field.key, field.order, plan.type.name)]
            )
            if isinstance(value, Failed):
                return value
            data[field.key] = value
        return data

    async def _selection(self, plan: SelectionPlan, sources: Values, above: Wheres) -> Values:
        """The objects of a selection, one for each source; a `Failed` in place of one that may not
        be because of a field that must not be null."""
        columns: list[Any] = [None] * len(plan.fields)
        waiting: list[tuple[int, Awaitable[Values]]] = []
        for i, field in enumerate(plan.fields):
            if field.kind is Kind.TYPENAME:
                columns[i] = [plan.type.name] * len(sources)
                continue
            if field.kind is Kind.ATTRIBUTE and field.shape.form is Form.LEAF:
                columns[i] = self._leaves(field, sources, above)
                continue
            wheres = [(w, field.key, field.order, plan.type.name) for w in above]
            waiting.append((i, self._field(field, sources, wheres)))
        if len(waiting) == 1:
            columns[waiting[0][0]] = await waiting[0][1]
        elif waiting:
            found = await asyncio.gather(*(work for _, work in waiting))
            for (i, _), column in zip(waiting, found, strict=True):
                columns[i] = column
        return objects(plan, columns, len(sources))

    def _leaves(self, field: FieldPlan, sources: Values, above: Wheres) -> Values:
        """A column of scalars; what does not go well as a whole is done again with care."""
        column = scalar_column(field, sources)
        return self._careful_leaves(field, sources, above) if column is None else column

    def _careful_leaves(self, field: FieldPlan, sources: Values, above: Wheres) -> Values:
        wheres = [(w, field.key, field.order, field.parent.name) for w in above]
        values = self._attributes(field, sources, wheres)
        return self._complete_leaves(field, field.shape, values, wheres)

    def _attributes(self, field: FieldPlan, sources: Values, wheres: Wheres) -> Values:
        return [
            self._caught(field, where, getattr, source, field.attribute)
            for source, where in zip(sources, wheres, strict=True)
        ]

    async def _field(self, field: FieldPlan, sources: Values, wheres: Wheres) -> Values:
        """Values of a field for each source, complete."""
        values = await self._values(field, sources, wheres)
        return await self._complete(field, field.shape, values, wheres)

    async def _values(self, field: FieldPlan, sources: Values, wheres: Wheres) -> Values:
        if field.kind is Kind.ATTRIBUTE:
            return await self._awaited(field, self._attributes(field, sources, wheres), wheres)
        try:
            arguments = self._arguments(field)
            if field.kind is Kind.KEYED:
                return await self._keyed(field, sources, wheres, arguments)
        except Exception as error:
            return [self._failed(field, where, error) for where in wheres]
        resolve = field.definition.resolve or self.field_resolver
        values = [
            self._caught(field, where, resolve, source, self._info(field, where), **arguments)
            for source, where in zip(sources, wheres, strict=True)
        ]
        return await self._awaited(field, values, wheres)

    async def _keyed(
        self, field: FieldPlan, sources: Values, wheres: Wheres, arguments: dict[str, Any]
    ) -> Values:
        """One call for the whole level; what it asks of the viewer is asked once."""
        info = self._info(field, wheres[0])
        for guard in field.guards:
            guard.check(info)
        found: Values = await field.keyed.answer(info.context, sources, arguments)
        return [
            self._failed(field, where, value) if isinstance(value, Exception) else value
            for value, where in zip(found, wheres, strict=True)
        ]

    def _arguments(self, field: FieldPlan) -> dict[str, Any]:
        if not field.has_arguments:
            return {}
        first = field.details[0]
        return get_argument_values(
            field.definition,
            first.node,
            self.variable_values,
            first.fragment_variable_values,
            self.hide_suggestions,
        )

    def _info(self, field: FieldPlan, where: Where) -> Any:
        return self.build_resolve_info(
            field.definition, field.nodes, field.parent, core_path(where)
        )

    async def _awaited(self, field: FieldPlan, values: Values, wheres: Wheres) -> Values:
        """The values, those that had to be waited for among them; all wait together."""
        late = [i for i, value in enumerate(values) if self.is_awaitable(value)]
        if late:
            found = await settle([values[i] for i in late])
            for i, value in zip(late, found, strict=True):
                values[i] = value
        for i, value in enumerate(values):
            if isinstance(value, Exception):
                values[i] = self._failed(field, wheres[i], value)
        return values

    async def _complete(
        self, field: FieldPlan, shape: Shape, values: Values, wheres: Wheres
    ) -> Values:
        """Values completed as their type says; what failed climbs where it must."""
        if shape.form is Form.LEAF:
            return self._complete_leaves(field, shape, values, wheres)
        there = [i for i, v in enumerate(values) if v is not None and not is_absent(v)]
        found = values if len(there) == len(values) else [values[i] for i in there]
        places = wheres if len(there) == len(values) else [wheres[i] for i in there]
        if not there:
            made: Values = []
        elif shape.form is Form.LIST:
            made = await self._lists(field, shape, found, places)
        elif shape.form is Form.OBJECT:
            made = await self._objects_of(field, shape.type, found, places)
        else:
            made = await self._abstract(field, shape, found, places)
        if len(there) == len(values):
            completed = list(made)
        else:
            completed = [v if isinstance(v, Failed) else None for v in values]
            for i, value in zip(there, made, strict=True):
                completed[i] = value
        return self._settled(field, shape, completed, wheres)

    def _complete_leaves(
        self, field: FieldPlan, shape: Shape, values: Values, wheres: Wheres
    ) -> Values:
        completed = [
            value
            if isinstance(value, Failed)
            else None
            if value is None or value is Undefined
            else self._caught(field, where, self.complete_leaf_value, shape.type, value)
            for value, where in zip(values, wheres, strict=True)
        ]
        return self._settled(field, shape, completed, wheres)

    def _settled(self, field: FieldPlan, shape: Shape, values: Values, wheres: Wheres) -> Values:
        """Failures stop at places that may be null; nulls fail at those that may not."""
        for i, value in enumerate(values):
            if shape.nullable:
                if isinstance(value, Failed):
                    self.failures.stop(value, wheres[i])
                    values[i] = None
            elif value is None:
                message = f"Cannot return null for non-nullable field {field.coordinate}."
                values[i] = self._failed(field, wheres[i], TypeError(message))
        return values

    async def _lists(
        self, field: FieldPlan, shape: Shape, values: Values, wheres: Wheres
    ) -> Values:
        assert shape.inner is not None
        items: Values = []
        places: Wheres = []
        ends: list[int | Failed] = []
        for value, where in zip(values, wheres, strict=True):
            got = await self._items(field, value, where)
            if isinstance(got, Failed):
                ends.append(got)
                continue
            items += got
            places += [(where, n, n, None) for n in range(len(got))]
            ends.append(len(items))
        items = await self._awaited(field, items, places)
        done = await self._complete(field, shape.inner, items, places) if items else []
        return list(cut(done, ends, shape.inner.nullable))

    async def _items(self, field: FieldPlan, value: Any, where: Where) -> Any:
        try:
            if self.is_async_iterable(value):
                return [item async for item in value]
            if not is_iterable(value):
                said = f"Expected Iterable, but did not find one for field '{field.coordinate}'."
                raise GraphQLError(said)
            return list(value)
        except Exception as error:
            return self._failed(field, where, error)

    async def _objects_of(
        self, field: FieldPlan, type: GraphQLObjectType, values: Values, wheres: Wheres
    ) -> Values:
        made = await self._impostors(field, type, values, wheres)
        if not any(made):
            return await self._selection(self._below(field, type), values, wheres)
        right = [i for i, failed in enumerate(made) if failed is None]
        if right:
            found = await self._selection(
                self._below(field, type), [values[i] for i in right], [wheres[i] for i in right]
            )
            for i, value in zip(right, found, strict=True):
                made[i] = value
        return made

    async def _impostors(
        self, field: FieldPlan, type: GraphQLObjectType, values: Values, wheres: Wheres
    ) -> list[Any]:
        """Failures in the places of values that are not of the type; None elsewhere."""
        if type.is_type_of is None:
            return [None] * len(values)
        # One info for the level: a type is told by its value, and not by where it stands.
        is_type_of, info = type.is_type_of, self._info(field, wheres[0])
        checks = [
            self._caught(field, where, is_type_of, value, info)
            for value, where in zip(values, wheres, strict=True)
        ]
        checks = await self._awaited(field, checks, wheres)
        for i, check in enumerate(checks):
            if not check:
                error = invalid_return_type_error(type, values[i], field.details)
                checks[i] = self._failed(field, wheres[i], error)
            elif not isinstance(check, Failed):
                checks[i] = None
        return checks

    async def _abstract(
        self, field: FieldPlan, shape: Shape, values: Values, wheres: Wheres
    ) -> Values:
        """Values of an interface or a union, grouped by what they turn out to be."""
        resolve = shape.type.resolve_type or self.type_resolver
        infos = [self._info(field, where) for where in wheres]
        named = [
            self._caught(field, where, resolve, value, info, shape.type)
            for value, where, info in zip(values, wheres, infos, strict=True)
        ]
        named = await self._awaited(field, named, wheres)
        groups: dict[GraphQLObjectType, list[int]] = {}
        made: Values = [None] * len(values)
        for i, name in enumerate(named):
            type = (
                name
                if isinstance(name, Failed)
                else self._caught(
                    field,
                    wheres[i],
                    self.ensure_valid_runtime_type,
                    name,
                    shape.type,
                    field.details,
                    infos[i],
                    values[i],
                )
            )
            if isinstance(type, Failed):
                made[i] = type
            else:
                groups.setdefault(type, []).append(i)
        for type, members in groups.items():
            found = await self._objects_of(
                field, type, [values[i] for i in members], [wheres[i] for i in members]
            )
            for i, value in zip(members, found, strict=True):
                made[i] = value
        return made

    def _below(self, field: FieldPlan, type: GraphQLObjectType) -> SelectionPlan:
        plan = field.selections.get(type)
        if plan is None:
            collected = self.collect_subfields(type, field.details).grouped_field_set
            plan = field.selections[type] = plan_selection(self.schema, type, collected)
        return plan

    def _caught(
        self, field: FieldPlan, where: Where, call: Callable[..., Any], *args: Any, **named: Any
    ) -> Any:
        """What a call returns, or its failure here."""
        try:
            value = call(*args, **named)
        except Exception as error:
            return self._failed(field, where, error)
        return self._failed(field, where, value) if isinstance(value, Exception) else value

    def _failed(self, field: FieldPlan, where: Where, error: Exception) -> Failed:
        located = located_error(error, field.nodes, path_of(where))
        return Failed(located, order_of(where))


def level_executor() -> type[LevelExecutor]:
    """An executor with plans of its own, for one schema."""
    return type("SchemaLevelExecutor", (LevelExecutor,), {"plans": PlanStore()})
