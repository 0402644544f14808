"""Errors that no executor has met, in the shape of GraphQL's: with a code, the request's id and a
time. What they are sent as, and with which status, is their senders' concern."""

from __future__ import annotations

from graphql import GraphQLError

from core.errors import RequestError
from execution.shaping import shape_error


def shaped(error: RequestError, request_id: str) -> GraphQLError:
    """A request's or operation's error as clients see it."""
    return shape_error(GraphQLError(error.message, original_error=error), request_id)
