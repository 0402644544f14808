"""One execution of a subscription's event for all subscribers who ask the same of it.

Whoever asks the same text with the same variables gets the same answer, where no field of it looks
at who asks; such an answer is made for nobody in particular, so that a field which looks all the
same sees nobody. What does depend on the viewer is shared among that viewer's own subscriptions.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import orjson
from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    GraphQLSchema,
    OperationDefinitionNode,
    TypeInfo,
    TypeInfoVisitor,
    VariableNode,
    Visitor,
    is_abstract_type,
    visit,
)

DEFINITION = "strawberry-definition"
"""Where Strawberry keeps its own field with graphql-core's."""


class SharedData(dict[str, Any]):
    """The data of an answer that many get; its JSON is made once."""

    @cached_property
    def encoded(self) -> bytes:
        """As JSON."""
        return orjson.dumps(self)


@dataclass(frozen=True, slots=True)
class Asking:
    """What an event's answer depends on besides the event: whether on who asks, and which variables
    are read below the root field. `guarded` where not everybody may subscribe."""

    personal: bool
    variables: tuple[str, ...]
    guarded: bool


def asking_of(
    schema: GraphQLSchema,
    operation: OperationDefinitionNode,
    fragments: Sequence[FragmentDefinitionNode],
) -> Asking:
    """What the answers to this subscription depend on. The root field itself chose the events; it
    has no part in the answer."""
    info = TypeInfo(schema)
    look = _Look(schema, info)
    for definition in (operation, *fragments):
        visit(definition, TypeInfoVisitor(info, look))
    return Asking(look.personal, tuple(sorted(look.variables)), look.guarded)


def class_of(
    asking: Asking,
    operation: OperationDefinitionNode,
    variables: Mapping[str, Any],
    viewer: Hashable,
) -> Hashable:
    """Equal for those who may share an answer."""
    read = tuple((name, repr(variables.get(name))) for name in asking.variables)
    return ("answer", id(operation), read, viewer if asking.personal else None)


class _Look(Visitor):
    """Collects what `Asking` tells, of every field but the operation's root."""

    def __init__(self, schema: GraphQLSchema, info: TypeInfo) -> None:
        super().__init__()
        self.schema, self.info = schema, info
        self.personal = self.guarded = False
        self.variables: set[str] = set()
        self.depth = 0

    def enter_operation_definition(self, *_: Any) -> None:
        self.depth = 0

    def enter_fragment_definition(self, *_: Any) -> None:
        # A fragment may be spread anywhere; it is taken to stand below the root.
        self.depth = 1

    def enter_field(self, node: FieldNode, *_: Any) -> None:
        found = self._definitions(node.name.value)
        if self.depth:
            self.personal = self.personal or any(map(_looks_at_viewer, found))
        else:
            self.guarded = self.guarded or any(map(_is_guarded, found))
        self.depth += 1

    def leave_field(self, *_: Any) -> None:
        self.depth -= 1

    def enter_variable(self, node: VariableNode, *_: Any) -> None:
        if self.depth > 1:
            self.variables.add(node.name.value)

    def _definitions(self, name: str) -> Iterator[Any]:
        """The field as every object type that may be met here declares it."""
        parent = self.info.get_parent_type()
        if parent is None:
            return
        members: list[Any] = (
            [*self.schema.get_possible_types(parent)] if is_abstract_type(parent) else [parent]
        )
        for member in members:
            field = self.schema.get_field(member, name)
            if field is not None:
                yield field


def _looks_at_viewer(field: Any) -> bool:
    """Whether a field is declared to depend on who asks, or guarded, or of unknown making."""
    found = (field.extensions or {}).get(DEFINITION)
    if found is None:  # __typename, and what is not ours
        return False
    return bool(found.extensions) or bool(found.metadata.get("viewer"))


def _is_guarded(field: Any) -> bool:
    found = (field.extensions or {}).get(DEFINITION)
    return found is None or bool(found.extensions)
