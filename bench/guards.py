"""What limits, cost and budgets take of a usual request: the same operation, whose row is at hand,
with a budget that is held in memory and without one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from resolvers.context import OperationContext
from schema.users import queries as user_queries

TEXT = "{ me { id } }"

Best = Callable[[Callable[[], Awaitable[Any]], int], Awaitable[float]]


async def guards_us(
    schema: Any, asking: OperationContext, best: Best, times: int
) -> dict[str, float]:
    """Microseconds of processor time: of the whole operation `with` guards and `without`, and of
    the `guards` alone."""
    row = await user_queries.resolvers.me(asking.fresh())

    async def at_hand(_: Any) -> Any:
        return row

    free = replace(asking, server=replace(asking.server, spending=None))  # type: ignore[arg-type]

    async def run(context: OperationContext) -> None:
        result = await schema.execute_own(TEXT, context_value=context)
        assert result.data["me"]["id"]

    kept, user_queries.resolvers.me = user_queries.resolvers.me, at_hand
    try:
        # In turns: what else the machine does meets both.
        found = {"with": 1e9, "without": 1e9}
        for _ in range(3):
            for name, context in (("with", asking), ("without", free)):
                each = await best(lambda context=context: run(context), times) * 1e6
                found[name] = min(found[name], each)
    finally:
        user_queries.resolvers.me = kept
    return found | {"guards": found["with"] - found["without"]}
