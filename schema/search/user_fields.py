"""What search adds to a user. Apart from the searches themselves, whose module needs the users'."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import strawberry

from resolvers import search_history as resolvers
from schema.common import Connection
from schema.fields import After, Before, Context, First, Last, page_size, resolved

if TYPE_CHECKING:
    from schema.search.history import SearchHistoryEntry

LazyEntry = Annotated["SearchHistoryEntry", strawberry.lazy("schema.search.history")]


@strawberry.type
class SearchUserFields:
    """What search adds to a user."""

    @resolved(
        "What you searched, newest first: the last thousand of half a year; null for anyone but "
        "yourself.",
        viewer=True,
        list_size=page_size(),
    )
    async def search_history(
        root: strawberry.Parent[Any],
        info: Context,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[LazyEntry] | None:
        page: Connection[LazyEntry] | None = await resolvers.own_searches(
            info.context, root.id, first, after, last, before
        )
        return page

    @resolved("Whether your searches are kept for you; null for anyone but yourself.", viewer=True)
    async def keeps_search_history(root: strawberry.Parent[Any], info: Context) -> bool | None:
        return await resolvers.keeps_history(info.context, root.id)
