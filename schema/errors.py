"""One table from the services' exceptions to the unions' error types. Nothing else converts one
into the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import strawberry
from strawberry.types.field import StrawberryField

from core import errors as core
from core.errors import DomainError
from schema import common
from schema.common import ErrorCode

Facts = Callable[[Any], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class ErrorRow:
    """An exception, the type it becomes, and the facts that type has beyond message and code."""

    exception: type[DomainError]
    error_type: type[common.Error]
    facts: Facts = lambda _: {}


SHARED: tuple[ErrorRow, ...] = (
    ErrorRow(
        core.InvalidInput, common.InvalidInput, lambda e: {"field": e.field, "reason": e.reason}
    ),
    ErrorRow(core.NotFound, common.NotFound, lambda e: {"what": e.what}),
    ErrorRow(core.Forbidden, common.Forbidden),
    ErrorRow(core.IdempotencyConflict, common.IdempotencyConflict),
)


def error_of(row: ErrorRow, exception: DomainError) -> common.Error:
    """The GraphQL error that tells of an exception."""
    return row.error_type(
        message=exception.message,
        code=ErrorCode(exception.code),
        **row.facts(exception),
    )


def exception_handlers(rows: Iterable[ErrorRow]) -> list[Any]:
    """Strawberry's handlers for a table: one an exception and type (an interface never matches)."""
    return [_handler(row)() for row in rows]


def _handler(row: ErrorRow) -> Any:
    def handle(self: Any, exception: Any, *, field: StrawberryField, info: Any) -> Any:
        return error_of(row, exception)

    return type(
        f"{row.exception.__name__}Handler",
        (strawberry.ExceptionHandler,),
        {"exception_type": row.exception, "error_type": row.error_type, "handle": handle},
    )
