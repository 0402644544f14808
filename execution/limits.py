"""How large an operation may be: depth of its selections and number of its aliases, fragments
unfolded. Tokens are bounded by the parser; pages by their fields."""

from __future__ import annotations

from dataclasses import dataclass

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    OperationDefinitionNode,
    SelectionSetNode,
)


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of one document. `introspection` False refuses `__schema` and `__type`."""

    max_depth: int = 12
    max_aliases: int = 30
    max_tokens: int = 2_000
    max_length: int = 100_000
    documents: int = 1_000
    documents_bytes: int = 64 * 1024 * 1024
    introspection: bool = True


@dataclass(frozen=True, slots=True)
class Size:
    """How deep selections nest (a root field is 1) and how many aliases they use."""

    depth: int = 0
    aliases: int = 0


def limit_errors(document: DocumentNode, limits: Limits) -> list[GraphQLError]:
    """What is too large about a document that is valid otherwise (so without fragment cycles)."""
    sizes: dict[str, Size] = {}
    fragments = {
        node.name.value: node
        for node in document.definitions
        if isinstance(node, FragmentDefinitionNode)
    }
    errors: list[GraphQLError] = []
    for node in document.definitions:
        if isinstance(node, OperationDefinitionNode):
            size = _measure(node.selection_set, fragments, sizes)
            if size.depth > limits.max_depth:
                errors.append(_too_much("selections nest", size.depth, limits.max_depth, node))
            if size.aliases > limits.max_aliases:
                errors.append(_too_much("aliases are", size.aliases, limits.max_aliases, node))
    return errors


def _too_much(what: str, found: int, maximum: int, node: OperationDefinitionNode) -> GraphQLError:
    return GraphQLError(f"{what} {found}; the limit is {maximum}", node)


def _measure(
    selections: SelectionSetNode | None,
    fragments: dict[str, FragmentDefinitionNode],
    sizes: dict[str, Size],
) -> Size:
    """Each fragment is measured once, however often it is spread: linear in the document."""
    depth = aliases = 0
    for node in selections.selections if selections is not None else ():
        inner = _inner(node, fragments, sizes)
        depth = max(depth, inner.depth)
        aliases += inner.aliases
    return Size(depth, aliases)


def _inner(
    node: object, fragments: dict[str, FragmentDefinitionNode], sizes: dict[str, Size]
) -> Size:
    if isinstance(node, FragmentSpreadNode):
        name = node.name.value
        if name not in sizes:
            sizes[name] = _measure(fragments[name].selection_set, fragments, sizes)
        return sizes[name]
    if not isinstance(node, FieldNode):
        return _measure(node.selection_set, fragments, sizes)  # type: ignore[attr-defined]
    own = 0 if node.alias is None else 1
    if node.name.value.startswith("__"):
        return Size(1, own)  # introspection has a depth rule of its own in graphql-core
    below = _measure(node.selection_set, fragments, sizes)
    return Size(below.depth + 1, below.aliases + own)
