"""What gateways refer to, many of a type at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from core.ids import keys_of
from resolvers.context import OperationContext


async def referred(
    context: OperationContext,
    loader: Any,
    public_ids: Sequence[str],
    prefix: str,
    shown_as: str | None = None,
) -> list[Any]:
    """The rows that these ids name, in their order, in one batch: None for what does not exist, and
    an exception in place of one that failed. `shown_as` as in `Loaders.show_all`."""
    keys = keys_of(public_ids, prefix)  # what cannot exist is answered like what does not
    if None not in keys:
        return await context.loaders.show_all(loader, keys, shown_as)
    there = [key for key in keys if key is not None]
    found = iter(await context.loaders.show_all(loader, there, shown_as))
    return [None if key is None else next(found) for key in keys]
