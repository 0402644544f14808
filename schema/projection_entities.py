"""`Query._entities`: how a gateway's references become objects, in one bounded batch.

Each type resolves its own references (`resolve_reference`); nothing here knows a domain.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from inspect import isawaitable
from typing import Annotated, Any, cast, get_origin

import strawberry
from graphql import (
    GraphQLError,
    GraphQLID,
    GraphQLObjectType,
    GraphQLSchema,
    get_named_type,
    is_leaf_type,
)
from graphql.type import GraphQLEnumType, GraphQLScalarType
from strawberry.annotation import StrawberryAnnotation
from strawberry.federation.schema import FederationAny
from strawberry.federation.schema_directives import Key
from strawberry.types.base import (
    StrawberryContainer,
    StrawberryList,
    StrawberryObjectDefinition,
    StrawberryOptional,
    get_object_definition,
)
from strawberry.types.field import StrawberryField
from strawberry.types.info import Info
from strawberry.types.lazy_type import LazyType
from strawberry.types.union import StrawberryUnion
from strawberry.utils.inspect import get_func_args

from core.errors import BadUserInput
from schema.projection_plan import FieldNames, Plan, definition_of


@dataclass(frozen=True, slots=True)
class KeyField:
    """A field of a key: the argument it becomes and the type its value is read with."""

    argument: str
    type: GraphQLScalarType | GraphQLEnumType


@dataclass(frozen=True, slots=True)
class Reference:
    """How representations of one entity are read and resolved."""

    type_name: str
    origin: type
    keys: tuple[FieldNames, ...]
    fields: Mapping[str, KeyField]
    takes_info: bool
    together: Callable[..., Awaitable[list[Any]]] | None
    """Resolves many by their `id` at once, if the type can."""

    @property
    def takes_ids(self) -> bool:
        """Whether an `id` that is a string is all that is looked at."""
        first = self.keys[0] if self.together is not None else None
        return first == ONLY_ID and self.fields["id"].type is GraphQLID


References = Mapping[str, Reference]
ONLY_ID: FieldNames = frozenset({"id"})


def make_references(graphql: GraphQLSchema, plan: Plan) -> dict[str, Reference]:
    """The entities a subgraph resolves, by type name. `resolve_reference` gets the fields of a
    key by their GraphQL names in snake case (`ownerId` as `owner_id`), whatever the attribute.
    A type may also have `resolve_references(info, ids)`, which answers many in their order, with an
    exception in place of one that failed: it is preferred where the key is `id`.

    Raises ValueError for one without `resolve_reference`, one that Strawberry's `_Entity` union
    does not have, and for a key field that is not a scalar or an enum.
    """
    union = graphql.get_type("_Entity")
    members = {member.name for member in getattr(union, "types", ())}
    if missing := sorted(set(plan.resolvable()) - members):
        raise ValueError(f"{missing} have a @key but are not in _Entity; give them in `types`")
    return {name: _make_reference(graphql, plan, name) for name in plan.resolvable()}


def _make_reference(graphql: GraphQLSchema, plan: Plan, name: str) -> Reference:
    type_ = cast(GraphQLObjectType, graphql.type_map[name])
    origin = definition_of(type_).origin
    resolve = getattr(origin, "resolve_reference", None)
    if resolve is None:
        raise ValueError(f"{name} has a @key, so {origin} needs a classmethod resolve_reference")
    keys = plan.keys[name]
    fields = {field: _key_field(type_, field) for field in frozenset().union(*keys)}
    takes_info = "info" in get_func_args(resolve)
    together = getattr(origin, "resolve_references", None)
    return Reference(name, origin, keys, fields, takes_info, together)


def _key_field(type_: GraphQLObjectType, name: str) -> KeyField:
    field = type_.fields[name]
    leaf = get_named_type(field.type)
    if not is_leaf_type(leaf):
        raise ValueError(f"{type_.name}.{name} is in a @key, so it must be a scalar or an enum")
    return KeyField(re.sub("(?<!^)(?=[A-Z])", "_", name).lower(), leaf)


def entities_field(members: Sequence[type]) -> StrawberryField:
    """`_entities` for a subgraph whose `_Entity` union has `members`."""
    union = StrawberryUnion(
        "_Entity", type_annotations=tuple(StrawberryAnnotation(member) for member in members)
    )
    nullable = StrawberryOptional(union)  # list[union | None] would be read as a type by mypy
    field = strawberry.field(
        resolver=_resolve_entities, name="_entities", graphql_type=StrawberryList(nullable)
    )
    return cast(StrawberryField, field)


async def _resolve_entities(info: Info, representations: list[FederationAny]) -> list[Any]:
    # The schema is a DomainSchema; naming it here would import in a circle.
    schema = cast(Any, info.schema)
    return await resolve_entities(
        cast(Sequence[object], representations),
        info,
        references=schema.references,
        limit=schema.max_entities,
    )


async def resolve_entities(
    representations: Sequence[object], info: Info, *, references: References, limit: int
) -> list[Any]:
    """The entities meant, in the order asked; an exception stands where one failed, which
    makes that item null and leaves the others.

    All are resolved at once, so that loaders see one batch. Raises GraphQLError
    (BAD_USER_INPUT) above `limit` representations.
    """
    if len(representations) > limit:
        raise _bad_input(f"{len(representations)} representations; the limit is {limit}")
    answers: list[object] = [None] * len(representations)
    together: dict[str, list[tuple[int, Any]]] = {}
    works = []
    plain = {name for name, reference in references.items() if reference.takes_ids}
    for place, representation in enumerate(representations):
        if type(representation) is dict:  # by far the most
            name, id = representation.get("__typename"), representation.get("id")
            if type(name) is str and type(id) is str and name in plain:
                together.setdefault(name, []).append((place, id))
                continue
        try:
            reference = _find(representation, references)
            key = _read_key(cast(Mapping[str, object], representation), reference)
        except GraphQLError as error:
            answers[place] = error
            continue
        if reference.together is not None and len(key) == 1 and "id" in key:
            together.setdefault(reference.type_name, []).append((place, key["id"]))
        else:
            works.append(_resolve_one(answers, place, key, reference, info))
    for name, asked in together.items():
        works.append(_resolve_together(answers, asked, references[name], info))
    if len(works) == 1:
        await works[0]
    else:
        await asyncio.gather(*works)
    return answers


async def _resolve_one(
    answers: list[object], place: int, key: dict[str, Any], reference: Reference, info: Info
) -> None:
    try:
        arguments = key | {"info": info} if reference.takes_info else key
        found = cast(Any, reference.origin).resolve_reference(**arguments)
        answers[place] = await found if isawaitable(found) else found
    except Exception as error:
        answers[place] = error


async def _resolve_together(
    answers: list[object], asked: list[tuple[int, Any]], reference: Reference, info: Info
) -> None:
    assert reference.together is not None
    try:
        found = await reference.together(info, [id for _, id in asked])
    except Exception as error:
        found = [error] * len(asked)
    for (place, _), answer in zip(asked, found, strict=True):
        answers[place] = answer


def _find(representation: object, references: References) -> Reference:
    if not isinstance(representation, Mapping):
        raise _bad_input("a representation must be an object")
    name = representation.get("__typename")
    if not isinstance(name, str) or name not in references:
        known = ", ".join(references)
        raise _bad_input(f"no entity {_shown(name)} can be resolved here; there are: {known}")
    return references[name]


def _read_key(representation: Mapping[str, object], reference: Reference) -> dict[str, Any]:
    """The arguments of `resolve_reference`: the first key that is there in full.

    Other fields (a gateway's `@requires`) are left out.
    """
    for key in reference.keys:
        if all(representation.get(name) is not None for name in key):
            return dict(_read(representation, reference, name) for name in sorted(key))
    wanted = " or ".join(" ".join(sorted(key)) for key in reference.keys)
    raise _bad_input(f"a representation of {reference.type_name} needs {wanted}")


def _read(
    representation: Mapping[str, object], reference: Reference, name: str
) -> tuple[str, object]:
    field = reference.fields[name]
    try:
        value = cast(Any, representation[name])
        return field.argument, field.type.parse_value(value)
    except (GraphQLError, ValueError, TypeError) as error:
        raise _bad_input(f"{reference.type_name}.{name}: {error}") from error


def _shown(name: object) -> str:
    """A type name as it may stand in a message: bounded, and quoted."""
    return repr(name)[:80]


def _bad_input(message: str) -> GraphQLError:
    extensions = {"code": BadUserInput.code}
    return GraphQLError(message, original_error=BadUserInput(message), extensions=extensions)


def find_entities(roots: Iterable[object]) -> list[type]:
    """The types with a @key that `roots` lead to, by name.

    Strawberry's own search stops at lazy types and at unions.
    """
    waiting: list[object] = list(roots)
    seen: dict[int, StrawberryObjectDefinition] = {}
    while waiting:
        for definition in _definitions(waiting.pop()):
            if id(definition) not in seen:
                seen[id(definition)] = definition
                waiting.extend(field.type for field in definition.fields)
    found = {one.name: one.origin for one in seen.values() if _has_key(one)}
    return [found[name] for name in sorted(found)]


def _has_key(definition: StrawberryObjectDefinition) -> bool:
    directives = definition.directives or ()
    return definition.is_object_type and any(isinstance(one, Key) for one in directives)


def _definitions(type_: object) -> Iterator[StrawberryObjectDefinition]:
    """The object types behind lists, optionals, lazy references and unions."""
    if isinstance(type_, StrawberryContainer):
        yield from _definitions(type_.of_type)
    elif isinstance(type_, LazyType):
        yield from _definitions(type_.resolve_type())
    elif isinstance(type_, StrawberryUnion):
        for member in type_.types:
            yield from _definitions(member)
    elif get_origin(type_) is Annotated:
        yield from _definitions(StrawberryAnnotation(type_).resolve())
    elif definition := get_object_definition(type_):
        yield definition
