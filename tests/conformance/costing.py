"""What a case of the real schema may cost, and what its answer has cost."""

from __future__ import annotations

from typing import Any

from execution.counting import actual_cost
from tests.conformance.cases import Case


def costs_of(schema: Any, case: Case, data: Any) -> tuple[int, int] | None:
    """Requested and actual, in points, as they are counted: nothing is cut to what was requested.
    None where the case could not begin."""
    prepared = schema.documents.prepare(schema._schema, case.text)
    operation = prepared.operation(None)
    if prepared.errors or operation is None:
        return None
    begun = schema.levels.begin(
        schema._schema, prepared, operation, variables=case.variables, context_value=None
    )
    if isinstance(begun, list):
        return None
    cost, variables = begun.cost(), begun.variable_values.coerced
    return cost.requested(variables), actual_cost(cost, data, variables)
