"""Documents parsed, validated and planned once: an LRU by text, used by every operation."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from graphql import (
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSchema,
    GraphQLSyntaxError,
    NoSchemaIntrospectionCustomRule,
    OperationDefinitionNode,
    get_operation_ast,
    parse,
    specified_rules,
    validate,
)
from graphql.execution.collect_fields import FragmentDetails
from graphql.validation.rules import overlapping_fields_can_be_merged
from strawberry.extensions import SchemaExtension

from execution.incremental import delivered_whole, is_incremental, too_many_deliveries
from execution.known import PlanStore
from execution.limits import Limits, TooLarge, limit_errors, told_tokens
from execution.trusted import NotTrusted

MAX_ERRORS = 10
MAX_KEPT_LENGTH = 20_000
"""Longer texts are not kept: a few huge ones must not fill the memory."""
TOKEN_BYTES = 400
"""What a token of a parsed document takes, its share of the nodes and the text included."""
MAX_SHORT_LENGTH = 1_000
"""Characters of a text that is looked at at once: a few milliseconds, a tenth of a second at worst.
"""
FIELD_BYTES = 1_500
"""What a field of a plan takes."""


# Whether fields of the same name may be merged is asked of each pair of them: with graphql-core's
# own budget that takes a second for 2,000 tokens.
overlapping_fields_can_be_merged.MAX_COMPLEXITY_BUDGET = 60_000
_PREPARING = ThreadPoolExecutor(max_workers=1, thread_name_prefix="mela-documents")


@dataclass(slots=True, eq=False)
class Prepared:
    """A document with what is wrong about it (nothing: it may run), and its parts."""

    document: DocumentNode
    errors: list[GraphQLError]
    operations: list[OperationDefinitionNode]
    fragments: dict[str, FragmentDefinitionNode]
    details: dict[str, FragmentDetails]
    """The fragments again, as graphql-core's executor wants them."""
    tokens: int
    incremental: bool
    """Whether it has @defer or @stream."""
    bytes: int = 0
    """As the store has counted it."""
    _whole: Prepared | None = None

    @property
    def whole(self) -> Prepared:
        """What gives the same answer at once: without @defer and @stream."""
        if not self.incremental:
            return self
        if self._whole is None:
            self._whole = _prepared(delivered_whole(self.document), self.errors)
        return self._whole

    def operation(self, name: str | None) -> OperationDefinitionNode | None:
        """The operation of that name; without a name, the first."""
        if name is None:
            return self.operations[0] if self.operations else None
        named = (n for n in self.operations if n.name is not None and n.name.value == name)
        return next(named, None)


@dataclass(slots=True)
class DocumentStore:
    """Prepared documents of one schema with the plans of their operations: all that is kept of a
    text is here. The most recently used are kept, so many and so many bytes (an estimate)."""

    limits: Limits
    plans: PlanStore = field(default_factory=PlanStore)
    bytes: int = 0
    pinned_only: bool = False
    """Whether no text is prepared but those that were pinned."""
    _pinned: dict[str, Prepared] = field(default_factory=dict)
    _kept: OrderedDict[str, Prepared] = field(default_factory=OrderedDict)
    _underway: dict[str, asyncio.Future[Prepared]] = field(default_factory=dict)
    _long: tuple[str, Prepared] | None = None
    """The last text that is too long to be kept: who prepared it aside comes back for it."""

    def prepare(self, schema: GraphQLSchema, text: str) -> Prepared:
        """Parse and validate, or remember. Raises `GraphQLError` for a text that is too long and
        `GraphQLSyntaxError`, also past `max_tokens`."""
        return self._find(text) or self._keep(text, self._made(schema, text))

    def pin(self, schema: GraphQLSchema, text: str) -> list[GraphQLError]:
        """Prepare a text and keep it for good, whatever the limits of memory; or what is wrong
        about it. Raises as `prepare` does."""
        prepared = self._made(schema, text)
        if not prepared.errors:
            self._pinned[text] = prepared
        return prepared.errors

    async def prepare_aside(self, schema: GraphQLSchema, text: str) -> Prepared:
        """As `prepare`; but a text that is not known and not short is looked at in a thread of its
        own, one at a time, while others are served."""
        if len(text) <= MAX_SHORT_LENGTH:
            return self.prepare(schema, text)
        if (kept := self._find(text)) is not None:
            return kept
        underway = self._underway.get(text)
        if underway is None:
            underway = self._underway[text] = asyncio.ensure_future(self._aside(schema, text))
            underway.add_done_callback(lambda _: self._underway.pop(text, None))
        # Shielded: others may wait for the same text.
        return await asyncio.shield(underway)

    async def _aside(self, schema: GraphQLSchema, text: str) -> Prepared:
        loop = asyncio.get_running_loop()
        return self._keep(text, await loop.run_in_executor(_PREPARING, self._made, schema, text))

    def known(self, text: str) -> Prepared | None:
        """The prepared document of a text, if it is remembered."""
        return self._find(text)

    def _find(self, text: str) -> Prepared | None:
        kept = self._kept.get(text)
        if kept is not None:
            self._kept.move_to_end(text)
            self._weigh(kept)
        elif self._long is not None and self._long[0] == text:
            return self._long[1]
        return kept or self._pinned.get(text)

    def _made(self, schema: GraphQLSchema, text: str) -> Prepared:
        if self.pinned_only:
            refused = NotTrusted()
            raise GraphQLError(refused.message, original_error=refused)
        if len(text) > self.limits.max_length:
            said, maximum = f"the document has {len(text)} characters", self.limits.max_length
            found = TooLarge(said, "documentLength", len(text), maximum)
            raise GraphQLError(found.message, original_error=found)
        try:
            document = parse(text, max_tokens=self.limits.max_tokens)
        except GraphQLSyntaxError as error:
            raise told_tokens(error, self.limits.max_tokens) from None
        return _prepared(document, self._errors(schema, document))

    def _keep(self, text: str, prepared: Prepared) -> Prepared:
        if len(text) <= MAX_KEPT_LENGTH:
            self._kept[text] = prepared
            self._weigh(prepared)
        else:
            self._long = text, prepared
        return prepared

    def _weigh(self, prepared: Prepared) -> None:
        """Count what a document takes by now: its plans grow as it is run."""
        tokens, whole = prepared.tokens, prepared
        if prepared.incremental:
            tokens, whole = 2 * tokens, prepared.whole
        weight = tokens * TOKEN_BYTES
        for operation in whole.operations:
            weight += self.plans.fields(operation) * FIELD_BYTES
        if weight == prepared.bytes:
            return
        self.bytes += weight - prepared.bytes
        prepared.bytes = weight
        while len(self._kept) > self.limits.documents or self.bytes > self.limits.documents_bytes:
            _, gone = self._kept.popitem(last=False)
            self.bytes -= gone.bytes

    def operation(
        self, schema: GraphQLSchema, text: str, name: str | None
    ) -> OperationDefinitionNode | None:
        """The operation of a document that may run and is remembered; None for any other, and for
        one that would take long to look at now."""
        known = text in self._kept or text in self._pinned
        if len(text) > MAX_SHORT_LENGTH and not known:
            return None
        try:
            prepared = self.prepare(schema, text)
        except GraphQLError:
            return None
        return None if prepared.errors else get_operation_ast(prepared.document, name)

    def _errors(self, schema: GraphQLSchema, document: DocumentNode) -> list[GraphQLError]:
        rules = list(specified_rules)
        if not self.limits.introspection:
            rules.append(NoSchemaIntrospectionCustomRule)
        # What is too large is not looked at any closer: rules take their time.
        return (
            limit_errors(document, self.limits)
            or too_many_deliveries(document, self.limits.max_deferred)
            or validate(
                schema,
                document,
                rules,
                max_errors=MAX_ERRORS,
                hide_suggestions=not self.limits.introspection,
            )
        )


def _prepared(document: DocumentNode, errors: list[GraphQLError]) -> Prepared:
    definitions = document.definitions
    fragments = [node for node in definitions if isinstance(node, FragmentDefinitionNode)]
    return Prepared(
        document,
        errors,
        [node for node in definitions if isinstance(node, OperationDefinitionNode)],
        {node.name.value: node for node in fragments},
        {node.name.value: FragmentDetails(node) for node in fragments},
        _count_tokens(document),
        is_incremental(document),
    )


def _count_tokens(document: DocumentNode) -> int:
    count, token = 0, document.loc.start_token if document.loc else None
    while token is not None:
        count, token = count + 1, token.next
    return count


def ambiguous(prepared: Prepared, name: str | None) -> list[GraphQLError]:
    """The specification's error where it is not said which of several operations to run."""
    if name is not None or len(prepared.operations) < 2:
        return []
    said = "this document has several operations: give operationName"
    return [GraphQLError(said, prepared.operations)]


class PreparedDocuments(SchemaExtension):
    """Hands Strawberry the store's document and errors in place of its own parse and validate."""

    def __init__(self, store: DocumentStore) -> None:
        self._store = store
        self._prepared: Prepared | None = None

    def on_parse(self) -> Iterator[None]:
        context = self.execution_context
        if context.query:
            self._prepared = self._store.prepare(context.schema._schema, context.query)
            # Here nothing is delivered later.
            context.graphql_document = self._prepared.whole.document
        yield

    def on_validate(self) -> Iterator[None]:
        if self._prepared is not None:
            # Strawberry would run the first of several.
            named = self.execution_context._provided_operation_name
            found = list(self._prepared.errors) or ambiguous(self._prepared, named)
            self.execution_context.pre_execution_errors = found
        yield
