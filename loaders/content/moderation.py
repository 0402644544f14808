"""Batched reads of reports and of what moderators did: one's own for everyone, all of them for
moderators (their resolvers ask for the scope)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, false

from core.database import Database
from core.ids import encode_id
from core.pagination import PageRequest
from loaders.base import one_by, page_by, read_page
from loaders.pages import Page, order
from loaders.rows import row_of
from models.content.moderation import ModerationAction, Report
from models.content.post_tables import actions, reports


class ReportRow(row_of(Report, "rpt")):  # type: ignore[misc]
    """Someone's report."""

    __slots__ = ()

    @property
    def subject(self) -> str:
        """The id of what was reported."""
        return encode_id(self.subject_kind, self.subject_id)


class ActionRow(row_of(ModerationAction, "mod")):  # type: ignore[misc]
    """What a moderator did."""

    __slots__ = ()

    @property
    def subject(self) -> str:
        """The id of what it was done to."""
        return encode_id(self.subject_kind, self.subject_id)


def _own(column: Any) -> Any:
    def visible(viewer_id: UUID | None) -> ColumnElement[bool]:
        own: ColumnElement[bool] = column == viewer_id
        return false() if viewer_id is None else own

    return visible


OLDEST_REPORTS = order("reports", reports.c.created_at, reports.c.id)
NEWEST_ACTIONS = order("moderation_actions", actions.c.created_at, actions.c.id, descending=True)

own_report_by_id = one_by(
    "own_report_by_id", ReportRow, reports.c.id, visible=_own(reports.c.reporter_id)
)
report_by_id = one_by("report_by_id", ReportRow, reports.c.id)
own_action_by_id = one_by(
    "own_action_by_id", ActionRow, actions.c.id, visible=_own(actions.c.user_id)
)
action_by_id = one_by("action_by_id", ActionRow, actions.c.id)
actions_by_user_id = page_by(
    "moderation_actions_by_user_id", ActionRow, actions.c.user_id, order=NEWEST_ACTIONS
)


@dataclass(frozen=True, slots=True)
class ReportFilter:
    """What `reports` narrows by; None means any."""

    statuses: Sequence[str] | None = None
    reason: str | None = None
    subject_id: UUID | None = None


async def reports_page(db: Database, wanted: ReportFilter, request: PageRequest) -> Page:
    """One page of all reports, the oldest first: for moderators."""
    conditions: list[ColumnElement[bool]] = []
    if wanted.statuses is not None:
        conditions.append(reports.c.status.in_(wanted.statuses))
    if wanted.reason is not None:
        conditions.append(reports.c.reason == wanted.reason)
    if wanted.subject_id is not None:
        conditions.append(reports.c.subject_id == wanted.subject_id)
    return await read_page(db, ReportRow, OLDEST_REPORTS, request, conditions)
