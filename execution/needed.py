"""What an operation reads of the rows behind each GraphQL type, as far as its fields' declarations
and the sources of their resolvers tell: who loads the rows need not load more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from graphql import (
    DirectiveNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLSchema,
    OperationDefinitionNode,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    get_named_type,
    get_nullable_type,
    is_abstract_type,
    is_object_type,
    visit,
)

from core.reads import AS_TEXT, Lead, Reads, reads_of
from execution.guards import Guard
from execution.serialising import takes_text
from execution.sharing import DEFINITION

Needs = Mapping[str, Reads]
"""By type: the attributes that are read of its rows; None, or no word of it, where that is not
known."""

Leads = Mapping[str, Sequence[Lead]]
"""By type: where its fields lead by keys of its rows."""


class Needed(NamedTuple):
    """What an operation reads of the rows behind each type."""

    needs: Needs
    leads: Leads


def needed_of(
    schema: GraphQLSchema,
    operation: OperationDefinitionNode,
    fragments: Sequence[FragmentDefinitionNode],
) -> Needed:
    """What the operation needs, whatever @skip and @include leave out of it; and where it certainly
    leads, which is nowhere where they may."""
    info = TypeInfo(schema)
    look = _Look(schema, info)
    for definition in (operation, *fragments):
        visit(definition, TypeInfoVisitor(info, look))
    leads = {} if look.switched else {name: tuple(found) for name, found in look.leads.items()}
    return Needed(look.needs, leads)


@lru_cache(maxsize=4_000)
def shown_as(type_: Any) -> str | None:
    """The type that rows of a field of this type are shown as: a connection's is its nodes'. None
    for interfaces and unions, whose rows may be of several."""
    named: Any = get_named_type(type_)
    if is_object_type(named) and {"edges", "nodes"} <= named.fields.keys():
        named = get_named_type(named.fields["nodes"].type)
    return named.name if is_object_type(named) else None


def reads_of_field(definition: Any) -> Reads:
    """The attributes that one field reads of its row."""
    found = (definition.extensions or {}).get(DEFINITION)
    if found is None:
        return None
    if getattr(definition.resolve, "_is_default", False):
        # In a list each item would be written: only a scalar alone is read as its text.
        as_text = AS_TEXT if takes_text(get_nullable_type(definition.type)) else ""
        return frozenset({f"{found.python_name}{as_text}"})
    if not all(isinstance(each, Guard) for each in found.extensions):
        return None
    keyed = found.metadata.get("keyed")
    if keyed is not None:
        return frozenset({keyed.key})
    resolver = found.base_resolver
    row = resolver.parent_parameter or resolver.root_parameter or resolver.self_parameter
    if row is None:
        return frozenset()
    return reads_of(resolver.wrapped_func, row.name)


def lead_of_field(definition: Any) -> Lead | None:
    """Where the field leads by a key of its row, whoever asks and whatever its arguments."""
    found = (definition.extensions or {}).get(DEFINITION)
    keyed = None if found is None else found.metadata.get("keyed")
    if found is None or keyed is None or found.extensions or keyed.viewer or definition.args:
        return None
    return Lead(keyed.key, keyed.loader, shown_as(definition.type))


class _Look(Visitor):
    """Collects the needs of each type that a field is selected on, and where its fields lead."""

    def __init__(self, schema: GraphQLSchema, info: TypeInfo) -> None:
        super().__init__()
        self.schema, self.info = schema, info
        self.needs: dict[str, Reads] = {}
        self.leads: dict[str, dict[Lead, None]] = {}
        self.switched = False

    def enter_directive(self, node: DirectiveNode, *_: Any) -> None:
        if node.name.value in ("skip", "include"):
            self.switched = True

    def enter_field(self, node: FieldNode, *_: Any) -> None:
        parent: Any = self.info.get_parent_type()
        if parent is None:
            return
        members: Iterable[Any] = (
            self.schema.get_possible_types(parent) if is_abstract_type(parent) else [parent]
        )
        for member in members:
            self._add(member, node.name.value)

    def _add(self, type_: Any, name: str) -> None:
        before = self.needs.get(type_.name, frozenset())
        if name == "__typename" or before is None:
            self.needs.setdefault(type_.name, before)
            return
        definition = self.schema.get_field(type_, name)
        lead = None if definition is None else lead_of_field(definition)
        if lead is not None:
            self.leads.setdefault(type_.name, {})[lead] = None
        reads = None if definition is None else reads_of_field(definition)
        self.needs[type_.name] = None if reads is None else before | reads
