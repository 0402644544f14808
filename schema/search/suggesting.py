"""Root fields that help somebody to type: suggestions, and what many people search."""

from __future__ import annotations

from typing import Annotated, Any, cast

import strawberry

from execution.rates import RateLimit
from resolvers import search_suggesting as resolvers
from resolvers.search_suggesting import SuggestionRow
from schema.fields import Context, argument, attribute, bounded, resolved
from schema.rows import shows
from schema.scalars import code_of
from schema.search.types import SearchResultType
from services.search.popular import POPULAR_MAX, SEARCHERS_MIN, PopularQuery
from services.search.suggesting import SUGGESTIONS_MAX


@strawberry.type(description="What may be meant by what was typed so far.")
@shows(SuggestionRow)
class SearchSuggestion:
    text: str = attribute("The name of something, or a query, to be shown and searched as it is.")
    type: SearchResultType | None = attribute(
        "What bears this name; null for a query that many people search."
    )
    node_id: strawberry.ID | None = attribute(
        "Which one, for `node(id)`: of several of one name the most popular. Null for a query."
    )


@strawberry.type(description="A query that many people search.")
@shows(PopularQuery)
class PopularSearch:
    query: str = attribute("The query, in lower case and without accents.")
    searches: int = attribute("How often it was searched, lately.")


TYPING_RATE = RateLimit(limit=600, duration=60)


@strawberry.type
class SuggestionQuery:
    @resolved(
        "Suggestions while somebody types: names that begin so, or have a word that begins so, the "
        "most popular first, whatever case and accents; then queries that many people search. "
        "What you may not see is not suggested.",
        list_size=bounded(SUGGESTIONS_MAX, by="first"),
        rate_limit=TYPING_RATE,
        viewer=True,
    )
    async def suggest(
        self,
        info: Context,
        prefix: Annotated[str, argument("What was typed so far, 500 characters at most.")],
        types: Annotated[
            list[SearchResultType] | None,
            argument("Names of these kinds of things alone, and no queries; all if not given."),
        ] = None,
        first: Annotated[
            int, argument(f"How many, from 0 to {SUGGESTIONS_MAX}.")
        ] = SUGGESTIONS_MAX,
    ) -> list[SearchSuggestion]:
        kinds = cast("Any", [code_of(each) for each in types or ()])
        return cast("Any", await resolvers.suggestions(info.context, prefix, kinds, first))

    @resolved(
        f"What people search most. A query is shown only when {SEARCHERS_MIN} people or more have "
        "searched it, and never if it looks like an address or a number of somebody's own.",
        list_size=bounded(POPULAR_MAX, by="first"),
    )
    async def popular_searches(
        self,
        info: Context,
        first: Annotated[int, argument(f"How many, from 0 to {POPULAR_MAX}.")] = 10,
    ) -> list[PopularSearch]:
        return cast("Any", await resolvers.popular(info.context, first))
