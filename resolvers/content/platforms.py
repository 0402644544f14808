"""From a field about asking platforms to a service: ids, the viewer, what is loaded after it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from loaders.content import availability as offers
from loaders.content import titles as loaders
from models.content.platforms import Scope
from resolvers.auctions import named_key
from resolvers.context import OperationContext
from services.content import feeds, polling, verifying
from services.content.feeds import FeedDetails
from services.content.verifying import Verified


async def set_platform_feed(
    context: OperationContext, platform_id: str, details: FeedDetails
) -> Any:
    """Say how a platform is asked; its row."""
    server = context.server
    key = named_key(platform_id, "plt", "platform")
    await feeds.configure_feed(server.db, server.platforms, platform_id=key, details=details)
    context.forget()
    return await context.loaders.load(offers.platform_by_id, key)


async def sync_platform(
    context: OperationContext, platform_id: str, scope: Scope
) -> tuple[Any, int]:
    """Begin to ask a platform about many titles; its row, and in how many regions."""
    server = context.server
    key = named_key(platform_id, "plt", "platform")
    started = await polling.sync_platform(server.db, server.platforms, platform_id=key, scope=scope)
    return await context.loaders.load(offers.platform_by_id, key), started


async def verify_availability(
    context: OperationContext, title_id: str, region: str | None
) -> tuple[Any, Sequence[Verified]]:
    """Ask the platforms about a title; its row, and what came of each."""
    viewer = context.signed_in()
    server = context.server
    key = named_key(title_id, "ttl", "title")
    outcomes = await verifying.verify_availability(
        server.db, server.platforms, viewer_id=viewer.user_id, title_id=key, region=region
    )
    context.forget()
    return await context.loaders.load(loaders.title_by_id, key), outcomes
