"""When two answers are the same: data to the byte and the order of its fields; errors by message,
path and locations, their order left free as the specification leaves it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

Place = tuple[Any, ...]


def encoded(data: Any) -> bytes:
    """Data as a client gets it."""
    return orjson.dumps(data, default=repr)


def told(result: Any) -> list[tuple[str, ...]]:
    """Errors as clients see them, in an order of no importance."""
    return sorted(
        (repr(e.path), e.message, repr(e.locations), str((e.extensions or {}).get("code")))
        for e in result.errors or []
    )


def same(found: Any, expected: Any) -> bool:
    """The same data and the same errors."""
    return encoded(found.data) == encoded(expected.data) and told(found) == told(expected)


def alike(found: Any, expected: Any) -> bool:
    """The same data, and the same errors. Of several that would make one place null, which are met
    before the first of them stops the rest depends on time under graphql-core: there one is enough.
    """
    if encoded(found.data) != encoded(expected.data):
        return False
    data = orjson.loads(encoded(found.data))
    ours, theirs = _by_path(found), _by_path(expected)
    for path, *_ in ours ^ theirs:
        place = null_around(data, path)
        if place is None:
            return False
        if not all(any(p[: len(place)] == place for p, *_ in some) for some in (ours, theirs)):
            return False
    return True


def _by_path(result: Any) -> set[tuple[Any, ...]]:
    return {
        (tuple(e.path or ()), e.message, repr(e.locations), str((e.extensions or {}).get("code")))
        for e in result.errors or []
    }


def null_around(data: Any, path: Sequence[Any]) -> Place | None:
    """The path to the null that stands in place of what is above `path`; None where there is none,
    or where it is at `path` itself."""
    for n, key in enumerate(path):
        if data is None:
            return tuple(path[:n])
        data = data[key]
    return None
