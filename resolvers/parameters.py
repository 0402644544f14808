"""From a field of parameters to one unit of work."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import NamedTuple

from loaders import parameters as loaders
from loaders.parameters import ParameterChangeRow, SetParameterRow
from resolvers.context import OperationContext
from services.parameters import PARAMETERS, Parameter
from services.parameters import set_parameter as set_value


class ParameterRow(NamedTuple):
    """A parameter: what it means, and what it is."""

    key: str
    meaning: str
    value: int
    default: int
    minimum: int
    maximum: int
    changed_at: datetime | None


def _row(parameter: Parameter, stored: SetParameterRow | None) -> ParameterRow:
    return ParameterRow(
        key=parameter.key,
        meaning=parameter.meaning,
        value=parameter.default if stored is None else stored.value,
        default=parameter.default,
        minimum=parameter.minimum,
        maximum=parameter.maximum,
        changed_at=None if stored is None else stored.changed_at,
    )


async def parameters(context: OperationContext) -> list[ParameterRow]:
    """All parameters, as they are now."""
    stored = await loaders.set_parameters(context.server.db)
    return [_row(parameter, stored.get(key)) for key, parameter in PARAMETERS.items()]


async def changes_of(context: OperationContext, key: str) -> list[ParameterChangeRow]:
    """The last changes of a parameter, newest first."""
    found: list[ParameterChangeRow] = await context.loaders.load(
        loaders.changes_by_parameter_key, key
    )
    return found


async def set_parameter(
    context: OperationContext, key: str, value: int, reason: str
) -> ParameterRow:
    """Set a parameter for the viewer; as it is then. Raises `InvalidInput`."""
    viewer = context.signed_in()
    await context.transact(
        partial(set_value, actor_id=viewer.user_id, key=key, value=value, reason=reason)
    )
    context.forget()
    return next(row for row in await parameters(context) if row.key == key)
