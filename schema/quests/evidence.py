"""Evidence and what was found about it as clients see them, and handing it in."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any

import strawberry

from loaders import quest_evidence as loaders
from loaders.quest_evidence import (
    CHECKS_MAX,
    PIECES_MAX,
    VOTES_MAX,
    CheckRow,
    DisputeRow,
    EvidenceRow,
    ReviewRow,
)
from models.quests.quests import LOCATIONS_MAX, NOTES_MAX, PHOTOS_MAX, VIDEOS_MAX
from resolvers import quest_evidence as resolvers
from schema.fields import Context, attribute, loaded, loaded_first, resolved
from schema.rows import shows
from schema.scalars import JSON, URL, Upload
from services.quests.contract import Check, Missing

if TYPE_CHECKING:
    from schema.quests.types import Assignment

LazyAssignment = Annotated["Assignment", strawberry.lazy("schema.quests.types")]


@strawberry.enum(description="What a piece of evidence is.")
class EvidenceKind(Enum):
    PHOTO = strawberry.enum_value("PHOTO", description="A picture that a camera took.")
    VIDEO = strawberry.enum_value("VIDEO", description="A film that a camera took.")
    LOCATION = strawberry.enum_value("LOCATION", description="Where the device was.")
    NOTE = strawberry.enum_value("NOTE", description="Words of the player.")


@strawberry.enum(description="What a check came to.")
class CheckFlag(Enum):
    PASSED = strawberry.enum_value("PASSED", description="Nothing contradicts the evidence.")
    NOT_CHECKED = strawberry.enum_value(
        "NOT_CHECKED", description="A fact is missing. That is never a pass: witnesses look at it."
    )
    FLAGGED = strawberry.enum_value("FLAGGED", description="Something contradicts the evidence.")


@strawberry.enum(description="What a witness says.")
class EvidenceVote(Enum):
    APPROVE = strawberry.enum_value("APPROVE", description="The deed was done.")
    REJECT = strawberry.enum_value("REJECT", description="It was not, or not so.")
    UNSURE = strawberry.enum_value(
        "UNSURE", description="It cannot be told: somebody else is asked."
    )


@strawberry.enum(description="What became of a dispute.")
class DisputeStatus(Enum):
    OPEN = strawberry.enum_value("OPEN", description="No moderator has answered yet.")
    UPHELD = strawberry.enum_value("UPHELD", description="The evidence holds after all.")
    DISMISSED = strawberry.enum_value("DISMISSED", description="It stays rejected, for good.")


@strawberry.type(description="A piece of evidence, for its player and those who judge it.")
@shows(EvidenceRow)
class Evidence:
    kind: EvidenceKind = attribute("What kind of piece it is.")
    note: str | None = attribute("The words of a note.")
    latitude: float | None = attribute("Where the device was, WGS 84; of a location.")
    longitude: float | None = attribute("Where the device was, WGS 84; of a location.")
    accuracy_m: float | None = attribute(
        "How accurate the device said that is, in metres.", name="accuracyMetres"
    )
    media_type: str | None = attribute("A file's type, by its content.")
    width: int | None = attribute("Of a photo as it is shown, in pixels.")
    height: int | None = attribute("Of a photo as it is shown, in pixels.")
    duration_ms: int | None = attribute(
        "How long a video is, in milliseconds.", name="durationMilliseconds"
    )
    captured_at: datetime | None = attribute("When it was taken, by the device.")
    submitted_at: datetime = attribute("When it was handed in, by the server.")

    @resolved(
        "A photo's pixels, and nothing else of it; a video is sent to its player and to moderators "
        "alone, else null. Opens for 15 minutes.",
        viewer=True,
    )
    def url(root: strawberry.Parent[Any], info: Context) -> URL | None:
        link = resolvers.evidence_url(info.context, root)
        return None if link is None else URL(link)

    @resolved("What the camera said of a photo; for its player alone, else null.", viewer=True)
    def camera_words(root: strawberry.Parent[Any], info: Context) -> JSON | None:
        words: JSON | None = resolvers.camera_words(info.context, root)
        return words


@strawberry.type(description="What one automatic check found.")
@shows(CheckRow, Check)
class EvidenceCheck:
    name: str = attribute("Which: `LOCATION`, `MOVEMENT`, `DUPLICATE` and others.")
    flag: CheckFlag = attribute("What it came to.")
    score: int | None = attribute("0 to 100; null where nothing was checked.")
    confidence: int = attribute("How sure that is, 0 to 100.")
    weight: int = attribute("How much it counts, beside the others.")
    words: str = attribute("Why, in words for the player.")


@strawberry.type(description="A vote on evidence. Whose it is is not told.")
@shows(ReviewRow)
class EvidenceReview:
    vote: EvidenceVote = attribute("What was said.")
    comment: str = attribute("Why; may be empty.")
    weight: int = attribute("What it counted, in hundredths of a vote.")
    by_moderator: bool = attribute("Whether a moderator decided.")
    at: datetime = attribute("When it was said.")


@strawberry.type(description="A player's objection to a rejection: one an assignment.")
@shows(DisputeRow)
class QuestDispute:
    reason: str = attribute("What the player says.")
    status: DisputeStatus = attribute("What became of it.")
    resolution: str | None = attribute("What the moderator says.")
    opened_at: datetime = attribute("When it was opened.")
    resolved_at: datetime | None = attribute("When it was answered.")


@strawberry.type(description="So many more pieces of a kind are asked for.")
@shows(Missing)
class EvidenceMissing:
    kind: EvidenceKind = attribute("Of what kind.")
    count: int = attribute("How many more are asked for.")


@strawberry.type
class EvidenceFields:
    """What evidence adds to an assignment, and to a case."""

    evidence: list[Evidence] = loaded_first(
        loaders.evidence_by_assignment_id,
        key="id",
        default=PIECES_MAX,
        description="What was handed in, in its order.",
    )
    checks: list[EvidenceCheck] = loaded_first(
        loaders.checks_by_assignment_id,
        key="id",
        default=CHECKS_MAX,
        description="What the automatic checks found.",
    )
    dispute: QuestDispute | None = loaded(
        loaders.dispute_by_assignment_id, key="id", description="The objection to its rejection."
    )


@strawberry.type
class EvidenceAssignmentFields(EvidenceFields):
    """What its player sees besides."""

    reviews: list[EvidenceReview] = loaded_first(
        loaders.reviews_by_assignment_id,
        key="id",
        default=VOTES_MAX,
        description="The votes so far, the first first.",
    )


def _list(description: str, most: int) -> Any:
    return strawberry.field(description=f"{description} {most} at most.", default_factory=list)


@strawberry.input(description="A photo or video, and when it was taken.")
class TakenFileInput:
    file: Upload = strawberry.field(
        description="The file as the camera wrote it, by its content: a photo is a JPEG, PNG, WebP "
        "or GIF of 40 million pixels at most; a video an MP4, WebM or MOV of three minutes at most."
    )
    captured_at: datetime | None = strawberry.field(
        description="When it was taken, by the device's clock.", default=None
    )


@strawberry.input(description="Where the device was.")
class LocationInput:
    latitude: float = strawberry.field(description="WGS 84, -90 to 90.")
    longitude: float = strawberry.field(description="WGS 84, -180 to 180.")
    accuracy_m: float | None = strawberry.field(
        name="accuracyMetres",
        description="How accurate that is, in metres. Without it witnesses are asked.",
        default=None,
    )
    at: datetime | None = strawberry.field(
        description="When, by the device's clock. Without it witnesses are asked.", default=None
    )


@strawberry.input(description="All evidence of an assignment, at once.")
class SubmitEvidenceInput:
    assignment_id: strawberry.ID = strawberry.field(description="An assignment of yours.")
    idempotency_key: str = strawberry.field(
        description="Your own name for this, 1 to 200 characters. Sent again with the same key, it "
        "is not done twice; you get the first answer."
    )
    photos: list[TakenFileInput] = _list("Photos.", PHOTOS_MAX)
    videos: list[TakenFileInput] = _list("Videos.", VIDEOS_MAX)
    locations: list[LocationInput] = _list(
        "Positions, in the order in which they were recorded.", LOCATIONS_MAX
    )
    notes: list[str] = _list("Notes of 5,000 characters.", NOTES_MAX)
    device_time: datetime | None = strawberry.field(
        description="What the device's clock shows while you send this.", default=None
    )


@strawberry.type(
    description="The evidence is handed in; the assignment's status says what is next."
)
class SubmitEvidenceSuccess:
    assignment: LazyAssignment = attribute("Your assignment as it is now.")
