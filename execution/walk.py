"""The walk over an operation's levels: values of each field for all rows of a selection at once,
completed with the care that resolvers' misbehaviour needs. What a response means is graphql-core's
`Executor`'s to the letter; columns without oddities take a shorter way (`execution/columns.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Any

from graphql import GraphQLError
from graphql.execution.executor import invalid_return_type_error
from graphql.pyutils import Undefined, is_iterable
from graphql.type import GraphQLObjectType

from execution.classes import by_class
from execution.columns import (
    NOTHING,
    Values,
    are_of_type,
    cut,
    is_inert,
    is_shared,
    is_still,
    made_rows,
    settle,
    still_column,
    still_values,
)
from execution.failures import At, Failed, Where, among, below, in_lists
from execution.needed import shown_as
from execution.plan import READ_FROM_ROWS, FieldPlan, Form, Kind, SelectionPlan, Shape
from execution.projecting import projection_of
from execution.run import Run

PLAIN_LISTS = {list, tuple}


async def selected(run: Run, plan: SelectionPlan, sources: Values, above: At) -> Values:
    """The objects of a selection, one for each source; a `Failed` in place of one that may not be
    because of a field that must not be null."""
    projection = projection_of(run, plan, sources)
    late = range(len(plan.fields)) if projection is None else projection.late
    columns: list[Any] = [None] * len(plan.fields)
    await _fill(run, plan, sources, above, columns, late)
    if projection is not None:
        try:
            made = projection.make(sources, *[columns[i] for i in late])
            return _without_failed(plan, columns, made) if run.failed else made
        except Exception:  # something is odd about a row: all its fields are read one by one
            rest = [i for i in range(len(plan.fields)) if i not in late]
            await _fill(run, plan, sources, above, columns, rest)
    made = made_rows(plan, columns, len(sources))
    return _without_failed(plan, columns, made) if run.failed else made


async def _fill(
    run: Run,
    plan: SelectionPlan,
    sources: Values,
    above: At,
    columns: list[Any],
    places: Sequence[int],
) -> None:
    """Put the values of the fields in these places, complete, into their columns."""
    waiting: list[tuple[int, Awaitable[Values]]] = []
    for i in places:
        field = plan.fields[i]
        if field.kind is Kind.TYPENAME:
            columns[i] = [plan.type.name] * len(sources)
            continue
        at = below(above, field.key, field.order, plan.type.name)
        if is_still(run, field):
            columns[i] = still_column(run, field, sources, at)
        elif is_shared(run, field):
            columns[i] = _shared_at_once(run, field, sources, at)
        if columns[i] is None:
            waiting.append((i, field_values(run, field, sources, at)))
    if len(waiting) == 1:
        columns[waiting[0][0]] = await waiting[0][1]
    elif waiting:
        found = await asyncio.gather(*(work for _, work in waiting))
        for (i, _), column in zip(waiting, found, strict=True):
            columns[i] = column


def _without_failed(plan: SelectionPlan, columns: list[Values], made: Values) -> Values:
    for field, column in zip(plan.fields, columns, strict=True):
        if field.shape.nullable or field.kind is Kind.TYPENAME or column is None:
            continue
        for i, value in enumerate(column):
            if isinstance(value, Failed) and not isinstance(made[i], Failed):
                made[i] = value
    return made


async def field_values(run: Run, field: FieldPlan, sources: Values, at: At) -> Values:
    """Values of a field for each source, complete."""
    if is_shared(run, field):
        return await _shared(run, field, sources, at)
    values = await _values(run, field, sources, at)
    return await _complete(run, field, field.shape, values, at)


async def _values(run: Run, field: FieldPlan, sources: Values, at: At) -> Values:
    if field.kind in READ_FROM_ROWS:
        return await _awaited(run, field, _attributes(run, field, sources, at), at)
    try:
        if field.kind is Kind.KEYED:
            keys, found = await _by_key(run, field, sources, at)
            return _told_apart(run, field, list(map(found.get, keys)), at)
        arguments = run.arguments(field)
    except Exception as error:
        return [run.fail(field, at(i), error) for i in range(len(sources))]
    if (direct := field.direct) is not None:
        values = [
            run.direct(field, direct, at(i), source, arguments) for i, source in enumerate(sources)
        ]
        return await _awaited(run, field, values, at)
    resolve = field.definition.resolve or run.core.field_resolver
    values = []
    for i, source in enumerate(sources):
        where = at(i)
        values.append(
            run.caught(field, where, resolve, source, run.info(field, where), **arguments)
        )
    return await _awaited(run, field, values, at)


def _attributes(run: Run, field: FieldPlan, sources: Values, at: At) -> Values:
    try:
        return list(map(field.read, sources))
    except Exception:
        return [run.caught(field, at(i), field.read, source) for i, source in enumerate(sources)]


async def _by_key(
    run: Run, field: FieldPlan, sources: Values, at: At
) -> tuple[Values, dict[Any, Any]]:
    """One call for the whole level; what it asks of the viewer is asked once."""
    arguments = run.arguments(field)
    if field.guards:
        info = run.info(field, at(0))
        for guard in field.guards:
            guard.check(info)
    shown = shown_as(field.definition.type)
    found: tuple[Values, dict[Any, Any]] = await field.keyed.by_key(
        run.core.context_value, sources, arguments, shown
    )
    return found


def _told_apart(run: Run, field: FieldPlan, values: Values, at: At) -> Values:
    if any(issubclass(kind, Exception) for kind in set(map(type, values))):
        return [
            run.fail(field, at(i), value) if isinstance(value, Exception) else value
            for i, value in enumerate(values)
        ]
    return values


async def _shared(run: Run, field: FieldPlan, sources: Values, at: At) -> Values:
    """Objects that follow a key, each made once for all who refer to it; where anything about one
    is odd, each in its place."""
    try:
        keys, found = await _by_key(run, field, sources, at)
    except Exception as error:
        values = [run.fail(field, at(i), error) for i in range(len(sources))]
    else:
        if (made := _each_once(run, field, keys, found, at)) is not None:
            return made
        values = _told_apart(run, field, list(map(found.get, keys)), at)
    return await _complete(run, field, field.shape, values, at)


def _shared_at_once(run: Run, field: FieldPlan, sources: Values, at: At) -> Values | None:
    """As `_shared`, where all that it leads to came with what leads there, and nothing about it is
    odd: no task need wait for it. None otherwise."""
    if field.guards or field.has_arguments:
        return None
    shown = shown_as(field.definition.type)
    try:
        known = field.keyed.at_once(run.core.context_value, sources, shown)
    except Exception:
        return None
    if known is None:
        return None
    keys, found = known
    return _each_once(run, field, keys, found, at)


def _each_once(
    run: Run, field: FieldPlan, keys: Values, found: dict[Any, Any], at: At
) -> Values | None:
    """What each key leads to, made once; None where anything about one is odd."""
    made = still_values(run, field, list(found.values()), at)
    if made is None:
        return None
    return list(map(dict(zip(found, made, strict=True)).__getitem__, keys))


async def _awaited(run: Run, field: FieldPlan, values: Values, at: At) -> Values:
    """The values, those that had to be waited for among them; all wait together."""
    if all(map(is_inert, set(map(type, values)))):
        return values
    is_awaitable = run.core.is_awaitable
    late = [i for i, value in enumerate(values) if is_awaitable(value)]
    if late:
        found = await settle([values[i] for i in late])
        for i, value in zip(late, found, strict=True):
            values[i] = value
    for i, value in enumerate(values):
        if isinstance(value, Exception):
            values[i] = run.fail(field, at(i), value)
    return values


async def _complete(run: Run, field: FieldPlan, shape: Shape, values: Values, at: At) -> Values:
    """Values completed as their type says; what failed climbs where it must."""
    if shape.form is Form.LEAF:
        return _leaves(run, field, shape, values, at)
    if all(kind is not NOTHING and is_inert(kind) for kind in set(map(type, values))):
        made = await _present(run, field, shape, values, at) if values else []
        return _settled(run, field, shape, made, at) if run.failed else made
    there = [i for i, value in enumerate(values) if _is_there(value)]
    completed = [value if isinstance(value, Failed) else None for value in values]
    if there:
        found = [values[i] for i in there]
        made = await _present(run, field, shape, found, among(at, there))
        for i, value in zip(there, made, strict=True):
            completed[i] = value
    return _settled(run, field, shape, completed, at)


def _is_there(value: Any) -> bool:
    return not (value is None or value is Undefined or isinstance(value, Failed))


async def _present(run: Run, field: FieldPlan, shape: Shape, values: Values, at: At) -> Values:
    """Values of which none is absent."""
    if shape.form is Form.LIST:
        return await _lists(run, field, shape, values, at)
    if shape.form is Form.OBJECT:
        return await _objects(run, field, shape.type, values, at)
    return await _abstract(run, field, shape, values, at)


def _leaves(run: Run, field: FieldPlan, shape: Shape, values: Values, at: At) -> Values:
    if shape.is_plain is not None and shape.is_plain(values):
        return values
    complete = run.core.complete_leaf_value
    completed = [
        run.tried(field, at(i), complete, shape.type, value)
        if _is_there(value)
        else value
        if isinstance(value, Failed)
        else None
        for i, value in enumerate(values)
    ]
    return _settled(run, field, shape, completed, at)


def _settled(run: Run, field: FieldPlan, shape: Shape, values: Values, at: At) -> Values:
    """Failures stop at places that may be null; nulls fail at those that may not."""
    for i, value in enumerate(values):
        if shape.nullable:
            if isinstance(value, Failed):
                run.failures.stop(value, at(i))
                values[i] = None
        elif value is None:
            message = f"Cannot return null for non-nullable field {field.coordinate}."
            values[i] = run.fail(field, at(i), TypeError(message))
    return values


async def _lists(run: Run, field: FieldPlan, shape: Shape, values: Values, at: At) -> Values:
    assert shape.inner is not None
    items: Values = []
    starts: list[int] = []
    owners: list[int] = []
    ends: list[int | Failed] = []
    for i, value in enumerate(values):
        got = value if type(value) in PLAIN_LISTS else await _items(run, field, value, at(i))
        if isinstance(got, Failed):
            ends.append(got)
            continue
        starts.append(len(items))
        owners.append(i)
        items += got
        ends.append(len(items))
    places = in_lists(at, starts, owners)
    items = await _awaited(run, field, items, places)
    done = await _complete(run, field, shape.inner, items, places) if items else []
    return list(cut(done, ends, nullable=shape.inner.nullable or not run.failed))


async def _items(run: Run, field: FieldPlan, value: Any, where: Where) -> Any:
    try:
        if run.core.is_async_iterable(value):
            return [item async for item in value]
        if not is_iterable(value):
            said = f"Expected Iterable, but did not find one for field '{field.coordinate}'."
            raise GraphQLError(said)
        return list(value)
    except Exception as error:
        return run.fail(field, where, error)


async def _objects(
    run: Run, field: FieldPlan, type_: GraphQLObjectType, values: Values, at: At
) -> Values:
    if _certainly(run, field, type_, values, at):
        return await selected(run, run.below(field, type_), values, at)
    made = await _impostors(run, field, type_, values, at)
    right = [i for i, failed in enumerate(made) if failed is None]
    if right:
        found = await selected(
            run, run.below(field, type_), [values[i] for i in right], among(at, right)
        )
        for i, value in zip(right, found, strict=True):
            made[i] = value
    return made


def _certainly(
    run: Run, field: FieldPlan, type_: GraphQLObjectType, values: Values, at: At
) -> bool:
    try:
        return are_of_type(run, field, type_, values, at)
    except Exception:
        return False  # they are asked again, one by one


async def _impostors(
    run: Run, field: FieldPlan, type_: GraphQLObjectType, values: Values, at: At
) -> list[Any]:
    """Failures in the places of values that are not of the type; None elsewhere."""
    is_type_of, info = type_.is_type_of, run.info(field, at(0))
    assert is_type_of is not None
    checks = [run.caught(field, at(i), is_type_of, value, info) for i, value in enumerate(values)]
    checks = await _awaited(run, field, checks, at)
    for i, check in enumerate(checks):
        if not check:
            error = invalid_return_type_error(type_, values[i], field.details)
            checks[i] = run.fail(field, at(i), error)
        elif not isinstance(check, Failed):
            checks[i] = None
    return checks


async def _abstract(run: Run, field: FieldPlan, shape: Shape, values: Values, at: At) -> Values:
    """Values of an interface or a union, grouped by what they turn out to be."""
    groups: dict[GraphQLObjectType, list[int]] = {}
    made: Values = [None] * len(values)
    open_places = by_class(run, field, shape, values, at, groups)
    for i, type_ in await _types(run, field, shape, values, at, open_places):
        if isinstance(type_, Failed):
            made[i] = type_
        else:
            groups.setdefault(type_, []).append(i)
    for type_, members in groups.items():
        rows = [values[i] for i in members]
        found = await _objects(run, field, type_, rows, among(at, members))
        for i, value in zip(members, found, strict=True):
            made[i] = value
    return made


async def _types(
    run: Run, field: FieldPlan, shape: Shape, values: Values, at: At, places: Sequence[int]
) -> list[tuple[int, Any]]:
    """What each of the values in these places turns out to be, or its failure."""
    if not places:
        return []
    resolve = shape.type.resolve_type or run.core.type_resolver
    infos = {i: run.info(field, at(i)) for i in places}
    named = [run.caught(field, at(i), resolve, values[i], infos[i], shape.type) for i in places]
    named = await _awaited(run, field, named, among(at, places))
    valid = run.core.ensure_valid_runtime_type
    return [
        (i, name)
        if isinstance(name, Failed)
        else (
            i,
            run.caught(field, at(i), valid, name, shape.type, field.details, infos[i], values[i]),
        )
        for i, name in zip(places, named, strict=True)
    ]
