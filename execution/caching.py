"""How long an answer may be kept: what fields and types declare by `@cacheControl`, and what
follows from it for an operation, by Apollo's rules. Nothing here knows HTTP."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    get_named_type,
    is_abstract_type,
    is_composite_type,
    visit,
)
from strawberry.directive import directive_field
from strawberry.schema_directive import Location, schema_directive
from strawberry.types.unset import UNSET

from execution.guards import Guard
from execution.sharing import DEFINITION

MAX_AGE_S = 3_600
"""Nothing may be declared to be kept for longer."""
ENTITIES = "_entities"


@schema_directive(
    name="cacheControl",
    locations=[Location.FIELD_DEFINITION, Location.OBJECT, Location.INTERFACE, Location.UNION],
    description="How long an answer with this may be kept, as Apollo means it.",
)
class CacheControl:
    """Without Apollo's `scope`: what is private follows from `viewer` and guards. And an enum that
    no field gives would be a hint to composers."""

    max_age: int | None = directive_field(name="maxAge", default=UNSET)
    inherit_max_age: bool | None = directive_field(name="inheritMaxAge", default=UNSET)

    def __post_init__(self) -> None:
        if self.max_age and not 0 <= self.max_age <= MAX_AGE_S:
            raise ValueError(f"maxAge must be from 0 to {MAX_AGE_S}")


INHERITS = CacheControl(inherit_max_age=True)
"""Of a type that may be kept as long as what it stands in."""


@dataclass(frozen=True, slots=True)
class CachePolicy:
    """How many seconds an answer may be kept, and whether by who asked alone."""

    max_age_s: int
    private: bool


def policy_of(
    schema: GraphQLSchema,
    operation: OperationDefinitionNode,
    fragments: Sequence[FragmentDefinitionNode],
) -> CachePolicy | None:
    """The policy of a query, whatever @skip and @include leave out of it; None where it must not be
    kept. What is not declared counts as 0 s: root fields, and fields that give objects.

    A field that depends on who asks makes it private, unless its declaration speaks of caching: it
    is for nobody in particular where nobody is signed in.
    """
    if operation.operation is not OperationType.QUERY:
        return None
    info = TypeInfo(schema)
    look = _Look(schema, info)
    for definition in (operation, *fragments):
        visit(definition, TypeInfoVisitor(info, look))
    if look.has_entities and fragments:  # what a fragment is spread on is not followed
        return None
    return CachePolicy(look.max_age_s, look.private) if look.max_age_s else None


class _Look(Visitor):
    """Collects the narrowest of what is declared. None: nothing was met that says anything."""

    def __init__(self, schema: GraphQLSchema, info: TypeInfo) -> None:
        super().__init__()
        self.schema, self.info = schema, info
        self.max_age_s: int | None = None
        self.private = self.has_entities = False
        self.path: list[str] = []

    def enter_field(self, node: FieldNode, *_: Any) -> None:
        name = node.name.value
        parent: Any = self.info.get_parent_type()
        if name.startswith("__") or parent is None:
            pass
        elif name == ENTITIES:
            self.has_entities = True
        else:
            if self.path and self.path[-1] == ENTITIES:
                self._restrict(_first(_of_type(parent)), needed=True)
            for member in _members(self.schema, parent):
                self._look_at(self.schema.get_field(member, name), parent)
        self.path.append(name)

    def leave_field(self, *_: Any) -> None:
        self.path.pop()

    def _look_at(self, field: Any, parent: Any) -> None:
        found = None if field is None else (field.extensions or {}).get(DEFINITION)
        if found is None:  # not ours: nothing is known of it
            self.max_age_s = 0
            return
        own, target = _declared(found.directives), get_named_type(field.type)
        of_type = _of_type(target) if is_composite_type(target) else None
        max_age_s = _first(own, of_type)
        inherits = any(one is not None and one.inherit_max_age is True for one in (own, of_type))
        is_root = parent is self.schema.query_type
        needed = is_root or (is_composite_type(target) and not inherits)
        self._restrict(max_age_s, needed=needed)
        looks = bool(found.metadata.get("viewer")) and own is None
        guarded = any(isinstance(each, Guard) for each in found.extensions)
        self.private = self.private or looks or guarded

    def _restrict(self, max_age_s: int | None, *, needed: bool) -> None:
        if max_age_s is None and not needed:
            return
        age = max_age_s or 0
        self.max_age_s = age if self.max_age_s is None else min(age, self.max_age_s)


def _first(*declared: CacheControl | None) -> int | None:
    """The maximum age of the first that says one."""
    said = (one.max_age for one in declared if one is not None)
    return next((age for age in said if isinstance(age, int)), None)


def _members(schema: GraphQLSchema, type_: Any) -> Iterator[Any]:
    """The type, or every object type that may be met where it stands."""
    if is_abstract_type(type_):
        yield from schema.get_possible_types(type_)
    else:
        yield type_


def _of_type(type_: Any) -> CacheControl | None:
    found = (type_.extensions or {}).get(DEFINITION)
    return _declared(getattr(found, "directives", None))


def _declared(directives: Sequence[object] | None) -> CacheControl | None:
    return next((one for one in directives or () if isinstance(one, CacheControl)), None)
