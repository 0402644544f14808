"""Rows that others refer to by a key, read beside them in the same statement: a statement of their
own costs more than a join, as long as there are not so many that it would read each several
times."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import repeat
from operator import itemgetter
from typing import Any, NamedTuple

from sqlalchemy import Column, Select, Table

from loaders.declaring import OneBy
from loaders.rows import Columns, narrowed, selected

MAX_ROWS = 250
"""Of a statement that reads others beside them. Among more there are many that refer to the same
row: a statement of its own reads that once."""
MAX_COLUMNS = 8
"""Of a row that is read beside others, for the same reason."""


class Reference(NamedTuple):
    """A row's `key` leads through `loader`, which finds one row whoever asks, to `columns`."""

    key: str
    loader: OneBy
    columns: tuple[str, ...]

    @property
    def row(self) -> Any:
        """The class of the rows that it leads to."""
        return narrowed(self.loader.row, self.columns)


@dataclass(frozen=True, slots=True)
class Beside:
    """What is to be read beside rows, and who takes it: `offer(reference, rows)`."""

    references: tuple[Reference, ...]
    offer: Callable[[Reference, Sequence[Any]], None]

    def within(self, rows: int) -> tuple[Reference, ...]:
        """What is read beside so many rows."""
        return self.references if rows <= MAX_ROWS else ()


def nothing_beside() -> Beside:
    """Of rows that are read alone."""
    return _NOTHING


_NOTHING = Beside((), lambda reference, rows: None)


def may_be_beside(loader: Any, columns: Columns) -> bool:
    """Whether its rows can be read beside others: it finds one by nothing but its key. A rule about
    viewers stays with the loader's own statement."""
    if not isinstance(loader, OneBy) or loader.where is not None or loader.visible is not None:
        return False
    return columns is not None and len(columns) <= MAX_COLUMNS and _are_columns(loader.row)


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
    return Reference(key, loader, columns)


def with_references(
    statement: Select[Any], row: Any, references: Sequence[Reference]
) -> Select[Any]:
    """A statement of rows of one table that also selects, behind their columns, those of the rows
    they refer to. Each is an alias: conditions about the same table mean the table as before."""
    if not references:
        return statement
    own = {column.name: column for column in row.__columns__}
    source: Any = own[references[0].key].table
    columns: list[Any] = []
    for n, each in enumerate(references):
        beside = each.loader.key.table.alias(f"beside_{n}")
        key = beside.c[each.loader.key.name]
        source = source.outerjoin(beside, key == own[each.key])
        found = selected(each.loader.row, each.columns, of=beside)
        columns += [column.label(f"beside_{n}_{column.name}") for column in found]
    return statement.add_columns(*columns).select_from(source)


def told_apart(
    records: Sequence[Any], row: Any, references: Sequence[Reference], beside: Beside, start: int
) -> list[Any]:
    """The rows of records, whose columns begin at `start`; what is beside them is offered."""
    new, end = tuple.__new__, start + len(row._fields)
    rows = list(map(new, repeat(row), map(itemgetter(slice(start, end)), records)))
    for each in references:
        made = each.row
        start, end = end, end + len(made._fields)
        key, parts = start + made._fields.index(each.loader.key.name), slice(start, end)
        beside.offer(each, [new(made, r[parts]) for r in records if r[key] is not None])
    return rows
