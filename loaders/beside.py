"""Rows that others refer to by a key, read beside them in the same statement: one of their own
costs more than a join, as long as these are few."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import repeat
from operator import itemgetter
from typing import Any, NamedTuple

from sqlalchemy import Column, Select, Table

from loaders.declaring import OneBy
from loaders.rows import Columns, narrowed, selected

MAX_VALUES = 4_000
"""Rows of a statement times columns that each would have beside it: to read so many values costs
what a statement of its own does, and if all rows refer to the same one they are read in vain."""


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


@dataclass(frozen=True, slots=True)
class Beside:
    """What is to be read beside rows, and who takes it: `offer(reference, rows)`, by key."""

    references: tuple[Reference, ...]
    offer: Callable[[Reference, Mapping[Any, Any]], None]

    def within(self, rows: int) -> tuple[Reference, ...]:
        """What is read beside so many rows."""
        return tuple(r for r in self.references if rows * len(r.columns) <= MAX_VALUES)


def nothing_beside() -> Beside:
    """Of rows that are read alone."""
    return _NOTHING


_NOTHING = Beside((), lambda reference, rows: None)


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
        source = source.outerjoin(beside, beside.c[each.found_by] == own[each.key])
        columns += [
            column.label(f"beside_{n}_{column.name}")
            for column in selected(each.loader.row, each.columns, of=beside)
            if not (each.is_certain and column.name == each.found_by)
        ]
    return statement.add_columns(*columns).select_from(source)


def told_apart(
    records: Sequence[Any], row: Any, references: Sequence[Reference], beside: Beside, start: int
) -> list[Any]:
    """The rows of records, whose columns begin at `start`; what is beside them is offered."""
    if not references:
        part = itemgetter(slice(start, start + len(row._fields)))
        return list(map(tuple.__new__, repeat(row), map(part, records)))
    found: list[dict[Any, Any]] = [{} for _ in references]
    rows: list[Any] = []
    _teller(row, tuple(references), start)(records, rows.append, *found)
    for reference, theirs in zip(references, found, strict=True):
        theirs.pop(None, None)
        beside.offer(reference, theirs)
    return rows


@lru_cache(maxsize=2_000)
def _teller(row: Any, references: tuple[Reference, ...], start: int) -> Callable[..., None]:
    """Generated: hands on the row of each record, and keeps those beside it by their keys. To take
    a record apart into names costs half of what slices of it do. There is nothing of a client in
    the text: its names are numbered."""
    number, given = start, {"new": tuple.__new__, "Row": row}
    lines, keep = [], []
    for n, each in enumerate((None, *references)):
        made = row if each is None else each.row
        names = {}
        for name in made._fields:
            if each is not None and each.is_certain and name == each.found_by:
                names[name] = f"c{start + row._fields.index(each.key)}"
            else:
                names[name], number = f"c{number}", number + 1
        values = f"({', '.join(names.values())},)"
        if each is None:
            lines.append(f"tell(new(Row, {values}))")
            continue
        key = names[each.found_by]
        given[f"Row{n}"] = made
        keep.append(f"kept{n}")
        lines.append(f"if {key} not in kept{n}: kept{n}[{key}] = new(Row{n}, {values})")
    record = f"({', '.join(f'c{i}' for i in range(number))},)"
    body = "".join(f"\n        {line}" for line in lines)
    text = f"def told({', '.join(['records', 'tell', *keep])}):\n    for {record} in records:{body}"
    exec(text, given)
    told: Callable[..., None] = given["told"]
    return told
