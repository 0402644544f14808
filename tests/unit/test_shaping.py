"""What clients are told of errors, and what only the log is."""

from datetime import UTC, datetime, timedelta

import pytest
from graphql import GraphQLError, parse
from structlog.testing import capture_logs

from core import errors
from execution.shaping import MASKED, shape_error

SECRET = "relation user_account has column password_hash"
LATER = datetime(2026, 1, 31, 12, tzinfo=UTC)
NODE = parse("{ a }").definitions[0]


def wrapped(cause: Exception, *, path: list[str] | None = None) -> GraphQLError:
    return GraphQLError(str(cause), [NODE], path=path or ["a"], original_error=cause)


@pytest.mark.parametrize(
    ("cause", "code", "details"),
    [
        (errors.BadUserInput("no id", {"maximum": 3}), "BAD_USER_INPUT", {"maximum": 3}),
        (errors.Unauthenticated("REVOKED"), "UNAUTHENTICATED", {"reason": "REVOKED"}),
        (errors.AccessDenied("this needs a scope"), "FORBIDDEN", {}),
        (
            errors.RateLimited("wait", retry_after_s=9, limit=10, reset_at=LATER),
            "RATE_LIMITED",
            {"retryAfter": 9, "limit": 10, "remaining": 0, "resetAt": "2026-01-31T12:00:00.000Z"},
        ),
        (
            errors.CostExceeded(requested=3, maximum=2),
            "COST_EXCEEDED",
            {"limit": "cost", "found": 3, "requested": 3, "maximum": 2},
        ),
        (errors.CursorExpired("gone"), "CURSOR_EXPIRED", {}),
        (errors.SlowConsumer("c7"), "SLOW_CONSUMER", {"lastCursor": "c7"}),
        (errors.Unavailable("later"), "UNAVAILABLE", {}),
        (errors.InvalidInput("price", "too low"), "BAD_USER_INPUT", {"rule": "INVALID_INPUT"}),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_errors_on_purpose_keep_their_words(
    cause: errors.RequestError | errors.DomainError, code: str, details: dict[str, object]
) -> None:
    with capture_logs() as logs:
        shaped = shape_error(wrapped(cause), "request-1")
    assert logs == []
    assert shaped.message == cause.message
    assert shaped.path == ["a"]
    assert shaped.extensions["code"] == code
    assert shaped.extensions["details"] == details
    assert shaped.extensions["requestId"] == "request-1"
    at = datetime.fromisoformat(shaped.extensions["timestamp"])
    assert abs(datetime.now(UTC) - at) < timedelta(minutes=1)
    assert shaped.extensions.keys() == {"code", "requestId", "timestamp", "details"}


def test_the_unexpected_is_masked_and_logged_under_the_requests_id() -> None:
    cause = RuntimeError(SECRET)
    with capture_logs() as logs:
        shaped = shape_error(wrapped(cause), "request-2")
    assert SECRET not in str(shaped.formatted)
    assert shaped.message == MASKED
    assert shaped.extensions["code"] == "INTERNAL_SERVER_ERROR"
    assert shaped.extensions["details"] == {}
    [line] = logs
    assert line["event"] == "unexpected_error"
    assert line["log_level"] == "error"
    assert line["request_id"] == "request-2"
    assert line["exc_info"] is cause
    assert line["path"] == ["a"]


def test_causes_are_found_below_other_graphql_errors() -> None:
    cause = errors.Unauthenticated("TOKEN_MISSING")
    outer = GraphQLError("outer", [NODE], path=["a"], original_error=wrapped(cause))
    assert shape_error(outer, "r").extensions["code"] == "UNAUTHENTICATED"


def test_an_unexpected_cause_is_masked_below_other_graphql_errors() -> None:
    outer = GraphQLError(SECRET, [NODE], path=["a"], original_error=wrapped(KeyError(SECRET)))
    with capture_logs():
        assert SECRET not in str(shape_error(outer, "r").formatted)


def test_graphqls_own_errors_keep_their_words() -> None:
    shaped = shape_error(GraphQLError("Cannot query field 'x'", [NODE]), "r")
    assert shaped.message == "Cannot query field 'x'"
    assert shaped.extensions["code"] == "BAD_USER_INPUT"


def test_coercion_of_a_variable_is_the_clients_error() -> None:
    error = GraphQLError("Decimal must be", [NODE], original_error=ValueError("Decimal must be"))
    assert shape_error(error, "r").message == "Decimal must be"


def test_a_timeout_or_a_cancellation_is_not_told_in_its_words() -> None:
    with capture_logs() as logs:
        shaped = shape_error(wrapped(TimeoutError("canceling statement " + SECRET)), "r")
    assert SECRET not in str(shaped.formatted)
    assert len(logs) == 1
