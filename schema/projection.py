"""One schema, any split: the schema class that can be cut into subgraphs, and the cutting.

A field belongs to the subgraph of the module it is written in. No type and no root field is
declared here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any, TypeVar, cast

import strawberry
from graphql import GraphQLInterfaceType, GraphQLObjectType
from strawberry.federation.versions import format_version
from strawberry.printer import print_schema
from strawberry.schema.compat import is_schema_directive
from strawberry.schema.name_converter import NameConverter
from strawberry.tools import create_type
from strawberry.types.base import StrawberryObjectDefinition, get_object_definition
from strawberry.types.field import StrawberryField

from schema.projection_entities import Reference, entities_field, find_entities, make_references
from schema.projection_plan import (
    MACHINERY_FIELDS,
    MACHINERY_TYPES,
    Monolith,
    Plan,
    definition_of,
    field_owner,
    is_root,
    make_plan,
    objects,
    refuse_undecorated_mixins,
)
from schema.projection_sdl import rewrite_sdl

FEDERATION_VERSION = "2.9"  # the newest that all composers take
MAX_ENTITIES = 100

S = TypeVar("S", bound="DomainSchema")


class DomainSchema(strawberry.federation.Schema):
    """A federation schema that knows its domains.

    Built plainly it is the monolith; `project` makes the subgraphs, of the same class, out of the
    same types and resolvers. `domains` names the modules fields may be owned by, in any order that
    stays; `_entities` takes at most `max_entities` representations. Other options are Strawberry's.
    Subclasses that take further options must hand them on as keywords.
    """

    def __init__(
        self,
        query: type,
        *,
        domains: tuple[str, ...],
        mutation: type | None = None,
        subscription: type | None = None,
        types: Iterable[Any] = (),
        max_entities: int = MAX_ENTITIES,
        whole: DomainSchema | None = None,
        plan: Plan | None = None,
        **options: Any,
    ) -> None:
        types = tuple(types)
        roots: dict[str, Any] = {
            "query": query,
            "mutation": mutation,
            "subscription": subscription,
        }
        shared = {"domains": domains, "max_entities": max_entities, **options}
        self.recipe: Mapping[str, Any] = {**roots, **shared, "types": types}
        self.domains = domains
        self.max_entities = max_entities
        self.whole = whole or self
        self._plan = plan  # get_fields reads it while super().__init__ builds
        options.setdefault("federation_version", FEDERATION_VERSION)
        super().__init__(**roots, types=types, **options)
        refuse_undecorated_mixins(self.monolith)
        self.references  # noqa: B018 - a schema whose entities cannot be resolved must not start

    @cached_property
    def monolith(self) -> Monolith:
        """What ownership is read from, for this schema taken as the whole."""
        definitions = filter(None, map(get_object_definition, self.recipe["types"]))
        name_of = self.config.name_converter.from_type
        listed = frozenset(name_of(one) for one in definitions if not one.is_graphql_generic)
        return Monolith(self._schema, self.domains, listed)

    @cached_property
    def plan(self) -> Plan:
        """What this schema serves."""
        return self._plan or make_plan(self.monolith, frozenset(self.domains))

    @cached_property
    def references(self) -> Mapping[str, Reference]:
        """The entities that `_entities` resolves, by type name."""
        return make_references(self._schema, self.plan)

    @cached_property
    def service_sdl(self) -> str:
        """What `_service { sdl }` answers; printed once."""
        return subgraph_sdl(self, self.plan.domains)

    @cached_property
    def printed(self) -> str:
        """The SDL of all that this schema has; printed once."""
        return print_schema(self)

    def get_fields(self, type_definition: StrawberryObjectDefinition) -> list[StrawberryField]:
        """Strawberry builds what executes from these: the plan's fields, and the machinery."""
        fields = super().get_fields(type_definition)
        if self._plan is None:
            return fields
        convert = self.config.name_converter
        name = convert.from_type(type_definition)
        type_ = self.whole.monolith.graphql.get_type(name)
        composite = isinstance(type_, GraphQLObjectType | GraphQLInterfaceType)
        if name in MACHINERY_TYPES or not composite:
            return fields  # inputs stay whole
        kept = self._plan.fields.get(name, frozenset()) | MACHINERY_FIELDS
        return [field for field in fields if convert.from_field(field) in kept]

    def _collect_schema_directives(
        self, explicit_directive_types: Iterable[type], graphql_types: Iterable[Any]
    ) -> list[type]:
        """Strawberry's, and the last moment before the schema closes: `_kept_types` has had all
        objects converted by now, so here they leave the interfaces they cannot keep."""
        for concrete in self.schema_converter.type_map.values() if self._plan else ():
            self._leave_interfaces(concrete.implementation)
        return super()._collect_schema_directives(explicit_directive_types, graphql_types)

    def _leave_interfaces(self, type_: object) -> None:
        if self._plan and isinstance(type_, GraphQLObjectType | GraphQLInterfaceType):
            kept = self._plan.interfaces.get(type_.name, frozenset())
            type_.interfaces = tuple(one for one in type_.interfaces if one.name in kept)

    def _get_federation_query_type(
        self,
        query: Any,
        mutation: Any,
        subscription: Any,
        additional_types: Iterable[Any],
        name_converter: NameConverter,
    ) -> type:
        """Query with `_service` and `_entities`.

        Replaces Strawberry's, which searches entities past the plan and writes the union of one
        schema into an annotation that all share.
        """
        fields = [self._service_field()]
        if members := self._entity_types([query, mutation, subscription, *additional_types]):
            fields.append(entities_field(members))
        definition = get_object_definition(query, strict=True)
        machinery = create_type(name="Query", fields=fields)
        return strawberry.type(
            type("Query", (machinery, query), {}),
            description=definition.description,
            directives=definition.directives or (),
        )

    def _entity_types(self, roots: Iterable[Any]) -> list[type]:
        if self._plan is None:
            return find_entities(roots)
        type_map = self.whole.monolith.graphql.type_map
        return [definition_of(type_map[name]).origin for name in self._plan.resolvable()]

    def _service_field(self) -> StrawberryField:
        @strawberry.type(name="_Service")
        class Service:
            sdl: str = strawberry.field(resolver=lambda: self.service_sdl)

        def _service() -> Any:
            return Service()

        return cast(
            StrawberryField,
            strawberry.field(resolver=_service, name="_service", graphql_type=Service),
        )


def subgraph_sdl(schema: DomainSchema, domains: Iterable[str]) -> str:
    """The SDL of the subgraph of `domains`, ready for a composer.

    Raises ValueError for what cannot be cut; see `make_plan`.
    """
    whole = schema.whole
    plan = make_plan(whole.monolith, frozenset(domains))
    version = format_version(whole.federation_version)
    return rewrite_sdl(whole.printed, plan, version=version)


def project(schema: S, domains: Iterable[str]) -> S:
    """The executable subgraph of `domains`: the monolith's types and resolvers, fewer fields.

    Raises ValueError for what cannot be cut; see `make_plan`.
    """
    whole = cast(S, schema.whole)
    plan = make_plan(whole.monolith, frozenset(domains))
    kept = {**whole.recipe, "types": _kept_types(whole, plan)}
    graphql = whole.monolith.graphql
    optional = {"mutation": graphql.mutation_type, "subscription": graphql.subscription_type}
    for name, root in optional.items():
        if root is not None and root.name not in plan.types:
            kept[name] = None
    return type(whole)(**kept, whole=whole, plan=plan)


def _kept_types(whole: DomainSchema, plan: Plan) -> list[Any]:
    """All object types of the plan, as nothing else leads to stubs behind an interface; and the
    directives that were given as types."""
    graphql = whole.monolith.graphql
    kept = [one for one in objects(graphql) if one.name in plan.types]
    definitions = [definition_of(one) for one in kept if not is_root(whole.monolith, one)]
    return [*definitions, *filter(is_schema_directive, whole.recipe["types"])]


def owner_of(schema: DomainSchema, type_name: str, field_name: str) -> str | None:
    """The domain whose file declares a field; None for the fields of shared value types.

    Raises KeyError for a type or field that the schema does not have.
    """
    whole = schema.whole.monolith
    type_ = whole.graphql.type_map[type_name]
    if not isinstance(type_, GraphQLObjectType | GraphQLInterfaceType):
        raise KeyError(f"{type_name} has no fields to own")
    return field_owner(whole, type_, field_name)
