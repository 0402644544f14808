"""The breadth-first executor: a level of the operation at a time over lists of rows, and not an
object at a time. graphql-core builds the execution and the response, and runs what plans do not
cover (`plan.Traits`); what a response means is its `Executor`'s to the letter."""

from __future__ import annotations

import asyncio
from typing import Any

from graphql import OperationType
from graphql.type import GraphQLObjectType
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from execution.failures import Failed, at_root, below
from execution.plan import Collected, Kind, PlanStore, SelectionPlan, plan_selection
from execution.run import Run
from execution.sharing import SharedData, class_of
from execution.walk import field_values, selected


class LevelExecutor(StrawberryGraphQLCoreExecutionContext):
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


def level_executor() -> type[LevelExecutor]:
    """An executor with plans of its own, for one schema."""
    return type("SchemaLevelExecutor", (LevelExecutor,), {"plans": PlanStore()})
