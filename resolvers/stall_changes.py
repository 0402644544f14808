"""From the subscription to a stall to its stream, and who of its watchers sees what."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from core.errors import BadUserInput
from loaders import auctions as loaders
from resolvers.auctions import find
from resolvers.context import OperationContext
from resolvers.orders import sells_at
from subscriptions.log import LogEvent
from subscriptions.stalls import is_for_sellers, stall_changes


async def watch_stall(
    context: OperationContext, stall_id: str, after: str | None
) -> AsyncGenerator[LogEvent, None]:
    """Changes at a stall from a cursor on; each event with loaders of its own. Whether the viewer
    is of the stall is asked anew for each event that depends on it."""
    stall = await find(context, loaders.stall_by_id, stall_id, "stl")
    if stall is None:
        raise BadUserInput("there is no such stall to subscribe to")
    events = stall_changes(context.server.hub, context.server.db, stall.id, after=after)
    async with aclosing(events):
        async for event in events:
            context.begin_event(event)
            if is_for_sellers(event) and not await sells_at(context, stall.id):
                continue
            yield event
