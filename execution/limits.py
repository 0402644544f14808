"""How large an operation may be: its document, fragments unfolded, and its variables. Tokens are
counted by the parser; what an operation costs stands in `cost.py`. Nothing here knows a schema, and
all of it takes time linear in what it is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    DirectiveNode,
    DocumentNode,
    ExecutableDefinitionNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLSyntaxError,
    ListValueNode,
    Node,
    ObjectValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
)

from core.errors import BadUserInput

MAX_NESTING = 150
"""Selection sets within each other, inline fragments counted: below Python's own stack."""
MAX_ERRORS = 10
MAX_TOLD = 2**53 - 1
"""The largest number that every reader of JSON takes for itself: fragments in fragments unfold to
numbers of any length."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of one document and its variables. `introspection` False refuses `__schema` and
    `__type`. Fields are counted with fragments unfolded, and before those of one name are merged:
    at the root, in one selection, and in the whole operation."""

    max_depth: int = 12
    max_aliases: int = 30
    max_directives: int = 50
    max_directives_each: int = 4
    """At one place."""
    max_root_fields: int = 50
    max_breadth: int = 300
    max_fields: int = 5_000
    max_tokens: int = 2_000
    max_length: int = 100_000
    max_deferred: int = 20
    """Uses of @defer and @stream in an operation."""
    max_list_items: int = 1_000
    max_string_length: int = 250_000
    max_input_depth: int = 50
    documents: int = 1_000
    documents_bytes: int = 64 * 1024 * 1024
    introspection: bool = True


@dataclass(frozen=True, slots=True)
class Size:
    """How deep selections nest (a root field is 1), how many aliases and fields there are, how many
    fields stand side by side (`width` here, `breadth` here or anywhere below)."""

    depth: int = 0
    aliases: int = 0
    fields: int = 0
    width: int = 0
    breadth: int = 0


class TooLarge(BadUserInput):
    """A limit is passed: which, by what was found, and what is allowed."""

    def __init__(self, said: str, limit: str, found: int, maximum: int) -> None:
        details = {"limit": limit, "found": min(found, MAX_TOLD), "maximum": maximum}
        super().__init__(f"{said}; the limit is {maximum}", details)


class _TooDeep(Exception):
    """Selections nest deeper than is looked at."""


def limit_errors(document: DocumentNode, limits: Limits) -> list[GraphQLError]:
    """What is too large about a document, valid or not: of fragments that go round, or that are
    not there, nothing is counted."""
    measuring = _Measuring(document)
    errors: list[GraphQLError] = []
    for node in document.definitions:
        if not isinstance(node, ExecutableDefinitionNode):
            continue
        measuring.directives(node.directives or (), *(node.variable_definitions or ()))
        try:
            size = measuring.selection(node.selection_set)
        except _TooDeep:
            return [_error(TooLarge(f"selections nest over {MAX_NESTING}", *_deep(limits)), node)]
        if isinstance(node, OperationDefinitionNode):
            errors += (_error(found, node) for found in _passed(size, limits))
    whole = [*_of_document(measuring, limits)]
    return [*errors, *(_error(found, None) for found in whole)][:MAX_ERRORS]


def _deep(limits: Limits) -> tuple[str, int, int]:
    return "depth", MAX_NESTING + 1, limits.max_depth


def _passed(size: Size, limits: Limits) -> list[TooLarge]:
    """The limits that one operation passes."""
    found = (
        ("selections nest", "depth", size.depth, limits.max_depth),
        ("aliases are", "aliases", size.aliases, limits.max_aliases),
        ("fields at the root are", "rootFields", size.width, limits.max_root_fields),
        ("fields side by side are", "breadth", size.breadth, limits.max_breadth),
        ("fields are", "fields", size.fields, limits.max_fields),
    )
    return [
        TooLarge(f"{said} {count}", limit, count, maximum)
        for said, limit, count, maximum in found
        if count > maximum
    ]


def _of_document(measuring: _Measuring, limits: Limits) -> list[TooLarge]:
    """The limits that the document as a whole passes."""
    found = (
        ("directives are", "directives", measuring.total, limits.max_directives),
        (
            "directives at one place are",
            "directivesEach",
            measuring.most,
            limits.max_directives_each,
        ),
        ("items of a list are", "listItems", measuring.items, limits.max_list_items),
    )
    return [
        TooLarge(f"{said} {count}", limit, count, maximum)
        for said, limit, count, maximum in found
        if count > maximum
    ]


def _error(found: TooLarge, node: Node | None) -> GraphQLError:
    return GraphQLError(found.message, node, original_error=found)


def told_tokens(error: GraphQLSyntaxError, maximum: int) -> GraphQLSyntaxError:
    """The parser's error, which says that there are too many tokens, with the limit's details."""
    if "tokens" in error.message:
        error.original_error = TooLarge(
            f"the document has more than {maximum} tokens", "tokens", maximum + 1, maximum
        )
    return error


@dataclass(slots=True)
class _Measuring:
    """Each fragment is measured once, however often it is spread: linear in the document."""

    document: DocumentNode
    total: int = 0
    """Directives of the document."""
    most: int = 0
    """Directives at one place."""
    items: int = 0
    """Items of the longest list that is written out."""
    fragments: dict[str, FragmentDefinitionNode] = field(default_factory=dict)
    sizes: dict[str, Size] = field(default_factory=dict)
    nesting: int = 0

    def __post_init__(self) -> None:
        for node in self.document.definitions:
            if isinstance(node, FragmentDefinitionNode):
                self.fragments[node.name.value] = node

    def directives(self, given: Sequence[DirectiveNode], *others: Any) -> None:
        """Count directives of a node, and those of others that stand at it."""
        if not given and not others:
            return
        self.total += len(given)
        self.most = max(self.most, len(given))
        for one in given:
            self._values([argument.value for argument in one.arguments or ()])
        for other in others:
            self.directives(other.directives or ())
            if (default := getattr(other, "default_value", None)) is not None:
                self._values([default])

    def selection(self, selections: SelectionSetNode | None, *, count: bool = True) -> Size:
        """The size of a selection. Raises `_TooDeep`."""
        if selections is None:
            return Size()
        self.nesting += 1
        if self.nesting > MAX_NESTING:
            raise _TooDeep
        depth = aliases = fields = width = breadth = 0
        for node in selections.selections:
            inner = self._inner(node, count=count)
            depth = max(depth, inner.depth)
            aliases += inner.aliases
            fields += inner.fields
            width += inner.width
            breadth = max(breadth, inner.breadth)
        self.nesting -= 1
        return Size(depth, aliases, fields, width, max(breadth, width))

    def _inner(self, node: Any, *, count: bool) -> Size:
        if count:
            self.directives(node.directives or ())
        if isinstance(node, FragmentSpreadNode):
            return self._fragment(node.name.value)
        if not isinstance(node, FieldNode):
            return self.selection(node.selection_set, count=count)
        own = 0 if node.alias is None else 1
        if count and node.arguments:
            self._values([argument.value for argument in node.arguments])
        if node.name.value.startswith("__"):
            # Introspection has a depth rule of its own in graphql-core.
            return Size(1, own, 1, 1, 1)
        below = self.selection(node.selection_set, count=count)
        return Size(below.depth + 1, below.aliases + own, below.fields + 1, 1, below.breadth)

    def _fragment(self, name: str) -> Size:
        found = self.sizes.get(name)
        if found is None:
            self.sizes[name] = Size()  # for one that goes round, and for one that is not there
            if (node := self.fragments.get(name)) is not None:
                # Its directives are counted where it is defined.
                found = self.sizes[name] = self.selection(node.selection_set, count=False)
        return found or Size()

    def _values(self, values: list[Any]) -> None:
        while values:
            value = values.pop()
            if isinstance(value, ListValueNode):
                self.items = max(self.items, len(value.values))
                values += value.values
            elif isinstance(value, ObjectValueNode):
                values += (each.value for each in value.fields)


def variable_errors(variables: Mapping[str, Any] | None, limits: Limits) -> list[GraphQLError]:
    """What is too large about variables, the first thing met: a list, a string, or how deep they
    nest."""
    try:
        if variables:
            _check_variables(variables, limits)
    except TooLarge as found:
        return [_error(found, None)]
    return []


def _check_variables(variables: Mapping[str, Any], limits: Limits) -> None:
    level: list[Any] = [*variables.values()]
    depth = 1
    while level:
        deeper: list[Any] = []
        for value in level:
            if isinstance(value, str):
                if len(value) > limits.max_string_length:
                    raise _too_long("characters of a variable are", "stringLength", value, limits)
            elif isinstance(value, list):
                if len(value) > limits.max_list_items:
                    raise _too_long("items of a list are", "listItems", value, limits)
                deeper += value
            elif isinstance(value, dict):
                deeper += value.values()
        level = deeper
        depth += 1
        if depth > limits.max_input_depth and level:
            raise TooLarge("variables nest", "inputDepth", depth, limits.max_input_depth)


def _too_long(said: str, limit: str, value: Any, limits: Limits) -> TooLarge:
    is_text = isinstance(value, str)
    maximum = limits.max_string_length if is_text else limits.max_list_items
    return TooLarge(f"{said} {len(value)}", limit, len(value), maximum)
