"""How HTTP tells of an operation that was too much: 429, when to come back, and what is left."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from web.headers import Pair

CODE = "RATE_LIMITED"


def limit_headers(result: Any) -> list[Pair] | None:
    """The headers of an answer that refuses the operation as a whole, by the details of its error;
    None of any other. Times are in seconds from now."""
    if result.data is not None or not result.errors or result.errors[0].path is not None:
        return None
    extensions = result.errors[0].extensions or {}
    if extensions.get("code") != CODE:
        return None
    details = extensions["details"]
    reset_s = (datetime.fromisoformat(details["resetAt"]) - datetime.now(UTC)).total_seconds()
    told = {
        b"retry-after": details["retryAfter"],
        b"ratelimit-limit": details["limit"],
        b"ratelimit-remaining": details["remaining"],
        b"ratelimit-reset": max(0, round(reset_s)),
    }
    return [(name, b"%d" % number) for name, number in told.items()]
