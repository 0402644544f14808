"""The schema in the forms that clients' tools read: introspection, possible types, scalars. What
only a gateway asks for is left out of them; SDL keeps it (`schema/committed.py`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, get_args

import orjson
from graphql import (
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    introspection_from_schema,
    is_abstract_type,
    is_specified_scalar_type,
)
from graphql import build_schema as parse_schema

from schema.committed import sdl_of

Format = Literal["sdl", "introspection", "possible-types", "scalars"]
FORMATS: tuple[Format, ...] = get_args(Format)
MACHINERY = frozenset({"_Any", "_Entity", "_Service", "link__Import", "link__Purpose"})
"""Types that a gateway alone asks for, and no client sees behind one."""

TYPESCRIPT: Mapping[str, str | Mapping[str, str]] = {
    "BigInt": "string",
    "Cursor": "string",
    "Date": "string",
    "DateTime": "string",
    "Decimal": "string",
    "ID": "string",
    "JSON": "unknown",
    "URL": "string",
    "Upload": {"input": "Blob", "output": "never"},
}
"""What a scalar is in TypeScript: as JSON carries it, so that nothing has to be converted. Numbers
that a double cannot hold are strings."""


def exported(form: Format, domains: Iterable[str] | None = None) -> str:
    """The schema of some domains, or all, as text that ends in a line break.

    Raises `ValueError` for an unknown domain, and for a scalar that TypeScript has no word for.
    """
    text = sdl_of(domains)
    if form == "sdl":
        return text
    seen = as_clients_see(text)
    found = {
        "introspection": introspection_of,
        "possible-types": possible_types_of,
        "scalars": scalars_of,
    }[form](seen)
    return orjson.dumps(found, option=orjson.OPT_INDENT_2).decode() + "\n"


def as_clients_see(sdl: str) -> GraphQLSchema:
    """A schema without a gateway's fields and types. A subgraph that serves no root fields of its
    own has only them, and keeps its types alone."""
    whole = parse_schema(sdl, assume_valid_sdl=True)
    options: dict[str, Any] = dict(whole.to_kwargs())
    for root in ("query", "mutation", "subscription"):
        options[root] = _without_machinery(options[root])
    roots = {kind.name: kind for kind in _roots(options)}
    options["types"] = [
        roots.get(kind.name, kind) for kind in options["types"] if kind.name not in MACHINERY
    ]
    return GraphQLSchema(**options)


def introspection_of(schema: GraphQLSchema) -> dict[str, Any]:
    """As graphql-codegen and most tools read it: `{"__schema": …}`."""
    return dict(introspection_from_schema(schema, directive_is_repeatable=True))


def possible_types_of(schema: GraphQLSchema) -> dict[str, list[str]]:
    """As Apollo Client's `InMemoryCache` takes it: each interface and union with its types."""
    return {
        name: sorted(kind.name for kind in schema.get_possible_types(abstract))
        for name, abstract in sorted(schema.type_map.items())
        if is_abstract_type(abstract) and not name.startswith("__")
    }


def scalars_of(schema: GraphQLSchema) -> dict[str, str | Mapping[str, str]]:
    """As graphql-codegen's `scalars` takes it: the TypeScript of each scalar, `ID` included.
    Raises `ValueError` for one that `TYPESCRIPT` does not know."""
    names = {
        name
        for name, kind in schema.type_map.items()
        if isinstance(kind, GraphQLScalarType) and not is_specified_scalar_type(kind)
    }
    if unknown := sorted(names - TYPESCRIPT.keys()):
        raise ValueError(f"no TypeScript type is known of {', '.join(unknown)}")
    return {name: TYPESCRIPT[name] for name in sorted({"ID", *names})}


def _without_machinery(root: GraphQLObjectType | None) -> GraphQLObjectType | None:
    if root is None:
        return None
    options: dict[str, Any] = dict(root.to_kwargs())
    fields = {name: made for name, made in root.fields.items() if not name.startswith("_")}
    return GraphQLObjectType(**{**options, "fields": fields or root.fields})


def _roots(options: Mapping[str, Any]) -> list[GraphQLObjectType]:
    return [options[name] for name in ("query", "mutation", "subscription") if options[name]]
