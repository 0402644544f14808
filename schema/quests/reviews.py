"""Judging evidence: witnesses' and moderators' fields, and the root fields that change it."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, cast

import strawberry

from loaders.quest_evidence import CaseRow, ReviewRequestRow, asked_case_by_id
from loaders.quests import quest_by_id
from resolvers import quest_evidence as resolvers
from schema.common import (
    Connection,
    Error,
    Forbidden,
    IdempotencyConflict,
    InvalidInput,
    NotFound,
)
from schema.errors import ErrorRow
from schema.fields import (
    After,
    Before,
    Context,
    First,
    Last,
    argument,
    attribute,
    bounded,
    loaded,
    mutation,
    page_size,
    resolved,
)
from schema.quests.errors import NotYourAssignment, WrongAssignmentStatus
from schema.quests.evidence import (
    EvidenceCheck,
    EvidenceFields,
    EvidenceMissing,
    EvidenceVote,
    LazyAssignment,
    QuestDispute,
    SubmitEvidenceInput,
    SubmitEvidenceSuccess,
)
from schema.quests.types import AssignmentStatus, Quest
from schema.rows import shows
from schema.scalars import code_of
from services.quests import errors
from services.quests.pieces import TakenFile, ToldLocation

if TYPE_CHECKING:
    from services.quests.reviewing import Vote

CHECKS_TOLD, KINDS = 40, 4


@strawberry.enum(description="What became of a request for a vote.")
class ReviewRequestStatus(Enum):
    ASKED = strawberry.enum_value("ASKED", description="Your vote is awaited.")
    VOTED = strawberry.enum_value("VOTED", description="You have voted on it.")
    CLOSED = strawberry.enum_value("CLOSED", description="It was decided without you.")


@strawberry.type(description="Evidence to be judged. Whose it is is not told.")
@shows(CaseRow)
class EvidenceCase(EvidenceFields):
    assignment_id: strawberry.ID = attribute("What is voted on.")
    status: AssignmentStatus = attribute("How far it is.")
    authenticity: int | None = attribute("How far the checks believe it, 0 to 100.")
    submitted_at: datetime | None = attribute("When it was handed in.")
    quest: Quest = loaded(quest_by_id, key="quest_id", description="What was to be done.")


@strawberry.type(description="That you were asked to judge evidence.")
@shows(ReviewRequestRow)
class ReviewRequest:
    status: ReviewRequestStatus = attribute("What became of it.")
    asked_at: datetime = attribute("When you were asked.")
    case: EvidenceCase | None = loaded(
        asked_case_by_id,
        key="open_id",
        description="What to judge; null once it was decided without you.",
        viewer=True,
    )


@strawberry.type
class ReviewUserFields:
    """What witnesses' work adds to a user."""

    @resolved(
        "What they were asked to judge, newest first: your own alone, null for anyone else's.",
        list_size=page_size(),
        viewer=True,
    )
    async def review_requests(
        root: strawberry.Parent[Any],
        info: Context,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[ReviewRequest] | None:
        return await resolvers.review_requests(info.context, root.id, first, after, last, before)


@strawberry.type(description="Less was handed in than the quest asks for. Nothing was kept.")
class EvidenceIncomplete(Error):
    missing: list[EvidenceMissing] = attribute(
        "What is missing, by kind.", list_size=bounded(KINDS)
    )


@strawberry.type(description="The evidence is not taken as it is. Nothing was kept.")
class EvidenceRejected(Error):
    checks: list[EvidenceCheck] = attribute(
        "The checks that say so.", list_size=bounded(CHECKS_TOLD)
    )


@strawberry.enum(description="Why somebody may not judge.")
class ConflictRelation(Enum):
    OWN = strawberry.enum_value("OWN", description="It is their own.")
    FRIEND = strawberry.enum_value("FRIEND", description="They and the player follow each other.")
    TEAM = strawberry.enum_value("TEAM", description="It is their team's.")


@strawberry.type(description="Nobody judges their own, a friend's or their team's evidence.")
class ConflictOfInterest(Error):
    relation: ConflictRelation = attribute("Which of these it is.")


@strawberry.type(description="You have voted on this.")
class AlreadyReviewed(Error):
    pass


@strawberry.type(description="A rejection is disputed once.")
class AlreadyDisputed(Error):
    pass


ERRORS: tuple[ErrorRow, ...] = (
    ErrorRow(errors.EvidenceIncomplete, EvidenceIncomplete, lambda e: {"missing": list(e.missing)}),
    ErrorRow(errors.EvidenceRejected, EvidenceRejected, lambda e: {"checks": list(e.checks)}),
    ErrorRow(
        errors.ConflictOfInterest,
        ConflictOfInterest,
        lambda e: {"relation": ConflictRelation(e.relation)},
    ),
    ErrorRow(errors.AlreadyReviewed, AlreadyReviewed),
    ErrorRow(errors.AlreadyDisputed, AlreadyDisputed),
)


@strawberry.input(description="A vote, or a moderator's decision.")
class ReviewEvidenceInput:
    assignment_id: strawberry.ID = strawberry.field(description="What you judge.")
    vote: EvidenceVote = strawberry.field(description="What you say.")
    comment: str = strawberry.field(
        description="Why: 2,000 characters at most. The player reads it.", default=""
    )


@strawberry.input(description="An objection to the rejection of your evidence.")
class OpenDisputeInput:
    assignment_id: strawberry.ID = strawberry.field(
        description="An assignment of yours that was rejected, 30 days ago at most."
    )
    reason: str = strawberry.field(description="Why: 1 to 2,000 characters.")


@strawberry.input(description="An answer to a dispute.")
class ResolveDisputeInput:
    assignment_id: strawberry.ID = strawberry.field(description="Whose rejection is disputed.")
    uphold: bool = strawberry.field(
        description="True: the evidence holds after all, and is rewarded. False: it stays rejected."
    )
    resolution: str = strawberry.field(
        description="Why: 1 to 2,000 characters. The player reads it."
    )


@strawberry.type(description="The vote is counted.")
class ReviewEvidenceSuccess:
    assignment_id: strawberry.ID = attribute("The assignment you judged.")


@strawberry.type(description="The dispute is open.")
class OpenDisputeSuccess:
    assignment: LazyAssignment = attribute("Your assignment as it is now.")


@strawberry.type(description="The dispute is answered, for good.")
class ResolveDisputeSuccess:
    dispute: QuestDispute = attribute("The dispute with its answer.")


SubmitEvidenceResult = Annotated[
    SubmitEvidenceSuccess
    | EvidenceIncomplete
    | EvidenceRejected
    | NotYourAssignment
    | WrongAssignmentStatus
    | NotFound
    | InvalidInput
    | IdempotencyConflict,
    strawberry.union("SubmitEvidenceResult", description="What became of evidence."),
]
ReviewEvidenceResult = Annotated[
    ReviewEvidenceSuccess
    | ConflictOfInterest
    | AlreadyReviewed
    | WrongAssignmentStatus
    | NotFound
    | Forbidden
    | InvalidInput,
    strawberry.union("ReviewEvidenceResult", description="What became of a vote."),
]
OpenDisputeResult = Annotated[
    OpenDisputeSuccess
    | AlreadyDisputed
    | NotYourAssignment
    | WrongAssignmentStatus
    | NotFound
    | InvalidInput,
    strawberry.union("OpenDisputeResult", description="What became of an objection."),
]
ResolveDisputeResult = Annotated[
    ResolveDisputeSuccess | ConflictOfInterest | WrongAssignmentStatus | NotFound | InvalidInput,
    strawberry.union("ResolveDisputeResult", description="What became of an answer."),
]


@strawberry.type
class EvidenceQuery:
    @resolved(
        "Evidence that waits for a moderator, the longest waiting first: what hardly anything "
        "speaks for, what witnesses did not settle, and what is disputed.",
        scopes=["quest:review"],
        list_size=page_size(),
        viewer=True,
    )
    async def evidence_to_decide(
        self,
        info: Context,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[EvidenceCase]:
        page = await resolvers.cases(info.context, first, after, last, before)
        return cast("Connection[EvidenceCase]", page)


@strawberry.type
class EvidenceMutation:
    @mutation(
        "Hand in all evidence of an assignment of yours, once. It is verified and rewarded at "
        "once, or looked at by witnesses, or by a moderator. What cameras say is kept from others.",
        scopes=["quest:play"],
    )
    async def submit_evidence(
        self,
        info: Context,
        input: Annotated[SubmitEvidenceInput, argument("The evidence, and of what.")],
    ) -> SubmitEvidenceResult:
        assignment = await resolvers.submit(
            info.context,
            input.assignment_id,
            photos=[TakenFile(each.file, each.captured_at) for each in input.photos],
            videos=[TakenFile(each.file, each.captured_at) for each in input.videos],
            locations=[
                ToldLocation(each.latitude, each.longitude, each.accuracy_m, each.at)
                for each in input.locations
            ],
            notes=input.notes,
            device_now=input.device_time,
            idempotency_key=input.idempotency_key,
        )
        return SubmitEvidenceSuccess(assignment=assignment)

    @mutation(
        "Vote on evidence that you were asked about; moderators decide it. Votes weigh by "
        "reputation, and close at the number that the quest asks for.",
        scopes=["quest:play"],
    )
    async def review_evidence(
        self,
        info: Context,
        input: Annotated[ReviewEvidenceInput, argument("The vote, and on what.")],
    ) -> ReviewEvidenceResult:
        vote = cast("Vote", code_of(input.vote))
        await resolvers.review(info.context, input.assignment_id, vote, input.comment)
        return ReviewEvidenceSuccess(assignment_id=input.assignment_id)

    @mutation("Object to the rejection of your evidence, once.", scopes=["quest:play"])
    async def open_dispute(
        self,
        info: Context,
        input: Annotated[OpenDisputeInput, argument("The objection, and to what.")],
    ) -> OpenDisputeResult:
        assignment = await resolvers.dispute(info.context, input.assignment_id, input.reason)
        return OpenDisputeSuccess(assignment=assignment)

    @mutation("Answer a dispute, for good.", scopes=["quest:review"])
    async def resolve_dispute(
        self,
        info: Context,
        input: Annotated[ResolveDisputeInput, argument("The answer, and to what.")],
    ) -> ResolveDisputeResult:
        dispute = await resolvers.resolve(
            info.context, input.assignment_id, uphold=input.uphold, resolution=input.resolution
        )
        return ResolveDisputeSuccess(dispute=dispute)
