"""How often one field may be asked for: what `@rateLimit` declares, and the guard that holds it."""

from __future__ import annotations

from collections.abc import Callable
from inspect import isawaitable
from typing import Any

from strawberry.directive import directive_field
from strawberry.extensions.field_extension import FieldExtension
from strawberry.schema_directive import Location, schema_directive


@schema_directive(
    name="rateLimit",
    locations=[Location.FIELD_DEFINITION],
    description="Somebody signed in, or an address of those who are not, may ask for this field "
    "`limit` times in `duration` seconds. Turns come back evenly. One too many is an error "
    "RATE_LIMITED at the field, with `retryAfter`, `limit`, `remaining` and `resetAt`.",
)
class RateLimit:
    limit: int = directive_field(name="limit")
    duration: int = directive_field(name="duration")

    def __post_init__(self) -> None:
        if self.limit < 1 or self.duration < 1:
            raise ValueError("limit and duration must be 1 or more")


class RateGuard(FieldExtension):
    """Takes a turn before the field's resolver runs. Raises `RateLimited`."""

    def __init__(self, declared: RateLimit) -> None:
        self.declared = declared

    async def resolve_async(
        self, next_: Callable[..., Any], source: Any, info: Any, **kwargs: Any
    ) -> Any:
        await self.take_turn(info)
        found = next_(source, info, **kwargs)
        return await found if isawaitable(found) else found

    async def take_turn(self, info: Any) -> None:
        """Take a turn, for who asks. Raises `RateLimited`."""
        context = info.context
        spending = getattr(getattr(context, "server", None), "spending", None)
        if spending is not None:
            raw = getattr(info, "_raw_info", info)
            await spending.take_turn(
                f"{raw.parent_type.name}.{raw.field_name}",
                self.declared.limit,
                self.declared.duration,
                context.viewer,
                context.address,
            )
