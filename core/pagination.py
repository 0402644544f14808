"""Keyset pagination: what `first/after/last/before` mean, and opaque cursors bound to an order."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import repeat
from typing import Any
from uuid import UUID

import orjson

from core.errors import BadUserInput

CursorValue = datetime | int | str | UUID
MAX_CURSOR_LENGTH = 512
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_URL_SAFE = bytes.maketrans(b"+/", b"-_")


@dataclass(frozen=True, slots=True)
class PageRequest:
    """A checked request: `limit` rows forward or backward, strictly between two positions."""

    limit: int
    forward: bool
    after: tuple[CursorValue, ...] | None = None
    before: tuple[CursorValue, ...] | None = None


@dataclass(frozen=True, slots=True)
class OrderKey:
    """How a cursor of one ordering is made: its name and the type of each value."""

    name: str
    types: tuple[type[CursorValue], ...]


def page_request(
    order: OrderKey,
    *,
    first: int | None,
    after: str | None,
    last: int | None,
    before: str | None,
    default: int,
    maximum: int,
) -> PageRequest:
    """Check Relay's four arguments. Raises `BadUserInput` for more than `maximum` rows, for a
    negative number, for `first` with `last`, and for a cursor that is not of this ordering."""
    if first is not None and last is not None:
        raise BadUserInput("give first or last, not both")
    limit = default if first is None and last is None else (first if last is None else last)
    assert limit is not None
    if not 0 <= limit <= maximum:
        name = "last" if last is not None else "first"
        raise BadUserInput(f"{name} must be from 0 to {maximum}", {"maximum": maximum})
    return PageRequest(
        limit=limit,
        forward=last is None,
        after=None if after is None else decode_cursor(order, after),
        before=None if before is None else decode_cursor(order, before),
    )


def encode_cursor(order: OrderKey, values: Sequence[CursorValue]) -> str:
    """An opaque, URL-safe position in this ordering."""
    return _to_text(orjson.dumps([order.name, *map(_pack, values)]))


def _to_text(packed: bytes) -> str:
    # As `urlsafe_b64encode` and `rstrip`, in half the time.
    return binascii.b2a_base64(packed, newline=False).translate(_URL_SAFE, b"=").decode()


def encode_cursors(order: OrderKey, columns: Sequence[Sequence[CursorValue]]) -> list[str]:
    """As `encode_cursor`, of many positions, given as their columns."""
    packed = list(map(_numbers_or_keys, columns))
    if not packed or None in packed or "]" in order.name:
        return [encode_cursor(order, values) for values in zip(*columns, strict=True)]
    names = repeat(order.name, len(columns[0]))
    rows = orjson.dumps(list(zip(names, *filter(None, packed), strict=True)))
    # Written at once and cut apart: nothing in them has a closing bracket but they themselves.
    return [_to_text(b"[%b]" % row) for row in rows[2:-2].split(b"],[")]


def _numbers_or_keys(column: Sequence[Any]) -> list[int] | list[str] | None:
    """As `_pack`, of a column of moments, ids or numbers; None of anything else."""
    kinds = set(map(type, column))
    kind = kinds.pop() if len(kinds) == 1 else object
    if kind is int:
        return list(column)
    if kind is datetime:
        return [(moment - _EPOCH) // _MICROSECOND for moment in column]
    return [key.hex for key in column] if issubclass(kind, UUID) else None


def decode_cursor(order: OrderKey, cursor: str) -> tuple[CursorValue, ...]:
    """The values of a cursor. Raises `BadUserInput` unless it was made for this ordering."""
    try:
        name, *values = orjson.loads(_unbase64(cursor))
        if name == order.name and len(values) == len(order.types):
            return tuple(_UNPACK[t](v) for t, v in zip(order.types, values, strict=True))
    except (ValueError, TypeError, KeyError, OverflowError, binascii.Error):
        pass
    raise BadUserInput("this cursor does not belong to this list and its ordering")


def _unbase64(cursor: str) -> bytes:
    if len(cursor) > MAX_CURSOR_LENGTH:
        raise ValueError("too long")
    return base64.b64decode(
        cursor.encode() + b"=" * (-len(cursor) % 4), altchars=b"-_", validate=True
    )


def _pack(value: CursorValue) -> int | str:
    if isinstance(value, datetime):
        # Microseconds, exactly: a float of seconds would lose the last digit.
        return (value - _EPOCH) // _MICROSECOND
    return value.hex if isinstance(value, UUID) else value


def _int(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not -(2**63) <= value < 2**63:
        raise ValueError("not an int64")
    return value


def _str(value: object) -> str:
    if not isinstance(value, str) or "\0" in value:
        raise ValueError("not a string")
    return value


_UNPACK: dict[type, Callable[[object], CursorValue]] = {
    datetime: lambda value: _EPOCH + _int(value) * _MICROSECOND,
    int: _int,
    str: _str,
    UUID: lambda value: UUID(hex=_str(value)),
}
