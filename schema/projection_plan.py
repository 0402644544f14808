"""Which types and fields each subgraph carries, read from the module every field is written in.

Pure: it looks at a built monolith and decides. Printing is `projection_sdl.py`'s, execution
`projection.py`'s.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import cast

from graphql import (
    FieldNode,
    GraphQLArgument,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    OperationDefinitionNode,
    get_named_type,
    parse,
)
from strawberry.federation.schema_directives import Key
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types.base import StrawberryObjectDefinition, get_object_definition
from strawberry.types.field import StrawberryField

MACHINERY_FIELDS = frozenset({"_service", "_entities"})
MACHINERY_TYPES = frozenset({"_Service", "_Entity", "_Any"})

Composite = GraphQLObjectType | GraphQLInterfaceType
FieldNames = frozenset[str]
Fields = Mapping[str, FieldNames]


class Role(Enum):
    """What a subgraph does with an entity."""

    OWNS = "owns"
    EXTENDS = "extends"  # another domain's, to which this subgraph adds fields
    NAMES = "names"  # another domain's, only pointed at


@dataclass(frozen=True, slots=True)
class Monolith:
    """What ownership is read from: the whole schema, its domains, and the types it lists."""

    graphql: GraphQLSchema
    domains: tuple[str, ...]
    listed: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Plan:
    """What one subgraph carries.

    `types` has every named type that stays; `fields` and `interfaces` the objects and interfaces
    among them; `shareable` is the value types that more than one domain uses.
    """

    domains: frozenset[str]
    types: frozenset[str]
    fields: Fields
    interfaces: Mapping[str, frozenset[str]]
    roles: Mapping[str, Role]
    keys: Mapping[str, tuple[FieldNames, ...]]
    shareable: frozenset[str]

    def resolvable(self) -> tuple[str, ...]:
        """The names of the members of `_Entity`, sorted."""
        return tuple(sorted(n for n, role in self.roles.items() if role is not Role.NAMES))


def domain_of_module(module: str, domains: Collection[str]) -> str | None:
    """The domain whose file or folder `module` is, or None for a shared module."""
    return next((part for part in module.split(".") if part in domains), None)


def definition_of(type_: GraphQLNamedType) -> StrawberryObjectDefinition:
    """The Strawberry definition of an object, interface or input type."""
    found = type_.extensions[GraphQLCoreConverter.DEFINITION_BACKREF]
    return cast(StrawberryObjectDefinition, found)


def strawberry_field(field: GraphQLField) -> StrawberryField:
    """The Strawberry field a GraphQL field was made from."""
    return cast(StrawberryField, field.extensions[GraphQLCoreConverter.DEFINITION_BACKREF])


def type_owner(whole: Monolith, type_: GraphQLNamedType) -> str | None:
    """The domain a type is written in; None for those of shared modules."""
    return domain_of_module(definition_of(type_).origin.__module__, whole.domains)


def field_owner(whole: Monolith, type_: Composite, field_name: str) -> str | None:
    """The domain a field is written in.

    A field that comes from an interface or from a shared mixin is its type's, so None is only
    ever the answer for fields of shared value types. Raises ValueError for a root field written
    in a shared module: no subgraph would serve it.
    """
    origin = cast(type, strawberry_field(type_.fields[field_name]).origin)
    definition = get_object_definition(origin)
    inherited = definition is not None and definition.is_interface
    owner = None if inherited else domain_of_module(origin.__module__, whole.domains)
    if owner is None and is_root(whole, type_):
        raise ValueError(
            f"{type_.name}.{field_name} is written in {origin.__module__}, which is no domain's "
            f"module; write it in one of {', '.join(whole.domains)}"
        )
    return owner or type_owner(whole, type_)


def is_root(whole: Monolith, type_: GraphQLNamedType) -> bool:
    """Whether `type_` is Query, Mutation or Subscription."""
    schema = whole.graphql
    return type_ in (schema.query_type, schema.mutation_type, schema.subscription_type)


def entity_keys(type_: GraphQLNamedType) -> tuple[FieldNames, ...]:
    """The keys of a type in the order they are declared; () for what is no entity."""
    if not isinstance(type_, GraphQLObjectType):
        return ()
    directives = definition_of(type_).directives or ()
    return tuple(_key_fields(type_, str(d.fields)) for d in directives if isinstance(d, Key))


def _key_fields(type_: GraphQLObjectType, fields: str) -> FieldNames:
    operation = cast(OperationDefinitionNode, parse(f"{{{fields}}}").definitions[0])
    nodes = [n for n in operation.selection_set.selections if isinstance(n, FieldNode)]
    names = frozenset(node.name.value for node in nodes)
    if any(node.selection_set for node in nodes) or not names <= type_.fields.keys():
        raise ValueError(f'@key(fields: "{fields}") of {type_.name} must name plain fields of it')
    return names


def _is_own(whole: Monolith, type_: GraphQLNamedType, domains: Collection[str]) -> bool:
    owner = type_owner(whole, type_)
    if owner is None and entity_keys(type_):
        raise ValueError(f"{type_.name} has a @key, so it must be written in a domain's module")
    return owner in domains


def kept_keys(
    whole: Monolith, type_: GraphQLNamedType, domains: Collection[str]
) -> tuple[FieldNames, ...]:
    """An entity's keys in a subgraph: all at home, the first one abroad."""
    keys = entity_keys(type_)
    return keys if _is_own(whole, type_, domains) else keys[:1]


def kept_fields(whole: Monolith, type_: GraphQLObjectType, domains: Collection[str]) -> FieldNames:
    """The fields an object keeps in the subgraph of `domains`; a value type keeps all."""
    names = type_.fields.keys() - MACHINERY_FIELDS
    keys = kept_keys(whole, type_, domains)
    if not keys and not is_root(whole, type_):
        return frozenset(names)
    owned = {name for name in names if field_owner(whole, type_, name) in domains}
    return frozenset(owned.union(*keys))


def entity_role(whole: Monolith, type_: GraphQLObjectType, domains: Collection[str]) -> Role:
    """What the subgraph of `domains` does with the entity `type_`."""
    if _is_own(whole, type_, domains):
        return Role.OWNS
    adds = kept_fields(whole, type_, domains) - entity_keys(type_)[0]
    return Role.EXTENDS if adds else Role.NAMES


def objects(schema: GraphQLSchema) -> Iterator[GraphQLObjectType]:
    """The schema's own object types, roots included."""
    for name, type_ in schema.type_map.items():
        own = not name.startswith("__") and name not in MACHINERY_TYPES
        if own and isinstance(type_, GraphQLObjectType):
            yield type_


def refuse_undecorated_mixins(whole: Monolith) -> None:
    """Raises ValueError for a class that declares fields without being a Strawberry type:
    Strawberry drops the fields of such a mixin without a word."""
    for type_ in objects(whole.graphql):
        for base in definition_of(type_).origin.__mro__:
            declares = any(isinstance(value, StrawberryField) for value in vars(base).values())
            if declares and "__strawberry_definition__" not in vars(base):
                raise ValueError(f"{base} has fields for {type_.name}: decorate it as a type")


def _seeds(whole: Monolith, domains: Collection[str]) -> Iterator[GraphQLObjectType]:
    """Where a subgraph is entered: its root fields and the entities it adds to."""
    for type_ in objects(whole.graphql):
        if is_root(whole, type_):
            if kept_fields(whole, type_, domains):
                yield type_
        elif entity_keys(type_):
            if entity_role(whole, type_, domains) is not Role.NAMES:
                yield type_
        elif type_.name in whole.listed and type_owner(whole, type_) in domains:
            yield type_


def _named_by_fields(type_: Composite, names: Iterable[str]) -> Iterator[GraphQLNamedType]:
    """The types of some fields and of their arguments."""
    for name in names:
        field: GraphQLField = type_.fields[name]
        yield get_named_type(field.type)
        arguments: Iterable[GraphQLArgument] = field.args.values()
        yield from (get_named_type(argument.type) for argument in arguments)


def kept_interfaces(type_: Composite, fields: Fields) -> Iterator[GraphQLInterfaceType]:
    """The interfaces that a type can keep its word on, with the fields it keeps."""
    return (one for one in type_.interfaces if fields[one.name] <= fields[type_.name])


def _uses(type_: GraphQLNamedType, fields: Fields) -> Iterator[GraphQLNamedType]:
    """The types that `type_` brings with it."""
    if isinstance(type_, GraphQLUnionType):
        yield from type_.types
    elif isinstance(type_, GraphQLInputObjectType):
        yield from (get_named_type(field.type) for field in type_.fields.values())
    elif isinstance(type_, GraphQLObjectType | GraphQLInterfaceType):
        yield from kept_interfaces(type_, fields)
        yield from _named_by_fields(type_, fields[type_.name])


def _reached(
    whole: Monolith, domains: Collection[str], fields: Fields
) -> dict[str, GraphQLNamedType]:
    """The types a subgraph needs, when each composite keeps `fields`.

    An interface that a field returns brings all that implement it: any may be the answer.
    """
    waiting: list[GraphQLNamedType] = list(_seeds(whole, domains))
    seen: dict[str, GraphQLNamedType] = {}
    while waiting:
        type_ = waiting.pop()
        if type_.name not in seen:
            seen[type_.name] = type_
            waiting.extend(_uses(type_, fields))
            for interface in _returned_interfaces([type_], fields):
                waiting.extend(whole.graphql.get_implementations(interface).objects)
    return seen


def _returned_interfaces(
    types: Iterable[GraphQLNamedType], fields: Fields
) -> Iterator[GraphQLInterfaceType]:
    """The interfaces that fields of these types return, rather than types merely implement."""
    for type_ in types:
        if isinstance(type_, GraphQLObjectType | GraphQLInterfaceType):
            named = _named_by_fields(type_, fields[type_.name])
            yield from (one for one in named if isinstance(one, GraphQLInterfaceType))


def _settle(whole: Monolith, domains: Collection[str]) -> tuple[frozenset[str], Fields]:
    """Types reached and fields kept.

    An interface that is returned sheds what a stub behind it cannot carry. Each round sheds more
    or is the last.
    """
    fields: dict[str, FieldNames] = {
        one.name: kept_fields(whole, one, domains) for one in objects(whole.graphql)
    }
    for name, type_ in whole.graphql.type_map.items():
        if isinstance(type_, GraphQLInterfaceType):
            fields[name] = frozenset(type_.fields)
    while True:
        reached = _reached(whole, domains, fields)
        shed = {
            one.name: fields[one.name].intersection(*_implementers(whole, one, fields))
            for one in _returned_interfaces(reached.values(), fields)
        }
        if shed.items() <= fields.items():
            return frozenset(reached), fields
        fields |= shed


def _implementers(
    whole: Monolith, interface: GraphQLInterfaceType, fields: Fields
) -> Iterator[FieldNames]:
    """The fields kept by each object that implements an interface."""
    implementers = whole.graphql.get_implementations(interface).objects
    return (fields[one.name] for one in implementers)


def shared_value_types(whole: Monolith) -> frozenset[str]:
    """The value types that the subgraphs of two domains or more carry."""
    seen: set[str] = set()
    shared: set[str] = set()
    values = {t.name for t in objects(whole.graphql) if not is_root(whole, t)}
    values -= {t.name for t in objects(whole.graphql) if entity_keys(t)}
    for domain in whole.domains:
        here = _settle(whole, {domain})[0] & values
        shared |= here & seen
        seen |= here
    return frozenset(shared)


def make_plan(whole: Monolith, domains: frozenset[str]) -> Plan:
    """What the subgraph of `domains` carries.

    Raises ValueError for a domain the schema does not have, a root field or an entity written in
    a shared module, a key with nested fields, and an interface of which nothing would be left.
    """
    unknown = sorted(domains - set(whole.domains))
    if unknown or not domains:
        raise ValueError(f"no such domains: {unknown or 'none given'}; have {whole.domains}")
    types, fields = _settle(whole, domains)
    kept = {name: names for name, names in fields.items() if name in types}
    if bare := sorted(name for name, names in kept.items() if not names):
        raise ValueError(f"no field of {bare} can be carried by the subgraph of {sorted(domains)}")
    composites = [cast(Composite, whole.graphql.type_map[name]) for name in kept]
    entities = [t for t in composites if isinstance(t, GraphQLObjectType) and entity_keys(t)]
    return Plan(
        domains=domains,
        types=types,
        fields=kept,
        interfaces={t.name: _interface_names(t, fields) for t in composites},
        roles={t.name: entity_role(whole, t, domains) for t in entities},
        keys={t.name: kept_keys(whole, t, domains) for t in entities},
        shareable=shared_value_types(whole),
    )


def _interface_names(type_: Composite, fields: Fields) -> frozenset[str]:
    return frozenset(one.name for one in kept_interfaces(type_, fields))
