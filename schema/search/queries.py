"""The root field that finds. Those that suggest stand in suggesting.py."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, cast

import strawberry
from graphql import FieldNode, FragmentSpreadNode, SelectionNode

from execution.rates import RateLimit
from resolvers import search as resolvers
from schema.fields import After, Before, Context, First, Last, argument, page_size, resolved
from schema.scalars import code_of
from schema.search.inputs import SearchFilterInput, facets_of, filters_of
from schema.search.suggesting import SuggestionQuery
from schema.search.types import SearchConnection, SearchFacetName, SearchMode, SearchResultType
from services.search import contract

SEARCH_RATE = RateLimit(limit=100, duration=60)


@strawberry.type
class SearchQuery(SuggestionQuery):
    @resolved(
        "Everything that everyone may find, by words, by names that are nearly so, and by meaning "
        "where a model is installed. Plain words become filters where they are certain: see "
        "`interpretation`. Nothing typed: everything, the most popular first. A value that a "
        "filter cannot have is an error BAD_USER_INPUT with `filter` and `reason` in its details.",
        list_size=page_size(),
        viewer=True,
        cost=20,
        rate_limit=SEARCH_RATE,
    )
    async def search(
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
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> SearchConnection:
        limit = resolvers.check_page(info.context, first, after, last, before)
        asked = contract.SearchQuery(
            text=query,
            filters=filters_of(types, filters),
            facets=facets_of(facets),
            first=limit,
            after=after,
            last=None if last is None else limit,
            before=before,
            mode=code_of(mode),  # type: ignore[arg-type]
            viewer_id=info.context.viewer_id,
            personalize=personalize,
            highlights=selects(info, "highlights"),
        )
        return cast("Any", await resolvers.search_page(info.context, asked))


def selects(info: Any, name: str) -> bool:
    """Whether a field of this name stands anywhere below the field that is resolved."""
    raw = getattr(info, "_raw_info", info)
    return any(_names(raw.field_nodes, name, raw.fragments))


def _names(nodes: Iterable[SelectionNode], name: str, fragments: Any) -> Iterable[bool]:
    for node in nodes:
        if isinstance(node, FragmentSpreadNode):
            yield from _names([fragments[node.name.value]], name, fragments)
        else:
            yield isinstance(node, FieldNode) and node.name.value == name
            inner = getattr(node, "selection_set", None)
            yield from _names(inner.selections if inner else (), name, fragments)
