"""Recorded operations: read from documents and manifests, and what of a schema each one uses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson
from graphql import (
    DocumentNode,
    EnumValueNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLEnumType,
    GraphQLError,
    GraphQLInputObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    Node,
    ObjectFieldNode,
    OperationDefinitionNode,
    TypeInfo,
    TypeInfoVisitor,
    VariableNode,
    Visitor,
    get_named_type,
    is_abstract_type,
    parse,
    type_from_ast,
    validate,
    visit,
)

from schema.comparing import Change, Severity

SUFFIXES = (".graphql", ".gql", ".json")


class NotRecorded(Exception):
    """There are no operations there; the message says why."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """One operation, with all the fragments that it spreads."""

    name: str
    document: DocumentNode


def read_recorded(paths: Iterable[Path]) -> list[Recorded]:
    """The operations of files and folders: GraphQL documents, and manifests of trusted documents
    in Apollo's form and Relay's. A fragment may stand in another file. Raises `NotRecorded`.
    """
    files = [file for path in paths for file in _files(path)]
    texts = [pair for file in files for pair in _texts(file)]
    parsed = [(source, _parsed(source, text)) for source, text in texts]
    shared = {f.name.value: f for _, document in parsed for f in _fragments(document)}
    found = []
    for source, document in parsed:
        own = {f.name.value: f for f in _fragments(document)}
        for node in document.definitions:
            if isinstance(node, OperationDefinitionNode):
                name = f"{source}:{node.name.value}" if node.name else source
                whole = (node, *_spread(node, {**shared, **own}).values())
                found.append(Recorded(name, DocumentNode(definitions=whole)))
    if not found:
        raise NotRecorded(f"no operations in {', '.join(map(str, paths))}")
    return found


def uses_of(schema: GraphQLSchema, recorded: Recorded) -> frozenset[str]:
    """What an operation stands on: types, fields, arguments, input fields and enum values by their
    coordinates, `Union on Member` for a fragment's type, and `@directive`. What variables hold is
    not known: all that they may hold counts.
    """
    info = TypeInfo(schema)
    conditions = {f.name.value: f.type_condition.name.value for f in _fragments(recorded.document)}
    looking = _Uses(schema, info, conditions)
    visit(recorded.document, TypeInfoVisitor(info, looking))
    return frozenset(looking.found)


def judged(
    changes: Iterable[Change],
    operations: Iterable[Recorded],
    before: GraphQLSchema,
    after: GraphQLSchema,
) -> list[Change]:
    """Each breaking change with the operations that it hits; dangerous instead where it hits none.
    An operation that no longer validates and is hit by nothing told is a change of its own."""
    operations = list(operations)
    uses = {each.name: uses_of(before, each) for each in operations}
    found: list[Change] = []
    hit: set[str] = set()
    for change in changes:
        if change.severity is Severity.BREAKING and change.needs:
            hits = tuple(sorted(name for name, used in uses.items() if used & change.needs))
            hit.update(hits)
            change = _as_used(change, hits, len(operations))
        found.append(change)
    for each in operations:
        if each.name not in hit and not validate(before, each.document):
            found += _refused(each, after)
    return found


def not_valid(operations: Iterable[Recorded], before: GraphQLSchema) -> list[str]:
    """Names of operations that the former schema would refuse: nothing can be said of them."""
    return [each.name for each in operations if validate(before, each.document, max_errors=1)]


def _as_used(change: Change, hits: tuple[str, ...], count: int) -> Change:
    if hits:
        return replace(change, operations=hits)
    told = f"{change.message} None of {count} recorded operations uses it."
    return replace(change, severity=Severity.DANGEROUS, message=told)


def _refused(recorded: Recorded, after: GraphQLSchema) -> list[Change]:
    names = (recorded.name,)
    return [
        Change(
            Severity.BREAKING, "OPERATION_REFUSED", recorded.name, error.message, operations=names
        )
        for error in validate(after, recorded.document)[:1]
    ]


class _Uses(Visitor):
    """Collects what is used, as `TypeInfo` goes along."""

    def __init__(
        self, schema: GraphQLSchema, info: TypeInfo, conditions: Mapping[str, str]
    ) -> None:
        super().__init__()
        self.schema = schema
        self.info = info
        self.conditions = conditions
        self.found: set[str] = set()

    def enter_field(self, node: FieldNode, *_: Any) -> None:
        parent, made = self.info.get_parent_type(), self.info.get_field_def()
        if parent is None or made is None or node.name.value.startswith("__"):
            return
        kinds = [parent]
        if is_abstract_type(parent):
            kinds += self.schema.get_possible_types(parent)
        given = [argument.name.value for argument in node.arguments or ()]
        for kind in kinds:
            where = f"{kind.name}.{node.name.value}"
            self.found |= {kind.name, where, *(f"{where}({name}:)" for name in given)}
        self.found.add(get_named_type(made.type).name)

    def enter_inline_fragment(self, node: InlineFragmentNode, *_: Any) -> None:
        if node.type_condition is not None:
            self._fragment(node.type_condition.name.value)

    def enter_fragment_spread(self, node: FragmentSpreadNode, *_: Any) -> None:
        if node.name.value in self.conditions:
            self._fragment(self.conditions[node.name.value])

    def _fragment(self, name: str) -> None:
        around = self.info.get_parent_type()
        self.found |= {name, *([f"{around.name} on {name}"] if around else [])}

    def enter_directive(self, node: Any, *_: Any) -> None:
        self.found.add(f"@{node.name.value}")
        self.found |= {f"@{node.name.value}({a.name.value}:)" for a in node.arguments or ()}

    def enter_object_field(self, node: ObjectFieldNode, *_: Any) -> None:
        parent = self.info.get_parent_input_type()
        if parent is not None:
            kind = get_named_type(parent)
            self.found |= {kind.name, f"{kind.name}.{node.name.value}"}

    def enter_enum_value(self, node: EnumValueNode, *_: Any) -> None:
        kind = get_named_type(self.info.get_input_type())
        if kind is not None:
            self.found |= {kind.name, f"{kind.name}.{node.value}"}

    def enter_variable(self, node: VariableNode, *_: Any) -> None:
        kind = self.info.get_input_type()
        if kind is not None:
            self._anything(get_named_type(kind))

    def enter_variable_definition(self, node: Any, *_: Any) -> None:
        kind = type_from_ast(self.schema, node.type)
        if kind is not None:
            self._anything(get_named_type(kind))

    def _anything(self, kind: Any) -> None:
        if kind.name in self.found and f"any {kind.name}" in self.found:
            return
        self.found |= {kind.name, f"any {kind.name}"}
        if isinstance(kind, GraphQLEnumType):
            self.found |= {f"{kind.name}.{value}" for value in kind.values}
        elif isinstance(kind, GraphQLInputObjectType):
            for name, made in kind.fields.items():
                self.found.add(f"{kind.name}.{name}")
                self._anything(get_named_type(made.type))


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(f for f in path.rglob("*") if f.suffix in SUFFIXES and f.is_file())
    if not path.is_file():
        raise NotRecorded(f"{path}: no such file or folder")
    return [path]


def _texts(file: Path) -> Iterator[tuple[str, str]]:
    """Each document of a file, named after it; a manifest has many."""
    try:
        text = file.read_text(encoding="utf-8")
        if file.suffix != ".json":
            yield file.stem, text
            return
        manifest = orjson.loads(text)
    except (OSError, ValueError) as error:
        raise NotRecorded(f"{file}: {error}") from None
    yield from _manifest(file, manifest)


def _manifest(file: Path, manifest: Any) -> Iterator[tuple[str, str]]:
    entries = manifest.get("operations") if isinstance(manifest, Mapping) else None
    if isinstance(entries, list):
        bodies = [e.get("body") if isinstance(e, Mapping) else None for e in entries]
    elif isinstance(manifest, Mapping):
        bodies = list(manifest.values())
    else:
        bodies = [None]
    for body in bodies:
        if not isinstance(body, str):
            raise NotRecorded(f"{file}: neither Apollo's manifest nor Relay's")
        yield file.stem, body


def _parsed(source: str, text: str) -> DocumentNode:
    try:
        return parse(text)
    except GraphQLError as error:
        raise NotRecorded(f"{source}: {error.message}") from None


def _fragments(document: DocumentNode) -> list[FragmentDefinitionNode]:
    return [d for d in document.definitions if isinstance(d, FragmentDefinitionNode)]


def _spread(
    node: Node, fragments: Mapping[str, FragmentDefinitionNode]
) -> dict[str, FragmentDefinitionNode]:
    """The fragments that a definition spreads, and those that they do."""
    found: dict[str, FragmentDefinitionNode] = {}
    waiting: list[Node] = [node]
    while waiting:
        inside = _Spreads()
        visit(waiting.pop(), inside)
        for name in inside.names:
            if name in fragments and name not in found:
                found[name] = fragments[name]
                waiting.append(fragments[name])
    return found


class _Spreads(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def enter_fragment_spread(self, node: FragmentSpreadNode, *_: Any) -> None:
        self.names.append(node.name.value)
