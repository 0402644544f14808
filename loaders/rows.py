"""Rows: what loaders return and GraphQL fields read. A row is a named tuple of columns, with
properties for what follows from them; it is never an ORM instance, which would cost more to make
than its query."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

from sqlmodel import SQLModel

from core.ids import encode_id
from core.money import to_decimal


class Money(NamedTuple):
    """An exact amount of an asset."""

    minor_units: int
    asset: str

    @property
    def amount(self) -> Any:
        """The amount in whole units, a `Decimal` with the asset's full number of places."""
        return to_decimal(self.minor_units, self.asset)


class Row:
    """Base of row classes: `__columns__` are the table's columns, in the tuple's order."""

    __slots__ = ()
    __columns__: ClassVar[tuple[Any, ...]]
    __prefix__: ClassVar[str] = ""

    id: Any

    @property
    def public_id(self) -> str:
        """The id that clients see."""
        return encode_id(self.__prefix__, self.id)


def row_of(
    model: type[SQLModel], prefix: str, *, without: tuple[str, ...] = (), extra: Sequence[Any] = ()
) -> Any:
    """A base class for the rows of `model`: every column but those in `without` (secrets), then
    the labelled expressions in `extra`."""
    table = model.__table__  # type: ignore[attr-defined]
    columns = [*(c for c in table.columns if c.name not in without), *extra]
    base = namedtuple(f"{model.__name__}Columns", [c.name for c in columns])  # type: ignore[misc]
    return type(
        f"{model.__name__}RowBase",
        (Row, base),
        {"__slots__": (), "__columns__": tuple(columns), "__prefix__": prefix},
    )
