"""Statements as PostgreSQL's text, made of SQLAlchemy's once for each form that a loader's batch
has and run as they are from then on; what differs from batch to batch fills holes in them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import ARRAY, Double, Select
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.sql.elements import BindParameter

from core.database import Database
from core.ids import new_id
from core.jsontext import to_json

MAX_STATEMENTS = 2_000
"""Of all loaders together, the most recently used; each set of columns has its own."""

_DIALECT = PGDialect_asyncpg(json_serializer=to_json, json_deserializer=orjson.loads)  # type: ignore[no-untyped-call]

Values = Mapping[Any, Any]
"""What fills the holes: by a parameter's name, or by its place among the conditions' own."""

VIEWER = "viewer"


@dataclass(frozen=True, slots=True)
class Hole:
    """Stands where a run's own value goes; `convert` makes it what the driver takes."""

    name: Any
    convert: Callable[[Any], Any] | None = None

    def fill(self, values: Values) -> Any:
        value = values[self.name]
        return value if self.convert is None or value is None else self.convert(value)


@dataclass(frozen=True, slots=True, eq=False)
class Statement:
    """A text and its arguments in order. `made` makes rows of the driver's records."""

    text: str
    arguments: tuple[Any, ...]
    made: Callable[[Sequence[Any]], list[Any]]

    async def run(self, db: Database, values: Values) -> list[Any]:
        """The rows that these values give."""
        arguments = [each.fill(values) if type(each) is Hole else each for each in self.arguments]
        return self.made(await db.fetch(self.text, arguments))


class NotOneText(Exception):
    """The statement's text depends on its values (`IN` with a list), or nobody knows on what."""


@dataclass(slots=True)
class Statements:
    """Statements by what they were made for; the most recently used kept."""

    _kept: OrderedDict[Hashable, Statement | None] = field(default_factory=OrderedDict)

    def get(self, key: Hashable, make: Callable[[], Statement]) -> Statement | None:
        """The statement of that key, made where it is not known; None where it cannot be one text
        with holes, and SQLAlchemy must run it each time."""
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        try:
            made: Statement | None = make()
        except NotOneText:
            made = None
        self._kept[key] = made
        if len(self._kept) > MAX_STATEMENTS:
            self._kept.popitem(last=False)
        return made


def compiled(
    statement: Select[Any], row: Any, *, given: Sequence[BindParameter[Any]] = ()
) -> Statement:
    """A statement's text. Parameters without a value are holes by their names, and those `given`
    by their places. Raises `NotOneText`."""
    done: Any = statement.compile(dialect=_DIALECT)
    if done.post_compile_params or done.literal_execute_params:
        raise NotOneText(str(statement))
    places = {done.bind_names[each]: n for n, each in enumerate(given) if each in done.bind_names}
    arguments = tuple(
        _argument(name, done.binds[name], _converter(name, done), places)
        for name in done.positiontup
    )
    return Statement(done.string, arguments, _maker(row, [c.type for c in done._result_columns]))


def compiled_for_viewers(
    make: Callable[[UUID | None], Select[Any]], row: Any, viewer_id: UUID | None
) -> Statement:
    """The text of what `make` gives for any viewer (for nobody, where `viewer_id` is None), the
    viewer being a hole. Made for two who do not exist and compared: what else differs between them
    is not known to be the same for a third. Raises `NotOneText`."""
    strangers = (None, None) if viewer_id is None else (new_id(), new_id())
    one, other = (compiled(make(each), row) for each in strangers)
    if one.text != other.text or len(one.arguments) != len(other.arguments):
        raise NotOneText(one.text)
    pairs = zip(one.arguments, other.arguments, strict=True)
    return Statement(one.text, tuple(_common(*pair, *strangers) for pair in pairs), one.made)


def _common(one: Any, other: Any, stranger: UUID | None, another: UUID | None) -> Any:
    if stranger is not None and one == stranger and other == another:
        return Hole(VIEWER)
    if type(one) is Hole and type(other) is Hole and one.name == other.name:
        return one
    if type(one) is type(other) and one == other:
        return one
    raise NotOneText(f"{one!r} and {other!r}")


def _argument(
    name: str, bind: Any, convert: Callable[[Any], Any] | None, places: Mapping[str, int]
) -> Any:
    if name in places:
        return Hole(places[name], convert)
    if bind.callable is not None:
        raise NotOneText(name)
    if bind.required:
        return Hole(name, convert)
    return bind.value if convert is None or bind.value is None else convert(bind.value)


def _converter(name: str, done: Any) -> Callable[[Any], Any] | None:
    """What makes a value the driver's; nothing for lists of what is the driver's already."""
    type_ = done.binds[name].type
    if isinstance(type_, ARRAY) and _item(type_).bind_processor(_DIALECT) is None:
        return None
    found: Callable[[Any], Any] | None = done._bind_processors.get(name)
    return found


def _item(type_: Any) -> Any:
    return type_.item_type.dialect_impl(_DIALECT)


def _maker(row: Any, types: Sequence[Any]) -> Callable[[Sequence[Any]], list[Any]]:
    """Makes rows of records: as they are, unless SQLAlchemy's types change what the driver says."""
    make = partial(tuple.__new__, row)
    processors = [_processor(each) for each in types]
    if not any(processors):
        if row is tuple:
            return list  # the driver's records read as tuples do
        return lambda records: list(map(make, records))
    changed = [(n, each) for n, each in enumerate(processors) if each is not None]

    def processed(record: Any) -> Any:
        values = list(record)
        for n, process in changed:
            values[n] = process(values[n])
        return make(values)

    return lambda records: list(map(processed, records))


def _processor(type_: Any) -> Callable[[Any], Any] | None:
    if isinstance(type_, Double):
        # Its processor goes by a column's number in PostgreSQL; the driver gives floats.
        return None
    found: Callable[[Any], Any] | None = type_._cached_result_processor(_DIALECT, None)
    if isinstance(type_, ARRAY) and not type_.as_tuple:
        # It would copy the driver's list item by item, into a list.
        return found if _item(type_).result_processor(_DIALECT, None) is not None else None
    return found
