"""Columns of a level: one field's values for all rows of a selection, and the rows again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Any

from graphql.pyutils import Undefined

from execution.failures import Failed
from execution.plan import FieldPlan, Kind, SelectionPlan

Values = list[Any]


def scalar_column(field: FieldPlan, sources: Values) -> Values | None:
    """Attributes read and serialised without a look at each place; None where anything at all is
    not plain about one of them: an error, a null that may not be, a value that is an exception."""
    try:
        column: Values = list(map(field.read, sources))
        if field.plain is not None and field.plain(column):
            return column
        serialise = field.shape.type.coerce_output_value
        made = [None if value is None else serialise(value) for value in column]
    except Exception:
        return None
    kinds = set(map(type, made))
    if type(Undefined) in kinds or any(issubclass(kind, Exception) for kind in kinds):
        return None
    if type(None) in kinds and not (field.shape.nullable and _same_nulls(column, made)):
        return None
    return made


def _same_nulls(column: Values, made: Values) -> bool:
    """Whether no scalar made null of something."""
    return all((a is None) == (b is None) for a, b in zip(column, made, strict=True))


def is_absent(value: Any) -> bool:
    return value is Undefined or isinstance(value, Failed)


async def settle(waiting: Sequence[Awaitable[Any]]) -> list[Any]:
    """All of them, exceptions as values; a cancellation ends the execution."""
    found = await asyncio.gather(*waiting, return_exceptions=True)
    for value in found:
        if isinstance(value, BaseException) and not isinstance(value, Exception):
            raise value
    return found


def objects(plan: SelectionPlan, columns: list[Values], count: int) -> Values:
    """Rows of the response from its columns."""
    keys = plan.keys
    if not keys:
        return [{} for _ in range(count)]
    made: Values = [dict(zip(keys, row, strict=True)) for row in zip(*columns, strict=True)]
    for field, column in zip(plan.fields, columns, strict=True):
        if field.shape.nullable or field.kind is Kind.TYPENAME:
            continue
        for i, value in enumerate(column):
            if isinstance(value, Failed) and not isinstance(made[i], Failed):
                made[i] = value
    return made


def cut(done: Values, ends: Sequence[int | Failed], nullable: bool) -> Any:
    """The lists again from their items in a row; one whose item may not be null fails with it."""
    begin = 0
    for end in ends:
        if isinstance(end, Failed):
            yield end
            continue
        part, begin = done[begin:end], end
        failed = None if nullable else next((v for v in part if isinstance(v, Failed)), None)
        yield part if failed is None else failed
