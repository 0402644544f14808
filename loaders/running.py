"""Runs loaders: the statement of each, made once for each form that it takes, and its rows put in
the order of the keys. Who may see is a condition of the statement, never a filter afterwards."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from operator import attrgetter, itemgetter
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Select, Uuid, and_, bindparam, func, select, true

from core.database import Database
from core.pagination import PageRequest
from loaders.beside import Beside, nothing_beside, told_apart, with_references
from loaders.compiled import VIEWER, Statements, Values, compiled, compiled_for_viewers
from loaders.declaring import Computed, CountBy, Loader, ManyBy, OneBy, PageBy
from loaders.pages import Order, Page, make_page
from loaders.rows import Columns, narrowed, selected

_FIRST = itemgetter(0)
STATEMENTS = Statements()
"""Of this process, whatever the database: they are texts."""

Count = Callable[[CountBy, Any], Awaitable[int]]
"""Counts a key's rows by a counter, in a batch of its own."""


async def run(
    db: Database,
    loader: Loader,
    viewer_id: UUID | None,
    keys: Sequence[Any],
    columns: Columns,
    beside: Beside,
    count: Count,
) -> Sequence[Any]:
    """Answer `keys`, in order, in one statement (`PageBy`: one a distinct page). Rows have
    `columns` and those they are found by, and others are read `beside` them; answers that are no
    rows do not mind either."""
    match loader:
        case OneBy():
            return await _one(db, loader, viewer_id, keys, columns, beside)
        case CountBy():
            return await _count(db, loader, viewer_id, keys)
        case ManyBy():
            return await _many(db, loader, viewer_id, keys, columns, beside)
        case PageBy():
            return await _pages(db, loader, viewer_id, keys, columns, beside, count)
        case Computed():
            return await loader.load(db, viewer_id, keys)


def _keys(kind: Any = Uuid) -> Any:
    return bindparam("keys", type_=ARRAY(kind))


def _conditions(loader: Any, viewer_id: UUID | None) -> list[ColumnElement[bool]]:
    found = [] if loader.where is None else [loader.where]
    if loader.visible is not None:
        found.append(loader.visible(viewer_id))
    return found


async def _rows(
    db: Database,
    loader: Any,
    viewer_id: UUID | None,
    form: tuple[Any, ...],
    row: Any,
    make: Callable[[UUID | None], Select[Any]],
    values: Values,
) -> list[Any]:
    """The rows of a loader's statement in one of its forms; as tuples where `row` is one."""
    # Without a rule about viewers all of them are nobody to the text.
    viewer_id = None if loader.visible is None else viewer_id
    statement = STATEMENTS.get(
        (loader, viewer_id is None, *form), lambda: compiled_for_viewers(make, row, viewer_id)
    )
    if statement is not None:
        return await statement.run(db, {**values, VIEWER: viewer_id})
    async with db.read() as session:
        found = await session.execute(make(viewer_id), dict(values))
        return [tuple.__new__(row, each) for each in found]


async def _one(
    db: Database,
    loader: OneBy,
    viewer_id: UUID | None,
    keys: Sequence[Any],
    columns: Columns,
    beside: Beside,
) -> list[Any]:
    references = beside.within(len(keys))

    def make(viewer_id: UUID | None) -> Select[Any]:
        # = ANY(array) and not IN (list): one text, whatever the number of keys.
        rows = select(*selected(loader.row, columns)).where(
            loader.key == func.any(_keys(loader.key.type)), *_conditions(loader, viewer_id)
        )
        return with_references(rows, loader.row, references)

    row, name = narrowed(loader.row, columns), loader.key.name
    form, made = (columns, references), tuple if references else row
    rows = await _rows(db, loader, viewer_id, form, made, make, {"keys": keys})
    if references:
        rows = told_apart(rows, row, references, beside, 0)
    found = dict(zip(map(attrgetter(name), rows), rows, strict=True))
    return list(map(found.get, keys))


async def _count(
    db: Database, loader: CountBy, viewer_id: UUID | None, keys: Sequence[Any]
) -> list[Any]:
    def make(viewer_id: UUID | None) -> Select[Any]:
        return (
            select(loader.key, func.count())
            .where(loader.key == func.any(_keys()), *_conditions(loader, viewer_id))
            .group_by(loader.key)
        )

    rows = await _rows(db, loader, viewer_id, (), tuple, make, {"keys": keys})
    counts: dict[Any, int] = dict(rows)
    return [counts.get(key, 0) for key in keys]


async def _many(
    db: Database,
    loader: ManyBy,
    viewer_id: UUID | None,
    keys: Sequence[tuple[UUID, int]],
    columns: Columns,
    beside: Beside,
) -> list[Any]:
    limit = min(max(n for _, n in keys), loader.limit)
    parents = list(dict.fromkeys(map(_FIRST, keys)))
    references = beside.within(limit * len(parents))

    def make(viewer_id: UUID | None) -> Select[Any]:
        inner = select(*selected(loader.row, columns)).where(*_conditions(loader, viewer_id))
        inner = with_references(inner, loader.row, references)
        return _lateral(loader, inner.order_by(*loader.order_by))

    def children(records: Sequence[Any]) -> list[Any]:
        return told_apart(records, narrowed(loader.row, columns), references, beside, 1)

    values = {"keys": parents, "limit": limit}
    form = (columns, references)
    found = await _children(db, loader, viewer_id, form, children, make, values)
    return [found[key][: min(n, loader.limit)] for key, n in keys]


async def _pages(
    db: Database,
    loader: PageBy,
    viewer_id: UUID | None,
    keys: Sequence[tuple[UUID, PageRequest]],
    columns: Columns,
    beside: Beside,
    count: Count,
) -> list[Any]:
    wanted: dict[PageRequest, list[UUID]] = defaultdict(list)
    for key, request in keys:
        wanted[request].append(key)
    pages: dict[tuple[UUID, PageRequest], Page] = {}
    for request, parents in wanted.items():
        found = await _page_rows(db, loader, viewer_id, request, parents, columns, beside)
        for key in parents:

            def counted(key: UUID = key) -> Awaitable[int]:
                return count(loader.counter, key)

            pages[key, request] = make_page(found[key], loader.order, request, counted)
    return [pages[key] for key in keys]


async def _page_rows(
    db: Database,
    loader: PageBy,
    viewer_id: UUID | None,
    request: PageRequest,
    parents: Sequence[UUID],
    columns: Columns,
    beside: Beside,
) -> dict[UUID, list[Any]]:
    order = loader.order
    references = beside.within((request.limit + 1) * len(parents))

    def make(viewer_id: UUID | None) -> Select[Any]:
        inner = select(*selected(loader.row, columns)).where(
            *_conditions(loader, viewer_id), *order.between_holes(request)
        )
        inner = with_references(inner, loader.row, references)
        return _lateral(loader, inner.order_by(*order.by(forward=request.forward)))

    def children(records: Sequence[Any]) -> list[Any]:
        return told_apart(records, narrowed(loader.row, columns), references, beside, 1)

    values = {
        "keys": list(dict.fromkeys(parents)),
        "limit": request.limit + 1,
        **order.holes(request),
    }
    form = (columns, references, *_form(request))
    return await _children(db, loader, viewer_id, form, children, make, values)


def _form(request: PageRequest) -> tuple[bool, ...]:
    """What of a page's request is in the text, and not in its parameters."""
    return request.forward, request.after is None, request.before is None


def _lateral(loader: ManyBy | PageBy, inner: Select[Any]) -> Select[Any]:
    """The first `limit` rows of `inner` for each key: the key's place, from 1, then the row's
    columns. A place is a small number: the driver takes longer for a key, and so does a dict."""
    keys = func.unnest(_keys())
    parents = keys.table_valued("parent", with_ordinality="place").render_derived()
    per_key = inner.where(loader.key == parents.c.parent).limit(bindparam("limit")).lateral("rows")
    return select(parents.c.place, *per_key.c).select_from(parents.join(per_key, true()))


async def _children(
    db: Database,
    loader: ManyBy | PageBy,
    viewer_id: UUID | None,
    form: tuple[Any, ...],
    children: Callable[[Sequence[Any]], list[Any]],
    make: Callable[[UUID | None], Select[Any]],
    values: Values,
) -> dict[UUID, list[Any]]:
    """The rows of each of the `keys` among the values, in their order; `children` makes them of
    records that begin with the key's place."""
    keys = values["keys"]
    found: list[list[Any]] = [[] for _ in keys]
    records = await _rows(db, loader, viewer_id, form, tuple, make, values)
    for place, row in zip(map(_FIRST, records), children(records), strict=True):
        found[place - 1].append(row)
    return dict(zip(keys, found, strict=True))


async def read_page(
    db: Database,
    row: Any,
    order: Order,
    request: PageRequest,
    conditions: Sequence[ColumnElement[bool]],
    columns: Columns = None,
    beside: Beside | None = None,
) -> Page:
    """One page of a whole table under `conditions`: the root lists. Rows have `columns`, among them
    the order's where somebody asks for cursors; others are read `beside` them."""

    async def count() -> int:
        async with db.read() as session:
            table = row.__columns__[0].table
            found = await session.execute(
                select(func.count()).select_from(table).where(and_(true(), *conditions))
            )
            return int(found.scalar_one())

    rows = await _rows_under(
        db, row, order, request, conditions, columns, beside or nothing_beside()
    )
    return make_page(rows, order, request, count)


async def _rows_under(
    db: Database,
    row: Any,
    order: Order,
    request: PageRequest,
    conditions: Sequence[ColumnElement[bool]],
    columns: Columns,
    beside: Beside,
) -> list[Any]:
    references = beside.within(request.limit + 1)

    def make() -> Select[Any]:
        rows = (
            select(*selected(row, columns))
            .where(*conditions, *order.between_holes(request))
            .order_by(*order.by(forward=request.forward))
            .limit(bindparam("limit"))
        )
        return with_references(rows, row, references)

    def apart(records: list[Any]) -> list[Any]:
        return told_apart(records, narrowed(row, columns), references, beside, 0)

    made = tuple if references else narrowed(row, columns)
    values = {"limit": request.limit + 1, **order.holes(request)}
    # SQLAlchemy's own key of an expression: equal for those of one text, its values beside it.
    keys = [condition._generate_cache_key() for condition in conditions]
    if None not in keys:
        given = [bound for key in keys for bound in key.bindparams]  # type: ignore[union-attr]
        form = (row, order, columns, references, *_form(request), *(key.key for key in keys))  # type: ignore[union-attr]
        statement = STATEMENTS.get(form, lambda: compiled(make(), made, given=given))
        if statement is not None:
            bound = {n: each.effective_value for n, each in enumerate(given)}
            found = await statement.run(db, {**values, **bound})
            return apart(found) if references else found
    async with db.read() as session:
        found = [tuple.__new__(made, each) for each in await session.execute(make(), values)]
    return apart(found) if references else found
