"""The errors Mela raises on purpose, in two trees. No GraphQL and no HTTP here.

DomainError                a rule refused; the transaction rolls back; a union's member
├── InvalidInput           a value breaks a documented limit
├── NotFound               the thing named does not exist, or is hidden from who asks
├── Forbidden              it exists, and it is not theirs to change
├── IdempotencyConflict    the key was used with other arguments
├── PlatformUnavailable    a platform does not answer, or refuses us
├── PlatformRateLimited    it may not be asked so soon again; says when
└── PlatformInvalidResponse  what it answers is not what it should be
RequestError               not the domain's business; a top-level GraphQL error with a code
├── Unauthenticated        with reason TOKEN_MISSING | TOKEN_EXPIRED | REVOKED | INVALID
├── AccessDenied           signed in, and without the scope
├── BadUserInput           malformed ids, cursors, arguments
├── RateLimited            too much or too often; says when to come back
├── CostExceeded           an operation that may cost more than one may
├── CursorExpired          older than the log's retention
├── SlowConsumer           a subscriber that does not keep up; carries the last cursor
├── TimedOut               the operation took too long and was stopped
└── Unavailable            a queue is full or the server is shutting down; the caller may retry
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Literal


class DomainError(Exception):
    """A refusal by a rule. Raising it rolls the transaction back; nothing is published.

    `code` is the value of the GraphQL `ErrorCode`; public attributes are the facts a client needs.
    """

    code: ClassVar[str] = "DOMAIN_ERROR"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class InvalidInput(DomainError):
    """A value breaks a documented limit: `field` names the input field, `reason` says how."""

    code = "INVALID_INPUT"

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class NotFound(DomainError):
    """What was named does not exist, or is hidden from who asks: the answer is the same."""

    code = "NOT_FOUND"

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} not found")
        self.what = what


class Forbidden(DomainError):
    """The thing exists and may be seen, and this viewer may not do that to it."""

    code = "FORBIDDEN"


class IdempotencyConflict(DomainError):
    """The idempotency key was already used with other arguments."""

    code = "IDEMPOTENCY_CONFLICT"

    def __init__(self) -> None:
        super().__init__("this idempotency key was used before with other arguments")


class PlatformUnavailable(DomainError):
    """A platform, by its slug, cannot be reached, does not answer in time, or refuses us."""

    code = "PLATFORM_UNAVAILABLE"

    def __init__(self, platform: str) -> None:
        super().__init__(f"{platform} does not answer")
        self.platform = platform


class PlatformRateLimited(DomainError):
    """A platform, by its slug, may not be asked again for `retry_after` whole seconds."""

    code = "PLATFORM_RATE_LIMITED"

    def __init__(self, platform: str, retry_after: int) -> None:
        super().__init__(f"{platform} may be asked again in {retry_after} seconds")
        self.platform = platform
        self.retry_after = retry_after


class PlatformInvalidResponse(DomainError):
    """What a platform, by its slug, answers cannot be read: nothing of it was kept."""

    code = "PLATFORM_INVALID_RESPONSE"

    def __init__(self, platform: str) -> None:
        super().__init__(f"{platform} answers what cannot be read")
        self.platform = platform


class RequestError(Exception):
    """A top-level error: its message and `details` reach the client, with `code`."""

    code: ClassVar[str] = "BAD_USER_INPUT"

    def __init__(self, message: str, details: Mapping[str, object] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.details: Mapping[str, object] = details or {}


UnauthenticatedReason = Literal["TOKEN_MISSING", "TOKEN_EXPIRED", "REVOKED", "INVALID"]


class Unauthenticated(RequestError):
    """No viewer, or a token that does not hold."""

    code = "UNAUTHENTICATED"

    def __init__(self, reason: UnauthenticatedReason, message: str = "sign in first") -> None:
        super().__init__(message, {"reason": reason})
        self.reason = reason


class AccessDenied(RequestError):
    """Signed in, but the declaration of the field asks for scopes the viewer lacks."""

    code = "FORBIDDEN"


class BadUserInput(RequestError):
    """Malformed ids, cursors or arguments."""

    code = "BAD_USER_INPUT"


class RateLimited(RequestError):
    """Too much or too often. `retry_after_s` is in whole seconds; at most `limit` is allowed, of
    which `remaining` is left, and from `reset_at` on all of it again."""

    code = "RATE_LIMITED"

    def __init__(
        self,
        message: str,
        *,
        retry_after_s: int,
        limit: int,
        remaining: int = 0,
        reset_at: datetime | None = None,
    ) -> None:
        reset_at = reset_at or datetime.now(UTC) + timedelta(seconds=retry_after_s)
        super().__init__(
            message,
            {
                "retryAfter": retry_after_s,
                "limit": limit,
                "remaining": remaining,
                "resetAt": reset_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            },
        )
        self.retry_after_s = retry_after_s
        self.limit, self.remaining = limit, remaining


class CostExceeded(RequestError):
    """The operation may cost more than one may; it did not begin."""

    code = "COST_EXCEEDED"

    def __init__(self, *, requested: int, maximum: int) -> None:
        super().__init__(
            f"this operation may cost {requested} points; the limit is {maximum}",
            {"limit": "cost", "found": requested, "requested": requested, "maximum": maximum},
        )


class CursorExpired(RequestError):
    """The cursor is older than what the log still holds: query afresh, then subscribe."""

    code = "CURSOR_EXPIRED"


class SlowConsumer(RequestError):
    """The subscriber's buffer was full; resume with `after: lastCursor`."""

    code = "SLOW_CONSUMER"

    def __init__(self, last_cursor: str | None) -> None:
        super().__init__(
            "the subscriber did not keep up; subscribe again after lastCursor",
            {"lastCursor": last_cursor},
        )
        self.last_cursor = last_cursor


class TimedOut(RequestError):
    """An operation took longer than `limit_s` and was stopped: a query changed nothing; of a
    mutation each field has happened whole or not at all, and it is not known which."""

    code = "TIMEOUT"

    def __init__(self, *, limit_s: float, changes: bool) -> None:
        outcome = "UNKNOWN" if changes else "NOTHING_CHANGED"
        super().__init__(
            f"this took longer than {limit_s:g} s and was stopped",
            {"timeoutMs": round(limit_s * 1000), "outcome": outcome},
        )


class Unavailable(RequestError):
    """Nothing was done: a bounded queue is full or the server is going down. Retry."""

    code = "UNAVAILABLE"
