"""From a field of evidence to one unit of work: the viewer, ids decoded, a service; and the links
under which files are sent."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from core.clock import utc_now
from core.links import sign_link
from loaders import quest_evidence as loaders
from loaders.quest_evidence import EvidenceRow
from loaders.quests import own_assignment_by_id
from resolvers.auctions import named_key
from resolvers.context import OperationContext
from services.quests.disputes import open_dispute, resolve_dispute
from services.quests.evidence import submit_evidence
from services.quests.pieces import Submission, TakenFile, ToldLocation
from services.quests.reviewing import Vote, review_evidence

SHOWN_PURPOSE, ORIGINAL_PURPOSE = "evidence", "evidence-original"
LINK_PATH = "/evidence"
LINK_FOR = timedelta(minutes=15)
REVIEW_SCOPE = "quest:review"


async def submit(
    context: OperationContext,
    assignment_id: str,
    *,
    photos: Sequence[TakenFile],
    videos: Sequence[TakenFile],
    locations: Sequence[ToldLocation],
    notes: Sequence[str],
    device_now: Any,
    idempotency_key: str,
) -> Any:
    """Hand in the viewer's evidence; the assignment's row."""
    submission = Submission(
        assignment_id=named_key(assignment_id, "asg", "assignment"),
        player_id=context.signed_in().user_id,
        idempotency_key=idempotency_key,
        photos=tuple(photos),
        videos=tuple(videos),
        locations=tuple(locations),
        notes=tuple(notes),
        device_now=device_now,
    )
    server = context.server
    key = await submit_evidence(
        server.db,
        server.storage,
        submission,
        max_bytes=server.settings.max_upload_bytes,
        classifier=server.classifier,
    )
    context.forget()
    return await context.loaders.load(own_assignment_by_id, key)


async def review(context: OperationContext, assignment_id: str, vote: Vote, comment: str) -> None:
    """Vote as a witness, or decide as a moderator."""
    viewer = context.signed_in()
    await context.transact(
        partial(
            review_evidence,
            viewer_id=viewer.user_id,
            assignment_id=named_key(assignment_id, "asg", "assignment"),
            vote=vote,
            comment=comment,
            is_moderator=REVIEW_SCOPE in viewer.scopes,
        )
    )
    context.forget()


async def dispute(context: OperationContext, assignment_id: str, reason: str) -> Any:
    """Object to a rejection; the assignment's row."""
    key = named_key(assignment_id, "asg", "assignment")
    viewer_id = context.signed_in().user_id
    await context.transact(
        partial(open_dispute, viewer_id=viewer_id, assignment_id=key, reason=reason)
    )
    context.forget()
    return await context.loaders.load(own_assignment_by_id, key)


async def resolve(
    context: OperationContext, assignment_id: str, *, uphold: bool, resolution: str
) -> Any:
    """Answer a dispute; its row."""
    key = named_key(assignment_id, "asg", "assignment")
    await context.transact(
        partial(
            resolve_dispute,
            moderator_id=context.signed_in().user_id,
            assignment_id=key,
            uphold=uphold,
            resolution=resolution,
        )
    )
    context.forget()
    return await context.loaders.load(loaders.dispute_by_assignment_id, key)


async def review_requests(context: OperationContext, user_id: UUID, *page: Any) -> Any:
    """A page of what somebody was asked about as a witness: for themselves, else None."""
    if context.viewer_id != user_id:
        return None
    loader = loaders.review_requests_by_witness_id
    return await context.loaders.load(loader, (user_id, context.page_request(loader.order, *page)))


async def cases(context: OperationContext, *page: Any) -> Any:
    """A page of what waits for a moderator."""
    request = context.page_request(loaders.OLDEST_CASES, *page)
    return await loaders.cases_page(context.server.db, request)


def camera_words(context: OperationContext, row: EvidenceRow) -> Any:
    """What the camera said, for whoever took the picture; else None."""
    return row.exif if row.player_id == context.viewer_id else None


def evidence_url(context: OperationContext, row: EvidenceRow) -> str | None:
    """A fresh link to a photo's pixels; to a video for its player and moderators alone, because
    nothing takes out of it what the camera said."""
    if row.kind not in ("PHOTO", "VIDEO"):
        return None
    viewer, purpose = context.viewer, SHOWN_PURPOSE
    if row.kind == "VIDEO":
        if viewer is None or (
            viewer.user_id != row.player_id and REVIEW_SCOPE not in viewer.scopes
        ):
            return None
        purpose = ORIGINAL_PURPOSE
    token = sign_link(context.server.keys, purpose, row.id, expires_at=utc_now() + LINK_FOR)
    return f"{context.server.settings.public_url}{LINK_PATH}/{token}"
