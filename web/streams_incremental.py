"""Answers whose parts come later, as clients read them: in the format of GraphQL's specification to
be (`pending`, `incremental`, `completed`), or in that of 2022, where each part has its path."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import orjson
from graphql import SubsequentIncrementalExecutionResult

from execution.incremental import FirstPart

Path = Sequence[str | int]
Encode = Callable[[Any], bytes]


def encode_part(part: FirstPart | SubsequentIncrementalExecutionResult) -> bytes:
    """A part in the newer format (graphql-js 17, `incrementalSpec=v0.2`)."""
    if isinstance(part, FirstPart):
        pending = [pending.formatted for pending in part.pending]
        return orjson.dumps(_first(part) | {"pending": pending, "hasNext": True})
    return orjson.dumps(part.formatted)


class Parts2022:
    """The parts of one answer in the format that Apollo Client takes as `deferSpec=20220824`.

    Keeps what has been delivered: where a list's next items belong is nowhere else.
    """

    def __init__(self) -> None:
        self._pending: dict[str, Any] = {}
        self._tree: Any = None

    def encode(self, part: FirstPart | SubsequentIncrementalExecutionResult) -> bytes:
        """The next part."""
        if isinstance(part, FirstPart):
            # Encoded before the tree grows by what comes later.
            encoded = orjson.dumps(_first(part) | {"hasNext": True})
            self._tree = part.data
            self._expect(part.pending)
            return encoded
        self._expect(part.pending or ())
        told = [self._told(found) for found in part.incremental or ()]
        told += [self._failed(over) for over in part.completed or () if over.errors]
        answer: dict[str, Any] = {"incremental": told} if told else {}
        encoded = orjson.dumps(answer | {"hasNext": part.has_next})
        for over in part.completed or ():
            self._pending.pop(over.id, None)
        return encoded

    def _expect(self, pending: Sequence[Any]) -> None:
        self._pending.update((one.id, one) for one in pending)

    def _told(self, found: Any) -> dict[str, Any]:
        pending = self._pending[found.id]
        path = [*pending.path, *(found.sub_path or ())]
        told: dict[str, Any] = {}
        if hasattr(found, "items"):
            told["items"] = found.items
            there = _at(self._tree, path)
            path.append(len(there))
            there.extend(_copied(found.items))
        else:
            told["data"] = found.data
            _merge(_at(self._tree, path), _copied(found.data))
        return _labelled(told | {"path": path}, pending, found.errors)

    def _failed(self, over: Any) -> dict[str, Any]:
        """What will not come: a fragment's data, or the items of a list from there on."""
        pending = self._pending[over.id]
        there = _at(self._tree, pending.path)
        if isinstance(there, list):
            told = {"items": None, "path": [*pending.path, len(there)]}
        else:
            told = {"data": None, "path": [*pending.path]}
        return _labelled(told, pending, over.errors)


def _first(part: FirstPart) -> dict[str, Any]:
    answer: dict[str, Any] = {"data": part.data}
    if part.errors:
        answer["errors"] = [error.formatted for error in part.errors]
    if part.extensions:
        answer["extensions"] = part.extensions
    return answer


def _labelled(told: dict[str, Any], pending: Any, errors: Any) -> dict[str, Any]:
    if pending.label is not None:
        told["label"] = pending.label
    if errors:
        told["errors"] = [error.formatted for error in errors]
    return told


def _at(tree: Any, path: Path) -> Any:
    for key in path:
        tree = tree[key]
    return tree


def _copied(value: Any) -> Any:
    """Dicts and lists anew: what was told must not grow by what comes later."""
    if isinstance(value, dict):
        return {key: _copied(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_copied(inner) for inner in value]
    return value


def _merge(tree: dict[str, Any], data: dict[str, Any]) -> None:
    for key, value in data.items():
        there = tree.get(key)
        if isinstance(there, dict) and isinstance(value, dict):
            _merge(there, value)
        elif isinstance(there, list) and isinstance(value, list):
            for before, after in zip(there, value, strict=False):
                if isinstance(before, dict) and isinstance(after, dict):
                    _merge(before, after)
        else:
            tree[key] = value
