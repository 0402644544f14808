"""What classes of rows promise of their attributes, for who makes code that need not look at each
value: which columns the database fills, and which properties are made of them alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import getattr_static
from typing import Any, Literal, NamedTuple, TypeVar

from core.reads import whole_of

BEYOND = "beyond"
"""In place of the text of a moment that no `datetime` can be."""

Kind = Literal["text", "int32", "int", "bool", "moment", "uuid"]
"""`moment` is text as the API has it, or `BEYOND`."""

Function = TypeVar("Function", bound=Callable[..., Any])


class Certain(NamedTuple):
    """Of an attribute's values: what they are, and whether any may be None."""

    kind: Kind
    nullable: bool = False


class Made(NamedTuple):
    """A property's value: a row of `kind` made of these columns in its order, and nothing else;
    None where the first of them is."""

    kind: type
    columns: tuple[str, ...]


def made_of(function: Function, kind: type, *columns: str) -> Function:
    """Say so of a reader of many rows (`core.reads.by_rows`)."""
    function.made = Made(kind, columns)  # type: ignore[attr-defined]
    return function


class PublicId(NamedTuple):
    """A property's value: this text, then a UUID's column as hex."""

    column: str
    before: str


def public_id_of(row: Any, attribute: str) -> PublicId | None:
    """The id that rows of this class show as that attribute, where it is made so."""
    found: dict[str, PublicId] = getattr(row, "__public_ids__", {})
    return found.get(attribute)


class Within(NamedTuple):
    """A row of `kind` that tuples of a class have within them, for who follows their `key` through
    the loader: its columns, by what they are called there. It is there where the one called `found`
    is not null."""

    key: str
    loader: Any
    kind: type
    columns: Mapping[str, str]
    found: str


def within(row: type, key: str, loader: Any) -> Within | None:
    """What rows of this class have within them for who follows that key through that loader."""
    found: tuple[Within, ...] = getattr(row, "__within__", ())
    return next((each for each in found if each.key == key and each.loader is loader), None)


def record_of(row: Any) -> tuple[str, ...]:
    """What the places are called of tuples of this class: its fields, and what is behind them."""
    found: tuple[str, ...] = getattr(row, "__record__", row._fields)
    return found


def certain_of(row: type) -> dict[str, Certain]:
    """By attribute, what is certain of tuples of this class; nothing of most classes."""
    found: dict[str, Certain] = getattr(row, "__certain__", {}) if issubclass(row, tuple) else {}
    return found


def made_by(row: type, attribute: str) -> Made | None:
    """What a property of rows of this class makes, if somebody said so."""
    found = getattr_static(row, attribute, None)
    whole = whole_of(found.fget) if isinstance(found, property) else None
    made: Made | None = getattr(whole, "made", None)
    return made
