"""Documents parsed and validated once: an LRU by text, used by every operation."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    NoSchemaIntrospectionCustomRule,
    OperationDefinitionNode,
    parse,
    specified_rules,
    validate,
)
from strawberry.extensions import SchemaExtension

from execution.limits import Limits, limit_errors

MAX_ERRORS = 10
MAX_KEPT_LENGTH = 20_000
"""Longer texts are not kept: a few huge ones must not fill the memory."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A document with what is wrong about it (nothing: it may run)."""

    document: DocumentNode
    errors: list[GraphQLError]


@dataclass(slots=True)
class DocumentStore:
    """Prepared documents of one schema, the most recently used kept."""

    limits: Limits
    _kept: OrderedDict[str, Prepared] = field(default_factory=OrderedDict)

    def prepare(self, schema: GraphQLSchema, text: str) -> Prepared:
        """Parse and validate, or remember. Raises `GraphQLSyntaxError`, also past `max_tokens`."""
        kept = self._kept.get(text)
        if kept is not None:
            self._kept.move_to_end(text)
            return kept
        document = parse(text, max_tokens=self.limits.max_tokens)
        prepared = Prepared(document, self._errors(schema, document))
        if len(text) <= MAX_KEPT_LENGTH:
            self._kept[text] = prepared
            if len(self._kept) > self.limits.documents:
                self._kept.popitem(last=False)
        return prepared

    def _errors(self, schema: GraphQLSchema, document: DocumentNode) -> list[GraphQLError]:
        rules = list(specified_rules)
        if not self.limits.introspection:
            rules.append(NoSchemaIntrospectionCustomRule)
        return validate(schema, document, rules, max_errors=MAX_ERRORS) or limit_errors(
            document, self.limits
        )


class PreparedDocuments(SchemaExtension):
    """Hands Strawberry the store's document and errors in place of its own parse and validate."""

    def __init__(self, store: DocumentStore) -> None:
        self._store = store
        self._prepared: Prepared | None = None

    def on_parse(self) -> Iterator[None]:
        context = self.execution_context
        if context.query:
            self._prepared = self._store.prepare(context.schema._schema, context.query)
            context.graphql_document = self._prepared.document
        yield

    def on_validate(self) -> Iterator[None]:
        if self._prepared is not None:
            errors = list(self._prepared.errors)
            self.execution_context.pre_execution_errors = errors or self._ambiguous()
        yield

    def _ambiguous(self) -> list[GraphQLError]:
        """The specification's error where it is not said which of several operations to run;
        Strawberry would run the first."""
        document = self.execution_context.graphql_document
        if self.execution_context._provided_operation_name is not None or document is None:
            return []
        found = [n for n in document.definitions if isinstance(n, OperationDefinitionNode)]
        if len(found) < 2:
            return []
        return [GraphQLError("this document has several operations: give operationName", found)]
