"""Total orders, the positions in them, and pages of rows between two positions (Relay)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from operator import attrgetter
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, ColumnElement, Integer, bindparam
from sqlalchemy import tuple_ as sql_tuple

from core.pagination import CursorValue, OrderKey, PageRequest, encode_cursor, encode_cursors
from core.reads import by_rows


@dataclass(frozen=True, slots=True)
class Order:
    """A total order: `columns` end with a unique one; all go the same way."""

    key: OrderKey
    columns: tuple[Any, ...]
    descending: bool = False
    names: tuple[str, ...] = field(init=False, repr=False, compare=False)
    """The columns that a row's position is made of."""
    readers: tuple[Callable[[Any], Any], ...] = field(init=False, repr=False, compare=False)
    """Each of them read from a row."""
    _read: Any = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple(column.name for column in self.columns))
        object.__setattr__(self, "readers", tuple(map(attrgetter, self.names)))
        object.__setattr__(self, "_read", attrgetter(*self.names))

    def by(self, *, forward: bool = True) -> list[Any]:
        """The ORDER BY terms, reversed to page backward."""
        down = self.descending == forward
        return [c.desc() if down else c.asc() for c in self.columns]

    def position(self, row: Any) -> tuple[CursorValue, ...]:
        """The values of a row that a cursor keeps."""
        found = self._read(row)
        return found if len(self.columns) > 1 else (found,)

    def between_holes(self, page: PageRequest) -> list[ColumnElement[bool]]:
        """The same conditions with parameters in place of the positions; `holes` fills them."""
        row = sql_tuple(*self.columns)
        conditions: list[ColumnElement[bool]] = []
        for name, beyond in (("after", not self.descending), ("before", self.descending)):
            if getattr(page, name) is not None:
                values = sql_tuple(
                    *(bindparam(f"{name}_{c.name}", type_=_bound(c.type)) for c in self.columns)
                )
                conditions.append(row > values if beyond else row < values)
        return conditions

    def holes(self, page: PageRequest) -> dict[str, CursorValue]:
        """What the parameters of `between_holes` stand for."""
        return {
            f"{name}_{column.name}": value
            for name, position in (("after", page.after), ("before", page.before))
            if position is not None
            for column, value in zip(self.columns, position, strict=True)
        }

    def between(self, page: PageRequest) -> list[ColumnElement[bool]]:
        """Conditions that keep rows strictly between the page's two positions."""
        row = sql_tuple(*self.columns)
        conditions: list[ColumnElement[bool]] = []
        for position, beyond in ((page.after, not self.descending), (page.before, self.descending)):
            if position is not None:
                values = sql_tuple(*position, types=[_bound(c.type) for c in self.columns])
                conditions.append(row > values if beyond else row < values)
        return conditions


def _bound(column_type: Any) -> Any:
    """The type of a cursor's value: any int64, also where the column holds int32. PostgreSQL
    compares the two by the same index; the driver would refuse what does not fit."""
    return BigInteger() if isinstance(column_type, Integer) else column_type


def order(name: str, *columns: Any, descending: bool = False) -> Order:
    """An ordering named `name` in its cursors, over columns of one table."""
    parts = tuple(getattr(c, "__clause_element__", lambda c=c: c)() for c in columns)
    types = tuple(part.type.python_type for part in parts)
    return Order(OrderKey(name, types), parts, descending)


def _cursors(edges: Sequence[Edge]) -> list[str]:
    """As `Edge.cursor`, of many edges of one list or of lists in one order."""
    nodes, orders = zip(*edges, strict=True)
    order = orders[0]
    if len(set(map(id, orders))) != 1:
        return [edge.cursor for edge in edges]
    return encode_cursors(order.key, [list(map(read, nodes)) for read in order.readers])


class Edge(NamedTuple):
    """A row and its place in the list."""

    node: Any
    order: Order

    @property
    @by_rows(_cursors)
    def cursor(self) -> str:
        """The opaque position of this row in this ordering."""
        return encode_cursor(self.order.key, self.order.position(self.node))


@dataclass(frozen=True, slots=True)
class Page:
    """One page: edges in list order, and whether there is more on either side.

    `count` answers the size of the whole list; it runs only when asked.
    """

    edges: list[Edge]
    has_next_page: bool
    has_previous_page: bool
    count: Callable[[], Awaitable[int]]

    @property
    def page_info(self) -> Page:
        """Itself: a page is its own information."""
        return self

    @property
    def nodes(self) -> list[Any]:
        """The rows without their cursors."""
        return [edge.node for edge in self.edges]

    @property
    def start_cursor(self) -> str | None:
        """The first edge's cursor."""
        return self.edges[0].cursor if self.edges else None

    @property
    def end_cursor(self) -> str | None:
        """The last edge's cursor."""
        return self.edges[-1].cursor if self.edges else None


def make_page(
    rows: Sequence[Any], order: Order, request: PageRequest, count: Callable[[], Awaitable[int]]
) -> Page:
    """A page of rows that were read with a limit of one more than asked."""
    more = len(rows) > request.limit
    kept = list(rows[: request.limit])
    if not request.forward:
        kept.reverse()
    return Page(
        edges=list(map(tuple.__new__, repeat(Edge), zip(kept, repeat(order)))),
        has_next_page=more if request.forward else request.before is not None,
        has_previous_page=request.after is not None if request.forward else more,
        count=count,
    )
