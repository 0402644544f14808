"""What clients see of an error: a code, the request's id, a time; the unexpected is masked and
logged."""

from __future__ import annotations

from collections.abc import Mapping

import structlog
from graphql import GraphQLError
from strawberry.exceptions import MissingQueryError
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError

from core.clock import utc_now
from core.database import is_outage
from core.errors import DomainError, RequestError

log = structlog.get_logger(__name__)

NOTHING_TO_RUN = (MissingQueryError, CannotGetOperationTypeError, InvalidOperationTypeError)
"""No text, no operation of the name that was asked for, or of a kind not allowed there."""

AWAY = "the database does not answer in time; try again"
MASKED = "something went wrong here; give the requestId when you report it"


def shape_error(error: GraphQLError, request_id: str) -> GraphQLError:
    """The error as it may leave the server.

    graphql-core's own errors (syntax, validation, coercion), what cannot be run, and
    `RequestError`s keep their words; anything else becomes `INTERNAL_SERVER_ERROR`, and the log
    has it with the request's id.
    """
    cause = _cause(error)
    details: Mapping[str, object]
    if isinstance(cause, RequestError):
        message, code, details = cause.message, cause.code, cause.details
    elif isinstance(cause, DomainError):
        # A rule refused where no union tells of it: an argument of a query.
        message, code, details = cause.message, "BAD_USER_INPUT", {"rule": cause.code}
    elif cause is not None and is_outage(cause):
        log.warning("database_unavailable", path=error.path, error=type(cause).__name__)
        message, code, details = AWAY, "UNAVAILABLE", {}
    elif cause is None or isinstance(cause, NOTHING_TO_RUN) or _is_clients(error):
        message, code, details = error.message, "BAD_USER_INPUT", {}
    else:
        log.error("unexpected_error", path=error.path, request_id=request_id, exc_info=cause)
        message, code, details = MASKED, "INTERNAL_SERVER_ERROR", {}
    return _with(error, message, code, details, request_id)


def _cause(error: GraphQLError) -> BaseException | None:
    """What was raised, below however many GraphQL errors wrap it."""
    cause: BaseException | None = error.original_error
    while isinstance(cause, GraphQLError):
        cause = cause.original_error
    return cause


def _is_clients(error: GraphQLError) -> bool:
    """Coercion of a variable or literal failed: it points into the document, at no result."""
    return error.path is None and bool(error.nodes)


def _with(
    error: GraphQLError,
    message: str,
    code: str,
    details: Mapping[str, object],
    request_id: str,
) -> GraphQLError:
    return GraphQLError(
        message,
        nodes=error.nodes,
        source=error.source,
        positions=error.positions,
        path=error.path,
        original_error=error.original_error,
        extensions={
            "code": code,
            "requestId": request_id,
            "timestamp": utc_now().isoformat().replace("+00:00", "Z"),
            "details": dict(details),
        },
    )
