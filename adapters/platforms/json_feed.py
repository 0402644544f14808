"""Any JSON feed, by its URL and where in the answer things stand. One request a check."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import quote
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from adapters.platforms.fetching import Fetch
from core.errors import InvalidInput, PlatformInvalidResponse, PlatformUnavailable
from core.ids import encode_id
from core.money import ASSETS, to_minor
from core.ports import PlatformAnswer, PlatformFeed, PlatformFinding, PlatformOffer, PlatformTitle

OURS = ("FREE", "ADS", "SUBSCRIPTION", "RENT", "BUY")
FINDINGS_MAX = 100
ROWS_MAX = 10_000
Path = str
"""Where something stands: names and numbers with dots between them, `price.amount`; "" is all."""


class JsonFeedOptions(BaseModel):
    """Where things stand in a feed's answer, and other addresses to ask; paths begin at a row."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    items: Path = "offers"
    title: Path = "id"
    ids: Literal["imdb", "tmdb", "wikidata", "mela"] = "imdb"
    region: Path | None = None
    tier: Path = "tier"
    tiers: dict[str, Literal["FREE", "ADS", "SUBSCRIPTION", "RENT", "BUY"]] = Field(
        default_factory=dict, max_length=50, description="The feed's words for tiers"
    )
    available: Path | None = "available"
    price: Path | None = "price"
    asset: Path | None = "currency"
    minor_units: bool = Field(False, description="Prices are in cents")
    link: Path | None = "url"
    available_from: Path | None = "from"
    available_until: Path | None = "until"
    complete: bool = Field(False, description="What the answer leaves out is not available")
    covered: Path | None = Field(None, description="The list of ids that the answer is about")
    health_url: str | None = None
    search_url: str | None = None
    details_url: str | None = None
    trending_url: str | None = None
    genres_url: str | None = None
    found: Path = Field("results", description="The list of titles, or of genres")
    found_ref: Path = "id"
    found_name: Path = "name"
    found_year: Path = "year"


class _Unreadable(ValueError):
    """A row that tells nothing."""


@dataclass(frozen=True, slots=True)
class JsonFeedAdapter:
    """Asks a feed. `{ids}` and `{region}` in its URL are filled in; in `search_url` `{words}`, in
    `details_url` `{ref}`."""

    feed: PlatformFeed
    options: JsonFeedOptions
    fetch: Fetch

    async def authenticate(self) -> None:
        """Ask the health address, or the feed about nothing."""
        url = self.options.health_url or _filled(self.feed.url, ids="", region=self._region())
        if await self.fetch(url) is None:
            raise PlatformUnavailable(self.feed.slug)

    async def check(self, titles: Sequence[PlatformTitle], region: str) -> PlatformAnswer:
        """Titles without the number that this feed goes by are not covered."""
        asked = {ref: title.id for title in titles if (ref := self._ref(title)) is not None}
        if not asked:
            return PlatformAnswer((), frozenset())
        answer = await self._found(_filled(self.feed.url, ids=",".join(asked), region=region))
        rows = self._rows(answer, self.options.items)
        offers: list[PlatformOffer] = []
        spoilt: set[UUID] = set()
        unreadable = nameless = 0
        for row in rows:
            ref = at(row, self.options.title)
            title_id = asked.get(str(ref))
            if title_id is None:
                # One that nobody asked about says nothing; one that cannot be read might have.
                nameless += ref is None
                continue
            try:
                offer = self._offer(row, title_id, region)
            except (_Unreadable, InvalidInput):
                unreadable += 1
                spoilt.add(title_id)
                continue
            if offer is not None:
                offers.append(offer)
        if rows and unreadable + nameless == len(rows):
            raise PlatformInvalidResponse(self.feed.slug)
        # A row of nobody knows which title might have been about any of them.
        whole = set() if nameless else self._whole(asked)
        covered = (self._covered(answer, asked) | whole) - spoilt
        return PlatformAnswer(tuple(offers), frozenset(covered), unreadable + nameless)

    async def search(self, words: str, *, limit: int = 20) -> list[PlatformFinding]:
        """By the feed's `search_url`."""
        found = await self._list(self.options.search_url, words=words, region=self._region())
        return [self._finding(row) for row in found[:limit]]

    async def details(self, ref: str) -> PlatformFinding | None:
        """By the feed's `details_url`."""
        if self.options.details_url is None:
            return None
        row = await self.fetch(_filled(self.options.details_url, ref=ref, region=self._region()))
        return None if row is None else self._finding(row)

    def rate_limits(self) -> Any:
        """The feed's."""
        return self.feed.limits

    async def genres(self) -> list[str]:
        """By the feed's `genres_url`: a list of words, or of things with names."""
        rows = await self._list(self.options.genres_url, region=self._region())
        return [row if isinstance(row, str) else self._finding(row).name for row in rows]

    async def trending(self) -> list[PlatformFinding]:
        """By the feed's `trending_url`."""
        rows = await self._list(self.options.trending_url, region=self._region())
        return [self._finding(row) for row in rows]

    def _region(self) -> str:
        return self.feed.regions[0] if self.feed.regions else ""

    async def _found(self, url: str) -> Any:
        answer = await self.fetch(url)
        if answer is None:
            # The feed itself is not there: that says nothing of any title.
            raise PlatformUnavailable(self.feed.slug)
        return answer

    async def _list(self, url: str | None, **words: str) -> list[Any]:
        if url is None:
            return []
        return self._rows(await self._found(_filled(url, **words)), self.options.found)[
            :FINDINGS_MAX
        ]

    def _rows(self, answer: Any, path: Path) -> list[Any]:
        rows = at(answer, path)
        if not isinstance(rows, list) or len(rows) > ROWS_MAX:
            raise PlatformInvalidResponse(self.feed.slug)
        return rows

    def _ref(self, title: PlatformTitle) -> str | None:
        ids = self.options.ids
        if ids == "mela":
            return encode_id("ttl", title.id)
        return {"imdb": title.imdb_id, "tmdb": title.tmdb_id, "wikidata": title.wikidata_id}[ids]

    def _covered(self, answer: Any, asked: dict[str, UUID]) -> set[UUID]:
        if self.options.covered is None:
            return set()
        listed = self._rows(answer, self.options.covered)
        return {asked[str(ref)] for ref in listed if str(ref) in asked}

    def _whole(self, asked: dict[str, UUID]) -> set[UUID]:
        """All that was asked about, where the feed says that it leaves nothing out."""
        said = self.options.complete and self.options.covered is None
        return set(asked.values()) if said else set()

    def _offer(self, row: Any, title_id: UUID, region: str) -> PlatformOffer | None:
        """A row's offer; None where it is of another region."""
        options = self.options
        if options.region is not None:
            told = at(row, options.region)
            if not isinstance(told, str):
                raise _Unreadable("region")
            if told.upper() != region:
                return None
        price_minor, asset = self._price(row)
        available = True if options.available is None else at(row, options.available, True)
        link = None if options.link is None else at(row, options.link)
        if not isinstance(available, bool) or not isinstance(link, str | None):
            raise _Unreadable("available or link")
        begin, end = moment(row, options.available_from), moment(row, options.available_until)
        return PlatformOffer(
            title_id, region, self._tier(row), available, price_minor, asset, link, begin, end
        )

    def _tier(self, row: Any) -> str:
        told = at(row, self.options.tier)
        if not isinstance(told, str):
            raise _Unreadable("tier")
        ours = self.options.tiers.get(told, told.upper())
        if ours not in OURS:
            raise _Unreadable("tier")
        return ours

    def _price(self, row: Any) -> tuple[int | None, str | None]:
        options = self.options
        told = None if options.price is None else at(row, options.price)
        asset = None if options.asset is None else at(row, options.asset)
        if told is None:
            return None, None
        if not isinstance(told, int | float | str) or isinstance(told, bool):
            raise _Unreadable("price")
        if not isinstance(asset, str):
            raise _Unreadable("currency")
        if asset.upper() not in ASSETS:
            return None, None  # it is on offer, for what we cannot count
        if options.minor_units:
            if not isinstance(told, int):
                raise _Unreadable("price")
            return told, asset.upper()
        # A JSON number as it was written: 3.99 is no sum of halves.
        return to_minor(str(told), asset.upper()), asset.upper()

    def _finding(self, row: Any) -> PlatformFinding:
        ref, name = at(row, self.options.found_ref), at(row, self.options.found_name)
        year = at(row, self.options.found_year)
        if not isinstance(name, str) or not isinstance(ref, str | int):
            raise PlatformInvalidResponse(self.feed.slug)
        return PlatformFinding(str(ref), name, year if isinstance(year, int) else None)


def at(value: Any, path: Path, default: Any = None) -> Any:
    """What stands at a path; `default` where nothing does."""
    for name in path.split(".") if path else ():
        if isinstance(value, dict) and name in value:
            value = value[name]
        elif isinstance(value, list) and name.isdecimal() and int(name) < len(value):
            value = value[int(name)]
        else:
            return default
    return default if value is None else value


def moment(row: Any, path: Path | None) -> datetime | None:
    """A moment as RFC 3339 text or as seconds since 1970; a zone that is not told is UTC."""
    told = None if path is None else at(row, path)
    if told is None:
        return None
    try:
        if isinstance(told, str):
            read = datetime.fromisoformat(told)
            return read if read.tzinfo is not None else read.replace(tzinfo=UTC)
        if isinstance(told, int | float) and not isinstance(told, bool):
            return datetime.fromtimestamp(told, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise _Unreadable("moment") from error
    raise _Unreadable("moment")


def _filled(url: str, **words: str) -> str:
    for name, value in words.items():
        url = url.replace("{" + name + "}", quote(value, safe=","))
    return url
