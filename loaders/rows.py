"""Rows: what loaders return and GraphQL fields read. A row is a named tuple of columns, with
properties for what follows from them; it is never an ORM instance, which would cost more to make
than its query."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Sequence
from functools import lru_cache
from inspect import getattr_static
from itertools import repeat
from operator import attrgetter
from typing import Any, ClassVar, NamedTuple, NoReturn

from sqlalchemy import (
    BigInteger,
    Boolean,
    DateTime,
    Enum,
    Integer,
    String,
    Table,
    TypeDecorator,
    Uuid,
    and_,
    case,
    func,
    literal_column,
)
from sqlmodel import AutoString, SQLModel

from core.certain import BEYOND, Certain, Kind, PublicId, made_of
from core.money import to_decimal
from core.reads import AS_TEXT, Reads, by_rows, reads_of

Columns = tuple[str, ...] | None
"""Names of columns in the row's order; None for all of them. With `AS_TEXT` behind it, a moment's
is read as text: the driver takes longer for a moment than for ten numbers."""

_BEYOND: Any = literal_column(f"'{BEYOND}'")
_FORM: Any = literal_column("""'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'""")
_WHOLE_SECONDS: Any = literal_column("'.000000Z'")
_NO_FRACTION: Any = literal_column("'Z'")
_FROM: Any = literal_column("timestamptz '0001-01-01 00:00:00+00'")
_UNTIL: Any = literal_column("timestamptz '10000-01-01 00:00:00+00'")


class Money(NamedTuple):
    """An exact amount of an asset."""

    minor_units: int
    asset: str

    @property
    def amount(self) -> Any:
        """The amount in whole units, a `Decimal` with the asset's full number of places."""
        return to_decimal(self.minor_units, self.asset)


Money.__certain__ = {  # type: ignore[attr-defined]  # mypy takes it for a field in the class
    "minor_units": Certain("int"),
    "asset": Certain("text"),
}


def moneys(minor_units: str, asset: str = "asset") -> Callable[[Sequence[Any]], list[Money]]:
    """A reader of many rows: the `Money` that these two attributes of each make; none of them may
    be null."""
    read = attrgetter(minor_units, asset)
    return made_of(
        lambda rows: list(map(tuple.__new__, repeat(Money), map(read, rows))),
        Money,
        minor_units,
        asset,
    )


def moneys_or_null(
    minor_units: str, asset: str = "asset"
) -> Callable[[Sequence[Any]], list[Money | None]]:
    """As `moneys`, and null where there is no amount."""
    read, new = attrgetter(minor_units, asset), tuple.__new__
    return made_of(
        lambda rows: [None if pair[0] is None else new(Money, pair) for pair in map(read, rows)],
        Money,
        minor_units,
        asset,
    )


class MissingColumn(LookupError):
    """A row that was read with some columns alone was asked for another. No `AttributeError`: what
    looks for one would take the column for absent and go on."""


class Row:
    """Base of row classes: `__columns__` are the table's columns, in the tuple's order."""

    __slots__ = ()
    __columns__: ClassVar[tuple[Any, ...]]
    __prefix__: ClassVar[str] = ""

    id: Any

    @property
    @by_rows(lambda rows: _public_ids(rows))
    def public_id(self) -> str:
        """The id that clients see."""
        return f"{self.__prefix__}_{self.id.hex}"  # `encode_id`, without the call


_ID = attrgetter("id")


def _public_ids(rows: Sequence[Any]) -> list[str]:
    """As `Row.public_id`, of rows of one class."""
    prefix = f"{rows[0].__prefix__}_"
    return [prefix + id.hex for id in map(_ID, rows)]


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


def columns_behind(row: Any, attributes: Reads, *always: str) -> Columns:
    """The columns that these attributes of a row are made of, and those in `always`; all of them
    where that is not known."""
    return None if attributes is None else _columns_behind(row, attributes, always)


@lru_cache(maxsize=4_000)
def _columns_behind(row: Any, attributes: frozenset[str], always: tuple[str, ...]) -> Columns:
    names: frozenset[str] | None = frozenset(always)
    for attribute in attributes:
        found = _columns_of(row, attribute)
        names = None if found is None or names is None else names | found
    if names is None or names.issuperset(row._fields):
        return None
    if any(isinstance(getattr_static(row, name), property) for name in row._fields):
        return None  # a property in a column's place: that reads the column in a way of its own
    kept = (
        name if name in names else name + AS_TEXT
        for name in row._fields
        if name in names or name + AS_TEXT in names
    )
    # Of rows that are only counted, one column: a statement of none is none.
    return tuple(kept) or row._fields[:1]


@lru_cache(maxsize=4_000)
def _columns_of(row: Any, attribute: str) -> Reads:
    """The columns that an attribute is made of, properties of properties followed."""
    name = attribute.removesuffix(AS_TEXT)
    if name in row._fields:
        column = row.__columns__[row._fields.index(name)]
        return frozenset({attribute if isinstance(column.type, DateTime) else name})
    attribute = name
    found = getattr_static(row, attribute, None)
    if not isinstance(found, property) or found.fget is None:
        return None
    reads = reads_of(found.fget, found.fget.__code__.co_varnames[0])
    if reads is None:
        return None
    behind = [_columns_of(row, each) for each in reads if not each.startswith("__")]
    return None if None in behind else frozenset().union(*behind)  # type: ignore[arg-type]


@lru_cache(maxsize=2_000)
def narrowed(row: Any, columns: Columns) -> Any:
    """The class of rows that have some columns alone: an instance of it is one of `row` as well,
    and to read another column of it raises `MissingColumn`."""
    if columns is None:
        return row
    names = tuple(name.removesuffix(AS_TEXT) for name in columns)
    made: dict[str, Any] = {
        "__slots__": (),
        "__repr__": _told,
        "_fields": names,
        "_make": classmethod(tuple.__new__),
        "_replace": _not_replaced,
        "__new__": tuple.__new__,
        "__certain__": _certain(row, columns),
    }
    if getattr_static(row, "public_id") is Row.__dict__["public_id"]:
        made["__public_ids__"] = {"public_id": PublicId("id", f"{row.__prefix__}_")}
    made |= {name: _Missing(name) for name in row._fields}
    places = namedtuple("places", names)  # type: ignore[misc]
    made |= {name: vars(places)[name] for name in names}
    return type(row.__name__, (row,), made)


def _certain(row: Any, columns: tuple[str, ...]) -> dict[str, Certain]:
    """What the table promises of these columns as the driver reads them. What is computed promises
    nothing, nor what SQLAlchemy's types make something else of."""
    found: dict[str, Certain] = {}
    for column in row.__columns__:
        if not isinstance(getattr(column, "table", None), Table):
            continue
        as_text = column.name + AS_TEXT in columns
        kind = "moment" if as_text else _kind_of(column.type)
        if kind is not None and (as_text or column.name in columns):
            found[column.name] = Certain(kind, column.nullable is not False)
    return found


def _kind_of(type_: Any) -> Kind | None:
    if isinstance(type_, Enum | TypeDecorator) and not isinstance(type_, AutoString):
        return None
    if isinstance(type_, BigInteger):
        return "int"
    kinds: tuple[tuple[Any, Kind], ...] = (
        (Uuid, "uuid"),
        (String, "text"),
        (Integer, "int32"),
        (Boolean, "bool"),
    )
    return next((kind for each, kind in kinds if isinstance(type_, each)), None)


class _Missing:
    """Stands for a column that was not read."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, row: Any, owner: Any) -> NoReturn:
        raise MissingColumn(f"this {owner.__name__} was read without {self.name}")


def _told(row: Any) -> str:
    values = ", ".join(f"{name}={value!r}" for name, value in zip(row._fields, row, strict=True))
    return f"{type(row).__name__}({values}, …)"


def _not_replaced(row: Any, /, **_: Any) -> NoReturn:
    raise MissingColumn(f"this {type(row).__name__} has some columns alone: it cannot be copied")


def selected(row: Any, columns: Columns, *, of: Any = None) -> list[Any]:
    """What a statement selects for rows of `narrowed(row, columns)`: of their own table, or `of` an
    alias of it."""
    there = row.__columns__ if of is None else [of.c[column.name] for column in row.__columns__]
    if columns is None:
        return list(there)
    return [
        column if column.name in columns else _written(column).label(column.name)
        for column in there
        if column.name in columns or column.name + AS_TEXT in columns
    ]


def _written(moment: Any) -> Any:
    """A moment's text as the API has it, in a session whose time zone is UTC: nothing is left to do
    for who passes it on."""
    text = func.replace(func.to_char(moment, _FORM), _WHOLE_SECONDS, _NO_FRACTION)
    told = and_(moment >= _FROM, moment < _UNTIL)
    return case((told, text), (moment.is_not(None), _BEYOND))
