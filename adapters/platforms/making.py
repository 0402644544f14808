"""Which adapter a feed asks for, and what lasts between calls: connections, guards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit
from uuid import UUID

import httpx
from pydantic import SecretStr, ValidationError

from adapters.platforms.fetching import BODY_MAX_BYTES, Fetch, guarded_fetch
from adapters.platforms.guarding import Guard, GuardTerms, Timing
from adapters.platforms.json_feed import JsonFeedAdapter, JsonFeedOptions
from adapters.platforms.tmdb import TmdbAdapter, TmdbOptions
from core.errors import InvalidInput
from core.ports import PlatformAdapter, PlatformFeed
from core.settings import Settings

_OTHER_URLS = ("health_url", "search_url", "details_url", "trending_url", "genres_url")


@dataclass(slots=True)
class FeedPlatforms:
    """Adapters of feeds. `hosts` are the only ones that are asked: an address that somebody could
    set must not lead to what stands behind our own walls."""

    hosts: tuple[str, ...]
    tokens: Mapping[str, SecretStr]
    terms: GuardTerms = field(default_factory=GuardTerms)
    timing: Timing = field(default_factory=Timing)
    body_max_bytes: int = BODY_MAX_BYTES
    _client: httpx.AsyncClient | None = None
    _guards: dict[UUID, Guard] = field(default_factory=dict)

    def check(self, feed: PlatformFeed) -> None:
        """Raises `InvalidInput` for an address that may not be asked, or options that cannot be."""
        self._options(feed)

    def adapter(self, feed: PlatformFeed) -> PlatformAdapter:
        """The guarded adapter of a feed. Raises `InvalidInput` as `check` does."""
        options = self._options(feed)
        if isinstance(options, TmdbOptions):
            return TmdbAdapter(feed, options, self._fetch(feed))
        return JsonFeedAdapter(feed, options, self._fetch(feed))

    def _options(self, feed: PlatformFeed) -> TmdbOptions | JsonFeedOptions:
        self._check_host("url", feed.url)
        try:
            if feed.kind == "TMDB":
                return TmdbOptions.model_validate(feed.options)
            options = JsonFeedOptions.model_validate(feed.options)
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(map(str, first["loc"])) or "options"
            raise InvalidInput("options", f"{name}: {first['msg']}") from error
        for name in _OTHER_URLS:
            if (url := getattr(options, name)) is not None:
                self._check_host("options", url)
        return options

    def guard(self, feed: PlatformFeed) -> Guard:
        """What stands around the calls of a feed's platform; anew where its limits changed."""
        kept = self._guards.get(feed.platform_id)
        if kept is None or kept.limits != feed.limits:
            kept = Guard(feed.slug, feed.limits, self.terms, self.timing)
            self._guards[feed.platform_id] = kept
        return kept

    async def close(self) -> None:
        """Close every connection."""
        if self._client is not None:
            await self._client.aclose()

    def _fetch(self, feed: PlatformFeed) -> Fetch:
        if self._client is None:
            # The guard times each call as a whole; here only what nobody would wait for.
            self._client = httpx.AsyncClient(
                timeout=self.terms.timeout_s * 2, follow_redirects=False, trust_env=False
            )
        token = self.tokens.get(feed.slug)
        headers = {} if token is None else {"Authorization": f"Bearer {token.get_secret_value()}"}
        guard = self.guard(feed)
        return guarded_fetch(self._client, guard, headers, body_max_bytes=self.body_max_bytes)

    def _check_host(self, name: str, url: str) -> None:
        try:
            parts = urlsplit(url)
            host, port = (parts.hostname or "").lower(), parts.port
        except ValueError:
            raise InvalidInput(name, "not an absolute http or https address") from None
        if parts.scheme not in ("http", "https") or "@" in parts.netloc:
            raise InvalidInput(name, "an http or https address without a user name")
        if host not in self.hosts and f"{host}:{port}" not in self.hosts:
            raise InvalidInput(name, "its host is not among MELA_FEED_HOSTS")


def make_platforms(settings: Settings) -> FeedPlatforms:
    """The platforms that the settings let be asked."""
    return FeedPlatforms(settings.feed_hosts, settings.platform_tokens)
