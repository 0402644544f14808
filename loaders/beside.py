"""Rows that others refer to by a key, read beside them in the same statement: one of their own
costs more than a join, as long as these are few."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from operator import itemgetter
from typing import Any, Final, NamedTuple

from sqlalchemy import Column, Select, Table, select

from core.certain import Within
from loaders.declaring import OneBy
from loaders.rows import Columns, narrowed, selected

MAX_VALUES = 4_000
"""Rows of a statement times columns that each would have beside it: to read so many values costs
what a statement of its own does, and if all rows refer to the same one they are read in vain."""

PLACE: Final = "place_among_keys"
"""What the last column is called of rows that belong to one of several keys: its place, from 1."""

Found = Callable[[], Mapping[Any, Any]]
"""Rows by key, made when somebody asks for one."""


class Reference(NamedTuple):
    """A row's `key` leads through `loader`, which finds one row whoever asks, to `columns`. Where
    the table vouches for it (`is_certain`), what it leads to has that key and is there."""

    key: str
    loader: OneBy
    columns: tuple[str, ...]
    is_certain: bool

    @property
    def row(self) -> Any:
        """The class of the rows that it leads to."""
        return narrowed(self.loader.row, self.columns)

    @property
    def found_by(self) -> str:
        """The attribute of that row which has the key."""
        name: str = self.loader.key.name
        return name

    def called(self, n: int) -> dict[str, str]:
        """What the columns of that row are called behind the row that refers to it, as its `n`th. A
        key that the table vouches for is told once."""
        own = {self.found_by: self.key} if self.is_certain else {}
        return {name: f"beside_{n}_{name}" for name in self.row._fields} | own


@dataclass(frozen=True, slots=True)
class Beside:
    """What is to be read beside rows, and who takes it."""

    references: tuple[Reference, ...]
    offer: Callable[[Reference, Found], None]

    def within(self, rows: int) -> tuple[Reference, ...]:
        """What is read beside so many rows."""
        return tuple(r for r in self.references if rows * len(r.columns) <= MAX_VALUES)

    def tell(self, rows: Sequence[Any], references: Sequence[Reference]) -> None:
        """Offer what rows of a `Wide` have within them."""
        if rows:
            for n, reference in enumerate(references):
                self.offer(reference, partial(_found_within, rows, n))


ALONE: Final = Beside((), lambda reference, found: None)
"""Nothing is read beside rows."""


class Shown(NamedTuple):
    """What is read of rows, and beside them."""

    columns: Columns = None
    beside: Beside = ALONE

    def of(self, row: Any, count: int, *, placed: bool = False) -> Wide:
        """What is read of so many rows of a class."""
        return Wide(row, self.columns, self.beside.within(count), placed)


WHOLE: Final = Shown()


class Wide(NamedTuple):
    """What a statement selects: rows of a class with some columns, behind them the rows they refer
    to, and behind those, where they are `placed`, which key a row belongs to. Equal for those of
    one text."""

    row: Any
    columns: Columns
    references: tuple[Reference, ...]
    placed: bool

    @property
    def kind(self) -> Any:
        """The class of what is read."""
        return _widened(self)

    def select(self) -> Select[Any]:
        """The statement, without conditions and without places. What it refers to is read under
        aliases: conditions about the same table mean the table as before."""
        columns = selected(self.row, self.columns)
        if not self.references:
            return select(*columns)
        own = {column.name: column for column in self.row.__columns__}
        source: Any = own[self.references[0].key].table
        for n, each in enumerate(self.references):
            beside = each.loader.key.table.alias(f"beside_{n}")
            source = source.outerjoin(beside, beside.c[each.found_by] == own[each.key])
            called = each.called(n)
            columns += [
                column.label(called[column.name])
                for column in selected(each.loader.row, each.columns, of=beside)
                if called[column.name] != each.key
            ]
        return select(*columns).select_from(source)


def may_be_beside(loader: Any, columns: Columns) -> bool:
    """Whether its rows can be read beside others: it finds one by nothing but its key. A rule about
    viewers stays with the loader's own statement."""
    if not isinstance(loader, OneBy) or loader.where is not None or loader.visible is not None:
        return False
    return columns is not None and _are_columns(loader.row)


def _are_columns(row: Any, *names: str) -> bool:
    """Whether these attributes of rows, or all of them, are columns of a table."""
    found = (c for c in row.__columns__ if not names or c.name in names)
    return all(isinstance(c, Column) and isinstance(c.table, Table) for c in found)


@lru_cache(maxsize=4_000)
def reference_of(row: Any, key: str, loader: Any, columns: Columns) -> Reference | None:
    """The reference, where what it leads to can be read beside `row`."""
    if columns is None or not may_be_beside(loader, columns):
        return None
    if key not in row._fields or not _are_columns(row, key):
        return None
    [column] = (c for c in row.__columns__ if c.name == key)
    is_certain = any(each.column is loader.key for each in column.foreign_keys)
    return Reference(key, loader, columns, is_certain)


@lru_cache(maxsize=2_000)
def _widened(wide: Wide) -> Any:
    own = narrowed(wide.row, wide.columns)
    if not wide.references and not wide.placed:
        return own
    within = tuple(_within(each, n) for n, each in enumerate(wide.references))
    names = dict.fromkeys(own._fields)
    for each in within:
        names |= dict.fromkeys(each.columns.values())
    record = (*names, PLACE) if wide.placed else tuple(names)
    made = {"__slots__": (), "__repr__": _told, "__record__": record, "__within__": within}
    return type(wide.row.__name__, (own,), made)


def _within(reference: Reference, n: int) -> Within:
    called = reference.called(n)
    return Within(
        reference.key, reference.loader, reference.row, called, called[reference.found_by]
    )


def _told(row: Any) -> str:
    named = zip(row.__record__, row, strict=True)
    return f"{type(row).__name__}({', '.join(f'{name}={value!r}' for name, value in named)})"


def _found_within(rows: Sequence[Any], n: int) -> dict[Any, Any]:
    """The rows that these have within them as their `n`th, by their key; each once."""
    kind: Any = type(rows[0])
    within: Within = kind.__within__[n]
    places = {name: place for place, name in enumerate(kind.__record__)}
    holders = dict(zip(map(itemgetter(places[within.found]), rows), rows, strict=True))
    holders.pop(None, None)
    taken = [places[name] for name in within.columns.values()]
    return {
        key: tuple.__new__(within.kind, [row[place] for place in taken])
        for key, row in holders.items()
    }
