"""Columns of a level: one field's values for all rows of a selection, completed as a whole where
nothing about them is unusual, and the rows of the response made of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache
from inspect import getattr_static
from types import CoroutineType, FunctionType, GeneratorType
from typing import TYPE_CHECKING, Any

from graphql.pyutils import Undefined
from graphql.type import GraphQLEnumType

from core.reads import Whole, whole_of
from execution import projecting
from execution.classes import looks_at_class_alone
from execution.failures import At, Failed, among, below, in_lists
from execution.plan import READ_FROM_ROWS, FieldPlan, Form, Kind, SelectionPlan, Shape
from execution.serialising import serialised

if TYPE_CHECKING:
    from execution.run import Run

Values = list[Any]
NOTHING = type(None)


class Unusual(Exception):
    """A column is to be completed value by value, with the care that its oddities need."""


def still_column(run: Run, field: FieldPlan, sources: Values, at: At) -> Values | None:
    """The column of a field that is read from rows, and so is all below it, complete; None where
    anything at all is not plain about one value: an error, a null that may not be, something to
    wait for."""
    try:
        values = read_column(field, sources)
        return _complete(run, field, field.shape, values, at)
    except Exception:
        return None


def still_values(run: Run, field: FieldPlan, values: Values, at: At) -> Values | None:
    """As `still_column`, of values that are at hand; all below them is read from rows."""
    try:
        return _complete(run, field, field.shape, values, at)
    except Exception:
        return None


def read_column(field: FieldPlan, rows: Values) -> Values:
    """The values of a field that is read from rows, of these. Raises what reading one raises."""
    if field.whole is not None:
        return field.whole(rows)
    if rows and field.kind is Kind.ATTRIBUTE:
        kind: Any = type(rows[0])
        whole = _whole_attribute(kind, field.attribute)
        if whole is not None and len(set(map(type, rows))) == 1:
            return whole(rows)
    return list(map(field.read, rows))


@lru_cache(maxsize=4_000)
def _whole_attribute(kind: type, attribute: str) -> Whole | None:
    """What reads a property of many rows of one class at once, where somebody said so."""
    found = getattr_static(kind, attribute, None)
    return whole_of(found.fget) if isinstance(found, property) else None


def is_still(run: Run, field: FieldPlan) -> bool:
    """Whether a field and all that is selected below it are attributes."""
    if field.still is None:
        shape = field.shape
        while shape.inner is not None:
            shape = shape.inner
        field.still = field.kind in READ_FROM_ROWS and (
            shape.form is Form.LEAF
            or (shape.form is Form.OBJECT and _all_still(run, run.below(field, shape.type)))
        )
    return field.still


def is_shared(run: Run, field: FieldPlan) -> bool:
    """See `FieldPlan.shared`."""
    if field.shared is None:
        field.shared = (
            field.kind is Kind.KEYED
            and field.shape.form is Form.OBJECT
            and _all_still(run, run.below(field, field.shape.type))
        )
    return field.shared


def _all_still(run: Run, plan: SelectionPlan) -> bool:
    return all(field.kind is Kind.TYPENAME or is_still(run, field) for field in plan.fields)


def _complete(run: Run, field: FieldPlan, shape: Shape, values: Values, at: At) -> Values:
    if shape.form is Form.LEAF:
        return _leaves(shape, values)
    kinds = set(map(type, values))
    has_nulls = NOTHING in kinds
    if has_nulls and not shape.nullable:
        raise Unusual
    there = values
    if has_nulls:
        chosen = [i for i, value in enumerate(values) if value is not None]
        there, at = [values[i] for i in chosen], among(at, chosen)
    if shape.form is Form.LIST:
        made = _lists(run, field, shape, there, kinds, at)
    else:
        made = _objects(run, field, shape, there, kinds, at)
    if not has_nulls:
        return made
    found = iter(made)
    return [None if value is None else next(found) for value in values]


def _leaves(shape: Shape, values: Values) -> Values:
    if shape.is_plain is not None and shape.is_plain(values):
        return values
    kinds = set(map(type, values))
    if kinds <= shape.as_they_are:
        return values
    if not all(map(is_inert, kinds)):
        raise Unusual
    if (made := serialised(shape.type, values)) is not None:
        if NOTHING in kinds and not shape.nullable:
            raise Unusual
        return made
    serialise = shape.type.coerce_output_value
    one_kind = len(kinds) == 1 or (len(kinds) == 2 and NOTHING in kinds)
    if isinstance(shape.type, GraphQLEnumType) and one_kind:
        # Few values, each looked up once; of one type, for 1, 1.0 and True are the same key.
        known = {value: serialise(value) for value in set(values) if value is not None}
        if NOTHING not in kinds and set(map(type, known.values())) == {str}:
            return list(map(known.__getitem__, values))
        made = [None if value is None else known[value] for value in values]
    else:
        made = [None if value is None else serialise(value) for value in values]
    if not all(map(is_inert, set(map(type, made)))):
        raise Unusual
    if None in made and not (shape.nullable and _same_nulls(values, made)):
        raise Unusual
    return made


def _lists(
    run: Run, field: FieldPlan, shape: Shape, values: Values, kinds: set[type], at: At
) -> Values:
    if not kinds <= {list, tuple, NOTHING}:
        raise Unusual
    assert shape.inner is not None
    if len(values) == 1:
        place = in_lists(at, (0,), (0,))
        return [_complete(run, field, shape.inner, list(values[0]), place)]
    items, starts = flat(values)
    done = _complete(run, field, shape.inner, items, in_lists(at, starts, range(len(values))))
    ends = [*starts[1:], len(items)]
    return [done[begin:end] for begin, end in zip(starts, ends, strict=True)]


def flat(lists: Sequence[Any]) -> tuple[Values, list[int]]:
    """The items of lists in a row, and where each list begins there."""
    items: Values = []
    starts = []
    for value in lists:
        starts.append(len(items))
        items += value
    return items, starts


def _objects(
    run: Run, field: FieldPlan, shape: Shape, values: Values, kinds: set[type], at: At
) -> Values:
    if not values:
        return []
    if not all(map(is_inert, kinds)) or not are_of_type(run, field, shape.type, values, at):
        raise Unusual
    return still_rows(run, run.below(field, shape.type), values, at)


def are_of_type(run: Run, field: FieldPlan, type_: Any, values: Values, at: At) -> bool:
    """Whether the type says yes of each value, at once and in so many words."""
    if type_.is_type_of is None:
        return True
    is_type_of = type_.is_type_of
    if looks_at_class_alone(is_type_of):
        one_each = values[:1]
        if len(set(map(type, values))) != 1:
            one_each = list(dict(zip(map(type, values), values, strict=True)).values())
        kinds: list[Any] = list(map(type, one_each))
        if all(map(is_inert, kinds)):
            return all(is_type_of(value, None) is True for value in one_each)
    # One info for the level: a type is told by its value, and not by where it stands.
    info = run.info(field, at(0))
    return all(is_type_of(value, info) is True for value in values)


def still_rows(run: Run, plan: SelectionPlan, rows: Values, above: At) -> Values:
    """The objects of a selection that is read from rows alone. Raises where something is not
    plain."""
    projection = projecting.projection_of(run, plan, rows)
    if projection is None and len(rows) == 1:
        plan.runs += 1
        return [_still_row(run, plan, rows[0], above)]
    late = None if projection is None else projection.late
    columns: list[Values] = []
    for i, field in enumerate(plan.fields):
        if late is not None and i not in late:
            continue
        if field.kind is Kind.TYPENAME:
            columns.append([plan.type.name] * len(rows))
        else:
            values = read_column(field, rows)
            at = below(above, field.key, field.order, plan.type.name)
            columns.append(_complete(run, field, field.shape, values, at))
    if projection is not None:
        return projection.make(rows, *columns)
    return made_rows(plan, columns, len(rows))


def _still_row(run: Run, plan: SelectionPlan, row: Any, above: At) -> dict[str, Any]:
    """As `still_rows`, of one: columns would be dearer than what is in them."""
    made = {}
    for field in plan.fields:
        if field.kind is Kind.TYPENAME:
            made[field.key] = plan.type.name
            continue
        value = field.read(row)
        if type(value) not in field.shape.as_they_are:
            at = below(above, field.key, field.order, plan.type.name)
            [value] = _complete(run, field, field.shape, [value], at)
        made[field.key] = value
    return made


def made_rows(plan: SelectionPlan, columns: list[Values], count: int) -> Values:
    """Rows of the response from its columns."""
    keys = plan.keys
    if not keys:
        return [{} for _ in range(count)]
    plan.runs += 1
    if plan.runs > projecting.MIN_RUNS:
        return _maker(keys)(*columns)
    return [dict(zip(keys, row, strict=True)) for row in zip(*columns, strict=True)]


@lru_cache(maxsize=2_000)
def _maker(keys: tuple[str, ...]) -> Callable[..., Values]:
    """Generated: a dict display with its keys written out takes a third of `dict(zip(…))`. Keys are
    names of GraphQL's grammar, so that no text of a client becomes anything but a string here."""
    assert all(key.isidentifier() and key.isascii() for key in keys)
    names = [f"v{n}" for n in range(len(keys))]
    pairs = ", ".join(f"{key!r}: {name}" for key, name in zip(keys, names, strict=True))
    columns = ", ".join(f"c{n}" for n in range(len(keys)))
    each = f"{names[0]} in c0" if len(keys) == 1 else f"{', '.join(names)} in zip({columns})"
    made: Callable[..., Values] = eval(f"lambda {columns}: [{{{pairs}}} for {each}]", {"zip": zip})
    return made


@lru_cache(maxsize=4_096)
def is_inert(kind: type) -> bool:
    """Whether values of this type are what they seem: no exceptions, nothing to wait for, not
    absent."""
    if issubclass(kind, Exception) or kind in (Failed, type(Undefined)):
        return False
    if kind in (CoroutineType, GeneratorType) or hasattr(kind, "__await__"):
        return False
    # Whose attributes are made up as they are asked for may claim to be awaitable.
    made_up = hasattr(kind, "__getattr__") or isinstance(kind.__getattribute__, FunctionType)
    return not made_up


def _same_nulls(column: Values, made: Values) -> bool:
    """Whether no scalar made null of something."""
    return all((a is None) == (b is None) for a, b in zip(column, made, strict=True))


async def settle(waiting: Sequence[Awaitable[Any]]) -> list[Any]:
    """All of them, exceptions as values; a cancellation ends the execution. One alone is awaited
    here: a task of its own would cost more than most of what it waits for."""
    if len(waiting) == 1:
        try:
            return [await waiting[0]]
        except Exception as error:
            return [error]
    found = await asyncio.gather(*waiting, return_exceptions=True)
    for value in found:
        if isinstance(value, BaseException) and not isinstance(value, Exception):
            raise value
    return found


def cut(done: Values, ends: Sequence[int | Failed], *, nullable: bool) -> Any:
    """The lists again from their items in a row; one whose item may not be null fails with it."""
    begin = 0
    for end in ends:
        if isinstance(end, Failed):
            yield end
            continue
        part, begin = done[begin:end], end
        failed = None if nullable else next((v for v in part if isinstance(v, Failed)), None)
        yield part if failed is None else failed
