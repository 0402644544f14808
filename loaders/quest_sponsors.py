"""Batched reads of the quests that sponsors pay for: their own alone."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import ColumnElement, false
from sqlmodel import col

from loaders.base import page_by
from loaders.pages import order
from loaders.quests import QuestRow
from models.quests.quests import Quest


def _own(viewer_id: UUID | None) -> ColumnElement[bool]:
    return false() if viewer_id is None else col(Quest.sponsor_id) == viewer_id


sponsored_quests_by_user_id = page_by(
    "sponsored_quests_by_user_id",
    QuestRow,
    Quest.sponsor_id,
    order=order("sponsored_quests", Quest.created_at, Quest.id, descending=True),
    visible=_own,
)
