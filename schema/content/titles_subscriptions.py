"""What the catalogue pushes: where titles can be watched."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import datetime
from typing import Annotated, cast

import strawberry

from loaders.content import availability as offers
from loaders.content import titles as loaders
from resolvers.content.titles import watch_availability, watch_watchlist
from schema.common import Money
from schema.content.titles_mutations import AvailabilityChangeKind
from schema.content.titles_types import Availability, AvailabilityTier, Platform, Title
from schema.fields import Context, argument, attribute, loaded, subscription
from schema.rows import shows
from schema.scalars import Cursor
from subscriptions.content.availability import AvailabilityChangeRow, change_of


@strawberry.type(description="Something changed in where a title can be watched; as of then.")
@shows(AvailabilityChangeRow)
class AvailabilityChange:
    cursor: Cursor = attribute("Where this event is in its stream: resume after it.")
    occurred_at: datetime = attribute("When it was found out, by the server's clock.")
    kind: AvailabilityChangeKind = attribute("What happened.")
    region: str = attribute("Where: ISO 3166-1, as `FR`.")
    tier: AvailabilityTier = attribute("On which terms.")
    price: Money | None = attribute("What it costs from then on, if known.")
    old_price: Money | None = attribute("What it cost before, where the price changed.")
    available_until: datetime | None = attribute("Its end, where one is known.")
    platform: Platform = loaded(
        offers.platform_by_id, key="platform_id", description="Who shows it, or did."
    )
    offer: Availability = loaded(
        offers.offer_by_id, key="offer_id", description="The offer as it is now."
    )
    title: Title | None = loaded(
        loaders.title_by_id,
        key="title_id",
        description="The title; null where it is hidden from you meanwhile.",
        viewer=True,
    )


@strawberry.type
class TitleSubscription:
    @subscription(
        "Each change in where a title can be watched, once, in order.", cost=2, viewer=True
    )
    async def availability_changed(
        self,
        info: Context,
        title_id: Annotated[strawberry.ID, argument("Which title.")],
        region: Annotated[
            str | None, argument("In this region alone, as `FR`; all if not given.")
        ] = None,
        after: Annotated[
            Cursor | None,
            argument(
                "Go on after this event: the last `cursor` you saw, or `Title.eventCursor`. From "
                "now on if not given. `CURSOR_EXPIRED` where the log no longer goes back so far."
            ),
        ] = None,
    ) -> AsyncGenerator[AvailabilityChange, None]:
        async with aclosing(watch_availability(info.context, title_id, region, after)) as events:
            async for event in events:
                yield cast(AvailabilityChange, change_of(event))

    @subscription(
        "Each change, in your region, of a title on your watchlist, once, in order.",
        authenticated=True,
        cost=2,
    )
    async def watchlist_availability_changed(
        self,
        info: Context,
        after: Annotated[
            Cursor | None,
            argument(
                "Go on after this event: the last `cursor` you saw. From now on if not given."
            ),
        ] = None,
    ) -> AsyncGenerator[AvailabilityChange, None]:
        async with aclosing(watch_watchlist(info.context, after)) as events:
            async for event in events:
                yield cast(AvailabilityChange, change_of(event))
