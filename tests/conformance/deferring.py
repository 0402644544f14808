"""Operations with @defer and @stream put into them by a seed, and answers put together again from
their parts as a client does it: by each of the two formats, and by none of the server's code."""

from __future__ import annotations

import random
from copy import deepcopy
from dataclasses import replace
from typing import Any

from graphql import (
    ArgumentNode,
    BooleanValueNode,
    DirectiveNode,
    FieldNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    IntValueNode,
    NameNode,
    OperationDefinitionNode,
    SelectionSetNode,
    StringValueNode,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    get_nullable_type,
    is_list_type,
    parse,
    print_ast,
    visit,
)

MOST = 20


def deferred(schema: Any, text: str, seed: int) -> str:
    """The operation with up to `MOST` uses of @defer and @stream."""
    info = TypeInfo(schema)
    sower = _Sower(info, random.Random(seed))
    return print_ast(visit(parse(text), TypeInfoVisitor(info, sower)))


class _Sower(Visitor):
    """Defers fragments, and parts of selections as fragments of their own; streams lists. The root
    of a mutation and of a subscription may have none, so it is for queries."""

    def __init__(self, info: TypeInfo, dice: random.Random) -> None:
        super().__init__()
        self.info, self.dice = info, dice
        self.used = 0
        self.in_fragment = 0

    def _may(self, chance: float) -> bool:
        # A fragment may be spread more than once: what it has counts each time.
        self.used += (found := self.used < MOST // 3 and self.dice.random() < chance)
        return found

    def leave_selection_set(self, node: SelectionSetNode, *_: Any) -> Any:
        plain = [n for n in node.selections if isinstance(n, FieldNode)]
        rest = [n for n in node.selections if not isinstance(n, FieldNode)]
        if len(plain) < 2 or not self._may(0.6):
            return None
        cut = self.dice.randint(1, len(plain) - 1)
        later = InlineFragmentNode(
            type_condition=None,
            directives=(self._directive("defer"),),
            selection_set=SelectionSetNode(selections=tuple(plain[cut:])),
        )
        return SelectionSetNode(selections=(*plain[:cut], *rest, later))

    def leave_fragment_spread(self, node: FragmentSpreadNode, *_: Any) -> Any:
        return self._on_fragment(node)

    def leave_inline_fragment(self, node: InlineFragmentNode, *_: Any) -> Any:
        return self._on_fragment(node)

    def _on_fragment(self, node: Any) -> Any:
        if not self._may(0.4):
            return None
        return replaced(node, directives=(*(node.directives or ()), self._directive("defer")))

    def leave_field(self, node: FieldNode, *_: Any) -> Any:
        type_ = get_nullable_type(self.info.get_type())
        if not is_list_type(type_) or not self._may(0.5):
            return None
        count = IntValueNode(value=str(self.dice.randint(0, 2)))
        own = ArgumentNode(name=NameNode(value="initialCount"), value=count)
        return replaced(node, directives=(*(node.directives or ()), self._directive("stream", own)))

    def _directive(self, name: str, *arguments: ArgumentNode) -> DirectiveNode:
        given = list(arguments)
        if self.dice.random() < 0.5:
            label = StringValueNode(value=f"label {self.used}")
            given.append(ArgumentNode(name=NameNode(value="label"), value=label))
        if self.dice.random() < 0.1:
            off = BooleanValueNode(value=False)
            given.append(ArgumentNode(name=NameNode(value="if"), value=off))
        return DirectiveNode(name=NameNode(value=name), arguments=tuple(given))


def replaced(node: Any, **changes: Any) -> Any:
    """A node with other parts."""
    return replace(node, **changes)


def is_query(text: str) -> bool:
    """Whether the only operation is a query."""
    [node] = [n for n in parse(text).definitions if isinstance(n, OperationDefinitionNode)]
    return node.operation.value == "query"


def merged(parts: list[Any]) -> tuple[Any, list[Any]]:
    """Data and errors of the newer format's parts."""
    first, *rest = deepcopy(parts)
    data, errors = first.get("data"), list(first.get("errors", ()))
    pending = {one["id"]: one for one in first.get("pending", ())}
    assert first.get("hasNext", False) == bool(rest)
    for n, part in enumerate(rest, 1):
        assert part["hasNext"] == (n < len(rest))
        for one in part.get("pending", ()):
            assert one["id"] not in pending
            pending[one["id"]] = one
        for told in part.get("incremental", ()):
            path = [*pending[told["id"]]["path"], *told.get("subPath", ())]
            there = at(data, path)
            if "items" in told:
                there.extend(told["items"])
            else:
                put(there, told["data"])
            errors += told.get("errors", ())
        for one in part.get("completed", ()):
            del pending[one["id"]]
            errors += one.get("errors", ())
    assert not pending
    return data, errors


def merged_2022(parts: list[Any]) -> tuple[Any, list[Any]]:
    """Data and errors of parts as Apollo Client and graphql-js 17.0.0-alpha.2 have them."""
    first, *rest = deepcopy(parts)
    data, errors = first.get("data"), list(first.get("errors", ()))
    assert first.get("hasNext", False) == bool(rest)
    for n, part in enumerate(rest, 1):
        assert part["hasNext"] == (n < len(rest))
        assert set(part) <= {"hasNext", "incremental", "extensions"}
        for told in part.get("incremental", ()):
            errors += told.get("errors", ())
            if told.get("items") is not None:
                *path, index = told["path"]
                there = at(data, path)
                assert index == len(there)
                there.extend(told["items"])
            elif told.get("data") is not None:
                put(at(data, told["path"]), told["data"])
            else:
                assert told["errors"]
    return data, errors


def at(tree: Any, path: Any) -> Any:
    """What stands at a path."""
    for key in path:
        tree = tree[key]
    return tree


def put(there: Any, data: Any) -> None:
    """Data among what is there already."""
    for key, value in data.items():
        if isinstance(value, dict) and isinstance(there.get(key), dict):
            put(there[key], value)
        elif isinstance(value, list) and isinstance(there.get(key), list):
            for mine, new in zip(there[key], value, strict=True):
                if isinstance(mine, dict) and isinstance(new, dict):
                    put(mine, new)
        else:
            there[key] = value
