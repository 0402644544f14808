"""From `searchChanged` to the results that are pushed, each read with what its viewer may see."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from resolvers.context import OperationContext
from resolvers.search import PageRow, with_nodes
from services.search.contract import SearchQuery
from services.search.searching import check_question
from subscriptions.search import Push


async def watch_search(
    context: OperationContext, query: SearchQuery
) -> AsyncGenerator[tuple[Push, PageRow], None]:
    """The page of now, then each other one. Raises `BadUserInput` for a question that cannot be,
    and as `LiveSearches.watch`."""
    check_question(query)
    async with aclosing(context.server.searches.watch(query, context.socket)) as pushes:
        async for push in pushes:
            context.renew()
            # Those who asked the same read what does not depend on them once.
            context.read_with(push.shared)
            yield push, await with_nodes(context, push.page)
