"""Batched reads as data: a loader says table, key, columns, order and who may see; `Loaders` runs
it, one statement a batch, through a DataLoader. An executor may read the same data instead."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Select, Uuid, and_, bindparam, func, select, true
from strawberry.dataloader import DataLoader

from core.database import Database
from core.pagination import PageRequest
from loaders.pages import Order, Page, make_page

MAX_BATCH = 1_000
"""Keys in one statement; a larger batch becomes several."""

Visible = Callable[[UUID | None], ColumnElement[bool]]
"""The rows a viewer (None: anonymous) may see, as a condition on the loader's table."""


@dataclass(frozen=True, eq=False)
class OneBy:
    """One row a key, or None where it is absent or hidden."""

    name: str
    row: Any
    key: Any
    where: ColumnElement[bool] | None = None
    visible: Visible | None = None


@dataclass(frozen=True, eq=False)
class ManyBy:
    """The first rows of each key by `order_by`. The loader's key is `(key, limit)`."""

    name: str
    row: Any
    key: Any
    order_by: tuple[Any, ...]
    limit: int
    where: ColumnElement[bool] | None = None
    visible: Visible | None = None


@dataclass(frozen=True, eq=False)
class CountBy:
    """How many rows each key has."""

    name: str
    key: Any
    where: ColumnElement[bool] | None = None
    visible: Visible | None = None


@dataclass(frozen=True, eq=False)
class PageBy:
    """A page of each key's rows. The loader's key is `(key, PageRequest)`.

    `counter` counts the whole list, in a batch of its own, for who asks for it.
    """

    name: str
    row: Any
    key: Any
    order: Order
    counter: CountBy
    where: ColumnElement[bool] | None = None
    visible: Visible | None = None


@dataclass(frozen=True, eq=False)
class Computed:
    """Any other batch: `load(db, viewer_id, keys)` answers each key, in order, in one statement.
    `viewer` where the answer depends on who asks."""

    name: str
    load: Callable[[Database, UUID | None, Sequence[Any]], Awaitable[Sequence[Any]]]
    viewer: bool = False


Loader = OneBy | ManyBy | CountBy | PageBy | Computed


def depends_on_viewer(loader: Loader) -> bool:
    """Whether two viewers may get different answers from the same key."""
    return loader.viewer if isinstance(loader, Computed) else loader.visible is not None


def one_by(
    name: str,
    row: Any,
    key: Any,
    *,
    where: ColumnElement[bool] | None = None,
    visible: Visible | None = None,
) -> OneBy:
    """A loader of single rows."""
    return OneBy(name, row, _column(key), where, visible)


def many_by(
    name: str,
    row: Any,
    key: Any,
    *,
    order_by: Sequence[Any],
    limit: int,
    where: ColumnElement[bool] | None = None,
    visible: Visible | None = None,
) -> ManyBy:
    """A loader of each key's first rows; a key may ask for `limit` at most."""
    return ManyBy(name, row, _column(key), tuple(order_by), limit, where, visible)


def count_by(
    name: str,
    key: Any,
    *,
    where: ColumnElement[bool] | None = None,
    visible: Visible | None = None,
) -> CountBy:
    """A loader of counts."""
    return CountBy(name, _column(key), where, visible)


def page_by(
    name: str,
    row: Any,
    key: Any,
    *,
    order: Order,
    where: ColumnElement[bool] | None = None,
    visible: Visible | None = None,
) -> PageBy:
    """A loader of pages."""
    counter = count_by(f"{name}_count", key, where=where, visible=visible)
    return PageBy(name, row, _column(key), order, counter, where, visible)


@dataclass(slots=True)
class Loaders:
    """The loaders of one operation (or of one subscription event): batches and remembers.

    `common` are loaders that several subscribers of one event share: what does not depend on who
    asks is read once for all of them.
    """

    db: Database
    viewer_id: UUID | None = None
    common: Loaders | None = None
    _made: dict[Loader, DataLoader[Any, Any]] = field(default_factory=dict)

    def load(self, loader: Loader, key: Any) -> Awaitable[Any]:
        """The answer for one key; keys asked in one tick share a statement."""
        if self.common is None or depends_on_viewer(loader):
            return self._data_loader(loader).load(key)
        # Shielded: one subscriber that goes away must not cancel what others wait for.
        return asyncio.shield(self.common.load(loader, key))

    def ask(self, loader: Loader, key: Any) -> Any:
        """The answer itself where it is known already, else what `load` returns: to await it
        would cost a field that many subscribers share a task for each of them."""
        if self.common is not None and not depends_on_viewer(loader):
            answer = self.common.load(loader, key)
            if isinstance(answer, asyncio.Future) and answer.done():
                return answer.result()
        return self.load(loader, key)

    def prime(self, loader: Loader, key: Any, row: Any) -> None:
        """Remember a row that was read on another way."""
        self._data_loader(loader).prime(key, row)

    def _data_loader(self, loader: Loader) -> DataLoader[Any, Any]:
        made = self._made.get(loader)
        if made is None:
            made = self._made[loader] = DataLoader(
                load_fn=lambda keys: run(self.db, loader, keys, self), max_batch_size=MAX_BATCH
            )
        return made


async def run(db: Database, loader: Loader, keys: Sequence[Any], loaders: Loaders) -> list[Any]:
    """Answer `keys`, in order, in one statement (`PageBy`, `ManyBy`: one a distinct page)."""
    viewer_id = loaders.viewer_id
    match loader:
        case OneBy():
            return await _one(db, loader, viewer_id, keys)
        case CountBy():
            return await _count(db, loader, viewer_id, keys)
        case ManyBy():
            return await _many(db, loader, viewer_id, keys)
        case PageBy():
            return await _pages(db, loader, loaders, keys)
        case Computed():
            return list(await loader.load(db, viewer_id, keys))


def _keys() -> Any:
    return bindparam("keys", type_=ARRAY(Uuid))


def _conditions(loader: Any, viewer_id: UUID | None) -> list[ColumnElement[bool]]:
    found = [] if getattr(loader, "where", None) is None else [loader.where]
    if loader.visible is not None:
        found.append(loader.visible(viewer_id))
    return found


@cache
def _rows_of_keys(loader: OneBy) -> Select[Any]:
    """Made once for each loader: making it, and finding what SQLAlchemy compiled of it before, took
    longer than running it."""
    # = ANY(array) and not IN (list): one statement text, whatever the number of keys.
    statement = select(*loader.row.__columns__).where(loader.key == func.any(_keys()))
    return statement if loader.where is None else statement.where(loader.where)


async def _one(
    db: Database, loader: OneBy, viewer_id: UUID | None, keys: Sequence[Any]
) -> list[Any]:
    make = loader.row._make
    statement = _rows_of_keys(loader)
    if loader.visible is not None:
        statement = statement.where(loader.visible(viewer_id))
    async with db.read() as session:
        rows = (await session.execute(statement, {"keys": list(keys)})).all()
    found = {getattr(row, loader.key.name): make(row) for row in rows}
    return [found.get(key) for key in keys]


async def _count(
    db: Database, loader: CountBy, viewer_id: UUID | None, keys: Sequence[Any]
) -> list[Any]:
    statement = (
        select(loader.key, func.count())
        .where(loader.key == func.any(_keys()), *_conditions(loader, viewer_id))
        .group_by(loader.key)
    )
    async with db.read() as session:
        counted = await session.execute(statement, {"keys": list(keys)})
        counts: dict[Any, int] = {row[0]: row[1] for row in counted}
    return [counts.get(key, 0) for key in keys]


async def _many(
    db: Database, loader: ManyBy, viewer_id: UUID | None, keys: Sequence[tuple[UUID, int]]
) -> list[Any]:
    limit = min(max(n for _, n in keys), loader.limit)
    inner = select(*loader.row.__columns__).where(*_conditions(loader, viewer_id))
    found = await _lateral(
        db, loader, inner.order_by(*loader.order_by), limit, [k for k, _ in keys]
    )
    return [found[key][: min(n, loader.limit)] for key, n in keys]


async def _pages(
    db: Database, loader: PageBy, loaders: Loaders, keys: Sequence[tuple[UUID, PageRequest]]
) -> list[Any]:
    wanted: dict[PageRequest, list[UUID]] = defaultdict(list)
    for key, request in keys:
        wanted[request].append(key)
    pages: dict[tuple[UUID, PageRequest], Page] = {}
    for request, parents in wanted.items():
        inner = (
            select(*loader.row.__columns__)
            .where(*_conditions(loader, loaders.viewer_id), *loader.order.between(request))
            .order_by(*loader.order.by(forward=request.forward))
        )
        found = await _lateral(db, loader, inner, request.limit + 1, parents)
        for key in parents:

            async def count(key: UUID = key) -> int:
                return int(await loaders.load(loader.counter, key))

            pages[key, request] = make_page(found[key], loader.order, request, count)
    return [pages[key] for key in keys]


async def _lateral(
    db: Database, loader: ManyBy | PageBy, inner: Select[Any], limit: int, keys: Sequence[UUID]
) -> dict[UUID, list[Any]]:
    """The first `limit` rows of `inner` for each key, in one statement."""
    parents = func.unnest(_keys()).table_valued("parent").render_derived()
    per_key = inner.where(loader.key == parents.c.parent).limit(bindparam("limit")).lateral("rows")
    statement = select(parents.c.parent, *per_key.c).select_from(parents.join(per_key, true()))
    make = loader.row._make
    found: dict[UUID, list[Any]] = defaultdict(list)
    async with db.read() as session:
        for parent, *columns in await session.execute(
            statement, {"keys": list(dict.fromkeys(keys)), "limit": limit}
        ):
            found[parent].append(make(columns))
    return found


async def read_page(
    db: Database,
    row: Any,
    order: Order,
    request: PageRequest,
    conditions: Sequence[ColumnElement[bool]],
) -> Page:
    """One page of a whole table under `conditions`: the root lists."""

    async def count() -> int:
        async with db.read() as session:
            table = row.__columns__[0].table
            found = await session.execute(
                select(func.count()).select_from(table).where(and_(true(), *conditions))
            )
            return int(found.scalar_one())

    statement = (
        select(*row.__columns__)
        .where(*conditions, *order.between(request))
        .order_by(*order.by(forward=request.forward))
        .limit(request.limit + 1)
    )
    async with db.read() as session:
        rows = [row._make(found) for found in await session.execute(statement)]
    return make_page(rows, order, request, count)


def _column(key: Any) -> Any:
    return key.__clause_element__() if hasattr(key, "__clause_element__") else key
