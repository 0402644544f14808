"""The SDL of a subgraph: the monolith's printed SDL, cut to a plan by rewriting its AST.

Nothing here decides what belongs where; `projection_plan.py` does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, cast

from graphql import (
    DirectiveDefinitionNode,
    DocumentNode,
    FieldDefinitionNode,
    InterfaceTypeDefinitionNode,
    NamedTypeNode,
    Node,
    NullValueNode,
    ObjectTypeDefinitionNode,
    SchemaDefinitionNode,
    SchemaExtensionNode,
    TypeDefinitionNode,
    Visitor,
    parse,
    print_ast,
    value_from_ast_untyped,
    visit,
)
from graphql.language import ConstDirectiveNode, DirectiveNode
from strawberry.federation import schema_directives
from strawberry.federation.schema_directives import FederationDirective

from schema.projection_plan import FieldNames, Plan, Role

FEDERATION_SPEC = "https://specs.apollo.dev/federation/"
FEDERATION_DIRECTIVES = frozenset(
    found.imported_from.name
    for found in vars(schema_directives).values()
    if isinstance(found, type) and issubclass(found, FederationDirective)
    if hasattr(found, "imported_from")
)
OPERATION_LOCATIONS = frozenset({"QUERY", "MUTATION", "SUBSCRIPTION", "VARIABLE_DEFINITION"})
SELECTION_LOCATIONS = frozenset(
    {"FIELD", "FRAGMENT_DEFINITION", "FRAGMENT_SPREAD", "INLINE_FRAGMENT"}
)
EXECUTABLE_LOCATIONS = OPERATION_LOCATIONS | SELECTION_LOCATIONS
OWN_DIRECTIVES = frozenset({"defer", "stream"})
"""Incremental delivery is between a client and whom it asks: gateways have their own, and composers
know no such definition in a subgraph."""


def rewrite_sdl(sdl: str, plan: Plan, *, version: str) -> str:
    """The SDL of the subgraph of `plan`, out of the monolith's; `version` is like "v2.9".

    Machinery (`_service`, `_entities`, their types) is left out, as composers add it themselves.
    """
    document = visit(parse(sdl, no_location=True), _NullsLeftOut())
    definitions = _by_name(document)
    types = [_cut(definitions[name], plan) for name in sorted(plan.types & definitions.keys())]
    used = _applied(types)
    kept = [d for d in document.definitions if _is_kept_directive(d, used)]
    extra = _named_by(kept, definitions) - plan.types
    extension = _schema_extension(document, used, version)
    parts = [extension, *kept, *types, *(definitions[name] for name in sorted(extra))]
    return "\n\n".join(print_ast(part) for part in parts) + "\n"


def _by_name(document: DocumentNode) -> dict[str, TypeDefinitionNode]:
    definitions = document.definitions
    return {d.name.value: d for d in definitions if isinstance(d, TypeDefinitionNode)}


def _cut(node: TypeDefinitionNode, plan: Plan) -> TypeDefinitionNode:
    """One type with the fields, keys and marks it has in the subgraph."""
    name = node.name.value
    if isinstance(node, ObjectTypeDefinitionNode):
        return replace(
            node,
            interfaces=_kept_interfaces(node, plan),
            fields=_kept_fields(node, plan),
            directives=(*_type_marks(name, plan), *_kept_marks(node, plan)),
        )
    if isinstance(node, InterfaceTypeDefinitionNode):
        interfaces = _kept_interfaces(node, plan)
        return replace(node, interfaces=interfaces, fields=_kept_fields(node, plan))
    return node


def _kept_fields(
    node: ObjectTypeDefinitionNode | InterfaceTypeDefinitionNode, plan: Plan
) -> tuple[FieldDefinitionNode, ...]:
    names = plan.fields[node.name.value]
    return tuple(_sized(field) for field in node.fields or () if field.name.value in names)


def _sized(field: FieldDefinitionNode) -> FieldDefinitionNode:
    """Without `assumedSize` where an argument that tells the size has a default: it is for those
    that have none, and Cosmo's composer refuses both."""
    defaults = {a.name.value for a in field.arguments or () if a.default_value is not None}
    directives = tuple(_without_assumed(one, defaults) for one in field.directives or ())
    return replace(field, directives=directives)


def _without_assumed(node: ConstDirectiveNode, defaults: set[str]) -> ConstDirectiveNode:
    given = _arguments(node) if node.name.value == "listSize" else {}
    if not defaults & set(given.get("slicingArguments") or ()):
        return node
    kept = tuple(one for one in node.arguments or () if one.name.value != "assumedSize")
    return replace(node, arguments=kept)


def _kept_interfaces(
    node: ObjectTypeDefinitionNode | InterfaceTypeDefinitionNode, plan: Plan
) -> tuple[NamedTypeNode, ...]:
    names = plan.interfaces[node.name.value]
    return tuple(one for one in node.interfaces or () if one.name.value in names)


def _type_marks(name: str, plan: Plan) -> Iterator[ConstDirectiveNode]:
    """`@shareable`, or the one key of another domain's entity."""
    if name in plan.shareable:
        yield _directive("@shareable")
    role = plan.roles.get(name, Role.OWNS)
    if role is not Role.OWNS:
        yield _key(plan.keys[name][0], resolvable=role is Role.EXTENDS)


def _kept_marks(node: ObjectTypeDefinitionNode, plan: Plan) -> Iterator[ConstDirectiveNode]:
    own = plan.roles.get(node.name.value, Role.OWNS) is Role.OWNS
    dropped = {"shareable"} if own else {"shareable", "key"}
    return (one for one in node.directives or () if one.name.value not in dropped)


def _key(fields: FieldNames, *, resolvable: bool) -> ConstDirectiveNode:
    suffix = "" if resolvable else ", resolvable: false"
    return _directive(f'@key(fields: "{" ".join(sorted(fields))}"{suffix})')


def _directive(text: str) -> ConstDirectiveNode:
    node = parse(f"scalar S {text}", no_location=True).definitions[0]
    return cast(TypeDefinitionNode, node).directives[0]  # type: ignore[index]


class _NullsLeftOut(Visitor):
    """Leaves out null arguments of federation's directives, which is what null means there:
    Apollo's composer fails on `@listSize(sizedFields: null)`."""

    def enter_directive(self, node: DirectiveNode, *_: object) -> DirectiveNode | None:
        if node.name.value not in FEDERATION_DIRECTIVES:
            return None
        given = node.arguments or ()
        kept = tuple(one for one in given if not isinstance(one.value, NullValueNode))
        return None if len(kept) == len(given) else replace(node, arguments=kept)


class _Names(Visitor):
    """Collects the directives applied, and the types named, in a tree."""

    def __init__(self) -> None:
        super().__init__()
        self.directives: set[str] = set()
        self.types: set[str] = set()

    def enter_directive(self, node: DirectiveNode, *_: object) -> None:
        self.directives.add(node.name.value)

    def enter_named_type(self, node: NamedTypeNode, *_: object) -> None:
        self.types.add(node.name.value)


def _names(nodes: Iterable[Node]) -> _Names:
    names = _Names()
    for node in nodes:
        visit(node, names)
    return names


def _applied(nodes: Iterable[Node]) -> set[str]:
    return _names(nodes).directives


def _is_kept_directive(node: Node, used: set[str]) -> bool:
    """Type-system directives stay where applied; those of operations stay everywhere, since a
    supergraph has only those that all its subgraphs define. Federation's come by `@link`."""
    if not isinstance(node, DirectiveDefinitionNode):
        return False
    name = node.name.value
    if name in FEDERATION_DIRECTIVES | OWN_DIRECTIVES or name == "link":
        return False
    return name in used or any(at.value in EXECUTABLE_LOCATIONS for at in node.locations)


def _named_by(nodes: Iterable[Node], definitions: Mapping[str, TypeDefinitionNode]) -> set[str]:
    """The types that directive definitions need for their arguments, and theirs in turn."""
    found: set[str] = set()
    fresh = _names(nodes).types & definitions.keys()
    while fresh:
        found |= fresh
        fresh = (_names(definitions[n] for n in fresh).types & definitions.keys()) - found
    return found


def _schema_extension(document: DocumentNode, used: set[str], version: str) -> SchemaExtensionNode:
    """`extend schema` with the links and composed directives that this subgraph uses."""
    applied = [
        directive
        for node in document.definitions
        if isinstance(node, SchemaDefinitionNode)
        for directive in node.directives or ()
    ]
    composed = [d for d in applied if _is_composed(d, used)]
    foreign = [link for d in applied if (link := _foreign_link(d, used))]
    imports = used & FEDERATION_DIRECTIVES | ({"composeDirective"} if composed else set())
    return SchemaExtensionNode(
        directives=(_link(FEDERATION_SPEC + version, imports), *foreign, *composed),
        operation_types=(),
    )


def _is_composed(node: ConstDirectiveNode, used: set[str]) -> bool:
    name = str(_arguments(node).get("name", "")).removeprefix("@")
    return node.name.value == "composeDirective" and name in used


def _foreign_link(node: ConstDirectiveNode, used: set[str]) -> ConstDirectiveNode | None:
    """A link to a spec that is not federation's, with the imports used here; None if none is."""
    url = str(_arguments(node).get("url", ""))
    if node.name.value != "link" or url.startswith(FEDERATION_SPEC):
        return None
    imports = _arguments(node).get("import")
    if not isinstance(imports, list):
        return node
    names = {str(name).removeprefix("@") for name in imports}
    return _link(url, names & used) if names & used else None


def _arguments(node: ConstDirectiveNode) -> dict[str, Any]:
    return {a.name.value: value_from_ast_untyped(a.value) for a in node.arguments or ()}


def _link(url: str, imports: set[str]) -> ConstDirectiveNode:
    names = ", ".join(f'"@{name}"' for name in sorted(imports))
    return _directive(f'@link(url: "{url}", import: [{names}])')
