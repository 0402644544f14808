"""@defer and @stream: whether documents use them, what they are without, how often they may; and
answers of which parts come later, which graphql-core makes."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final

from graphql import (
    REMOVE,
    DirectiveNode,
    DocumentNode,
    ExperimentalIncrementalExecutionResults,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    OperationDefinitionNode,
    SelectionSetNode,
    SubsequentIncrementalExecutionResult,
    Visitor,
    visit,
)

from execution.deadlines import within
from execution.limits import TooLarge
from execution.shaping import shape_error

DIRECTIVES: Final = frozenset({"defer", "stream"})


class _Find(Visitor):
    found = False

    def enter_directive(self, node: DirectiveNode, *_: Any) -> Any:
        if node.name.value in DIRECTIVES:
            self.found = True
            return self.BREAK
        return None


class _Strip(Visitor):
    def enter_directive(self, node: DirectiveNode, *_: Any) -> Any:
        return REMOVE if node.name.value in DIRECTIVES else None


def is_incremental(document: DocumentNode) -> bool:
    """Whether a document has @defer or @stream anywhere."""
    text = "" if document.loc is None else document.loc.source.body
    if "defer" not in text and "stream" not in text:
        return False
    look = _Find()
    visit(document, look)
    return look.found


def delivered_whole(document: DocumentNode) -> DocumentNode:
    """The same document without them: it gives the same answer, at once."""
    return visit(document, _Strip())  # type: ignore[no-any-return]


@dataclass(slots=True)
class _Counting:
    fragments: dict[str, FragmentDefinitionNode]
    known: dict[str, int]

    def below(self, selections: SelectionSetNode | None) -> int:
        return sum(map(self.at, selections.selections if selections is not None else ()))

    def at(self, node: Any) -> int:
        own = sum(d.name.value in DIRECTIVES for d in node.directives or ())
        if isinstance(node, FragmentSpreadNode):
            return own + self._spread(node.name.value)
        if isinstance(node, FieldNode) and node.selection_set is None:
            return own
        return own + self.below(node.selection_set)

    def _spread(self, name: str) -> int:
        if name not in self.known:
            self.known[name] = 0  # of one that goes round, and of one that is not there
            if (node := self.fragments.get(name)) is not None:
                self.known[name] = self.below(node.selection_set)
        return self.known[name]


def too_many_deliveries(document: DocumentNode, maximum: int) -> list[GraphQLError]:
    """Errors for operations with more @defer and @stream than `maximum`, fragments unfolded."""
    if not is_incremental(document):
        return []
    parts = [n for n in document.definitions if isinstance(n, FragmentDefinitionNode)]
    counting = _Counting({node.name.value: node for node in parts}, {})
    errors = []
    for node in document.definitions:
        if not isinstance(node, OperationDefinitionNode):
            continue
        found = counting.below(node.selection_set)
        if found > maximum:
            error = TooLarge(f"@defer and @stream are {found}", "deferred", found, maximum)
            errors.append(GraphQLError(error.message, node, original_error=error))
    return errors


@dataclass(slots=True)
class FirstPart:
    """The first part of an answer, as a result is; `pending` names what comes in `rest`, which is
    to be closed."""

    data: dict[str, Any] | None
    errors: list[GraphQLError] | None
    pending: list[Any]
    rest: AsyncGenerator[SubsequentIncrementalExecutionResult, None]
    extensions: dict[str, Any] | None = None


def first_part(
    found: ExperimentalIncrementalExecutionResults, request_id: str, limit_s: float | None
) -> FirstPart:
    """graphql-core's answer; errors of what comes later are shaped as it comes. The rest raises
    `TimedOut` where a part is waited for longer than `limit_s`."""
    first = found.initial_result
    rest = _shaped(found.subsequent_results, request_id, limit_s)
    return FirstPart(first.data, first.errors, first.pending, rest)


async def _shaped(
    parts: AsyncGenerator[SubsequentIncrementalExecutionResult, None],
    request_id: str,
    limit_s: float | None,
) -> AsyncGenerator[SubsequentIncrementalExecutionResult, None]:
    async with aclosing(parts):
        while (part := await within(limit_s, anext(parts, None), changes=False)) is not None:
            for told in (*(part.incremental or ()), *(part.completed or ())):
                if told.errors:
                    told.errors = [shape_error(error, request_id) for error in told.errors]
            yield part
