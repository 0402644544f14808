"""From `search` to its page: the question checked, the nodes of the hits read, what a viewer may
not see left out."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from core.ids import encode_id
from core.pagination import page_request
from loaders import auctions, quests, users
from loaders.base import Loader
from loaders.content import posts, titles
from resolvers.context import OperationContext
from resolvers.search_history import note_search
from services.search.contract import (
    Facet,
    FacetValue,
    Highlight,
    Hit,
    Interpretation,
    Retriever,
    SearchPage,
    SearchQuery,
)
from services.search.fusing import ORDER

NODES: Mapping[str, Loader] = {
    "TITLE": titles.title_by_id,
    "PERSON": titles.person_by_id,
    "POST": posts.post_by_id,
    "USER": users.visible_user_by_id,
    "PRODUCT": auctions.listed_product_by_id,
    "AUCTION": auctions.auction_by_id,
    "QUEST": quests.visible_quest_by_id,
}
"""By kind: what the viewer may see of it. What the index does not know yet is known here."""

_PLACES = Decimal("0.000001")
_PREFIXES = {"SELLER": "usr", "STALL": "stl"}


@dataclass(frozen=True, slots=True)
class HitRow:
    """A hit with its node; an edge as well, whose node is the hit."""

    cursor: str
    node: Any
    score: Decimal
    highlights: tuple[Highlight, ...]
    matched: tuple[Retriever, ...]


@dataclass(frozen=True, slots=True)
class EdgeRow:
    """A hit and its place."""

    cursor: str
    node: HitRow


@dataclass(frozen=True, slots=True)
class PageRow:
    """A page of hits. It is its own information."""

    page: SearchPage
    edges: list[EdgeRow]

    @property
    def nodes(self) -> list[HitRow]:
        """The hits without their cursors."""
        return [edge.node for edge in self.edges]

    @property
    def page_info(self) -> PageRow:
        """Itself."""
        return self

    @property
    def has_next_page(self) -> bool:
        """Whether there is more after it."""
        return self.page.has_next_page

    @property
    def has_previous_page(self) -> bool:
        """Whether there is more before it."""
        return self.page.has_previous_page

    @property
    def start_cursor(self) -> str | None:
        """The first hit's, also where its node was left out."""
        return self.page.hits[0].cursor if self.page.hits else None

    @property
    def end_cursor(self) -> str | None:
        """The last hit's, also where its node was left out: to go on from."""
        return self.page.hits[-1].cursor if self.page.hits else None

    @property
    def total_count(self) -> int:
        """How many match."""
        return self.page.total or 0

    @property
    def facets(self) -> list[Facet]:
        """Those asked for, with ids as clients know them."""
        return [_facet(facet) for facet in self.page.facets]

    @property
    def took_ms(self) -> int:
        """Of the search alone."""
        return self.page.took_ms

    @property
    def did_you_mean(self) -> str | None:
        """A better spelling."""
        return self.page.did_you_mean

    @property
    def interpretation(self) -> InterpretationRow:
        """What was understood, and what looked."""
        return InterpretationRow(self.page.interpretation, self.page.retrievers)


@dataclass(frozen=True, slots=True)
class InterpretationRow:
    """What was understood of a query."""

    understood: Interpretation
    retrievers: tuple[Retriever, ...]

    @property
    def intent(self) -> str:
        """What the viewer is after."""
        return self.understood.intent

    @property
    def entities(self) -> Sequence[Any]:
        """What was recognised."""
        return self.understood.entities

    @property
    def remaining(self) -> str:
        """What was looked up."""
        return self.understood.remaining

    @property
    def semantic(self) -> bool:
        """Whether meaning was searched."""
        return "SEMANTIC" in self.retrievers


def check_page(
    context: OperationContext,
    first: int | None,
    after: str | None,
    last: int | None,
    before: str | None,
) -> int:
    """How many hits are asked for. Raises `BadUserInput` for arguments that cannot be."""
    settings = context.server.settings
    request = page_request(
        ORDER,
        first=first,
        after=after,
        last=last,
        before=before,
        default=min(settings.page_default, settings.page_max),
        maximum=settings.page_max,
    )
    return request.limit


async def search_page(context: OperationContext, query: SearchQuery) -> PageRow:
    """The page that answers a question, with its nodes: one statement a kind."""
    page = await context.server.engine.search(query)
    note_search(context, query, page)
    return await with_nodes(context, page)


async def with_nodes(context: OperationContext, page: SearchPage) -> PageRow:
    """A page's hits with what they are; those that the viewer may not see are left out."""
    nodes = await asyncio.gather(
        *(context.loaders.load(NODES[hit.kind], hit.entity_id) for hit in page.hits)
    )
    found = zip(page.hits, nodes, strict=True)
    return PageRow(page, [_edge(hit, node) for hit, node in found if node is not None])


def _edge(hit: Hit, node: Any) -> EdgeRow:
    score = Decimal(hit.score).quantize(_PLACES)
    return EdgeRow(hit.cursor, HitRow(hit.cursor, node, score, hit.highlights, hit.matched))


def _facet(facet: Facet) -> Facet:
    prefix = _PREFIXES.get(facet.name)
    if prefix is None:
        return facet
    shown = tuple(
        FacetValue(encode_id(prefix, UUID(each.value)), each.label, each.count, each.selected)
        for each in facet.values
    )
    return Facet(facet.name, shown, facet.values_count)
