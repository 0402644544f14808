"""Answers about the schema itself: they follow from document and variables alone, and are kept."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from graphql import FieldNode, OperationDefinitionNode, OperationType

from execution.sharing import SharedData

ROOT_FIELDS = frozenset({"__schema", "__type", "__typename"})
MAX_KEY_LENGTH = 1_000


@dataclass(slots=True)
class SchemaAnswers:
    """What was answered about one schema, the most recently used kept: `max_bytes` of JSON."""

    max_bytes: int = 8 * 1024 * 1024
    _bytes: int = 0
    _kept: OrderedDict[tuple[int, str], tuple[OperationDefinitionNode, SharedData]] = field(
        default_factory=OrderedDict
    )

    def find(self, operation: OperationDefinitionNode, variables: str) -> SharedData | None:
        """The data that this operation was answered with."""
        key = id(operation), variables
        found = self._kept.get(key)
        if found is None:
            return None
        self._kept.move_to_end(key)
        return found[1]

    def keep(
        self, operation: OperationDefinitionNode, variables: str, data: dict[str, Any]
    ) -> SharedData:
        """The same data, to be answered again. With the operation, so that no other has its id."""
        shared = SharedData(data)
        if len(variables) <= MAX_KEY_LENGTH and len(shared.encoded) <= self.max_bytes:
            self._kept[id(operation), variables] = operation, shared
            self._bytes += len(shared.encoded)
            while self._bytes > self.max_bytes:
                _, (_, gone) = self._kept.popitem(last=False)
                self._bytes -= len(gone.encoded)
        return shared


def variables_key(variables: Mapping[str, Any]) -> str:
    """Equal for equal coerced variables."""
    return repr(sorted(variables.items(), key=lambda item: item[0]))


def asks_schema_alone(operation: OperationDefinitionNode) -> bool:
    """Whether the root asks for nothing but the schema (fragments there are not looked into)."""
    return operation.operation is OperationType.QUERY and all(
        isinstance(node, FieldNode) and node.name.value in ROOT_FIELDS
        for node in operation.selection_set.selections
    )
