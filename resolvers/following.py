"""From a subscription field to its feed: the one generator behind all fields that follow the log
and may be shared."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractContextManager, aclosing, nullcontext

from resolvers.context import OperationContext
from subscriptions.crowds import Boarding
from subscriptions.feeds import Feed
from subscriptions.log import LogEvent
from subscriptions.stream import stream

Sees = Callable[[LogEvent], Awaitable[bool]]
Meanwhile = Callable[[Feed], AbstractContextManager[object]]


async def follow(
    context: OperationContext,
    after: str | None,
    find: Callable[[], Awaitable[Feed]],
    *,
    sees: Sees | None = None,
    meanwhile: Meanwhile = nullcontext,
) -> AsyncGenerator[LogEvent, None]:
    """Events of the feed that `find` finds, from a cursor on, each with loaders of its own.

    `find` judges the arguments, and what it raises ends the stream. `sees` is asked of each event
    whether the viewer may see it, with the event's loaders. `meanwhile` is entered while somebody
    follows. None of them is for a crowd's own run, whose subscribers have each passed here.
    """
    if context.feeding is not None:
        async with aclosing(context.feeding) as fed:
            async for event in fed:
                if await _begun(context, event, sees):
                    yield event
        return
    feed = await find()
    server = context.server
    boarding = None
    # Where seeing is asked of the database for each viewer, a crowd is of those without a name.
    if context.outlet is not None and (sees is None or context.viewer is None):
        boarding = Boarding(server.hub, feed, context.outlet, context.viewer_id)
    events = stream(
        server.hub, server.db, feed.topic, after=after, types=feed.types, boarding=boarding
    )
    with meanwhile(feed):
        async with aclosing(events):
            async for event in events:
                shown = feed.shown is None or feed.shown(event, context.viewer_id)
                if feed.passes(event) and shown and await _begun(context, event, sees):
                    yield event


async def _begun(context: OperationContext, event: LogEvent, sees: Sees | None) -> bool:
    context.begin_event(event)
    return sees is None or await sees(event)
