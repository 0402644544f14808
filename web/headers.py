"""The headers of a request as one mapping, read once. What they mean is elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from starlette.types import Scope

Headers = Mapping[bytes, bytes]
Pair = tuple[bytes, bytes]
"""A header as ASGI has it: its name in small letters, and its value."""
READ: Final = "mela.headers"
"""Where a scope has its headers once they were read: each layer looks at some."""


def headers_of(scope: Scope) -> Headers:
    """All headers by their name in small letters; one that is there twice is joined by a comma, as
    HTTP has it, so that nobody reads the first where somebody else reads the last."""
    found: dict[bytes, bytes] | None = scope.get(READ)
    if found is not None:
        return found
    pairs = scope["headers"]
    found = dict(pairs)
    if len(found) != len(pairs):
        found = {}
        for name, value in pairs:
            found[name] = found[name] + b", " + value if name in found else value
    scope[READ] = found
    return found
