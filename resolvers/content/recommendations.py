"""From a field of recommendations to one unit of work: the viewer, checked input, a service."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any
from uuid import UUID

from loaders.content import recommendations as loaders
from loaders.content.recommendations import SIMILAR_MAX
from resolvers.context import OperationContext
from services.content.recommendations import recommend
from subscriptions.content.new_content import new_content
from subscriptions.log import LogEvent

RECOMMENDATIONS_MAX = 50


async def recommendations(context: OperationContext, first: int) -> Any:
    """What the viewer may want next; their titles are loaded by the fields that name them."""
    checked = context.checked_first(first, maximum=RECOMMENDATIONS_MAX)
    async with context.server.db.read() as session:
        return await recommend(session, viewer_id=context.viewer_id, first=checked)


async def similar(context: OperationContext, title_id: UUID, first: int) -> Any:
    """What goes with a title."""
    checked = context.checked_first(first, maximum=SIMILAR_MAX)
    return await context.loaders.load(loaders.similar_by_title_id, (title_id, checked))


async def watch_new_content(
    context: OperationContext, after: str | None
) -> AsyncGenerator[LogEvent, None]:
    """Titles that are new for the viewer from a cursor on; each event with loaders of its own."""
    viewer = context.signed_in()
    server = context.server
    after = context.resume_after(after)
    events = new_content(server.hub, server.db, viewer.user_id, after=after)
    async with aclosing(events):
        async for event in events:
            context.begin_event(event)
            yield event
