"""What an operation is charged: requested of its viewer's budget before anything runs, and settled
by its answer; told in `extensions.cost` where that is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from core.errors import RateLimited, RequestError
from execution.cost import OperationCost, Variables
from execution.counting import actual_cost
from resolvers.context import OperationContext
from services.budgets import Lease
from services.spending import Spending

LEAST = 1
"""What any operation takes of a budget, also one that costs nothing or cannot be run."""


@dataclass(slots=True, eq=False)
class Charge:
    """What was taken for an operation. `lease` is None where nothing is limited."""

    context: OperationContext
    cost: OperationCost
    variables: Variables
    requested: int
    lease: Lease | None

    def settle(self, result: Any, *, whole: bool = True) -> None:
        """Give back what the answer did not cost, and tell of it if that was asked for. An answer
        that has not come `whole` costs all that was requested."""
        tells = self.context.tells_cost
        if self.lease is None and not tells:
            return
        actual = self.requested
        if whole:
            counted = actual_cost(self.cost, result.data, self.variables)
            actual = min(actual, counted)
        if self.lease is not None:
            unspent = max(LEAST, self.requested) - max(LEAST, actual)
            self.context.server.spending.budgets.return_to(self.lease, unspent)
        if tells:
            told = {"requested": self.requested, "actual": actual, "throttle": self._throttle()}
            result.extensions = {**(result.extensions or {}), "cost": told}

    def _throttle(self) -> dict[str, float] | None:
        if self.lease is None:
            return None
        terms = self.lease.terms
        return {
            "maximum": terms.maximum,
            "available": self.lease.available,
            "restoreRate": round(terms.restore_rate, 2),
        }


async def charge(context: Any, cost: OperationCost, variables: Variables) -> Charge | None:
    """Take what the operation may cost; None where there is no server to say what may be spent.
    Raises `CostExceeded`, `RateLimited`, and `BadUserInput` for slicing arguments that are wrong.
    """
    spending = _spending(context)
    if spending is None:
        return None
    viewer = context.viewer
    try:
        requested = cost.requested(variables)
        spending.check(viewer, requested)
    except RequestError as error:
        raise await charge_least(context) or error from None
    lease = None
    if spending.factor:
        points = max(LEAST, requested)
        lease = spending.held(viewer, context.address, points) or await spending.take(
            viewer, context.address, points
        )
    return Charge(context, cost, variables, requested, lease)


async def charge_least(context: Any) -> RateLimited | None:
    """Take what an operation costs that cannot be run; or the refusal, if even that is too much."""
    spending = _spending(context)
    if spending is not None and spending.factor:
        try:
            await spending.take(context.viewer, context.address, LEAST)
        except RateLimited as error:
            return error
    return None


def _spending(context: Any) -> Spending | None:
    found: Spending | None = getattr(getattr(context, "server", None), "spending", None)
    return found
