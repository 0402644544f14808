"""Batched reads of evidence and what was found about it: for its player, for witnesses who were
asked, for moderators (whose resolver asks who they are). No storage key and no hash is in a row.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, exists, false, func, or_
from sqlmodel import col

from core.database import Database
from core.ids import encode_id
from core.pagination import PageRequest
from loaders.base import many_by, one_by, page_by, read_page
from loaders.pages import Page, order
from loaders.rows import row_of
from models.quests.assignments import Assignment
from models.quests.evidence import (
    Dispute,
    Evidence,
    EvidenceReview,
    ReviewRequest,
    VerificationRecord,
)

PIECES_MAX = 40
CHECKS_MAX = 40
VOTES_MAX = 40
LEFT_ALONE = timedelta(days=2)
"""What witnesses have not settled for so long is for moderators too."""


class EvidenceRow(row_of(Evidence, "evd", without=("file_key", "shown_key", "sha256", "phash"))):  # type: ignore[misc]
    """A piece of evidence; what its camera said is shown to its player alone."""

    __slots__ = ()


class CheckRow(row_of(VerificationRecord, "chk")):  # type: ignore[misc]
    """What one check found."""

    __slots__ = ()

    @property
    def name(self) -> str:
        """Which check."""
        return str(self.check_name)


class ReviewRow(row_of(EvidenceReview, "rev")):  # type: ignore[misc]
    """A vote."""

    __slots__ = ()


class DisputeRow(row_of(Dispute, "dsp")):  # type: ignore[misc]
    """An objection to a rejection."""

    __slots__ = ()


class CaseRow(row_of(Assignment, "asg", without=("terms", "player_id"))):  # type: ignore[misc]
    """An assignment as those see it who judge its evidence: not whose it is."""

    __slots__ = ()

    @property
    def assignment_id(self) -> str:
        """The id that is voted on."""
        return encode_id("asg", self.id)


class ReviewRequestRow(row_of(ReviewRequest, "rrq")):  # type: ignore[misc]
    """That a witness was asked."""

    __slots__ = ()

    @property
    def open_id(self) -> UUID | None:
        """The assignment, while or after the witness votes on it; None once it is closed."""
        return None if self.status == "CLOSED" else self.assignment_id


def _asked(viewer_id: UUID | None) -> ColumnElement[bool]:
    if viewer_id is None:
        return false()
    return exists().where(
        col(ReviewRequest.assignment_id) == col(Assignment.id),
        col(ReviewRequest.witness_id) == viewer_id,
        col(ReviewRequest.status) != "CLOSED",
    )


def _own(viewer_id: UUID | None) -> ColumnElement[bool]:
    return false() if viewer_id is None else col(ReviewRequest.witness_id) == viewer_id


NEWEST_REQUESTS = order(
    "review_requests", ReviewRequest.asked_at, ReviewRequest.id, descending=True
)
OLDEST_CASES = order("evidence_cases", Assignment.submitted_at, Assignment.id)

evidence_by_assignment_id = many_by(
    "evidence_by_assignment_id",
    EvidenceRow,
    Evidence.assignment_id,
    order_by=(Evidence.ordinal,),
    limit=PIECES_MAX,
    where=col(Evidence.stored_at).is_not(None),
)
checks_by_assignment_id = many_by(
    "checks_by_assignment_id",
    CheckRow,
    VerificationRecord.assignment_id,
    order_by=(VerificationRecord.round, VerificationRecord.id),
    limit=CHECKS_MAX,
)
reviews_by_assignment_id = many_by(
    "reviews_by_assignment_id",
    ReviewRow,
    EvidenceReview.assignment_id,
    order_by=(EvidenceReview.at, EvidenceReview.id),
    limit=VOTES_MAX,
)
dispute_by_assignment_id = one_by("dispute_by_assignment_id", DisputeRow, Dispute.assignment_id)
asked_case_by_id = one_by("asked_case_by_id", CaseRow, Assignment.id, visible=_asked)
review_requests_by_witness_id = page_by(
    "review_requests_by_witness_id",
    ReviewRequestRow,
    ReviewRequest.witness_id,
    order=NEWEST_REQUESTS,
    visible=_own,
)


async def cases_page(db: Database, request: PageRequest) -> Page:
    """A page of what waits for a moderator, the longest waiting first: evidence that hardly
    anything speaks for, what witnesses could not settle, and what is disputed."""
    assignment: Any = Assignment
    disputed = exists().where(
        col(Dispute.assignment_id) == assignment.id, col(Dispute.status) == "OPEN"
    )
    slow = and_(
        assignment.status == "UNDER_REVIEW", assignment.submitted_at < func.now() - LEFT_ALONE
    )
    waiting = or_(assignment.status == "SUBMITTED", slow, disputed)
    return await read_page(db, CaseRow, OLDEST_CASES, request, [waiting])
