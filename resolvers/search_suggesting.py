"""Suggestions and popular searches: checked input, the viewer, one read each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.errors import BadUserInput
from core.ids import encode_id
from models.search import QUERY_MAX, SearchKind
from resolvers.context import OperationContext
from services.search.popular import POPULAR_MAX, PopularQuery, popular_searches
from services.search.suggesting import SUGGESTIONS_MAX, suggest

PREFIXES: dict[str, str] = {
    "TITLE": "ttl",
    "PERSON": "per",
    "POST": "pst",
    "USER": "usr",
    "PRODUCT": "prd",
    "AUCTION": "auc",
    "QUEST": "qst",
}


@dataclass(frozen=True, slots=True)
class SuggestionRow:
    """A suggestion as clients see it: without type and id where it is a query."""

    text: str
    type: SearchKind | None
    node_id: str | None


async def suggestions(
    context: OperationContext, prefix: str, kinds: Sequence[SearchKind], first: int
) -> list[SuggestionRow]:
    """What may be meant by what was typed so far."""
    if len(prefix) > QUERY_MAX or "\0" in prefix:
        raise BadUserInput(
            f"prefix: {QUERY_MAX} characters at most, no NUL", {"maximum": QUERY_MAX}
        )
    checked = context.checked_first(first, maximum=SUGGESTIONS_MAX)
    async with context.server.db.read() as session:
        found = await suggest(
            session, prefix, kinds=kinds, first=checked, viewer_id=context.viewer_id
        )
    return [
        SuggestionRow(
            each.text,
            each.kind,
            encode_id(PREFIXES[each.kind], each.entity_id)
            if each.kind is not None and each.entity_id is not None
            else None,
        )
        for each in found
    ]


async def popular(context: OperationContext, first: int) -> list[PopularQuery]:
    """What many people search."""
    checked = context.checked_first(first, maximum=POPULAR_MAX)
    async with context.server.db.read() as session:
        return await popular_searches(session, first=checked)
