"""The schema under inspection: as graphql-core has it, and as it was declared."""

from typing import Any, NamedTuple

import pytest
from graphql import GraphQLNamedType, GraphQLSchema

from schema.build import build_schema

FOREIGN = frozenset({"_Any", "_Service", "_Entity", "_FieldSet", "link__Import", "link__Purpose"})
BUILT_IN = frozenset({"ID", "String", "Int", "Boolean", "Float"})


class Declared(NamedTuple):
    """A field as our decorators declared it, with its GraphQL names."""

    type_name: str
    name: str
    field: Any

    def __str__(self) -> str:
        return f"{self.type_name}.{self.name}"

    def directive(self, kind: type) -> Any:
        """The directive of that class on the field, or None."""
        return next((d for d in self.field.directives if isinstance(d, kind)), None)


def declared_fields(schema: Any) -> list[Declared]:
    """Fields of every object type and interface of ours; inputs have no directives."""
    converter = schema.schema_converter
    found = []
    for name, concrete in converter.type_map.items():
        definition = concrete.definition
        if name in FOREIGN or getattr(definition, "is_input", True):
            continue
        for field in definition.fields:
            graphql_name = schema.config.name_converter.from_field(field)
            if not graphql_name.startswith("_"):
                found.append(Declared(name, graphql_name, field))
    return found


@pytest.fixture(scope="session")
def schema():
    return build_schema()


@pytest.fixture(scope="session")
def core_schema(schema) -> GraphQLSchema:
    return schema._schema


@pytest.fixture(scope="session")
def own_types(core_schema) -> dict[str, GraphQLNamedType]:
    """Every named type that is neither GraphQL's nor federation's."""
    skipped = FOREIGN | BUILT_IN
    return {
        name: kind
        for name, kind in core_schema.type_map.items()
        if name not in skipped and not name.startswith("__")
    }


@pytest.fixture(scope="session")
def declared(schema) -> list[Declared]:
    return declared_fields(schema)


@pytest.fixture(scope="session")
def fields_of():
    """`declared_fields`, for schemas that a test builds."""
    return declared_fields
