"""The schema class that runs operations: each with a context of its own, from prepared documents,
with shaped errors."""

from __future__ import annotations

import time
from typing import Any, Literal

from graphql import GraphQLError
from strawberry.types.execution import PreExecutionError

from core.metrics import add_subscriptions, observe_operation
from execution.levels import level_executor
from execution.limits import Limits
from execution.shaping import shape_error
from execution.store import DocumentStore, PreparedDocuments
from schema.projection import DomainSchema

ExecutorName = Literal["levels", "graphql-core"]


class MelaSchema(DomainSchema):
    """Strawberry's schema, cut by domains, with Mela's execution around it."""

    def __init__(
        self,
        *args: Any,
        limits: Limits | None = None,
        executor: ExecutorName = "levels",
        **options: Any,
    ) -> None:
        self.documents = DocumentStore(limits or Limits())
        options["extensions"] = (lambda: PreparedDocuments(self.documents),)
        if executor == "levels":
            options["execution_context_class"] = level_executor()
        super().__init__(*args, **options)
        self.recipe = {
            **self.recipe,
            "limits": limits,
            "executor": executor,
        }  # so that a projection keeps them

    async def execute(self, query: str | None, *args: Any, **options: Any) -> Any:
        """Run a query or mutation with fresh loaders; see Strawberry's `Schema.execute`."""
        return await super().execute(query, *args, **_own_context(options))

    async def stream(self, query: str | None, *args: Any, **options: Any) -> Any:
        """Run any operation of a streaming transport with a context of its own: a WebSocket shares
        one among all its operations."""
        own = _own_context(options)
        results = await super().stream(query, *args, **own)
        return _counted(results, getattr(own.get("context_value"), "request_id", ""))

    def process_errors(self, errors: Any, execution_context: Any = None) -> None:
        """Nothing: what must be logged is logged where errors are shaped."""

    async def _handle_execution_result(
        self, context: Any, result: Any, extensions_runner: Any, **options: Any
    ) -> Any:
        result = await super()._handle_execution_result(
            context, result, extensions_runner, **options
        )
        if getattr(result, "errors", None):
            request_id = getattr(context.context, "request_id", "")
            result.errors = [shape_error(error, request_id) for error in result.errors]
        _observe(context, result)
        return result


def _observe(context: Any, result: Any) -> None:
    """Count a result by the kind of its operation; each event of a subscription is one."""
    began_at = getattr(context.context, "began_at", None)
    if began_at is None:
        return
    kind = "unknown" if context.graphql_document is None else _kind(context)
    errors = getattr(result, "errors", None)
    outcome = str(errors[0].extensions["code"]) if errors else "ok"
    observe_operation(kind, outcome, time.perf_counter() - began_at)


def _kind(context: Any) -> str:
    try:
        return str(context.operation_type.value)
    except RuntimeError:  # no operation of the name that was asked for
        return "unknown"


def _own_context(options: dict[str, Any]) -> dict[str, Any]:
    context = options.get("context_value")
    return options if context is None else options | {"context_value": context.fresh()}


async def _counted(results: Any, request_id: str) -> Any:
    add_subscriptions(1)
    try:
        async for result in results:
            yield result
    except GraphQLError as error:
        # A text that does not parse fails in our extension, which Strawberry lets through here.
        yield PreExecutionError(data=None, errors=[shape_error(error, request_id)])
    finally:
        add_subscriptions(-1)
        await results.aclose()
