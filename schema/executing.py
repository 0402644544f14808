"""The schema class that runs operations: each with a context of its own, from prepared documents,
with shaped errors."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any, Literal

from graphql import (
    ExperimentalIncrementalExecutionResults,
    FragmentDefinitionNode,
    GraphQLError,
    OperationType,
)
from graphql.execution.values import get_variable_values
from strawberry.exceptions import MissingQueryError
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types.execution import ExecutionResult, PreExecutionError
from strawberry.types.graphql import OperationType as StrawberryOperationType

from core.errors import RequestError, TimedOut
from core.metrics import add_subscriptions, observe_operation
from execution.caching import CachePolicy
from execution.cost import price
from execution.explain import as_json
from execution.federated_trace import KEY, Tracer
from execution.incremental import FirstPart, first_part
from execution.introspection import SchemaAnswers, asks_schema_alone, variables_key
from execution.levels import LevelExecutor, level_executor
from execution.limits import Limits, variable_errors
from execution.reticence import core_executor
from execution.shaping import shape_error
from execution.sharing import Asking
from execution.store import DocumentStore, Prepared, PreparedDocuments, ambiguous
from execution.texts import Texts
from loaders.recording import recorded
from schema.explaining import told
from schema.metering import Charge, charge, charge_least
from schema.projection import DomainSchema
from schema.timing import in_time, limit_s_of

ExecutorName = Literal["levels", "graphql-core"]
ALL_TYPES = frozenset(StrawberryOperationType)
KINDS = {kind: StrawberryOperationType(kind.value) for kind in OperationType}


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
        self.texts = Texts(self.documents)
        reticent = not self.documents.limits.introspection
        self.levels = (
            level_executor(self.documents.plans, reticent=reticent)
            if executor == "levels"
            else None
        )
        self.answers = SchemaAnswers()
        options["extensions"] = (lambda: PreparedDocuments(self.documents),)
        core = core_executor(reticent=reticent)
        options["execution_context_class"] = self.levels or core
        super().__init__(*args, **options)
        self.recipe = {
            **self.recipe,
            "limits": limits,
            "executor": executor,
        }  # so that a projection keeps them

    def asking(self, text: str, operation_name: str | None) -> Asking | None:
        """What the answers to a subscription depend on; None where nobody shares them: for what is
        no subscription that may run, and without the executor by levels."""
        plans = getattr(self.execution_context_class, "plans", None)
        found = self.documents.operation(self._schema, text, operation_name)
        if plans is None or found is None or found.operation is not OperationType.SUBSCRIPTION:
            return None
        document = self.documents.prepare(self._schema, text).document
        parts = [n for n in document.definitions if isinstance(n, FragmentDefinitionNode)]
        asking: Asking = plans.asking(self._schema, found, tuple(parts))
        return asking

    async def text_of(
        self,
        query: str | None,
        extensions: Mapping[str, Any] | None,
        document_id: str | None = None,
    ) -> str | None:
        """The text that a request sends or names (`Texts.text_of`): every transport asks for it
        before it runs anything."""
        return await self.texts.text_of(self._schema, query, extensions, document_id)

    def cache_policy(self, text: str, operation_name: str | None) -> CachePolicy | None:
        """How long answers to an operation that has run may be kept; None: not at all."""
        prepared = self.documents.known(text)
        operation = None if prepared is None else prepared.operation(operation_name)
        if prepared is None or operation is None:
            return None
        fragments = tuple(prepared.fragments.values())
        return self.documents.plans.caching(self._schema, operation, fragments)

    async def execute(self, query: str | None, *args: Any, **options: Any) -> Any:
        """Run a query or mutation with fresh loaders; see Strawberry's `Schema.execute`."""
        return await self.execute_own(query, *args, **_own_context(options))

    async def execute_own(
        self,
        query: str | None,
        variable_values: dict[str, Any] | None = None,
        context_value: Any | None = None,
        root_value: Any | None = None,
        operation_name: str | None = None,
        allowed_operation_types: Iterable[StrawberryOperationType] | None = None,
        operation_extensions: dict[str, Any] | None = None,
        later: bool = False,
    ) -> Any:
        """As `execute`, in a context that was made for this operation. Where operations run by
        levels it is without Strawberry's preparations; subscriptions are always Strawberry's.

        What is deferred or streamed comes with the rest, or where `later`, after a `FirstPart`."""
        context, allowed = context_value, allowed_operation_types or ALL_TYPES
        if not query:
            raise MissingQueryError
        try:
            prepared = await self.documents.prepare_aside(self._schema, query)
        except Exception as error:
            return await _unrun(context, "unknown", [error])
        if prepared.incremental and not (later and self.levels):
            prepared = prepared.whole
        operation = prepared.operation(operation_name)
        if operation is None:
            raise CannotGetOperationTypeError(operation_name)
        kind = KINDS[operation.operation]
        if kind not in allowed:
            raise InvalidOperationTypeError(kind)
        if errors := (
            prepared.errors
            or ambiguous(prepared, operation_name)
            or variable_errors(variable_values, self.documents.limits)
        ):
            return await _unrun(context, kind.value, errors)
        if operation_extensions and operation_extensions.get("cost") is True and context:
            context.tells_cost = True
        if self.levels is None or kind is StrawberryOperationType.SUBSCRIPTION:
            paid = await self._paid(prepared, operation, variable_values, context)
            named = operation_name, allowed, operation_extensions
            work = super().execute(query, variable_values, context, root_value, *named)
            return await self._by_strawberry(work, paid, kind, context)
        begun = self.levels.begin(
            self._schema,
            prepared,
            operation,
            variables=variable_values,
            context_value=context,
            root_value=root_value,
            operation_extensions=operation_extensions,
        )
        if isinstance(begun, list):
            return await _unrun(context, kind.value, begun)
        if self._tells_plans(operation_extensions) and isinstance(begun, LevelExecutor):
            return _finished(context, kind.value, await self._explained(begun))
        if operation_extensions and operation_extensions.get(KEY) is True:
            return await self._traced(begun, kind.value)
        return _finished(context, kind.value, await self._answered(begun))

    async def _by_strawberry(self, work: Any, paid: Any, kind: Any, context: Any) -> Any:
        """What Strawberry's execution gives in time, if it is paid for."""
        if isinstance(paid, Exception):
            work.close()
            return _finished(context, kind.value, _refused([paid]))
        try:
            changes = kind is StrawberryOperationType.MUTATION
            result = await in_time(context, work, changes=changes)
        except TimedOut as error:
            return _finished(context, kind.value, _refused([error]))
        if paid is not None:
            paid.settle(result)
        return result

    def _tells_plans(self, extensions: dict[str, Any] | None) -> bool:
        """Whether the request asks for its plan, where the schema may be looked at at all."""
        asked = extensions is not None and extensions.get("plan") is True
        return asked and self.documents.limits.introspection

    async def _explained(self, begun: LevelExecutor) -> ExecutionResult:
        """The answer, with the operation's plan and the statements that were sent for it."""
        with recorded(begun.context_value.server.db) as sent:
            result = await self._answered(begun)
        plan = replace(await told(self, begun), statements=tuple(sent))
        result.extensions = {**(result.extensions or {}), "plan": as_json(plan)}
        return result

    async def _traced(self, begun: LevelExecutor, kind: str) -> Any:
        """The answer, with the time of each field for a gateway (ftv1)."""
        tracer = Tracer()
        tracer.follow(begun)
        result = _finished(begun.context_value, kind, await self._answered(begun))
        result.extensions = {**(result.extensions or {}), KEY: tracer.encoded(result.errors)}
        return result

    async def _answered(self, begun: LevelExecutor | list[GraphQLError]) -> Any:
        """The answer of an execution, if it could begin; of one that takes too long, that."""
        if isinstance(begun, list):
            return _refused(begun)
        context, changes = begun.context_value, begun.operation.operation is OperationType.MUTATION
        try:
            paid = await charge(context, begun.cost(), begun.variable_values.coerced)
            result = await in_time(context, self._executed(begun), changes=changes)
            if paid is not None:
                paid.settle(result, whole=not isinstance(result, FirstPart))
            return result
        except Exception as error:
            return _refused([error])

    async def _executed(self, begun: LevelExecutor) -> Any:
        """The answer; of the schema itself, as it was."""
        if begun.known().traits.covered:
            found = await begun.answer()
            return ExecutionResult(found.data, found.errors)
        return await self._answered_by_core(begun)

    async def _answered_by_core(self, begun: LevelExecutor) -> Any:
        of_schema = asks_schema_alone(begun.operation)
        key = variables_key(begun.variable_values.coerced) if of_schema else ""
        if of_schema and (known := self.answers.find(begun.operation, key)) is not None:
            return ExecutionResult(known, None)
        found = await begun.answer()
        if isinstance(found, ExperimentalIncrementalExecutionResults):
            context = begun.context_value
            return first_part(found, getattr(context, "request_id", ""), limit_s_of(context))
        if of_schema and found.data is not None and not found.errors:
            return ExecutionResult(self.answers.keep(begun.operation, key, found.data), None)
        return ExecutionResult(found.data, found.errors)

    async def stream(self, query: str | None, **options: Any) -> Any:  # type: ignore[override]
        """Run any operation of a streaming transport with a context of its own: a WebSocket shares
        one among all its operations. Queries and mutations run as `execute_own` runs them, with
        the parts that come `later` after the first; a request that cannot run is one
        `PreExecutionError`."""
        later = options.pop("later", False)
        own = _own_context(options)
        if query:
            # Strawberry parses in the loop; then it is known.
            try:
                prepared = await self.documents.prepare_aside(self._schema, query)
            except GraphQLError as error:
                return _one(await _unrun(own.get("context_value"), "unknown", [error]))
            operation = prepared.operation(own.get("operation_name"))
            if operation and operation.operation is not OperationType.SUBSCRIPTION:
                return self._once(query, own | {"later": later})
            if operation and (refused := await self._not_begun(prepared, operation, own)):
                return _one(refused)
        results = await super().stream(query, **own)
        if getattr(own.get("context_value"), "feeding", None) is not None:
            return results  # a crowd's, whose subscribers are counted
        return _counted(results, getattr(own.get("context_value"), "request_id", ""))

    async def _not_begun(self, prepared: Prepared, operation: Any, own: Any) -> Any:
        """The refusal of a subscription that is too large or costs too much; None of one that may
        begin, and of what is told elsewhere. It is paid for when it begins; its events are not."""
        context = own.get("context_value")
        if getattr(context, "feeding", None) or getattr(context, "resuming", None):
            return None  # a crowd's own, or one that has begun before
        if errors := prepared.errors or ambiguous(prepared, own.get("operation_name")):
            return await _unrun(context, "subscription", errors)
        variables = own.get("variable_values")
        if errors := variable_errors(variables, self.documents.limits):
            return await _unrun(context, "subscription", errors)
        paid = await self._paid(prepared, operation, variables, context)
        if isinstance(paid, Exception):
            return _finished(context, "subscription", _refused([paid]))
        return None

    async def _paid(
        self, prepared: Prepared, operation: Any, variables: Any, context: Any
    ) -> Charge | Exception | None:
        """The charge for what Strawberry runs, or why it may not run; None where there is none, as
        for variables that Strawberry will tell are wrong."""
        definitions = operation.variable_definitions or ()
        values = get_variable_values(self._schema, definitions, variables or {})
        if isinstance(values, list):
            return await charge_least(context)
        known = self.documents.plans.of(operation, tuple(prepared.fragments.values()))
        try:
            cost = known.cost(
                values.coerced, lambda: price(self._schema, operation, prepared.details, values)
            )
            return await charge(context, cost, values.coerced)
        except RequestError as error:
            return error

    async def _once(self, query: str, own: dict[str, Any]) -> Any:
        """What a query or mutation is answered, as a stream of one result, or of a first part and
        those that come later."""
        try:
            result = await self.execute_own(query, **own)
            yield result
            if isinstance(result, FirstPart):
                async with aclosing(result.rest):
                    async for part in result.rest:
                        yield part
        except (CannotGetOperationTypeError, InvalidOperationTypeError) as error:
            yield _finished(own.get("context_value"), "unknown", _refused([error]))

    def process_errors(self, errors: Any, execution_context: Any = None) -> None:
        """Nothing: what must be logged is logged where errors are shaped."""

    async def _handle_execution_result(
        self, context: Any, result: Any, extensions_runner: Any, **options: Any
    ) -> Any:
        result = await super()._handle_execution_result(
            context, result, extensions_runner, **options
        )
        kind = "unknown" if context.graphql_document is None else _kind(context)
        return _finished(context.context, kind, result)


async def _unrun(context: Any, kind: str, errors: Sequence[Exception]) -> Any:
    """What could not be run is told, for the least that an operation costs."""
    limited = await charge_least(context)
    return _finished(context, kind, _refused(errors if limited is None else [limited]))


async def _one(result: Any) -> Any:
    """A stream of one result."""
    yield result


def _refused(errors: Sequence[Exception]) -> PreExecutionError:
    """What could not be run, or not to its end."""
    told = [
        e if isinstance(e, GraphQLError) else GraphQLError(str(e), original_error=e) for e in errors
    ]
    return PreExecutionError(None, told)


def _finished(context: Any, kind: str, result: Any) -> Any:
    """A result as it leaves: with shaped errors, counted by the kind of its operation; each event
    of a subscription is one."""
    errors = getattr(result, "errors", None)
    if errors:
        request_id = getattr(context, "request_id", "")
        errors = result.errors = [shape_error(error, request_id) for error in errors]
    began_at = getattr(context, "began_at", None)
    if began_at is not None:
        outcome = str(errors[0].extensions["code"]) if errors else "ok"
        observe_operation(kind, outcome, time.perf_counter() - began_at)
    return result


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
