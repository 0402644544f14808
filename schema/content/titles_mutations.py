"""Root fields that change the catalogue and what viewers do with it; what they answer."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import strawberry

from resolvers.content import titles as resolvers
from schema.common import Forbidden, InvalidInput, NotFound
from schema.content.titles_inputs import (
    AddToWatchlistInput,
    ClearHistoryInput,
    DeleteReviewInput,
    RateTitleInput,
    RecordViewInput,
    RemoveViewInput,
    ReviewTitleInput,
    TitleInput,
    UpdatePreferencesInput,
    UpsertAvailabilityInput,
    UpsertPlatformInput,
    offer_report,
    platform_details,
    preference_changes,
    priority_of,
)
from schema.content.titles_types import Platform, Title
from schema.content.viewing_types import Preferences, Review, ViewRecord
from schema.fields import Context, argument, attribute, bounded, mutation

WRITE = ["content:write"]
WhichTitle = Annotated[TitleInput, argument("Which title.")]


@strawberry.enum(description="What happened to an offer.")
class AvailabilityChangeKind(Enum):
    ADDED = strawberry.enum_value("ADDED", description="It can be watched there now.")
    REMOVED = strawberry.enum_value("REMOVED", description="It cannot be watched there any more.")
    PRICE_CHANGED = strawberry.enum_value("PRICE_CHANGED", description="It costs something else.")
    LEAVING_SOON = strawberry.enum_value(
        "LEAVING_SOON", description="A known end is seven days away or less."
    )


@strawberry.type(description="Your rating is kept.")
class RateTitleSuccess:
    title: Title = attribute("The title; see `viewerRating` and `ratingStats`.")


@strawberry.type(description="You have no rating of it any more.")
class UnrateTitleSuccess:
    title: Title = attribute("The title; see `ratingStats`.")


@strawberry.type(description="Your review is kept.")
class ReviewTitleSuccess:
    review: Review = attribute("The review as it is now.")


@strawberry.type(description="Your review is gone.")
class DeleteReviewSuccess:
    title: Title | None = attribute("The title it was of; null where it is hidden from you.")


@strawberry.type(description="It is on your watchlist.")
class AddToWatchlistSuccess:
    title: Title = attribute("The title; see `watchlistItem`.")


@strawberry.type(description="It is not on your watchlist; saying it twice changes nothing.")
class RemoveFromWatchlistSuccess:
    title: Title = attribute("The title; see `inWatchlist`.")


@strawberry.type(description="The viewing is in your history.")
class RecordViewSuccess:
    view: ViewRecord = attribute("The viewing as it is now.")


@strawberry.type(description="The viewing is forgotten.")
class RemoveViewSuccess:
    view_id: strawberry.ID = attribute("Which one it was.")


@strawberry.type(description="Your history is empty.")
class ClearHistorySuccess:
    removed: int = attribute("How many viewings were forgotten.")


@strawberry.type(description="Your preferences are kept.")
class UpdatePreferencesSuccess:
    preferences: Preferences = attribute("All of them, as they are now.")


@strawberry.type(description="The platform is kept.")
class UpsertPlatformSuccess:
    platform: Platform = attribute("The platform as it is now.")


@strawberry.type(description="The offer is kept, and verified as of now.")
class UpsertAvailabilitySuccess:
    title: Title = attribute("The title; see `availability`.")
    changes: list[AvailabilityChangeKind] = attribute(
        "What changed by it; none where all was known.", list_size=bounded(4)
    )


RateTitleResult = Annotated[
    RateTitleSuccess | NotFound | InvalidInput,
    strawberry.union("RateTitleResult", description="What became of a rating."),
]
UnrateTitleResult = Annotated[
    UnrateTitleSuccess | NotFound,
    strawberry.union("UnrateTitleResult", description="What became of taking a rating back."),
]
ReviewTitleResult = Annotated[
    ReviewTitleSuccess | NotFound | InvalidInput,
    strawberry.union("ReviewTitleResult", description="What became of a review."),
]
DeleteReviewResult = Annotated[
    DeleteReviewSuccess | NotFound,
    strawberry.union("DeleteReviewResult", description="What became of taking a review back."),
]
AddToWatchlistResult = Annotated[
    AddToWatchlistSuccess | NotFound | Forbidden | InvalidInput,
    strawberry.union("AddToWatchlistResult", description="What became of a title to watch."),
]
RemoveFromWatchlistResult = Annotated[
    RemoveFromWatchlistSuccess | NotFound,
    strawberry.union("RemoveFromWatchlistResult", description="What became of taking it off."),
]
RecordViewResult = Annotated[
    RecordViewSuccess | NotFound | InvalidInput,
    strawberry.union("RecordViewResult", description="What became of a viewing."),
]
RemoveViewResult = Annotated[
    RemoveViewSuccess | NotFound,
    strawberry.union("RemoveViewResult", description="What became of forgetting a viewing."),
]
ClearHistoryResult = Annotated[
    ClearHistorySuccess | InvalidInput,
    strawberry.union("ClearHistoryResult", description="What became of forgetting all."),
]
UpdatePreferencesResult = Annotated[
    UpdatePreferencesSuccess | InvalidInput,
    strawberry.union("UpdatePreferencesResult", description="What became of preferences."),
]
UpsertPlatformResult = Annotated[
    UpsertPlatformSuccess | Forbidden | InvalidInput,
    strawberry.union("UpsertPlatformResult", description="What became of a platform."),
]
UpsertAvailabilityResult = Annotated[
    UpsertAvailabilitySuccess | NotFound | InvalidInput,
    strawberry.union("UpsertAvailabilityResult", description="What became of an offer."),
]


@strawberry.type
class TitleMutation:
    @mutation("Rate a title, or change your rating.", authenticated=True)
    async def rate_title(
        self, info: Context, input: Annotated[RateTitleInput, argument("What, and how.")]
    ) -> RateTitleResult:
        title = await resolvers.rate_title(info.context, input.title_id, input.value)
        return RateTitleSuccess(title=title)

    @mutation("Take your rating back; without one nothing changes.", authenticated=True)
    async def unrate_title(self, info: Context, input: WhichTitle) -> UnrateTitleResult:
        title = await resolvers.unrate_title(info.context, input.title_id)
        return UnrateTitleSuccess(title=title)

    @mutation("Write your review of a title, or write it anew.", authenticated=True)
    async def review_title(
        self, info: Context, input: Annotated[ReviewTitleInput, argument("The review.")]
    ) -> ReviewTitleResult:
        review = await resolvers.review_title(
            info.context,
            input.title_id,
            body=input.body,
            headline=input.headline,
            spoilers=input.spoilers,
        )
        return ReviewTitleSuccess(review=review)

    @mutation("Take your review back.", authenticated=True)
    async def delete_review(
        self, info: Context, input: Annotated[DeleteReviewInput, argument("Which review.")]
    ) -> DeleteReviewResult:
        title = await resolvers.delete_review(info.context, input.review_id)
        return DeleteReviewSuccess(title=title)

    @mutation("Put a title on your watchlist.", authenticated=True)
    async def add_to_watchlist(
        self, info: Context, input: Annotated[AddToWatchlistInput, argument("Which title.")]
    ) -> AddToWatchlistResult:
        priority = priority_of(input.priority)
        title = await resolvers.add_to_watchlist(info.context, input.title_id, priority)
        return AddToWatchlistSuccess(title=title)

    @mutation("Take a title off your watchlist.", authenticated=True)
    async def remove_from_watchlist(
        self, info: Context, input: WhichTitle
    ) -> RemoveFromWatchlistResult:
        title = await resolvers.remove_from_watchlist(info.context, input.title_id)
        return RemoveFromWatchlistSuccess(title=title)

    @mutation("Keep a viewing in your history, or how far it came.", authenticated=True)
    async def record_view(
        self, info: Context, input: Annotated[RecordViewInput, argument("The viewing.")]
    ) -> RecordViewResult:
        view = await resolvers.record_view(
            info.context,
            input.title_id,
            platform_id=input.platform_id,
            watched_at=input.watched_at,
            duration_s=input.duration_seconds,
            progress=input.progress,
            completed=input.completed,
        )
        return RecordViewSuccess(view=view)

    @mutation("Take one viewing out of your history.", authenticated=True)
    async def remove_view(
        self, info: Context, input: Annotated[RemoveViewInput, argument("Which viewing.")]
    ) -> RemoveViewResult:
        removed = await resolvers.remove_view(info.context, input.view_id)
        return RemoveViewSuccess(view_id=strawberry.ID(removed))

    @mutation("Empty your viewing history.", authenticated=True)
    async def clear_history(
        self, info: Context, input: Annotated[ClearHistoryInput, argument("Whether you mean it.")]
    ) -> ClearHistoryResult:
        removed = await resolvers.clear_history(info.context, confirm=input.confirm)
        return ClearHistorySuccess(removed=removed)

    @mutation("Say what you want of the catalogue.", scopes=["preferences:write"])
    async def update_preferences(
        self, info: Context, input: Annotated[UpdatePreferencesInput, argument("The changes.")]
    ) -> UpdatePreferencesResult:
        changes = preference_changes(input)
        return UpdatePreferencesSuccess(
            preferences=await resolvers.update_preferences(info.context, changes)
        )

    @mutation("Add a platform, or change the one of this slug.", scopes=WRITE)
    async def upsert_platform(
        self, info: Context, input: Annotated[UpsertPlatformInput, argument("The platform.")]
    ) -> UpsertPlatformResult:
        platform = await resolvers.upsert_platform(info.context, platform_details(input))
        return UpsertPlatformSuccess(platform=platform)

    @mutation("Say by hand where a title can be watched, or not any more.", scopes=WRITE)
    async def upsert_availability(
        self, info: Context, input: Annotated[UpsertAvailabilityInput, argument("The offer.")]
    ) -> UpsertAvailabilityResult:
        changes, title = await resolvers.upsert_availability(
            info.context, input.title_id, input.platform_id, offer_report(input)
        )
        kinds = [AvailabilityChangeKind(kind) for kind in changes]
        return UpsertAvailabilitySuccess(title=title, changes=kinds)
