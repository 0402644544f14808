"""Batched reads as data: a loader says table, key, columns, order and who may see. `Loaders`
(loaders/batching.py) collects the keys of a batch, and loaders/running.py reads them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement

from core.database import Database
from loaders.pages import Order

Visible = Callable[[UUID | None], ColumnElement[bool]]
"""The rows a viewer (None: anonymous) may see, as a condition on the loader's table. Of two viewers
the conditions differ in nothing but the viewer's id, so that one text serves both."""


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


def _column(key: Any) -> Any:
    return key.__clause_element__() if hasattr(key, "__clause_element__") else key
