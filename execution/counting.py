"""What an operation has cost, counted from its answer: the weights of `cost.py`, and the lists as
long as they came. An answer is looked at where lists and absent objects make a difference alone, a
level at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from execution.cost import OperationCost, PricedField, PricedSelection, Variables, value_of

Row = Mapping[str, Any]


def actual_cost(cost: OperationCost, data: Row | None, variables: Variables) -> int:
    """The cost of this answer, in points: at most what was requested, for declarations bound lists.
    Without data it is all that was requested: what failed is not known to be cheap."""
    if data is None or cost.root.steady:
        return cost.requested(variables)
    return max(0, cost.base + _selection(cost.root, [data], variables))


def _selection(selection: PricedSelection, rows: Sequence[Row], variables: Variables) -> int:
    if selection.steady:
        return len(rows) * value_of(selection.requested, variables)
    found = 0
    for field in selection.fields:
        if field.steady:
            found += len(rows) * value_of(field.requested, variables)
        else:
            found += _field(field, rows, variables)
    return found


def _field(field: PricedField, rows: Sequence[Row], variables: Variables) -> int:
    key = field.key
    values = [row.get(key) for row in rows]
    found = len(rows) * value_of(field.arguments, variables)
    if field.size is not None:
        values = _items(values)
    found += field.weight * len(values)
    if not field.below:
        return found
    there = [value for value in values if value is not None]
    if not there:
        return found
    if len(field.below) == 1:
        return found + _selection(field.below[0], there, variables)
    return found + _members(field.below, there, variables)


def _items(values: Sequence[Any]) -> list[Any]:
    """The items of lists in a row; of lists of lists, theirs."""
    items: list[Any] = []
    for value in values:
        if value is not None:
            items += value
    return _items(items) if any(isinstance(item, list) for item in items) else items


def _members(below: Sequence[PricedSelection], rows: Sequence[Row], variables: Variables) -> int:
    """Objects of an interface or a union, told apart by their `__typename` or else their keys; of
    types that have the same keys, the dearest counts."""
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row), []).append(row)
    found = 0
    for keys, group in groups.items():
        alike = [one for one in below if one.keys == keys] or below
        found += _alike(alike, group, variables)
    return found


def _alike(below: Sequence[PricedSelection], rows: Sequence[Row], variables: Variables) -> int:
    if len(below) == 1:
        return _selection(below[0], rows, variables)
    key = below[0].typename_key
    if key is None:
        return max(_selection(one, rows, variables) for one in below)
    named: dict[Any, list[Row]] = {}
    for row in rows:
        named.setdefault(row.get(key), []).append(row)
    found = 0
    for name, group in named.items():
        # One stands for several that are selected alike: there the dearest is as good.
        chosen = [one for one in below if one.type == name] or below
        found += max(_selection(one, group, variables) for one in chosen)
    return found
