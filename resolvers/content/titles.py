"""From a field of the catalogue to one unit of work: the viewer, checked input, a service."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

from core.errors import BadUserInput, InvalidInput
from core.pagination import PageRequest
from loaders.content import availability as offers
from loaders.content import titles as loaders
from loaders.content import viewing as loaders_viewing
from loaders.content.availability import OFFERS_MAX, OffersAsked
from loaders.content.titles import TitleFilter
from resolvers.auctions import find, named_key, public_key
from resolvers.context import OperationContext
from resolvers.following import follow
from services.content import availability, platforms, preferences, ratings, viewing
from services.content.offers import OfferReport
from services.content.platforms import PlatformDetails
from subscriptions.content.availability import title_changes, watchlist_changes
from subscriptions.feeds import Feed
from subscriptions.log import LogEvent

TRENDING_MAX = 100


async def titles(
    context: OperationContext, wanted: TitleFilter, ordering: str, request: PageRequest
) -> Any:
    """A page of the catalogue; the rows are remembered for references."""
    page = await loaders.titles_page(
        context.server.db, context.viewer_id, wanted, ordering, request
    )
    for edge in page.edges:
        context.loaders.prime(loaders.title_by_id, edge.node.id, edge.node)
    return page


async def genres(context: OperationContext, limit: int) -> Any:
    """The genres by name."""
    return await loaders.all_genres(context.server.db, limit)


async def platforms_of(context: OperationContext, *, active: bool | None) -> Any:
    """The platforms by name; the rows are remembered for references."""
    rows = await offers.all_platforms(context.server.db, active=active)
    for row in rows:
        context.loaders.prime(offers.platform_by_id, row.id, row)
    return rows


async def trending(
    context: OperationContext, *, timeframe: str, kind: str | None, region: str | None, first: int
) -> Any:
    """The first places of a trend."""
    if region is not None and "\0" in region:
        raise BadUserInput("region: two letters, as in FR")
    rows = await loaders_viewing.trending(
        context.server.db,
        context.viewer_id,
        timeframe=timeframe,
        kind=kind,
        region=region or "",
        first=context.checked_first(first, maximum=TRENDING_MAX),
    )
    for row in rows:
        context.loaders.prime(loaders.title_by_id, row.title.id, row.title)
    return rows


async def title_offers(
    context: OperationContext,
    title_id: UUID,
    *,
    region: str | None,
    tier: str | None,
    platform_id: str | None,
    first: int,
) -> Any:
    """Where a title can be watched; nothing for a platform that cannot exist."""
    key = None if platform_id is None else public_key(platform_id, "plt")
    if platform_id is not None and key is None:
        return []
    if region is not None and "\0" in region:
        return []
    limit = context.checked_first(first, maximum=OFFERS_MAX)
    asked = OffersAsked(title_id, region, tier, key, limit)
    return await context.loaders.load(offers.offers_by_title_id, asked)


async def own(context: OperationContext, user_id: UUID, loader: Any, *page: Any) -> Any:
    """A page of the viewer's own; None for anyone else's."""
    if user_id != context.viewer_id:
        return None
    request = context.page_request(loader.order, *page)
    return await context.loaders.load(loader, (user_id, request))


async def own_preferences(context: OperationContext, user_id: UUID) -> Any:
    """The viewer's own preferences, also where they never set any; None for anyone else's."""
    if user_id != context.viewer_id:
        return None
    loader = loaders_viewing.own_preferences_by_user_id
    kept = await context.loaders.load(loader, user_id)
    return kept or loaders_viewing.no_preferences(user_id)


async def _on_title(context: OperationContext, title_id: str, service: Any, **given: Any) -> Any:
    """A service on a title for the viewer; the title's row after it."""
    viewer = context.signed_in()
    key = named_key(title_id, "ttl", "title")
    await context.transact(partial(service, viewer_id=viewer.user_id, title_id=key, **given))
    context.forget()
    return await context.loaders.load(loaders.title_by_id, key)


async def rate_title(context: OperationContext, title_id: str, value: Decimal) -> Any:
    """Rate for the viewer; the title's row."""
    tenths = ratings.tenths_of(value)
    return await _on_title(context, title_id, ratings.rate_title, value_tenths=tenths)


async def unrate_title(context: OperationContext, title_id: str) -> Any:
    """Take the viewer's rating back; the title's row."""
    return await _on_title(context, title_id, ratings.unrate_title)


async def review_title(context: OperationContext, title_id: str, **given: Any) -> Any:
    """Write the viewer's review; its row."""
    viewer = context.signed_in()
    key = named_key(title_id, "ttl", "title")
    review_id = await context.transact(
        partial(ratings.review_title, viewer_id=viewer.user_id, title_id=key, **given)
    )
    context.forget()
    return await context.loaders.load(loaders_viewing.review_by_id, review_id)


async def delete_review(context: OperationContext, review_id: str) -> Any:
    """Take the viewer's review back; the title's row, None where it is hidden from them now."""
    viewer = context.signed_in()
    key = named_key(review_id, "rvw", "review")
    title_id = await context.transact(
        partial(ratings.delete_review, viewer_id=viewer.user_id, review_id=key)
    )
    context.forget()
    return await context.loaders.load(loaders.title_by_id, title_id)


async def add_to_watchlist(context: OperationContext, title_id: str, priority: int) -> Any:
    """Add for the viewer; the title's row."""
    return await _on_title(context, title_id, viewing.add_to_watchlist, priority=priority)


async def remove_from_watchlist(context: OperationContext, title_id: str) -> Any:
    """Remove for the viewer; the title's row."""
    return await _on_title(context, title_id, viewing.remove_from_watchlist)


async def record_view(
    context: OperationContext,
    title_id: str,
    *,
    platform_id: str | None,
    watched_at: datetime | None,
    duration_s: int,
    progress: int,
    completed: bool | None,
) -> Any:
    """Record a viewing of the viewer's; its row."""
    viewer = context.signed_in()
    view_id = await context.transact(
        partial(
            viewing.record_view,
            viewer_id=viewer.user_id,
            title_id=named_key(title_id, "ttl", "title"),
            platform_id=None if platform_id is None else named_key(platform_id, "plt", "platform"),
            watched_at=watched_at,
            duration_s=duration_s,
            progress=progress,
            completed=completed,
        )
    )
    context.forget()
    return await context.loaders.load(loaders_viewing.own_view_by_id, view_id)


async def remove_view(context: OperationContext, view_id: str) -> str:
    """Take a viewing out of the viewer's history; its id."""
    viewer = context.signed_in()
    key = named_key(view_id, "vwr", "view")
    await context.transact(partial(viewing.remove_view, viewer_id=viewer.user_id, view_id=key))
    return view_id


async def clear_history(context: OperationContext, *, confirm: bool) -> int:
    """Empty the viewer's history; how many viewings there were."""
    viewer = context.signed_in()
    if not confirm:
        raise InvalidInput("confirm", "must be true: what is forgotten cannot be brought back")
    return await context.transact(partial(viewing.clear_history, viewer_id=viewer.user_id))


async def update_preferences(context: OperationContext, changes: Mapping[str, Any]) -> Any:
    """Change the viewer's preferences; the row."""
    viewer = context.signed_in()
    given = dict(changes)
    for field in ("platforms", "memberships"):
        if given.get(field) is not None:
            given[field] = await _slugs(context, given[field])
    await context.transact(
        partial(preferences.update_preferences, user_id=viewer.user_id, changes=given)
    )
    context.forget()
    return await own_preferences(context, viewer.user_id)


async def _slugs(context: OperationContext, ids: list[str]) -> list[str]:
    if len(ids) > preferences.ITEMS_MAX:
        raise BadUserInput(f"{preferences.ITEMS_MAX} platforms at most")
    rows = await asyncio.gather(*(find(context, offers.platform_by_id, id, "plt") for id in ids))
    # What does not exist has a slug that does not exist either: the service says so.
    return ["" if row is None else row.slug for row in rows]


async def upsert_platform(context: OperationContext, details: PlatformDetails) -> Any:
    """Add or change a platform; its row."""
    key = await context.transact(partial(platforms.upsert_platform, details=details))
    context.forget()
    return await context.loaders.load(offers.platform_by_id, key)


async def upsert_availability(
    context: OperationContext, title_id: str, platform_id: str, report: Mapping[str, Any]
) -> Any:
    """Say by hand what an offer is; the kinds of changes, and the title's row."""
    key = named_key(title_id, "ttl", "title")
    given = OfferReport(
        title_id=key, platform_id=named_key(platform_id, "plt", "platform"), **report
    )
    changes = await context.transact(
        partial(availability.apply_reports, reports=[given], source="MANUAL")
    )
    context.forget()
    return [change.kind for change in changes], await context.loaders.load(loaders.title_by_id, key)


def watch_availability(
    context: OperationContext, title_id: str, region: str | None, after: str | None
) -> AsyncGenerator[LogEvent, None]:
    """Changes of a title's offers from a cursor on."""

    async def find_feed() -> Feed:
        title = await find(context, loaders.title_by_id, title_id, "ttl")
        if title is None:
            raise BadUserInput("there is no such title to subscribe to")
        return title_changes(title.id, region=region)

    return follow(context, after, find_feed)


async def watch_watchlist(
    context: OperationContext, after: str | None
) -> AsyncGenerator[LogEvent, None]:
    """Changes of the viewer's watch-listed titles from a cursor on."""
    viewer = context.signed_in()
    server = context.server
    after = context.resume_after(after)
    events = watchlist_changes(server.hub, server.db, viewer.user_id, after=after)
    async with aclosing(events):
        async for event in events:
            context.begin_event(event)
            yield event
