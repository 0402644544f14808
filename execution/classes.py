"""Which type rows are of: what types ask of values, as far as their sources tell, and rows of an
interface or a union told apart by their classes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from graphql.type import GraphQLObjectType

from core.reads import reads_of
from execution.failures import At
from execution.plan import FieldPlan, Shape

if TYPE_CHECKING:
    from execution.run import Run

MANY = 4
"""Values of an interface or union from which on they are told apart by their classes first."""


@lru_cache(maxsize=4_000)
def looks_at_class_alone(is_type_of: Any) -> bool:
    """Whether nothing of a value is asked but `isinstance`, and nothing of the info: values of one
    class all get one answer."""
    function = getattr(is_type_of, "__func__", is_type_of)
    names = getattr(getattr(function, "__code__", None), "co_varnames", ())
    place = 0 if function is is_type_of else 1
    asked = names[place : place + 2]
    return len(asked) == 2 and all(reads_of(function, name) == frozenset() for name in asked)


def by_class(
    run: Run,
    field: FieldPlan,
    shape: Shape,
    values: Sequence[Any],
    at: At,
    groups: dict[GraphQLObjectType, list[int]],
) -> Sequence[int]:
    """Put into `groups` the rows whose type is that of the first row of their class, as far as that
    type says so itself; the places of all others. Strawberry asks one type after the other, for
    each row again. Where rows are no tuples (and so may carry marks of their own), or a type is
    told in another way, that is how it stays."""
    resolve = shape.type.resolve_type
    if len(values) < MANY or not str(getattr(resolve, "__module__", "")).startswith("strawberry."):
        return range(len(values))
    of_class: dict[type, Any] = {}
    alike: set[type] = set()
    rest: list[int] = []
    info = run.info(field, at(0))
    valid = run.core.ensure_valid_runtime_type
    for i, value in enumerate(values):
        kind = type(value)
        if kind not in of_class:
            of_class[kind] = None
            if issubclass(kind, tuple):
                try:
                    name = resolve(value, info, shape.type)
                    found = valid(name, shape.type, field.details, info, value)
                    of_class[kind], asks = found, found.is_type_of
                    if looks_at_class_alone(asks) and asks(value, info) is True:
                        alike.add(kind)
                except Exception:
                    of_class[kind] = None
        found = of_class[kind]
        try:
            known = found is not None and (kind in alike or found.is_type_of(value, info) is True)
        except Exception:
            known = False
        if known:
            groups.setdefault(found, []).append(i)
        else:
            rest.append(i)
    return rest
