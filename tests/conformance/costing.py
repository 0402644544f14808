"""What an operation of the real schema may cost, and what its answer has cost."""

from __future__ import annotations

from typing import Any

from execution.counting import actual_cost


def costs_of(
    schema: Any, text: str, variables: dict[str, Any], data: Any
) -> tuple[int, int] | None:
    """Requested and actual, in points, as they are counted: nothing is cut to what was requested.
    None where the operation could not begin."""
    prepared = schema.documents.prepare(schema._schema, text)
    operation = prepared.operation(None)
    if prepared.errors or operation is None:
        return None
    begun = schema.levels.begin(
        schema._schema, prepared, operation, variables=variables, context_value=None
    )
    if isinstance(begun, list):
        return None
    cost, given = begun.cost(), begun.variable_values.coerced
    return cost.requested(given), actual_cost(cost, data, given)
