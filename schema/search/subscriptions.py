"""The root field that pushes a search's result as it changes."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import datetime
from typing import Annotated, cast

import strawberry

from resolvers.search import check_page
from resolvers.search_live import ChangeRow, watch_search
from schema.common import PAGE_LIMIT, PageInfo
from schema.fields import Context, argument, attribute, bounded, subscription
from schema.rows import shows
from schema.scalars import code_of
from schema.search.inputs import SearchFilterInput, facets_of, filters_of
from schema.search.queries import selects
from schema.search.types import (
    SearchFacet,
    SearchFacetName,
    SearchHit,
    SearchInterpretation,
    SearchMode,
    SearchResultType,
)
from services.search import contract
from services.search.contract import FACETS


@strawberry.type(
    description="A search's result, as it is now. `search` pages on from `pageInfo.endCursor`."
)
@shows(ChangeRow)
class SearchChange:
    found_at: datetime = attribute("When it was found, by the server's clock.")
    hits: list[SearchHit] = attribute("The first page of hits.", list_size=bounded(PAGE_LIMIT))
    page_info: PageInfo = attribute("Where this page stands.")
    total_count: int = attribute("How many match, exactly.")
    facets: list[SearchFacet] = attribute(
        "The facets asked for, counted over all matches.", list_size=bounded(len(FACETS))
    )
    took_ms: int = attribute("How long the search took at the server, in milliseconds.")
    interpretation: SearchInterpretation = attribute("What was understood of the query.")
    did_you_mean: str | None = attribute(
        "The query with its mistakes corrected, where that finds more; else null."
    )


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
            async for change in pushes:
                yield cast(SearchChange, change)
