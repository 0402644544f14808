"""The headers of a request as one mapping, read once. What they mean is elsewhere."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.types import Scope

Headers = Mapping[bytes, bytes]


def headers_of(scope: Scope) -> dict[bytes, bytes]:
    """All headers by their name in small letters; one that is there twice is joined by a comma, as
    HTTP has it, so that nobody reads the first where somebody else reads the last."""
    pairs = scope["headers"]
    found: dict[bytes, bytes] = dict(pairs)
    if len(found) == len(pairs):
        return found
    found = {}
    for name, value in pairs:
        found[name] = found[name] + b", " + value if name in found else value
    return found
