"""Errors that no executor has met, in the shape of GraphQL's: with a code, the request's id and a
time. What they are sent as, and with which status, is their senders' concern."""

from __future__ import annotations

from collections.abc import Mapping

from graphql import GraphQLError

from core.clock import utc_now
from core.errors import RequestError
from core.logging import current_request_id
from execution.shaping import shape_error


def shaped(error: RequestError, request_id: str) -> GraphQLError:
    """A request's or operation's error as clients see it."""
    return shape_error(GraphQLError(error.message, original_error=error), request_id)


def error_body(
    message: str, code: str, details: Mapping[str, object] | None = None
) -> dict[str, object]:
    """A whole answer to the request that this code runs for: one error, whose words are its own."""
    extensions = {
        "code": code,
        "requestId": current_request_id(),
        "timestamp": utc_now().isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "details": details or {},
    }
    return {"errors": [{"message": message, "extensions": extensions}]}
