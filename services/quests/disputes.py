"""Objections to a rejection: one an assignment, answered by a moderator, and final."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import insert, text

from core.database import Transaction, database_now
from core.errors import InvalidInput, NotFound
from core.ids import encode_id, new_id
from core.text import clean_text
from models.quests.evidence import Dispute
from services.quests.errors import (
    AlreadyDisputed,
    NotYourAssignment,
    WrongAssignmentStatus,
)
from services.quests.reviewing import lock_assignment
from services.quests.verifying import decide
from services.quests.witnesses import require_impartial
from services.users.notifications import notify

WORDS_MAX = 2_000
OPEN_FOR = timedelta(days=30)
"""So long after the rejection it may be disputed."""

_disputes = Dispute.__table__  # type: ignore[attr-defined]

_DISPUTE = text("SELECT id, status FROM quest_dispute WHERE assignment_id = :id")
_DECIDED_AT = text("SELECT decided_at FROM assignment WHERE id = :id")
_ANOTHER = text(
    """
    SELECT status FROM assignment
    WHERE quest_id = :quest AND player_id = :player AND id <> :id
      AND status IN ('ACCEPTED', 'SUBMITTED', 'UNDER_REVIEW', 'VERIFIED')
    """
)
_RESOLVED = text(
    """
    UPDATE quest_dispute
    SET status = :status, resolver_id = :resolver, resolution = :words, resolved_at = :now
    WHERE id = :id
    """
)


async def open_dispute(
    tx: Transaction, *, viewer_id: UUID, assignment_id: UUID, reason: str
) -> None:
    """Object to the rejection of one's own evidence, once, within 30 days.

    Raises `NotFound("assignment")`, `NotYourAssignment`, `AlreadyDisputed`,
    `WrongAssignmentStatus` (not rejected), `InvalidInput`: no reason, one of more than 2,000
    characters, too late.
    """
    said = clean_text(reason, field="reason", maximum=WORDS_MAX, multiline=True)
    assignment = await lock_assignment(tx, assignment_id)
    if assignment.player_id != viewer_id:
        raise NotYourAssignment
    if (await tx.execute(_DISPUTE, {"id": assignment_id})).first() is not None:
        raise AlreadyDisputed
    if assignment.status != "REJECTED":
        raise WrongAssignmentStatus(assignment.status)
    now = await database_now(tx)
    decided_at: datetime = (await tx.execute(_DECIDED_AT, {"id": assignment_id})).scalar_one()
    if now - decided_at > OPEN_FOR:
        raise InvalidInput("assignmentId", f"rejected more than {OPEN_FOR.days} days ago")
    dispute = {"id": new_id(), "assignment_id": assignment_id, "player_id": viewer_id}
    await tx.execute(insert(_disputes).values(**dispute, reason=said, opened_at=now))


async def resolve_dispute(
    tx: Transaction, *, moderator_id: UUID, assignment_id: UUID, uphold: bool, resolution: str
) -> None:
    """Answer an assignment's dispute: upheld, the evidence is verified after all and rewarded; else
    it stays rejected. Whoever calls this has seen to it that they are a moderator.

    Raises `NotFound` (assignment, dispute), `ConflictOfInterest`, `WrongAssignmentStatus` (answered
    before, or the player is doing the quest anew just now), `InvalidInput("resolution")`.
    """
    said = clean_text(resolution, field="resolution", maximum=WORDS_MAX, multiline=True)
    assignment = await lock_assignment(tx, assignment_id)
    await require_impartial(tx, assignment, moderator_id)
    dispute = (await tx.execute(_DISPUTE, {"id": assignment_id})).one_or_none()
    if dispute is None:
        raise NotFound("dispute")
    if dispute.status != "OPEN" or assignment.status != "REJECTED":
        raise WrongAssignmentStatus(assignment.status)
    asked = {"quest": assignment.quest_id, "player": assignment.player_id, "id": assignment.id}
    another = (await tx.execute(_ANOTHER, asked)).scalar_one_or_none()
    if uphold and another is not None:
        raise WrongAssignmentStatus(another)
    now = await database_now(tx)
    values = {"id": dispute.id, "resolver": moderator_id, "words": said, "now": now}
    status = "UPHELD" if uphold else "DISMISSED"
    await tx.execute(_RESOLVED, {**values, "status": status})
    if uphold:
        await decide(tx, assignment, outcome="VERIFIED", now=now, by=moderator_id)
    else:
        await notify(
            tx,
            kind="EVIDENCE_REVIEWED",
            user_ids=[assignment.player_id],
            dedupe_key=f"dispute:{dispute.id.hex}",
            reference=encode_id("qst", assignment.quest_id),
            facts={"outcome": "REJECTED"},
        )
