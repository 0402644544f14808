"""What is pushed of titles that are new for the viewer."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import datetime
from enum import Enum
from typing import Annotated, cast

import strawberry

from loaders.content import titles as loaders
from resolvers.content.recommendations import watch_new_content
from schema.content.titles_types import Title
from schema.fields import Context, argument, attribute, loaded, subscription
from schema.rows import shows
from schema.scalars import Cursor
from subscriptions.content.new_content import NewContentRow, new_content_of


@strawberry.enum(description="Why a viewer is told of a new title.")
class NewContentReason(Enum):
    BECAUSE_YOU_LIKED = strawberry.enum_value(
        "BECAUSE_YOU_LIKED", description="It goes with one that you rated 7 or better."
    )
    GENRE_YOU_CHOSE = strawberry.enum_value(
        "GENRE_YOU_CHOSE", description="It is of a genre of your preferences."
    )


@strawberry.type(
    description="A title that can now be watched in your region and by your platforms, for the "
    "first time or again, and that may interest you."
)
@shows(NewContentRow)
class NewContent:
    cursor: Cursor = attribute("Where this event is in its stream: resume after it.")
    occurred_at: datetime = attribute("When you were told, by the server's clock.")
    reason: NewContentReason = attribute("Why you are told.")
    title: Title | None = loaded(
        loaders.title_by_id,
        key="title_id",
        description="What to watch; null where it is hidden from you meanwhile.",
        viewer=True,
    )
    because: Title | None = loaded(
        loaders.title_by_id,
        key="because_id",
        description="What you liked, for `BECAUSE_YOU_LIKED`; else null.",
        viewer=True,
    )


@strawberry.type
class NewContentSubscription:
    @subscription(
        "Titles that have become watchable for you and fit your tastes, each once, in order: five "
        "in 24 hours at most. None without a region, and none that you rated, watched or have on "
        "your watchlist.",
        authenticated=True,
        cost=2,
    )
    async def new_content_for_viewer(
        self,
        info: Context,
        after: Annotated[
            Cursor | None,
            argument(
                "Go on after this event: the last `cursor` you saw. From now on if not given. "
                "`CURSOR_EXPIRED` where the log no longer goes back so far."
            ),
        ] = None,
    ) -> AsyncGenerator[NewContent, None]:
        async with aclosing(watch_new_content(info.context, after)) as events:
            async for event in events:
                yield cast(NewContent, new_content_of(event))
