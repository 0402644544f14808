"""TMDB's watch providers: one platform is one provider there, and each title one request."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from adapters.platforms.fetching import Fetch
from adapters.platforms.json_feed import at
from core.errors import DomainError, PlatformInvalidResponse, PlatformUnavailable
from core.ports import (
    PlatformAnswer,
    PlatformFeed,
    PlatformFinding,
    PlatformLimits,
    PlatformOffer,
    PlatformTitle,
)

AT_ONCE = 5
FINDINGS_MAX = 100
TIERS = {
    "flatrate": "SUBSCRIPTION",
    "free": "FREE",
    "ads": "ADS",
    "rent": "RENT",
    "buy": "BUY",
}
"""TMDB's words (`/3/movie/{id}/watch/providers`) and ours."""


class TmdbOptions(BaseModel):
    """Which of TMDB's watch providers the platform is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    provider_id: int = Field(ge=1)


@dataclass(frozen=True, slots=True)
class TmdbAdapter:
    """Asks TMDB, whose address ends in `/3`, for one provider's offers. It knows no prices."""

    feed: PlatformFeed
    options: TmdbOptions
    fetch: Fetch

    async def authenticate(self) -> None:
        """Ask whether our key holds."""
        answer = await self._get("authentication")
        if at(answer, "success") is not True:
            raise PlatformUnavailable(self.feed.slug)

    async def check(self, titles: Sequence[PlatformTitle], region: str) -> PlatformAnswer:
        """Titles without a TMDB number, and those that it does not know, are not covered. What was
        learnt before an error is kept."""
        waiting = [title for title in titles if title.tmdb_id is not None]
        offers: list[PlatformOffer] = []
        covered: set[UUID] = set()
        errors: list[DomainError] = []

        async def work() -> None:
            while waiting and not errors:
                title = waiting.pop(0)
                try:
                    found = await self._offers(title, region)
                except DomainError as error:
                    errors.append(error)
                    return
                if found is not None:
                    offers.extend(found)
                    covered.add(title.id)

        await asyncio.gather(*(work() for _ in range(AT_ONCE)))
        if errors and not covered:
            raise errors[0]
        return PlatformAnswer(tuple(offers), frozenset(covered), 0, errors[0] if errors else None)

    async def search(self, words: str, *, limit: int = 20) -> list[PlatformFinding]:
        """Films of a name."""
        return self._findings(await self._get("search/movie", query=words))[:limit]

    async def details(self, ref: str) -> PlatformFinding | None:
        """A film by its TMDB number."""
        row = await self._get(f"movie/{int(ref)}") if ref.isdecimal() else None
        return None if row is None else self._finding(row)

    def rate_limits(self) -> PlatformLimits:
        """The feed's."""
        return self.feed.limits

    async def genres(self) -> list[str]:
        """Of films."""
        rows = at(await self._get("genre/movie/list"), "genres")
        if not isinstance(rows, list):
            raise PlatformInvalidResponse(self.feed.slug)
        return [name for row in rows[:FINDINGS_MAX] if isinstance(name := at(row, "name"), str)]

    async def trending(self) -> list[PlatformFinding]:
        """Films of this week."""
        return self._findings(await self._get("trending/movie/week"))

    async def _get(self, path: str, **query: str) -> Any:
        url = f"{self.feed.url.rstrip('/')}/{path}"
        return await self.fetch(f"{url}?{urlencode(query)}" if query else url)

    async def _offers(self, title: PlatformTitle, region: str) -> list[PlatformOffer] | None:
        kind = "tv" if title.kind == "SERIES" else "movie"
        answer = await self._get(f"{kind}/{title.tmdb_id}/watch/providers")
        if answer is None:
            return None
        results = at(answer, "results")
        if not isinstance(results, dict) or str(at(answer, "id")) != title.tmdb_id:
            raise PlatformInvalidResponse(self.feed.slug)
        here = results.get(region)
        if here is None:
            return []
        link = at(here, "link")
        return [
            PlatformOffer(title.id, region, tier, link=link if isinstance(link, str) else None)
            for word, tier in TIERS.items()
            if self._has(at(here, word, []))
        ]

    def _has(self, providers: Any) -> bool:
        if not isinstance(providers, list):
            raise PlatformInvalidResponse(self.feed.slug)
        ids = [at(provider, "provider_id") for provider in providers]
        if not all(isinstance(id, int) for id in ids):
            raise PlatformInvalidResponse(self.feed.slug)
        return self.options.provider_id in ids

    def _findings(self, answer: Any) -> list[PlatformFinding]:
        rows = at(answer, "results")
        if not isinstance(rows, list):
            raise PlatformInvalidResponse(self.feed.slug)
        return [self._finding(row) for row in rows[:FINDINGS_MAX]]

    def _finding(self, row: Any) -> PlatformFinding:
        ref, name = at(row, "id"), at(row, "title") or at(row, "name")
        if not isinstance(ref, int) or not isinstance(name, str):
            raise PlatformInvalidResponse(self.feed.slug)
        released = at(row, "release_date") or at(row, "first_air_date") or ""
        year = released[:4] if isinstance(released, str) else ""
        return PlatformFinding(str(ref), name, int(year) if year.isdecimal() else None)
