"""How platforms are asked: feeds, syncs, and availability verified on demand."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Any

import strawberry

from core.errors import InvalidInput as BadInput
from core.ports import PlatformLimits
from execution.rates import RateLimit
from loaders.content import availability as offers
from resolvers.content import platforms as resolvers
from schema.common import InvalidInput, NotFound
from schema.content.errors import (
    PlatformInvalidResponse,
    PlatformRateLimited,
    PlatformUnavailable,
)
from schema.content.titles_inputs import described
from schema.content.titles_types import Platform, Title
from schema.fields import Context, argument, attribute, bounded, loaded, mutation
from schema.rows import shows
from schema.scalars import JSON, code_of
from services.content.feeds import FEEDS_MAX, FeedDetails
from services.content.verifying import Verified

WRITE = ["content:write"]
VERIFY_RATE = RateLimit(limit=20, duration=60)


@strawberry.enum(description="How a platform's feed speaks.")
class FeedKind(Enum):
    JSON_FEED = strawberry.enum_value(
        "JSON_FEED", description="JSON over HTTP; `options` says where in it things stand."
    )
    TMDB = strawberry.enum_value(
        "TMDB", description="TMDB's watch providers; `options` has `provider_id`."
    )


@strawberry.enum(description="About which titles a platform is asked.")
class SyncScope(Enum):
    FULL = strawberry.enum_value("FULL", description="About every title.")
    INCREMENTAL = strawberry.enum_value(
        "INCREMENTAL",
        description="About those it shows, where that was not verified within an hour.",
    )


@strawberry.enum(description="What came of asking a platform about a title.")
class VerificationOutcome(Enum):
    VERIFIED = strawberry.enum_value("VERIFIED", description="It answered just now.")
    FRESH = strawberry.enum_value(
        "FRESH", description="It was asked within the last hour, or is being asked now."
    )
    UNAVAILABLE = strawberry.enum_value(
        "UNAVAILABLE", description="It does not answer; what was known stays, marked stale."
    )
    RATE_LIMITED = strawberry.enum_value(
        "RATE_LIMITED", description="It may not be asked so soon again; see `retryAfter`."
    )
    INVALID_RESPONSE = strawberry.enum_value(
        "INVALID_RESPONSE", description="Its answer cannot be read; what was known stays."
    )


@strawberry.type(description="What came of asking one platform about a title.")
@shows(Verified)
class PlatformVerification:
    platform: Platform = loaded(
        offers.platform_by_id, key="platform_id", description="Who was to be asked."
    )
    outcome: VerificationOutcome = attribute("What came of it.")
    retry_after: int | None = attribute("Seconds to wait, where it is `RATE_LIMITED`.")


@strawberry.input(description="How a platform is asked. Takes the place of what was set before.")
class SetPlatformFeedInput:
    platform_id: strawberry.ID = described("Which platform; begins with `plt_`.")
    kind: FeedKind = described("How the feed speaks.")
    url: str = described(
        "Its address, on a host that the server's settings allow. `{ids}` and `{region}` are "
        "filled in; for TMDB it ends in `/3`."
    )
    regions: list[str] = described("Where it is asked about: ISO 3166-1 codes, 1 to 50.")
    options: JSON | None = described(
        "An object of 5,000 bytes at most: where in the answer things stand.", default=None
    )
    per_second: int | None = described("Calls a second.", default=None)
    per_minute: int | None = described("Calls a minute; 100 where no limit is given.", default=None)
    per_hour: int | None = described("Calls an hour.", default=None)
    burst: int | None = described("Calls that may come at once.", default=None)


@strawberry.input(description="A platform to be asked about many titles.")
class SyncPlatformInput:
    platform_id: strawberry.ID = described("Which platform; begins with `plt_`.")
    scope: SyncScope = described("About which titles.", default=SyncScope.INCREMENTAL)


@strawberry.input(description="A title whose availability you want to be sure of.")
class VerifyAvailabilityInput:
    title_id: strawberry.ID = described("Which title; begins with `ttl_`.")
    region: str | None = described("Where: ISO 3166-1, as `FR`; your own if null.", default=None)


@strawberry.type(description="The platform is asked so from now on.")
class SetPlatformFeedSuccess:
    platform: Platform = attribute("The platform.")


@strawberry.type(description="The platform answers, and is asked in the background.")
class SyncPlatformSuccess:
    platform: Platform = attribute("The platform.")
    started: int = attribute("In how many regions that began: not where it goes on already.")


@strawberry.type(description="The platforms were asked, or had been within the hour.")
class VerifyAvailabilitySuccess:
    title: Title = attribute("The title; see `availability`.")
    platforms: list[PlatformVerification] = attribute(
        "What came of asking each platform of the region.", list_size=bounded(FEEDS_MAX)
    )


SetPlatformFeedResult = Annotated[
    SetPlatformFeedSuccess | NotFound | InvalidInput,
    strawberry.union("SetPlatformFeedResult", description="What became of a feed."),
]
SyncPlatformResult = Annotated[
    SyncPlatformSuccess
    | NotFound
    | PlatformUnavailable
    | PlatformRateLimited
    | PlatformInvalidResponse,
    strawberry.union("SyncPlatformResult", description="What became of a sync."),
]
VerifyAvailabilityResult = Annotated[
    VerifyAvailabilitySuccess | NotFound | InvalidInput,
    strawberry.union("VerifyAvailabilityResult", description="What came of asking platforms."),
]


def feed_details(given: SetPlatformFeedInput) -> FeedDetails:
    """What the service takes. Raises `InvalidInput` where `options` is no object."""
    options: Any = {} if given.options is None else given.options
    if not isinstance(options, dict):
        raise BadInput("options", "an object")
    return FeedDetails(
        kind=code_of(given.kind),  # type: ignore[arg-type]
        url=given.url,
        regions=tuple(given.regions),
        options=options,
        limits=PlatformLimits(given.per_second, given.per_minute, given.per_hour, given.burst),
    )


@strawberry.type
class PlatformMutation:
    @mutation("Say how a platform is asked for what it has.", scopes=WRITE)
    async def set_platform_feed(
        self, info: Context, input: Annotated[SetPlatformFeedInput, argument("How, and how often.")]
    ) -> SetPlatformFeedResult:
        details = feed_details(input)
        platform = await resolvers.set_platform_feed(info.context, input.platform_id, details)
        return SetPlatformFeedSuccess(platform=platform)

    @mutation("Ask a platform about many titles, in the background.", scopes=WRITE, cost=50)
    async def sync_platform(
        self, info: Context, input: Annotated[SyncPlatformInput, argument("Which, and what.")]
    ) -> SyncPlatformResult:
        scope: Any = code_of(input.scope)
        platform, started = await resolvers.sync_platform(info.context, input.platform_id, scope)
        return SyncPlatformSuccess(platform=platform, started=started)

    @mutation(
        "Ask the platforms of a region about a title now, but each at most once an hour.",
        authenticated=True,
        cost=50,
        rate_limit=VERIFY_RATE,
    )
    async def verify_availability(
        self, info: Context, input: Annotated[VerifyAvailabilityInput, argument("Which title.")]
    ) -> VerifyAvailabilityResult:
        title, outcomes = await resolvers.verify_availability(
            info.context, input.title_id, input.region
        )
        return VerifyAvailabilitySuccess(title=title, platforms=list(outcomes))  # type: ignore[arg-type]
