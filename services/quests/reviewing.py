"""Votes of witnesses on evidence, weighed by reputation and closed at a quorum; a moderator's
decision where there is none, or witnesses could not settle it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import insert, text

from core.database import Database, Transaction, database_now
from core.errors import Forbidden, InvalidInput, NotFound
from core.ids import new_id
from core.text import clean_text
from models.quests.evidence import EvidenceReview
from services.quests.contract import terms_of
from services.quests.errors import AlreadyReviewed, WrongAssignmentStatus
from services.quests.verifying import decide, to_moderator
from services.quests.witnesses import ask_witnesses, require_impartial

Vote = Literal["APPROVE", "REJECT", "UNSURE"]

COMMENT_MAX = 2_000
AGREED_GAIN, DISAGREED_LOSS = 5, 10
"""Hundredths of a vote's weight, for voting as it came out, and for voting otherwise."""
SWEPT = 100

_reviews = EvidenceReview.__table__  # type: ignore[attr-defined]

_LOCK = text(
    """
    SELECT id, quest_id, player_id, team_id, status, terms FROM assignment
    WHERE id = :id FOR NO KEY UPDATE
    """
)
_REQUEST = text(
    """
    SELECT r.status, w.reputation FROM review_request AS r
    JOIN witness AS w ON w.user_id = r.witness_id
    WHERE r.assignment_id = :id AND r.witness_id = :viewer
    """
)
_VOTED = text(
    """
    UPDATE review_request SET status = 'VOTED', answered_at = :now
    WHERE assignment_id = :id AND witness_id = :viewer
    """
)
_VOTES = text(
    "SELECT witness_id, vote, weight FROM evidence_review"
    " WHERE assignment_id = :id AND NOT by_moderator ORDER BY witness_id"
)
_CLOSE = text(
    "UPDATE review_request SET status = 'CLOSED', answered_at = :now"
    " WHERE assignment_id = :id AND status = 'ASKED'"
)
# In the order of their ids: two outcomes with the same witnesses wait for each other.
_REPUTATION = text(
    """
    UPDATE witness AS w
    SET reputation = greatest(10, least(1000, w.reputation
            + CASE WHEN v.agreed THEN CAST(:gain AS int) ELSE -CAST(:loss AS int) END)),
        agreed = w.agreed + CASE WHEN v.agreed THEN 1 ELSE 0 END,
        disagreed = w.disagreed + CASE WHEN v.agreed THEN 0 ELSE 1 END
    FROM (SELECT w.user_id, given.agreed
          FROM witness AS w
          JOIN unnest(CAST(:ids AS uuid[]), CAST(:agreed AS boolean[])) AS given(id, agreed)
            ON given.id = w.user_id
          ORDER BY w.user_id FOR NO KEY UPDATE OF w) AS v
    WHERE w.user_id = v.user_id
    """
)
_TOO_FEW = text(
    """
    SELECT a.id FROM assignment AS a
    WHERE a.status = 'UNDER_REVIEW' AND (
        SELECT count(*) FROM review_request AS r
        LEFT JOIN evidence_review AS v
          ON v.assignment_id = r.assignment_id AND v.witness_id = r.witness_id
        WHERE r.assignment_id = a.id AND coalesce(v.vote, '') <> 'UNSURE'
    ) < CAST(a.terms ->> 'reviewersNeeded' AS int)
    ORDER BY a.submitted_at LIMIT :limit
    """
)
_LIVE = text(
    """
    SELECT count(*) FROM review_request AS r
    LEFT JOIN evidence_review AS v
      ON v.assignment_id = r.assignment_id AND v.witness_id = r.witness_id
    WHERE r.assignment_id = :id AND coalesce(v.vote, '') <> 'UNSURE'
    """
)


async def review_evidence(
    tx: Transaction,
    *,
    viewer_id: UUID,
    assignment_id: UUID,
    vote: Vote,
    comment: str = "",
    is_moderator: bool = False,
) -> UUID:
    """Vote on an assignment's evidence as a witness who was asked, or decide it as a moderator; the
    review's id. The last vote that the quest asks for closes it: the heavier side wins, and
    witnesses who agree with the outcome gain reputation. Where both weigh the same, a moderator
    decides. UNSURE counts for neither, and somebody else is asked.

    Raises `NotFound("assignment")`, `ConflictOfInterest`, `Forbidden` (not asked),
    `AlreadyReviewed`, `WrongAssignmentStatus`, `InvalidInput`: a comment of more than 2,000
    characters, a moderator who is unsure.
    """
    said = clean_text(comment, field="comment", minimum=0, maximum=COMMENT_MAX, multiline=True)
    assignment = await lock_assignment(tx, assignment_id)
    await require_impartial(tx, assignment, viewer_id)
    asked = {"id": assignment_id, "viewer": viewer_id}
    request = (await tx.execute(_REQUEST, asked)).one_or_none()
    as_moderator = is_moderator and (request is None or assignment.status == "SUBMITTED")
    if request is None and not is_moderator:
        raise Forbidden("you were not asked about this evidence")
    if request is not None and not as_moderator and request.status == "VOTED":
        raise AlreadyReviewed
    open_to = ("SUBMITTED", "UNDER_REVIEW") if as_moderator else ("UNDER_REVIEW",)
    if assignment.status not in open_to:
        raise WrongAssignmentStatus(assignment.status)
    if as_moderator and vote == "UNSURE":
        raise InvalidInput("vote", "a moderator decides")
    now = await database_now(tx)
    review_id = new_id()
    review = {
        "id": review_id,
        "assignment_id": assignment_id,
        "witness_id": viewer_id,
        "by_moderator": as_moderator,
        "vote": vote,
        "comment": said,
        "weight": 100 if request is None else request.reputation,
        "at": now,
    }
    await tx.execute(insert(_reviews).values(**review))
    if as_moderator:
        await _close(tx, assignment, vote=vote, by=viewer_id)
        return review_id
    await tx.execute(_VOTED, {**asked, "now": now})
    await _count(tx, assignment, vote)
    return review_id


async def lock_assignment(tx: Transaction, assignment_id: UUID) -> Any:
    """The assignment, locked. Raises `NotFound("assignment")`."""
    assignment = (await tx.execute(_LOCK, {"id": assignment_id})).one_or_none()
    if assignment is None:
        raise NotFound("assignment")
    return assignment


async def ask_where_too_few(db: Database, *, limit: int = SWEPT) -> int:
    """Ask more witnesses about up to `limit` assignments that lack some; how many were asked. Safe
    to run twice at once."""
    async with db.read() as session:
        found = [row.id for row in await session.execute(_TOO_FEW, {"limit": limit})]
    asked = 0
    for assignment_id in found:

        async def ask(tx: Transaction, assignment_id: UUID = assignment_id) -> int:
            assignment = await lock_assignment(tx, assignment_id)
            if assignment.status != "UNDER_REVIEW":
                return 0
            live = (await tx.execute(_LIVE, {"id": assignment_id})).scalar_one()
            lacking = terms_of(assignment.terms).reviewers_needed - live
            return len(await ask_witnesses(tx, assignment, count=lacking)) if lacking > 0 else 0

        asked += await db.transaction(ask)
    return asked


async def _count(tx: Transaction, assignment: Any, vote: Vote) -> None:
    """Close at the quorum; before it, ask another for one who was unsure."""
    votes = (await tx.execute(_VOTES, {"id": assignment.id})).all()
    sure = [each for each in votes if each.vote != "UNSURE"]
    if len(sure) < terms_of(assignment.terms).reviewers_needed:
        if vote == "UNSURE":
            await ask_witnesses(tx, assignment, count=1)
        return
    weights = {"APPROVE": 0, "REJECT": 0}
    for each in sure:
        weights[each.vote] += each.weight
    if weights["APPROVE"] == weights["REJECT"]:
        await tx.execute(_CLOSE, {"id": assignment.id, "now": await database_now(tx)})
        await to_moderator(tx, assignment)
        return
    heavier: Vote = "APPROVE" if weights["APPROVE"] > weights["REJECT"] else "REJECT"
    await _close(tx, assignment, vote=heavier, by=None, votes=sure)


async def _close(
    tx: Transaction,
    assignment: Any,
    *,
    vote: Vote,
    by: UUID | None,
    votes: Sequence[Any] | None = None,
) -> None:
    now = await database_now(tx)
    await tx.execute(_CLOSE, {"id": assignment.id, "now": now})
    if votes is None:
        rows = (await tx.execute(_VOTES, {"id": assignment.id})).all()
        votes = [each for each in rows if each.vote != "UNSURE"]
    if votes:
        agreed = {each.witness_id: each.vote == vote for each in votes}
        values = {"ids": list(agreed), "agreed": list(agreed.values())}
        await tx.execute(_REPUTATION, {**values, "gain": AGREED_GAIN, "loss": DISAGREED_LOSS})
    outcome = "VERIFIED" if vote == "APPROVE" else "REJECTED"
    await decide(tx, assignment, outcome=outcome, now=now, by=by)  # type: ignore[arg-type]
