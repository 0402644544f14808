"""Scalars serialised a column at a time, where that is cheaper than value by value: who defines a
scalar says so beside its serialiser. Both must give the same, always."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Whole = Callable[[list[Any]], list[Any] | None]
"""The column serialised, nulls kept; None where a value is not of the usual kind, and each is to be
serialised by itself."""

_WHOLE: dict[Any, Whole] = {}
_TAKES_TEXT: set[Any] = set()


def by_column(serialise: Callable[..., Any], whole: Whole, *, takes_text: bool = False) -> None:
    """Say how a whole column of what `serialise` takes is serialised. `takes_text` where it takes
    the database's text of a value as well."""
    _WHOLE[serialise] = whole
    if takes_text:
        _TAKES_TEXT.add(serialise)


def takes_text(type_: Any) -> bool:
    """Whether the database's text of a value will do for this scalar."""
    return getattr(type_, "coerce_output_value", None) in _TAKES_TEXT


def serialised(type_: Any, column: list[Any]) -> list[Any] | None:
    """The column as its scalar's `by_column` makes it, if it has one and it can."""
    whole = _WHOLE.get(type_.coerce_output_value)
    return None if whole is None else whole(column)
