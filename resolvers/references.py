"""What gateways refer to, many of a type at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from core.errors import BadUserInput
from core.ids import decode_id
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
    keys: list[UUID | None] = []
    for public_id in public_ids:
        try:
            keys.append(decode_id(public_id, prefix))
        except BadUserInput:  # what cannot exist is answered like what does not
            keys.append(None)
    there = [key for key in keys if key is not None]
    found = iter(await context.loaders.show_all(loader, there, shown_as))
    return [None if key is None else next(found) for key in keys]
