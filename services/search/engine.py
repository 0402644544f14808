"""Search as one server does it: its fusion, its vectors if it has any, one viewer's order."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from core.database import Database
from core.settings import Settings
from services.search.contract import SearchPage, SearchQuery
from services.search.encoding import Encoder
from services.search.finding import Ranking
from services.search.personal import Profiles, personalised
from services.search.searching import search
from services.search.vectors import Semantic


def make_engine(settings: Settings, db: Database, encoder: Encoder) -> SearchEngine:
    """A process's engine, by its settings."""
    weights = {
        "LEXICAL": settings.search_lexical_weight,
        "FUZZY": settings.search_fuzzy_weight,
        "SEMANTIC": settings.search_semantic_weight,
    }
    ranking = Ranking(weights, settings.search_fusion_k)
    return SearchEngine(db, ranking, Semantic(db, encoder), Profiles(db))


@dataclass(frozen=True, slots=True)
class SearchEngine:
    """One a process."""

    db: Database
    ranking: Ranking
    semantic: Semantic
    profiles: Profiles

    async def search(self, query: SearchQuery) -> SearchPage:
        """The page that answers a question. Raises as `searching.search` does."""
        nearest = await self.semantic.retriever()
        profile = await self.profiles.of(query.viewer_id) if query.personalize else None
        return await search(
            self.db,
            query,
            ranking=self.ranking,
            semantic=nearest,
            reorder=None if profile is None else partial(personalised, profile=profile),
        )
