"""From the subscription to a stall to its stream, and who of its watchers sees what."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from core.errors import BadUserInput
from loaders import auctions as loaders
from resolvers.auctions import find as find_row
from resolvers.context import OperationContext
from resolvers.following import follow
from resolvers.orders import sells_at
from subscriptions.feeds import Feed
from subscriptions.log import LogEvent
from subscriptions.stalls import is_for_sellers, stall_changes, stall_of


def watch_stall(
    context: OperationContext, stall_id: str, after: str | None
) -> AsyncGenerator[LogEvent, None]:
    """Changes at a stall from a cursor on. Whether the viewer is of the stall is asked anew for
    each event that depends on it."""

    async def find() -> Feed:
        stall = await find_row(context, loaders.stall_by_id, stall_id, "stl")
        if stall is None:
            raise BadUserInput("there is no such stall to subscribe to")
        return stall_changes(stall.id)

    async def sees(event: LogEvent) -> bool:
        return not is_for_sellers(event) or await sells_at(context, stall_of(event))

    return follow(context, after, find, sees=sees)
