"""Runs loaders: the statement of each, made once for each form that it takes, and its rows put in
the order of the keys. Who may see is a condition of the statement, never a filter afterwards."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from operator import attrgetter, itemgetter
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BindParameter,
    ColumnElement,
    Select,
    Uuid,
    and_,
    bindparam,
    func,
    select,
    true,
)

from core.database import Database
from core.pagination import PageRequest
from loaders.beside import WHOLE, Shown, Wide
from loaders.compiled import VIEWER, Statement, Statements, Values, compiled, compiled_for_viewers
from loaders.declaring import Computed, CountBy, Loader, ManyBy, OneBy, PageBy
from loaders.pages import Order, Page, make_page

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
    shown: Shown,
    count: Count,
) -> Sequence[Any]:
    """Answer `keys`, in order, in one statement (`PageBy`: one a distinct page). Of rows is read
    what is `shown`, with what they are found by; answers that are no rows do not mind."""
    match loader:
        case OneBy():
            return await _one(db, loader, viewer_id, keys, shown)
        case CountBy():
            return await _count(db, loader, viewer_id, keys)
        case ManyBy():
            return await _many(db, loader, viewer_id, keys, shown)
        case PageBy():
            return await _pages(db, loader, viewer_id, keys, shown, count)
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
    """The rows, of this class, of a loader's statement in one of its forms."""
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
    shown: Shown,
) -> list[Any]:
    wide = shown.of(loader.row, len(keys))

    def make(viewer_id: UUID | None) -> Select[Any]:
        # = ANY(array) and not IN (list): one text, whatever the number of keys.
        asked = loader.key == func.any(_keys(loader.key.type))
        return wide.select().where(asked, *_conditions(loader, viewer_id))

    rows = await _rows(db, loader, viewer_id, wide, wide.kind, make, {"keys": keys})
    shown.beside.tell(rows, wide.references)
    found = dict(zip(map(attrgetter(loader.key.name), rows), rows, strict=True))
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
    shown: Shown,
) -> list[Any]:
    limit = min(max(n for _, n in keys), loader.limit)
    parents = list(dict.fromkeys(map(_FIRST, keys)))
    wide = shown.of(loader.row, limit * len(parents), placed=True)

    def make(viewer_id: UUID | None) -> Select[Any]:
        inner = wide.select().where(*_conditions(loader, viewer_id))
        return _lateral(loader, inner.order_by(*loader.order_by))

    values = {"keys": parents, "limit": limit}
    found = await _children(db, loader, viewer_id, shown, wide, (), make, values)
    return [found[key][: min(n, loader.limit)] for key, n in keys]


async def _pages(
    db: Database,
    loader: PageBy,
    viewer_id: UUID | None,
    keys: Sequence[tuple[UUID, PageRequest]],
    shown: Shown,
    count: Count,
) -> list[Any]:
    wanted: dict[PageRequest, list[UUID]] = defaultdict(list)
    for key, request in keys:
        wanted[request].append(key)
    pages: dict[tuple[UUID, PageRequest], Page] = {}
    for request, parents in wanted.items():
        found = await _page_rows(db, loader, viewer_id, request, parents, shown)
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
    shown: Shown,
) -> dict[UUID, list[Any]]:
    order = loader.order
    wide = shown.of(loader.row, (request.limit + 1) * len(parents), placed=True)

    def make(viewer_id: UUID | None) -> Select[Any]:
        within = *_conditions(loader, viewer_id), *order.between_holes(request)
        inner = wide.select().where(*within).order_by(*order.by(forward=request.forward))
        return _lateral(loader, inner)

    values = {
        "keys": list(dict.fromkeys(parents)),
        "limit": request.limit + 1,
        **order.holes(request),
    }
    return await _children(db, loader, viewer_id, shown, wide, _form(request), make, values)


def _form(request: PageRequest) -> tuple[bool, ...]:
    """What of a page's request is in the text, and not in its parameters."""
    return request.forward, request.after is None, request.before is None


def _lateral(loader: ManyBy | PageBy, inner: Select[Any]) -> Select[Any]:
    """The first `limit` rows of `inner` for each key: the row's columns, then the key's place, from
    1. A place is a small number: the driver takes longer for a key, and so does a dict."""
    keys = func.unnest(_keys())
    parents = keys.table_valued("parent", with_ordinality="place").render_derived()
    per_key = inner.where(loader.key == parents.c.parent).limit(bindparam("limit")).lateral("rows")
    return select(*per_key.c, parents.c.place).select_from(parents.join(per_key, true()))


async def _children(
    db: Database,
    loader: ManyBy | PageBy,
    viewer_id: UUID | None,
    shown: Shown,
    wide: Wide,
    form: tuple[Any, ...],
    make: Callable[[UUID | None], Select[Any]],
    values: Values,
) -> dict[UUID, list[Any]]:
    """The rows of each of the `keys` among the values, in their order."""
    keys = values["keys"]
    found: list[list[Any]] = [[] for _ in keys]
    rows = await _rows(db, loader, viewer_id, (wide, *form), wide.kind, make, values)
    shown.beside.tell(rows, wide.references)
    for row in rows:
        found[row[-1] - 1].append(row)
    return dict(zip(keys, found, strict=True))


async def read_page(
    db: Database,
    row: Any,
    order: Order,
    request: PageRequest,
    conditions: Sequence[ColumnElement[bool]],
    shown: Shown = WHOLE,
) -> Page:
    """One page of a whole table under `conditions`: the root lists. Of its rows is read what is
    `shown`, among it the order's columns where somebody asks for cursors."""

    async def count() -> int:
        async with db.read() as session:
            table = row.__columns__[0].table
            found = await session.execute(
                select(func.count()).select_from(table).where(and_(true(), *conditions))
            )
            return int(found.scalar_one())

    rows = await _rows_under(db, row, order, request, conditions, shown)
    return make_page(rows, order, request, count)


async def _rows_under(
    db: Database,
    row: Any,
    order: Order,
    request: PageRequest,
    conditions: Sequence[ColumnElement[bool]],
    shown: Shown,
) -> list[Any]:
    wide = shown.of(row, request.limit + 1)

    def make() -> Select[Any]:
        rows = wide.select().where(*conditions, *order.between_holes(request))
        return rows.order_by(*order.by(forward=request.forward)).limit(bindparam("limit"))

    values = {"limit": request.limit + 1, **order.holes(request)}
    statement, bound = _statement_under(
        (wide, order, *_form(request)),
        conditions,
        lambda given: compiled(make(), wide.kind, given=given),
    )
    if statement is not None:
        found = await statement.run(db, {**values, **bound})
    else:
        async with db.read() as session:
            records = await session.execute(make(), values)
            found = [tuple.__new__(wide.kind, each) for each in records]
    shown.beside.tell(found, wide.references)
    return found


def _statement_under(
    form: tuple[Any, ...],
    conditions: Sequence[ColumnElement[bool]],
    make: Callable[[Sequence[BindParameter[Any]]], Statement],
) -> tuple[Statement | None, Values]:
    """The statement of that form under these conditions, and what fills their holes; none where it
    is not one text."""
    # SQLAlchemy's own key of an expression: equal for those of one text, its values beside it.
    keys = [condition._generate_cache_key() for condition in conditions]
    if None in keys:
        return None, {}
    given = [bound for key in keys for bound in key.bindparams]  # type: ignore[union-attr]
    texts = [key.key for key in keys]  # type: ignore[union-attr]
    statement = STATEMENTS.get((*form, *texts), lambda: make(given))
    return statement, {n: each.effective_value for n, each in enumerate(given)}
