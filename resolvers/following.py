"""From a subscription field to its feed: the one generator behind all fields that follow the log
and may be shared."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractContextManager, aclosing, nullcontext
from functools import partial

from resolvers.context import OperationContext
from subscriptions.crowds import Boarding, Resuming
from subscriptions.cursors import encode_cursor
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
    follows, in a crowd too. All but `sees` are the subscriber's alone: a crowd's own run is of
    subscribers who have each passed here.
    """
    if context.feeding is not None:
        async with aclosing(context.feeding) as fed:
            async for event in fed:
                if await _begun(context, event, sees):
                    yield event
        return
    if context.resuming is None:
        feed, after = await find(), context.resume_after(after)
    else:
        feed, after = _resumed(context.resuming)
    events = _events(context, feed, after, meanwhile, rides=sees is None or context.viewer is None)
    async with aclosing(events):
        async for event in events:
            shown = feed.shown is None or feed.shown(event, context.viewer_id)
            if feed.passes(event) and shown and await _begun(context, event, sees):
                yield event


async def _events(
    context: OperationContext, feed: Feed, after: str | None, meanwhile: Meanwhile, *, rides: bool
) -> AsyncGenerator[LogEvent, None]:
    """All of a feed's topic. Where seeing is asked of the database for each viewer, only those
    without a name may ride in a crowd."""
    server = context.server
    boarding = None
    if context.outlet is not None and context.resuming is None and rides:
        boarding = Boarding(
            server.hub, feed, context.outlet, context.viewer_id, partial(meanwhile, feed)
        )
    events = stream(
        server.hub,
        server.db,
        feed.topic,
        after=after,
        types=feed.types,
        boarding=boarding,
        begun=None if context.place is None else context.place.begun,
    )
    with meanwhile(feed):
        async with aclosing(events):
            async for event in events:
                yield event


def _resumed(resuming: Resuming) -> tuple[Feed, str]:
    """Where a subscriber goes on that a crowd has let go. Raises what ended its stream."""
    if resuming.error is not None:
        raise resuming.error
    return resuming.feed, encode_cursor(resuming.feed.topic, resuming.position)


async def _begun(context: OperationContext, event: LogEvent, sees: Sees | None) -> bool:
    context.begin_event(event)
    return sees is None or await sees(event)
