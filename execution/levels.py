"""The breadth-first executor: a level of the operation at a time over lists of rows, and not an
object at a time. graphql-core builds the execution and the response, and runs what plans do not
cover (`plan.Traits`); what a response means is its `Executor`'s to the letter."""

from __future__ import annotations

import asyncio
from typing import Any

from graphql import (
    ExecutionResult,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    default_field_resolver,
    default_type_resolver,
)
from graphql.execution.collect_fields import collect_fields
from graphql.execution.values import VariableValues, get_variable_values
from graphql.type import GraphQLObjectType
from strawberry.execution.is_awaitable import optimized_is_awaitable

from execution.cost import OperationCost, price
from execution.failures import Failed, at_root, below
from execution.known import Known, PlanStore
from execution.plan import Collected, Kind, SelectionPlan, plan_selection
from execution.reticence import ReticentExecutor
from execution.run import Run
from execution.sharing import SharedData, class_of
from execution.store import Prepared
from execution.variables import plain_values
from execution.walk import field_values, selected

MAX_ERRORS = 50
"""Of variables: graphql-core's own number."""


class LevelExecutor(ReticentExecutor):
    """graphql-core's, whose selections run by levels; make one for each schema by `level_executor`,
    for all executions of a class share its `plans`."""

    plans = PlanStore()

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
        known = self.known()
        if self.hooked() or self.abort_signal or not known.traits.covered:
            return super().execute_root_grouped_field_set(
                root_type, root_value, dict(grouped_field_set), serially, position_context
            )
        variables = self.variable_values.coerced
        plan = known.plan(variables) or known.keep(
            variables, lambda tree: plan_selection(self.schema, root_type, grouped_field_set, tree)
        )
        return self._root(plan, root_value, serially)

    def hooked(self) -> bool:
        """Whether every field is to be called one by one, for somebody looks at each."""
        # Strawberry always hands a manager on, which without extensions of fields is empty.
        return bool(self.middleware_manager and self.middleware_manager.middlewares)

    @classmethod
    def begin(
        cls,
        schema: GraphQLSchema,
        prepared: Prepared,
        operation: OperationDefinitionNode,
        *,
        variables: dict[str, Any] | None,
        context_value: Any,
        root_value: Any = None,
        operation_extensions: dict[str, Any] | None = None,
    ) -> LevelExecutor | list[GraphQLError]:
        """An executor of an operation that is valid, or what is wrong about its variables: as
        `build` makes it, which would take the document apart again."""
        definitions = operation.variable_definitions
        values: Any = VariableValues({}, {})
        if definitions:
            given = variables or {}
            plain = cls.plans.variables(schema, operation, tuple(prepared.fragments.values()))
            values = None if plain is None else plain_values(plain, given)
            if values is None:
                values = get_variable_values(schema, definitions, given, MAX_ERRORS, cls.reticent)
            if isinstance(values, list):
                return values
        return cls(
            schema,
            prepared.fragments,
            prepared.details,
            root_value,
            context_value,
            operation,
            values,
            default_field_resolver,
            default_type_resolver,
            default_field_resolver,
            is_awaitable=optimized_is_awaitable,
            operation_extensions=operation_extensions,
            hide_suggestions=cls.reticent,
        )

    def known(self) -> Known:
        """What is known of the operation."""
        return self.plans.of(self.operation, tuple(self.fragment_definitions.values()))

    def cost(self) -> OperationCost:
        """What the operation costs, looked up or worked out. Raises `TooLarge`."""
        return self.known().cost(
            self.variable_values.coerced,
            lambda: price(self.schema, self.operation, self.fragments, self.variable_values),
        )

    def root_plan(self) -> SelectionPlan | None:
        """The plan of the operation's root, whether it was run or not; None where plans do not
        cover the operation."""
        known, variables = self.known(), self.variable_values.coerced
        root_type = self.schema.get_root_type(self.operation.operation)
        if not known.traits.covered or root_type is None:
            return None
        collected = collect_fields(
            self.schema, self.fragments, self.variable_values, root_type, self.operation
        ).grouped_field_set
        return known.plan(variables) or known.keep(
            variables, lambda tree: plan_selection(self.schema, root_type, collected, tree)
        )

    async def answer(self) -> ExecutionResult:
        """The answer to a query or mutation; with a plan at hand without graphql-core's
        preparations, which then would only find the same fields again."""
        known = self.known()
        plan = known.plan(self.variable_values.coerced) if known.traits.covered else None
        if plan is None or self.middleware_manager:
            result: Any = self.execute_operation()
            answer: ExecutionResult = await result if self.is_awaitable(result) else result
            return answer
        try:
            serially = self.operation.operation is OperationType.MUTATION
            data = await self._root(plan, self.root_value, serially)
        except GraphQLError as error:
            self.collected_errors.add(error, None)
            data = None
        finally:
            self._let_go()
        return ExecutionResult(data, self.collected_errors.errors or None)

    def _let_go(self) -> None:
        """Break the circles of what was made for this operation, which is over: then all of it goes
        as soon as nobody holds it, and the collector, for which each row counts, has none to find.
        It took an eighth of a page's time."""
        self.async_helpers = None  # type: ignore[assignment]  # methods of this object
        loaders = getattr(self.context_value, "loaders", None)
        if loaders is not None:
            loaders.let_go()

    def _tell_needs(self) -> None:
        """Let a query's loaders read what it shows, and no more. A mutation's rows are looked at by
        what made them, and those of an event are shared by those who ask for different fields."""
        loaders = getattr(self.context_value, "loaders", None)
        if loaders is not None and self.operation.operation is OperationType.QUERY:
            fragments = tuple(self.fragment_definitions.values())
            needed = self.plans.needed(self.schema, self.operation, fragments)
            loaders.needs, loaders.leads = needed

    async def _root(self, plan: SelectionPlan, root_value: Any, serially: bool) -> Any:
        self._tell_needs()
        run = Run(self)
        if serially:
            data = await _serially(run, plan, root_value)
        else:
            [data] = await selected(run, plan, [root_value], at_root)
        if not run.failed:
            return data
        if isinstance(data, Failed):
            run.failures.stop(data, None)
        self.collected_errors.errors.extend(run.failures.told())
        return None if isinstance(data, Failed) else data


async def _serially(run: Run, plan: SelectionPlan, root_value: Any) -> Any:
    """Fields of a mutation, each begun when the one before is complete."""
    data: dict[str, Any] = {}
    for field in plan.fields:
        if field.kind is Kind.TYPENAME:
            data[field.key] = plan.type.name
            continue
        at = below(at_root, field.key, field.order, plan.type.name)
        [value] = await field_values(run, field, [root_value], at)
        if isinstance(value, Failed):
            return value
        data[field.key] = value
    return data


def level_executor(
    plans: PlanStore | None = None, *, reticent: bool = False
) -> type[LevelExecutor]:
    """An executor for one schema, with the plans of its operations."""
    own = {"plans": plans or PlanStore(), "reticent": reticent}
    return type("SchemaLevelExecutor", (LevelExecutor,), own)
