"""The root field that pushes a search's result as it changes."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import datetime
from typing import Annotated, cast

import strawberry

from resolvers.search import check_page
from resolvers.search_live import watch_search
from schema.fields import Context, argument, attribute, subscription
from schema.scalars import code_of
from schema.search.inputs import SearchFilterInput, facets_of, filters_of
from schema.search.queries import selects
from schema.search.types import SearchConnection, SearchFacetName, SearchMode, SearchResultType
from services.search import contract


@strawberry.type(description="A search's result, as it is now.")
class SearchChange:
    found_at: datetime = attribute("When it was found, by the server's clock.")
    result: SearchConnection = attribute("The first page, with its facets and its counts.")


@strawberry.type
class SearchSubscription:
    @subscription(
        "The first page of a search: as it is now, and again whenever something is written, "
        "changed or removed that alters it, within a quarter of a second, four times a second at "
        "most. The arguments are those of `search`. What is alike by its meaning alone comes with "
        "the next change. `RATE_LIMITED` past 10 on one connection.",
        viewer=True,
        cost=20,
    )
    async def search_changed(
        self,
        info: Context,
        query: Annotated[str, argument("What to find, 500 characters at most. Plain text.")] = "",
        types: Annotated[
            list[SearchResultType] | None, argument("Kinds of things; all if not given.")
        ] = None,
        filters: Annotated[
            SearchFilterInput | None, argument("What hits must be; anything if not given.")
        ] = None,
        facets: Annotated[
            list[SearchFacetName] | None,
            argument("What to count all matches by; nothing if not given."),
        ] = None,
        mode: Annotated[SearchMode, argument("Which ways of finding.")] = SearchMode.ALL,
        personalize: Annotated[
            bool, argument("Whether what fits you, as far as is known, comes sooner.")
        ] = True,
        first: Annotated[int | None, argument("How many hits; 20 if none is given.")] = None,
    ) -> AsyncGenerator[SearchChange, None]:
        asked = contract.SearchQuery(
            text=query,
            filters=filters_of(types, filters),
            facets=facets_of(facets),
            first=check_page(info.context, first, None, None, None),
            mode=code_of(mode),  # type: ignore[arg-type]
            viewer_id=info.context.viewer_id,
            personalize=personalize,
            highlights=selects(info, "highlights"),
        )
        async with aclosing(watch_search(info.context, asked)) as pushes:
            async for push, page in pushes:
                yield SearchChange(found_at=push.found_at, result=cast(SearchConnection, page))
