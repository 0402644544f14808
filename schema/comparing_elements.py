"""The parts of a schema by their coordinates, with their directives as written. For comparing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    Node,
    get_named_type,
    value_from_ast_untyped,
)

Directives = Mapping[str, tuple[Mapping[str, Any], ...]]
"""By name, the arguments of each time that a directive stands there."""


def elements_of(schema: GraphQLSchema) -> dict[str, Directives]:
    """The directives of every type, field, argument, input field and enum value, by coordinate."""
    return {where: directives_of(*nodes) for where, nodes in _nodes(schema)}


def directives_of(*nodes: Node | None) -> Directives:
    """What is written at a definition and its extensions."""
    found: dict[str, tuple[Mapping[str, Any], ...]] = {}
    for node in nodes:
        for written in getattr(node, "directives", None) or ():
            given = written.arguments or ()
            arguments = {a.name.value: value_from_ast_untyped(a.value) for a in given}
            found[written.name.value] = (*found.get(written.name.value, ()), arguments)
    return found


def is_composite(schema: GraphQLSchema, where: str) -> bool:
    """Whether a field's coordinate leads to fields of its own."""
    name, _, field = where.partition(".")
    fields = getattr(schema.type_map.get(name), "fields", None) or {}
    if field not in fields:
        return False
    return hasattr(get_named_type(fields[field].type), "fields") or isinstance(
        get_named_type(fields[field].type), GraphQLUnionType
    )


def deprecation_of(schema: GraphQLSchema, where: str) -> str | None:
    """The reason that stands at a field, an argument, an input field or an enum value."""
    path, _, argument = where.rstrip(":)").partition("(")
    name, _, member = path.partition(".")
    kind = schema.type_map.get(name)
    found: Any = None
    if isinstance(kind, GraphQLEnumType):
        found = kind.values.get(member)
    elif kind is not None:
        found = (getattr(kind, "fields", None) or {}).get(member)
    if argument:
        found = getattr(found, "args", {}).get(argument)
    reason: str | None = getattr(found, "deprecation_reason", None)
    return reason


def type_named(schema: GraphQLSchema, name: str) -> GraphQLNamedType | None:
    """A type by its name."""
    return schema.type_map.get(name)


def references_of(
    schema: GraphQLSchema, kind: GraphQLNamedType, *, without: set[str]
) -> Iterator[str]:
    """Names of the types that a type leads to, not by the coordinates `without`."""
    if isinstance(kind, GraphQLUnionType):
        yield from (member.name for member in kind.types)
    if isinstance(kind, GraphQLInterfaceType):
        yield from (member.name for member in schema.get_possible_types(kind))
    if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType):
        yield from (interface.name for interface in kind.interfaces)
    if not isinstance(kind, GraphQLObjectType | GraphQLInterfaceType | GraphQLInputObjectType):
        return
    for name, made in kind.fields.items():
        where = f"{kind.name}.{name}"
        if where in without:
            continue
        yield get_named_type(made.type).name
        for argument, given in getattr(made, "args", {}).items():
            if f"{where}({argument}:)" not in without:
                yield get_named_type(given.type).name


def _nodes(schema: GraphQLSchema) -> Iterator[tuple[str, tuple[Node | None, ...]]]:
    for name, kind in schema.type_map.items():
        if name.startswith("__"):
            continue
        yield name, (kind.ast_node, *kind.extension_ast_nodes)
        if isinstance(kind, GraphQLEnumType):
            yield from ((f"{name}.{key}", (v.ast_node,)) for key, v in kind.values.items())
        for key, made in (getattr(kind, "fields", None) or {}).items():
            yield f"{name}.{key}", (made.ast_node,)
            for argument, given in getattr(made, "args", {}).items():
                yield f"{name}.{key}({argument}:)", (given.ast_node,)
