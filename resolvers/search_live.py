"""From `searchChanged` to the results that are pushed, each read with what its viewer may see."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime

from resolvers.context import OperationContext
from resolvers.search import HitRow, PageRow, with_nodes
from services.search.contract import SearchQuery
from services.search.searching import check_question


@dataclass(frozen=True, slots=True)
class ChangeRow(PageRow):
    """A page, and when it was found."""

    found_at: datetime

    @property
    def hits(self) -> list[HitRow]:
        """The hits alone."""
        return self.nodes


async def watch_search(
    context: OperationContext, query: SearchQuery
) -> AsyncGenerator[ChangeRow, None]:
    """The page of now, then each other one. Raises `BadUserInput` for a question that cannot be,
    and as `LiveSearches.watch`."""
    check_question(query)
    async with aclosing(context.server.searches.watch(query, context.socket)) as pushes:
        async for push in pushes:
            context.renew()
            # Those who asked the same read what does not depend on them once.
            context.read_with(push.shared)
            found = await with_nodes(context, push.page)
            yield ChangeRow(found.page, found.edges, push.found_at)
