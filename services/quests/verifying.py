"""What follows from findings and votes: records, a status, a reward. The one place that decides an
assignment.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import insert, text

from core.database import Transaction
from core.events import NewEvent
from core.ids import encode_id, new_id
from models.quests.evidence import VerificationRecord
from services.quests.authenticity import Authenticity
from services.quests.contract import Check, terms_of
from services.quests.rewards import reward
from services.quests.witnesses import ask_witnesses
from services.users.accounts import user_topic
from services.users.notifications import notify

ASSIGNMENT_CHANGED = "AssignmentChanged"
Outcome = Literal["VERIFIED", "REJECTED"]

_records = VerificationRecord.__table__  # type: ignore[attr-defined]

_SUBMITTED = text(
    """
    UPDATE assignment
    SET status = :status, submitted_at = :now, authenticity = :authenticity WHERE id = :id
    """
)
_STATUS = text("UPDATE assignment SET status = :status WHERE id = :id")
_DECIDED = text("UPDATE assignment SET status = :status, decided_at = :now WHERE id = :id")
# Whoever did a deed that was verified may be asked about those of others.
_NEW_WITNESS = text(
    """
    INSERT INTO witness (user_id, region)
    SELECT :player, coalesce(
        (SELECT region FROM profile WHERE user_id = :player), CAST(:region AS text))
    ON CONFLICT (user_id) DO NOTHING
    """
)


async def judge_submission(
    tx: Transaction,
    assignment: Any,
    *,
    checks: Sequence[Check],
    judged: Authenticity,
    now: datetime,
) -> None:
    """Record what was found about a locked assignment's evidence, and act on the verdict: decided
    at once, UNDER_REVIEW by witnesses, or SUBMITTED, for a moderator."""
    await _record(tx, assignment.id, checks, now)
    witnessed = judged.verdict == "WITNESSES"
    status = "UNDER_REVIEW" if witnessed else "SUBMITTED"
    values = {"id": assignment.id, "status": status, "now": now, "authenticity": judged.score}
    await tx.execute(_SUBMITTED, values)
    if judged.verdict == "VERIFIED":
        await decide(tx, assignment, outcome="VERIFIED", now=now)
        return
    tell_change(tx, assignment, status)
    if witnessed:
        needed = terms_of(assignment.terms).reviewers_needed
        await ask_witnesses(tx, assignment, count=needed)


async def decide(
    tx: Transaction, assignment: Any, *, outcome: Outcome, now: datetime, by: UUID | None = None
) -> None:
    """Decide a locked assignment; a verified one is rewarded in the same transaction (where that
    cannot be paid now, it stays VERIFIED and is tried again)."""
    await tx.execute(_DECIDED, {"id": assignment.id, "status": outcome, "now": now})
    tell_change(tx, assignment, outcome, by=by)
    await notify(
        tx,
        kind="EVIDENCE_REVIEWED",
        user_ids=[assignment.player_id],
        dedupe_key=f"evidence:{assignment.id.hex}:{outcome}",
        reference=encode_id("qst", assignment.quest_id),
        facts={"outcome": outcome},
    )
    if outcome == "VERIFIED":
        region = terms_of(assignment.terms).region
        await tx.execute(_NEW_WITNESS, {"player": assignment.player_id, "region": region})
        await reward(tx, assignment_id=assignment.id)


async def to_moderator(tx: Transaction, assignment: Any) -> None:
    """Leave a locked assignment to a moderator: witnesses could not settle it."""
    await tx.execute(_STATUS, {"id": assignment.id, "status": "SUBMITTED"})
    tell_change(tx, assignment, "SUBMITTED")


def tell_change(tx: Transaction, assignment: Any, status: str, *, by: UUID | None = None) -> None:
    """Say that an assignment has another status."""
    payload: Mapping[str, object] = {
        "assignment": assignment.id.hex,
        "quest": assignment.quest_id.hex,
        "player": assignment.player_id.hex,
        "status": status,
    }
    topic = user_topic(assignment.player_id)
    tx.collect(NewEvent(topic, ASSIGNMENT_CHANGED, payload, actor_id=by))


async def _record(
    tx: Transaction, assignment_id: UUID, checks: Sequence[Check], now: datetime
) -> None:
    rows = [
        {
            "id": new_id(),
            "assignment_id": assignment_id,
            "evidence_id": check.evidence_id,
            "check_name": check.name,
            "score": check.score,
            "confidence": check.confidence,
            "weight": check.weight,
            "flag": check.flag,
            "words": check.words[:500],
            "at": now,
        }
        for check in checks
    ]
    await tx.execute(insert(_records), rows)
